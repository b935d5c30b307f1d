"""Figures draw their resamples once, and give what the plain bootstrap gives."""

import numpy as np
import pytest

from surefoot.errors import UsageError
from surefoot.evals.figures import Figures, differences
from surefoot.stats import bootstrap, bootstrap_difference

FIRST = np.array([1.0, 0, 1, 1, 0, 1, 0, 1])
SECOND = np.array([1.0, 0, 0, 1, 0, 0, 0, 1])
UNITS = tuple("abcdefgh")


def share(values):
    return lambda counts: counts @ values / counts.sum(axis=1)


def rare(counts):
    """Exists only where the first unit was drawn."""
    return np.where(counts[:, 0] > 0, counts[:, 0], np.nan)


def nothing(counts):
    return np.full(len(counts), np.nan)


def test_estimates_are_those_of_the_plain_bootstrap():
    made = Figures(UNITS, {"share": share(FIRST), "rare": rare, "nothing": nothing})
    found = made.estimates(seed=3, num_resamples=300)
    assert found["share"] == bootstrap(share(FIRST), 8, seed=3, num_resamples=300)
    assert found["rare"] == bootstrap(rare, 8, seed=3, num_resamples=300)
    assert found["nothing"] is None
    assert not made.exists("nothing")


def test_differences_are_paired_and_those_of_the_plain_bootstrap():
    ours = Figures(UNITS, {"share": share(FIRST), "rare": rare, "mine": share(FIRST)})
    theirs = Figures(UNITS, {"rare": nothing, "share": share(SECOND)})
    found = differences(ours, theirs, seed=3, num_resamples=300)
    assert list(found) == ["share"]
    plain = bootstrap_difference(
        lambda counts: share(FIRST)(counts) - share(SECOND)(counts), 8, seed=3, num_resamples=300
    )
    assert found["share"].p_value == plain.p_value
    assert found["share"].to_json() == pytest.approx(plain.to_json())
    wide = bootstrap(share(FIRST), 8, seed=3, num_resamples=300)
    assert found["share"].high - found["share"].low < wide.high - wide.low, "the pairs are kept"


def test_another_seed_draws_anew():
    made = Figures(UNITS, {"share": share(FIRST)})
    first, again, other = (made.drawn(seed, 50)["share"].tolist() for seed in (0, 0, 1))
    assert first == again != other


def test_other_units_are_refused():
    ours, theirs = (Figures(units, {}) for units in (("a", "b"), ("b", "c")))
    with pytest.raises(UsageError, match=r"2 units cannot be paired .* 2, of which 1 are the same"):
        differences(ours, theirs, seed=0, num_resamples=10)
