"""How often each answer wins a majority vote among N of the candidates of a problem, without
drawing any.

A majority vote sees of a subset only how many of its members gave each answer, and these numbers
follow the multivariate hypergeometric distribution. The subsets in which an answer given `c` times
wins with `m` votes, t others having as many, are counted by a coefficient of

    C(c, m) x^m  *  prod over the other answers, given k times, of
        (sum over j < m of C(k, j) x^j  +  y C(k, m) x^m)  *  sum over j of C(silent, j) x^j

that of x^N y^t; the winner gets a share 1 / (1 + t), which is the integral of y^t over [0, 1] and
so exact by Gauss-Legendre quadrature. All terms are positive: nothing is lost to cancellation.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from surefoot.stats import FloatArray

MAX_WORK = 500_000_000
"""Multiplications that one problem may take."""

MAX_SIZE = 1_000
"""Candidates of a problem beyond which the number of subsets is no float."""


def is_feasible(counts: Sequence[int], silent: int, ns: Sequence[int]) -> bool:
    """Whether `majority_of_n` is within `MAX_WORK` and `MAX_SIZE`."""
    size, degrees = sum(counts) + silent, max(ns) + 1
    rows = sum(_num_nodes(counts, m) for m in range(1, max(counts, default=0) + 1))
    work = rows * degrees * (2 * size + len(set(counts)) * degrees)
    return size <= MAX_SIZE and work <= MAX_WORK


def majority_of_n(counts: Sequence[int], silent: int, ns: Sequence[int]) -> FloatArray:
    """The chance that each answer wins, ties shared, for each N: shape (len(ns), G + 1).

    Args:
        counts: How many candidates gave each of G answers, each at least 1.
        silent: How many gave none; they have no vote.
        ns: Each N at least 1 and at most the number of candidates.

    The last column is the chance that nobody in the subset gave an answer. Rows sum to 1.
    """
    order = np.argsort(counts, kind="stable")
    found = _sorted_majority(tuple(sorted(counts)), silent, tuple(ns))
    wins = np.empty_like(found)
    wins[:, order] = found[:, :-1]
    wins[:, -1] = found[:, -1]
    return wins


@lru_cache(maxsize=4096)
def _sorted_majority(counts: tuple[int, ...], silent: int, ns: tuple[int, ...]) -> FloatArray:
    """`majority_of_n` of counts in ascending order; problems often share them."""
    size, length = sum(counts) + silent, max(ns) + 1
    subsets = np.array([math.comb(size, n) for n in ns], dtype=np.float64)
    found = np.zeros((len(ns), len(counts) + 1))
    found[:, -1] = [math.comb(silent, n) for n in ns] / subsets
    if not counts:
        return found
    votes, nodes, weights = _quadrature(counts)
    firsts = np.flatnonzero(np.r_[True, votes[1:] != votes[:-1]])

    after = [_times_choices(np.ones((len(votes), 1)), silent, length)]
    for count in reversed(counts):
        after.append(_times_votes(after[-1], count, votes, nodes))
    before = np.zeros_like(after[0])
    before[:, 0] = 1
    for i, count in enumerate(counts):
        if i == 0 or count != counts[i - 1]:
            others = _product(before, after[len(counts) - 1 - i]) * weights[:, None]
            found[:, i] = _wins(count, np.add.reduceat(others, firsts, axis=0), ns) / subsets
        else:
            found[:, i] = found[:, i - 1]
        before = _times_votes(before, count, votes, nodes)
    return found


def _num_nodes(counts: Sequence[int], votes: int) -> int:
    """Points of quadrature for all powers of y there may be: one for each other answer that can
    get as many votes."""
    return (sum(count >= votes for count in counts) + 1) // 2


def _quadrature(counts: Sequence[int]) -> tuple[NDArray[np.int64], FloatArray, FloatArray]:
    """For each m from 1 to the largest count the points and weights for y in [0, 1]: three arrays
    (R,), m with each."""
    votes, nodes, weights = [], [], []
    for m in range(1, max(counts) + 1):
        points, parts = _legendre(_num_nodes(counts, m))
        votes.append(np.full(len(points), m, dtype=np.int64))
        nodes.append((points + 1) / 2)
        weights.append(parts / 2)
    return np.concatenate(votes), np.concatenate(nodes), np.concatenate(weights)


@lru_cache(maxsize=256)
def _legendre(num: int) -> tuple[FloatArray, FloatArray]:
    points, weights = np.polynomial.legendre.leggauss(num)
    return points, weights


def _wins(count: int, others: FloatArray, ns: Sequence[int]) -> FloatArray:
    """Subsets of each size in which an answer of `count` candidates wins; `others` (M, L) are those
    of the rest in which it does with m = 1..M votes, by size."""
    return np.array(
        [
            math.fsum(
                math.comb(count, m) * others[m - 1, n - m] for m in range(1, min(count, n) + 1)
            )
            for n in ns
        ]
    )


def _times_choices(polynomials: FloatArray, silent: int, length: int) -> FloatArray:
    """Constants (R, 1) times the polynomial of choosing any of the silent: (R, length)."""
    choices = np.array([math.comb(silent, j) for j in range(length)], dtype=np.float64)
    return polynomials * choices


def _times_votes(
    polynomials: FloatArray, count: int, votes: NDArray[np.int64], nodes: FloatArray
) -> FloatArray:
    """Polynomials (R, L) times that of an answer which gets fewer than m votes, or m and a y."""
    length = polynomials.shape[1]
    product = polynomials.copy()
    for j in range(1, min(count, length - 1) + 1):
        factor = np.where(votes > j, 1.0, np.where(votes == j, nodes, 0.0)) * math.comb(count, j)
        product[:, j:] += factor[:, None] * polynomials[:, : length - j]
    return product


def _product(a: FloatArray, b: FloatArray) -> FloatArray:
    """The products of two arrays of polynomials (R, L), cut at degree L."""
    length = a.shape[1]
    found = np.zeros_like(a)
    for i in range(length):
        found[:, i:] += a[:, i : i + 1] * b[:, : length - i]
    return found
