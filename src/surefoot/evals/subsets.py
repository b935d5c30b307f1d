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

from surefoot.search.best_of_n import FloatArray, reward_ranks, vote_in_subsets


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


class Subsets:
    """The subsets that votes are averaged over: all of them where there are at most `limit`, else
    `limit` random ones."""

    def __init__(self, size: int, ns: Sequence[int], *, limit: int, seed: Sequence[int]) -> None:
        blocks = [_subsets(size, n, limit, (*seed, n)) for n in ns]
        self.members = np.concatenate(blocks)
        self.ends = np.cumsum([len(block) for block in blocks])

    def vote(self, weights: FloatArray, groups: NDArray[np.int64], gains: FloatArray) -> FloatArray:
        """The winner of a vote; weights and answer groups as in
        `search.best_of_n.vote_in_subsets`."""
        values = vote_in_subsets(weights, groups, self.members) @ gains
        return np.stack([block.mean(axis=0) for block in np.split(values, self.ends[:-1])])


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
