"""Whether the scores of right steps drift: with the position in the trace, and with length.

A slope is that of least squares over the right steps that have a score,

    slope = sum (x - mean x) (score - mean score) / sum (x - mean x)^2,

pooled over all steps, or within traces, with the means of each trace for means, so that a trace
which is longer because its problem is harder does not count as drift.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from surefoot.scores.steps import BoolArray, IntArray, ScoredSteps
from surefoot.stats import FloatArray, Statistic
from surefoot.traces.types import Trace

CHARACTERS = 100
"""The unit of length in slopes."""

_NOTHING = 1e-9
"""A spread of x up to which there is no slope, as a share of its mean square."""


def slopes(traces: Sequence[Trace], steps: ScoredSteps, num_questions: int) -> dict[str, Statistic]:
    """The change of the score of a right step per step of position (`drift_position`, and
    `drift_position_within` traces) and per hundred characters of the step (`drift_length`)."""
    right = steps.among(steps.scored & (steps.right >= 0.5))
    length = np.array(
        [
            len(traces[t].texts[i]) / CHARACTERS
            for t, i in zip(right.trace.tolist(), right.position.tolist(), strict=True)
        ],
        dtype=np.float64,
    )
    position = right.position.astype(np.float64)
    inside, score = _centred(position, right.trace), _centred(right.score, right.trace)
    return {
        "drift_position": slope(position, right.score, right.question, num_questions),
        "drift_position_within": _through_origin(inside, score, right.question, num_questions),
        "drift_length": slope(length, right.score, right.question, num_questions),
    }


def slope(x: FloatArray, y: FloatArray, question: IntArray, num_questions: int) -> Statistic:
    """The slope of y over x, both (S,), for each row of counts of the questions; NaN where x does
    not vary."""
    middle = float(x.mean()) if len(x) else 0.0
    x = x - middle

    def summed(values: FloatArray) -> FloatArray:
        return np.bincount(question, weights=values, minlength=num_questions).astype(np.float64)

    sums = [summed(one) for one in (np.ones_like(x), x, y, x * x, x * y)]

    def statistic(counts: FloatArray) -> FloatArray:
        n, sx, sy, sxx, sxy = (counts @ one for one in sums)
        below = n * sxx - sx * sx
        return _over(n * sxy - sx * sy, below, below > _NOTHING * (1 + middle**2) * n * n)

    return statistic


def _through_origin(
    x: FloatArray, y: FloatArray, question: IntArray, num_questions: int
) -> Statistic:
    """The slope of centred values."""
    sxx = np.bincount(question, weights=x * x, minlength=num_questions)
    sxy = np.bincount(question, weights=x * y, minlength=num_questions)

    def statistic(counts: FloatArray) -> FloatArray:
        below = counts @ sxx
        return _over(counts @ sxy, below, below > _NOTHING)

    return statistic


def _centred(values: FloatArray, group: IntArray) -> FloatArray:
    """Values less the mean of their group."""
    _, own = np.unique(group, return_inverse=True)
    means = np.bincount(own, weights=values) / np.maximum(np.bincount(own), 1)
    centred: FloatArray = values - means[own] if len(values) else values
    return centred


def _over(above: FloatArray, below: FloatArray, exists: BoolArray) -> FloatArray:
    return np.divide(above, below, out=np.full_like(above, np.nan), where=exists)
