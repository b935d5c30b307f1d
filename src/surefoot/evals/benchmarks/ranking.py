"""How well low scores point to wrong steps, as functions of how often each unit is drawn.

The figures are those of `surefoot.scores.discrimination`, laid out for thousands of resamples of
few units with many steps.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from surefoot.evals.benchmark import Scores
from surefoot.evals.benchmarks.shares import Units, divided, undefined
from surefoot.scores.discrimination import LabelledSteps, weighted_auroc
from surefoot.stats import FloatArray, Statistic

_MOST_UNITS = 4000
"""Above, a table of all pairs of units would take more than 128 MB."""

_CELLS_AT_ONCE = 500_000


def step_auroc(
    steps: LabelledSteps, scores: Scores, units: Units | None = None, num_units: int | None = None
) -> Statistic:
    """The chance that a random wrong step scores below a random right one, ties counting half.

    `units` gives the unit of each step, of `num_units`; without them traces are drawn. Steps
    without a score rank as the least suspicious. NaN where the steps are not of both kinds.
    """
    if not steps.of_both_kinds:
        return undefined
    owner = steps.owner if units is None else units
    num = steps.num_traces if num_units is None else num_units
    suspicion = steps.suspicion(scores)
    if num > _MOST_UNITS:
        return lambda counts: weighted_auroc(steps.wrong, suspicion, counts[:, owner])
    wins = _wins(suspicion[steps.wrong], owner[steps.wrong], suspicion, owner, ~steps.wrong, num)
    wrong = np.bincount(owner[steps.wrong], minlength=num).astype(np.float64)
    right = np.bincount(owner[~steps.wrong], minlength=num).astype(np.float64)

    def statistic(counts: FloatArray) -> FloatArray:
        won: FloatArray = np.einsum("ru,ru->r", counts @ wins, counts)
        return divided(won, (counts @ wrong) * (counts @ right))

    return statistic


def step_ap(
    steps: LabelledSteps, scores: Scores, units: Units | None = None, num_units: int | None = None
) -> Statistic:
    """Average precision of wrong steps, lowest score first, equal scores at once; as
    `step_auroc`."""
    if not steps.of_both_kinds:
        return undefined
    owner = steps.owner if units is None else units
    suspicion = steps.suspicion(scores)
    order = np.argsort(-suspicion, kind="stable")
    ranked, wrong, owner = suspicion[order], steps.wrong[order].astype(np.float64), owner[order]
    ends = np.flatnonzero(np.r_[ranked[1:] != ranked[:-1], True])

    def statistic(counts: FloatArray) -> FloatArray:
        parts = []
        for some in _few_rows(counts, len(owner)):
            weights = some[:, owner]
            taken = np.cumsum(weights, axis=1)[:, ends]
            found = np.cumsum(weights * wrong, axis=1)[:, ends]
            gained = np.diff(found, axis=1, prepend=0.0)
            precision = np.divide(found, taken, out=np.zeros_like(found), where=taken > 0)
            parts.append(divided(np.einsum("rg,rg->r", gained, precision), found[:, -1]))
        return np.concatenate(parts)

    return statistic


def _wins(
    wrong: FloatArray,
    wrong_owner: Units,
    suspicion: FloatArray,
    owner: Units,
    right: np.ndarray[tuple[int, ...], np.dtype[np.bool_]],
    num: int,
) -> FloatArray:
    """How often the wrong steps of each unit rank above the right steps of each other, (U, U)."""
    wins = np.zeros((num, num))
    order = np.argsort(wrong, kind="stable")
    wrong, wrong_owner = wrong[order], wrong_owner[order]
    at = np.flatnonzero(right)
    by_unit = at[np.lexsort((suspicion[at], owner[at]))]
    units, starts = np.unique(owner[by_unit], return_index=True)
    for unit, own in zip(units, np.split(suspicion[by_unit], starts[1:]), strict=True):
        below = np.searchsorted(own, wrong, "left") + np.searchsorted(own, wrong, "right")
        wins[:, unit] = np.bincount(wrong_owner, weights=below / 2, minlength=num)
    return wins


def _few_rows(counts: FloatArray, num_steps: int) -> Iterator[FloatArray]:
    size = max(1, _CELLS_AT_ONCE // num_steps)
    for start in range(0, len(counts), size):
        yield counts[start : start + size]
