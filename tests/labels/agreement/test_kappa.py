"""Cohen's kappa against worked examples and a sum over all pairs of raters' values."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from surefoot.errors import UsageError
from surefoot.labels.agreement import cohen_kappa


def test_a_worked_example():
    # 20 + 15 of 50 alike, by chance 0.5 * 0.6 + 0.5 * 0.4 = 0.5: kappa (0.7 - 0.5) / 0.5.
    pairs = [(1, 1)] * 20 + [(1, 0)] * 5 + [(0, 1)] * 10 + [(0, 0)] * 15
    first, second = zip(*pairs, strict=True)
    for weights in ("unweighted", "linear", "quadratic"):
        assert cohen_kappa(first, second, weights) == pytest.approx(0.4)


def test_weights_by_hand():
    # One of four is 1 apart. By chance, of the 16 pairs of (0, 1, 2, 2) and (0, 1, 1, 2), 11 are
    # unequal, |i - j| sums to 14 and its square to 20.
    first, second = (0, 1, 2, 2), (0, 1, 1, 2)
    assert cohen_kappa(first, second) == pytest.approx(1 - (1 / 4) / (11 / 16))
    assert cohen_kappa(first, second, "linear") == pytest.approx(1 - (1 / 4) / (14 / 16))
    assert cohen_kappa(first, second, "quadratic") == pytest.approx(1 - (1 / 4) / (20 / 16))


ratings = st.none() | st.sampled_from([-1, 0, 1])


@given(st.lists(st.tuples(ratings, ratings), max_size=20), st.sampled_from([1, 2]))
def test_equals_the_mean_cost_over_the_cost_of_all_pairs(pairs, power):
    kept = [(a, b) for a, b in pairs if a is not None and b is not None]
    first, second = ([pair[side] for pair in pairs] for side in (0, 1))
    found = cohen_kappa(first, second, {1: "linear", 2: "quadratic"}[power], values=(-1, 0, 1))
    by_chance = sum(abs(a - b) ** power for a, _ in kept for _, b in kept)
    if by_chance == 0:
        assert found is None
        return
    observed = sum(abs(a - b) ** power for a, b in kept)
    assert found == pytest.approx(1 - len(kept) * observed / by_chance)


def test_what_cannot_be():
    with pytest.raises(UsageError, match="1 values of the one and 2"):
        cohen_kappa([1], [1, 0])
    with pytest.raises(UsageError, match="5 is not among"):
        cohen_kappa([1], [5], values=(-1, 0, 1))
    with pytest.raises(UsageError, match="unweighted, linear, quadratic"):
        cohen_kappa([1, 0], [1, 0], "cubic")
