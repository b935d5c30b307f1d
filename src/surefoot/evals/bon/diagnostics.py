"""How well a reward tells right candidates from wrong ones, and where a scorer's least score lies.

Over all candidates a reward can tell right from wrong by telling easy problems from hard ones,
which is no help in choosing among candidates of one problem; the AUROC within problems is.

A process reward model whose least score mostly lies at the last step judges the answer, not the
steps: Zhang et al. 2025, The Lessons of Developing Process Reward Models (arXiv:2501.07301).
Steps that share the least score share the count.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from surefoot.evals.bon.measuring import PoolResult
from surefoot.evals.bon.rewards import Reward, padded
from surefoot.evals.figures import Figures
from surefoot.scores.outcomes import Outcomes
from surefoot.stats import FloatArray, Statistic

MANY_AT_THE_END = 0.4
"""Share of least scores at the last step that is worth a warning, if chance gives far fewer."""


def discrimination(result: PoolResult) -> dict[str, dict[str, Any]]:
    """For every reward the AUROC of right candidates within problems (mean over those with both),
    and for the chief ones and what needs no scorer also over all candidates."""
    statistics: dict[str, Statistic] = {}
    for one in result.rewards:
        statistics[f"within/{one.name}"] = within_problems(one, result)
        if one.is_chief or one.scorer is None:
            statistics[f"pooled/{one.name}"] = _pooled(one, result)
    how = result.options.options
    figures = Figures(result.figures.units, statistics)
    found = figures.estimates(seed=how.seed, num_resamples=how.num_resamples)
    rows: dict[str, dict[str, Any]] = {one.name: {} for one in result.rewards}
    for name, estimate in found.items():
        kind, _, reward = name.partition("/")
        rows[reward][kind] = estimate and estimate.to_json()
    return rows


def least_scores(result: PoolResult) -> dict[str, dict[str, Any]]:
    """For every scorer of steps, how often the least score is the last step's, of candidates with
    at least two scored steps: all of them, right ones and wrong ones, and what chance gives."""
    scorers = {one.scorer for one in result.rewards if one.scorer and not one.is_outcome}
    found: dict[str, dict[str, Any]] = {}
    for scorer in sorted(scorers):
        at_end, chance = _at_end(scorer, result)
        counted = np.isfinite(at_end)
        parts = {"all": counted, "right": counted & result.right, "wrong": counted & ~result.right}
        statistics = {name: _share(at_end, part, result) for name, part in parts.items()}
        statistics["chance"] = _share(chance, counted, result)
        how = result.options.options
        figures = Figures(result.figures.units, statistics)
        estimates = figures.estimates(seed=how.seed, num_resamples=how.num_resamples)
        found[scorer] = {name: one and one.to_json() for name, one in estimates.items()}
        found[scorer]["num"] = int(counted.sum())
    return found


def within_problems(reward: Reward, result: PoolResult) -> Statistic:
    """The mean AUROC over the problems that have right and wrong candidates."""
    every = np.arange(len(result.right))
    questions, aurocs = Outcomes(every, result.owner, result.right, reward.values).within()
    values, has = np.zeros(result.num_problems), np.zeros(result.num_problems)
    values[questions], has[questions] = aurocs, 1.0
    return lambda counts: _ratio(counts @ values, counts @ has)


def _pooled(reward: Reward, result: PoolResult) -> Statistic:
    """The wins of right candidates of problem p over wrong ones of q, summed over all p and q as
    often as both are drawn."""
    place = np.unique(reward.values, return_inverse=True)[1]
    shape = (int(place.max()) + 1, result.num_problems)
    cell = place * shape[1] + result.owner
    ups, downs = (
        np.bincount(cell[side], minlength=shape[0] * shape[1]).reshape(shape).astype(np.float64)
        for side in (result.right, ~result.right)
    )
    below = np.cumsum(downs, axis=0) - downs / 2
    wins, up, down = ups.T @ below, ups.sum(axis=0), downs.sum(axis=0)
    return lambda counts: _ratio(
        ((counts @ wins) * counts).sum(axis=1), (counts @ up) * (counts @ down)
    )


def _at_end(scorer: str, result: PoolResult) -> tuple[FloatArray, FloatArray]:
    """For each candidate the last step's share in the least score, and what chance gives: both
    (T,), NaN with fewer than two scored steps or with none at the end."""
    scores = [next((s for s in t.scores if s.model == scorer), None) for t in result.traces]
    values, mask = padded(scores)
    filled = np.where(mask, values, math.inf)
    least = mask & (filled == filled.min(axis=1, keepdims=True))
    ends = np.array([0 if one is None else len(one.values) - 1 for one in scores])
    every = np.arange(len(scores))
    counted = (mask.sum(axis=1) > 1) & mask[every, ends]
    at_end = least[every, ends] / np.maximum(least.sum(axis=1), 1)
    chance = 1 / np.maximum(mask.sum(axis=1), 1)
    return np.where(counted, at_end, math.nan), np.where(counted, chance, math.nan)


def _share(values: FloatArray, part: Sequence[bool] | FloatArray, result: PoolResult) -> Statistic:
    """The mean over some candidates, as a function of how often each problem is drawn."""
    some = np.asarray(part, dtype=np.bool_)
    owner, size = result.owner[some], result.num_problems
    sums = np.bincount(owner, weights=values[some], minlength=size)
    nums = np.bincount(owner, minlength=size).astype(np.float64)
    return lambda counts: _ratio(counts @ sums, counts @ nums)


def _ratio(above: FloatArray, below: FloatArray) -> FloatArray:
    return np.divide(above, below, out=np.full_like(above, math.nan), where=below > 0)
