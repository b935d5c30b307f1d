"""How much the F1 of first errors hangs on the threshold: the curve, and how wide its top is."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from surefoot.evals.benchmark import Scores
from surefoot.models.contract import PROBABILITIES
from surefoot.scores.first_errors import (
    Threshold,
    f1,
    first_error,
    knows_first_error,
)
from surefoot.scores.steps import kind_of
from surefoot.stats import FloatArray
from surefoot.traces.types import Trace

NUM_POINTS = 99
"""Of the grid: 0.01 to 0.99 for probabilities, else as many quantiles of the scores."""

NEAR = 0.02
"""F1 within so much of the best belongs to the plateau."""


@dataclass(frozen=True, kw_only=True)
class Sensitivity:
    """F1 at the scorer's own threshold, at the best of the grid, and the plateau: the thresholds
    around the best one at all of which F1 is within `NEAR` of it, and the share of the grid that it
    covers. The best is chosen on these same traces, so it flatters."""

    own: float
    own_f1: float
    best: float
    best_f1: float
    plateau_low: float
    plateau_high: float
    plateau_share: float
    own_inside: bool
    """Whether F1 at the own threshold is within `NEAR` of the best too."""
    points: tuple[tuple[float, float], ...]
    """Threshold and F1."""

    def to_json(self) -> dict[str, Any]:
        """Every field, the points by name."""
        points = [{"threshold": at, "f1": value} for at, value in self.points]
        return {**asdict(self), "points": points}


def sensitivity(
    traces: Sequence[Trace], scores: Scores, threshold: Threshold, label_source: str | None = None
) -> Sensitivity | None:
    """The curve over the traces whose labels settle the first error; None where these are not of
    both kinds, or nothing was scored."""
    known = [t for t, one in enumerate(traces) if knows_first_error(one, label_source)]
    labels = [first_error(traces[t], label_source) for t in known]
    erroneous = np.array([label is not None for label in labels], dtype=np.bool_)
    grid = _grid([scores[t] for t in known])
    if len(grid) == 0 or not erroneous.any() or erroneous.all():
        return None
    low, high = _ranges([scores[t] for t in known], labels)

    def at(limit: float) -> float:
        matched = (low < limit) & (limit <= high)
        return float(f1(np.ones((1, len(labels))), erroneous, matched)[0])

    values = np.array([at(float(limit)) for limit in grid])
    best = int(values.argmax())
    first = last = best
    while first > 0 and values[first - 1] >= values[best] - NEAR:
        first -= 1
    while last + 1 < len(grid) and values[last + 1] >= values[best] - NEAR:
        last += 1
    own = at(threshold.value)
    return Sensitivity(
        own=threshold.value,
        own_f1=own,
        best=float(grid[best]),
        best_f1=float(values[best]),
        plateau_low=float(grid[first]),
        plateau_high=float(grid[last]),
        plateau_share=(last - first + 1) / len(grid),
        own_inside=bool(own >= values[best] - NEAR),
        points=tuple(zip(grid.tolist(), values.tolist(), strict=True)),
    )


def _grid(scores: Scores) -> FloatArray:
    found = np.array([value for one in scores if one is not None for value in one.scored])
    if len(found) == 0:
        return np.array([])
    shares = np.arange(1, NUM_POINTS + 1) / (NUM_POINTS + 1)
    if kind_of(scores) in PROBABILITIES:
        return shares
    quantiles: FloatArray = np.unique(np.quantile(found, shares))
    return quantiles


def _ranges(scores: Scores, labels: Sequence[int | None]) -> tuple[FloatArray, FloatArray]:
    """The thresholds t with low < t <= high at which each trace is matched, both (T,); a trace that
    was not scored never is."""
    low, high = np.full(len(labels), math.inf), np.full(len(labels), -math.inf)
    for t, (one, label) in enumerate(zip(scores, labels, strict=True)):
        if one is not None:
            values = [math.inf if value is None else value for value in one.values]
            low[t] = -math.inf if label is None else values[label]
            high[t] = min(values[:label], default=math.inf)
    return low, high
