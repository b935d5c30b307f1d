"""Which traces of a run are shown: the worst of every kind by rule, and some drawn at random.

false alarm     a right step, before any labelled error, scores below the threshold
missed error    the first wrong step does not score below the threshold
high score, wrong answer; low score, right answer     by the scorer's own aggregate
not scored      the scorer failed
"""

from __future__ import annotations

import math
import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from surefoot.evals.benchmark import Scores
from surefoot.traces.display.steps import whole_aggregate
from surefoot.traces.display.text import said
from surefoot.traces.types import StepLabels, StepScores, Trace


@dataclass(frozen=True)
class Kind:
    """A kind of example: its name on the page, and what makes a trace one."""

    heading: str
    meaning: str


KINDS: Mapping[str, Kind] = {
    "alarm": Kind("false alarms", "a right step scores below the threshold; the lowest first"),
    "miss": Kind("missed errors", "the first wrong step is not flagged; the highest score first"),
    "convincing": Kind(
        "high score, wrong answer", "of the wrong answers those of the highest aggregate"
    ),
    "doubted": Kind(
        "low score, right answer", "of the right answers those of the lowest aggregate"
    ),
    "unscored": Kind("not scored", "the scorer gave no score"),
    "random": Kind("at random", "drawn at random, so that the worst do not stand for all"),
}
"""Every kind, in the order of the page."""


@dataclass(frozen=True)
class Example:
    """A trace to show, the kinds it is an example of, each with what makes it one."""

    index: int
    why: Mapping[str, str]


@dataclass(frozen=True)
class Examples:
    """The chosen traces, the worst of each kind first, and how many there are of each kind."""

    chosen: tuple[Example, ...]
    totals: Mapping[str, int]


def choose_examples(
    traces: Sequence[Trace],
    scores: Scores,
    *,
    label_source: str | None,
    threshold: float | None,
    each: int = 20,
    seed: int = 0,
) -> Examples:
    """At most `each` of every kind."""
    found: dict[str, list[tuple[float, int, str]]] = {kind: [] for kind in KINDS}
    for i, (trace, one) in enumerate(zip(traces, scores, strict=True)):
        for kind, badness, why in _found(trace, one, trace.labels_from(label_source), threshold):
            found[kind].append((-badness, i, why))
    drawn = random.Random(seed).sample(range(len(traces)), min(each, len(traces)))
    found["random"] = [(0.0, i, "") for i in drawn]
    whys: dict[int, dict[str, str]] = {}
    for kind, rows in found.items():
        for _, i, why in sorted(rows)[:each]:
            whys.setdefault(i, {})[kind] = why
    totals = {kind: len(rows) for kind, rows in found.items() if rows and kind != "random"}
    totals["random"] = len(traces)
    return Examples(tuple(Example(i, why) for i, why in whys.items()), totals)


def _found(
    trace: Trace, scores: StepScores | None, labels: StepLabels | None, threshold: float | None
) -> Iterator[tuple[str, float, str]]:
    """The kinds a trace is of, how bad it is of each, and why."""
    if scores is None:
        yield "unscored", 0.0, "no score"
        return
    limit = scores.threshold if threshold is None else threshold
    if labels is not None:
        error = labels.first_error() if labels.knows_first_error() else None
        before = range(len(trace.steps) if error is None else error)
        flagged = [
            (value, i)
            for i in before
            if labels.is_right(i) and (value := scores.values[i]) is not None and value < limit
        ]
        if flagged:
            value, i = min(flagged)
            yield "alarm", -value, f"right step {i} scores {said(value)}"
        if error is not None:
            missed = scores.values[error]
            if missed is None:
                yield "miss", -math.inf, f"wrong step {error} has no score"
            elif missed >= limit:
                yield "miss", missed, f"wrong step {error} scores {said(missed)}"
    total = whole_aggregate(scores)
    if trace.outcome is not None and total is not None:
        reward = -total if scores.default_aggregate == "nll" else total
        why = f"{scores.default_aggregate} {said(total)}"
        yield ("doubted", -reward, why) if trace.outcome else ("convincing", reward, why)
