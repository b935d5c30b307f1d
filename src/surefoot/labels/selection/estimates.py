"""Unbiased estimates for all traces from the labelled ones of the random slice.

Each value counts 1 / p, where p is the probability with which its trace was drawn: the sum is right
on average over draws, whatever else was chosen beside it.

References: Horvitz and Thompson 1952 (JASA 47, 663-685), eq. for the total; Cochran 1977, Sampling
Techniques, eq. 2.20, for the variance of a simple random sample.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence

from surefoot.errors import DataError, UsageError
from surefoot.labels.selection.choosing import SELECTION
from surefoot.stats import Estimate, over_seeds
from surefoot.traces.types import Trace


def horvitz_thompson(values: Sequence[float], probabilities: Sequence[float]) -> float:
    """The total over the frame, sum of y / p over what was drawn.

    Raises:
        UsageError: the lengths differ, or a probability is not in (0, 1].
    """
    if len(values) != len(probabilities):
        raise UsageError(f"{len(values)} values and {len(probabilities)} probabilities")
    for p in probabilities:
        if not 0 < p <= 1:
            raise UsageError(f"a probability is {p}; it must lie in (0, 1]")
    return math.fsum(y / p for y, p in zip(values, probabilities, strict=True))


def slice_mean(traces: Iterable[Trace], value: Callable[[Trace], float | None]) -> Estimate:
    """The mean of a value over the frame, from the traces of the random slice, with Student's t
    interval.

    Traces that a strategy chose are passed over. `value` gives None where a trace of the slice was
    not labelled; if any is missing, the estimate would be about the labelled ones alone.

    Raises:
        DataError: fewer than two traces of one slice, traces of several, or one without a value.
    """
    drawn: list[tuple[float, float]] = []
    frames: set[tuple[float, int]] = set()
    for trace in traces:
        told = trace.meta.get(SELECTION)
        if not isinstance(told, dict) or told.get("probability") is None:
            continue
        found = value(trace)
        if found is None:
            raise DataError(
                f"trace {trace.id} of the random slice has no value; label the whole slice"
            )
        frames.add((told["probability"], told["frame"]))
        drawn.append((found, told["probability"]))
    if len(frames) > 1:
        raise DataError(f"traces of {len(frames)} different slices; give those of one selection")
    if len(drawn) < 2:
        raise DataError("fewer than two traces of a random slice; choose with a random_share")
    (frame,) = frames
    values, probabilities = zip(*drawn, strict=True)
    mean = horvitz_thompson(values, probabilities) / frame[1]
    spread = over_seeds(values)
    half = (spread.high - spread.mean) * math.sqrt(max(0.0, 1 - frame[0]))
    return Estimate(mean, mean - half, mean + half)
