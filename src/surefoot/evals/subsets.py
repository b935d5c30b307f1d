"""What a rule is expected to choose when it sees only N of the candidates of a problem.

The expectation is over all subsets of N candidates, each as likely. `gains` has shape (n, K): K
figures of each of n candidates, such as "is right". Every function returns (len(ns), K), the
expected gains of the chosen one for each N.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from surefoot.evals.exact_majority import is_feasible, majority_of_n
from surefoot.search.choosing import TIE, FloatArray, reward_ranks, vote_in_subsets

_CELLS_AT_ONCE = 2_000_000


def random_of_n(gains: FloatArray, ns: Sequence[int]) -> FloatArray:
    """Any one of them."""
    return np.tile(gains.mean(axis=0), (len(ns), 1))


def oracle_of_n(gains: FloatArray, ns: Sequence[int]) -> FloatArray:
    """For each figure, the chance that one of them has it; gains must be 0, 1 or NaN (not
    known)."""
    missed = _chances_of_none(len(gains), ns)
    columns = [
        np.full(len(ns), math.nan) if math.isnan(total) else 1 - missed[:, int(total)]
        for total in gains.sum(axis=0)
    ]
    return np.stack(columns, axis=1)


def argmax_of_n(rewards: FloatArray, gains: FloatArray, ns: Sequence[int]) -> FloatArray:
    """The one of the highest reward (n,), equal ones sharing: exact.

    A group of equal rewards wins if the subset holds one of them and none of those above.
    """
    ranks = reward_ranks(rewards)
    order = np.argsort(-ranks, kind="stable")
    ranked = ranks[order]
    starts = np.flatnonzero(np.r_[True, ranked[1:] != ranked[:-1]])
    ends = np.r_[starts[1:], len(ranked)]
    missed = _chances_of_none(len(rewards), ns)
    wins = missed[:, starts] - missed[:, ends]
    group_gains = np.add.reduceat(gains[order], starts, axis=0) / (ends - starts)[:, None]
    expected: FloatArray = wins @ group_gains
    return expected


def vote_of_n(groups: NDArray[np.int64], gains: FloatArray, ns: Sequence[int]) -> FloatArray | None:
    """A majority vote among the answers (n,), shown by any one that gave the winner: exact; None
    where that takes too long."""
    counts = np.bincount(groups[groups >= 0])
    silent = int((groups < 0).sum())
    if not is_feasible(counts.tolist(), silent, ns):
        return None
    wins = majority_of_n(counts.tolist(), silent, ns)
    shown = [gains[groups == group].mean(axis=0) for group in range(len(counts))]
    everyone = gains[groups < 0].mean(axis=0) if silent else np.zeros(gains.shape[1])
    expected: FloatArray = wins @ np.stack([*shown, everyone])
    return expected


class Subsets:
    """The subsets that votes are averaged over: all of them where there are at most `limit`, else
    `limit` random ones."""

    def __init__(self, size: int, ns: Sequence[int], *, limit: int, seed: Sequence[int]) -> None:
        blocks = [_subsets(size, n, limit, (*seed, n)) for n in ns]
        self.members = np.concatenate(blocks)
        self.ends = np.cumsum([len(block) for block in blocks])

    def votes(
        self, weights: FloatArray, groups: NDArray[np.int64], gains: FloatArray
    ) -> FloatArray:
        """The winners of K votes, each with its own weights (K, n); answer groups as in
        `search.best_of_n.vote_in_subsets`. Returns (K, len(ns), number of gains)."""
        firsts = [int(np.argmax(groups == group)) for group in range(groups.max(initial=-1) + 1)]
        of_group = gains[firsts].reshape(len(firsts), gains.shape[1])
        voters = groups >= 0
        if np.array_equal(of_group[groups[voters]], gains[voters], equal_nan=True):
            values = self._votes_of_groups(weights, groups, of_group, gains)
        else:
            values = np.stack(
                [vote_in_subsets(one, groups, self.members) @ gains for one in weights]
            )
        blocks = np.split(values, self.ends[:-1], axis=1)
        return np.stack([block.mean(axis=1) for block in blocks], axis=1)

    def _votes_of_groups(
        self,
        weights: FloatArray,
        groups: NDArray[np.int64],
        of_group: FloatArray,
        gains: FloatArray,
    ) -> FloatArray:
        """`votes` in each subset (K, B, number of gains), where all that gave an answer are alike,
        so that it does not matter who shows it."""
        members = self.members.astype(np.float64)
        is_of = (groups[:, None] == np.arange(len(of_group))).astype(np.float64)
        present = members @ is_of > 0
        silent = ~present.any(axis=1)
        found = np.empty((len(weights), len(members), gains.shape[1]))
        at_once = max(1, _CELLS_AT_ONCE // max(1, present.size))
        for start in range(0, len(weights), at_once):
            some = weights[start : start + at_once]
            cast = (is_of[None] * some[:, :, None]).transpose(1, 0, 2).reshape(len(groups), -1)
            totals = (members @ cast).reshape(len(members), len(some), -1)
            totals = np.where(present[:, None, :], totals, -1.0)
            most = totals.max(axis=2, keepdims=True, initial=-1.0)
            leading = (totals >= most * (1 - TIE)) & (totals >= 0)
            share = leading / np.maximum(leading.sum(axis=2, keepdims=True), 1)
            found[start : start + at_once] = (share @ of_group).transpose(1, 0, 2)
        if silent.any():
            found[:, silent] = self.members[silent] @ gains / self.members[silent].sum(1)[:, None]
        return found


def _chances_of_none(size: int, ns: Sequence[int]) -> FloatArray:
    """Chance that n of `size` candidates hold none of m given ones: (len(ns), size + 1), m from
    0."""
    return np.stack([_chance_of_none(size, n) for n in ns])


@lru_cache(maxsize=1024)
def _chance_of_none(size: int, n: int) -> FloatArray:
    total = math.comb(size, n)
    return np.array([math.comb(size - m, n) / total for m in range(size + 1)])


def _subsets(size: int, n: int, limit: int, seed: Sequence[int]) -> NDArray[np.bool_]:
    """Rows of flags (at most `limit`, size), n of them true in each."""
    if math.comb(size, n) <= limit:
        rows = np.array(list(combinations(range(size), n)))
    else:
        ranks = np.random.default_rng(seed).random((limit, size))
        rows = np.argpartition(ranks, n - 1, axis=1)[:, :n]
    members = np.zeros((len(rows), size), dtype=np.bool_)
    np.put_along_axis(members, rows, True, axis=1)
    return members
