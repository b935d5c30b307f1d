"""The exact majority vote: by hand, and against every subset written out."""

import math
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from surefoot.evals.exact_majority import is_feasible, majority_of_n


def by_every_subset(counts, silent, n):
    votes = [g for g, count in enumerate(counts) for _ in range(count)] + [None] * silent
    wins = np.zeros(len(counts) + 1)
    subsets = list(combinations(votes, n))
    for subset in subsets:
        given = [vote for vote in subset if vote is not None]
        most = max((given.count(vote) for vote in given), default=0)
        winners = {vote for vote in given if given.count(vote) == most} or {len(counts)}
        for winner in winners:
            wins[winner] += 1 / len(winners) / len(subsets)
    return wins


def test_three_against_one_by_hand():
    # Of 4 candidates AAAB: one is A in 3/4; two are AA in 3 of 6, else a tie; three have two As.
    found = majority_of_n([3, 1], 0, [1, 2, 3, 4])
    np.testing.assert_allclose(found[:, 0], [3 / 4, 3 / 6 + 3 / 6 / 2, 1, 1], atol=1e-15)


def test_the_silent_have_no_vote():
    # AB and two silent: of six pairs one is silent, four have one voter, one ties.
    found = majority_of_n([1, 1], 2, [2])
    np.testing.assert_allclose(found, [[2.5 / 6, 2.5 / 6, 1 / 6]], atol=1e-15)
    np.testing.assert_allclose(majority_of_n([], 3, [1, 3]), [[1], [1]])


@settings(deadline=None, max_examples=60)
@given(st.lists(st.integers(1, 4), max_size=5), st.integers(0, 3))
def test_it_is_what_every_subset_gives(counts, silent):
    size = sum(counts) + silent
    if not 1 <= size <= 10:
        return
    found = majority_of_n(counts, silent, range(1, size + 1))
    every = [by_every_subset(counts, silent, n) for n in range(1, size + 1)]
    np.testing.assert_allclose(found, every, atol=1e-13)


def test_large_pools_keep_their_digits():
    counts = [20, 14, 9, 5, 5, 3, 2, 2, 1, 1, 1, 1]
    found = majority_of_n(counts, 0, [1, 2, 4, 8, 16, 32, 64])
    np.testing.assert_allclose(found.sum(axis=1), 1, atol=1e-13)
    np.testing.assert_allclose(found[0, :-1], np.array(counts) / 64, atol=1e-13)
    same = np.array([math.comb(count, 2) for count in counts]) / math.comb(64, 2)
    apart = np.array([count * (64 - count) for count in counts]) / 2 / math.comb(64, 2)
    np.testing.assert_allclose(found[1, :-1], same + apart, atol=1e-13)
    np.testing.assert_allclose(found[-1], [1, *[0] * 12], atol=1e-13)


@pytest.mark.parametrize(
    ("counts", "feasible"), [([20] * 4, True), ([300] * 4, False), ([60] * 16, False)]
)
def test_what_takes_too_long_is_known_before(counts, feasible):
    assert is_feasible(counts, 0, [1, 4, 16]) or not feasible
    assert is_feasible(counts, 0, [1, sum(counts) // 2]) is feasible
