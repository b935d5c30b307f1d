"""Step length and random scores."""

import math
import statistics

import pytest

from surefoot.models.baselines import RandomScores, StepLength
from surefoot.models.hub import load
from surefoot.traces.types import Trace


def test_a_longer_step_is_more_suspect() -> None:
    scores = load("length").score(Trace("?", ["a", "b" * 400, "c" * 4000]))
    assert scores.values == pytest.approx((math.exp(-1 / 400), math.exp(-1), math.exp(-10)))
    assert (scores.model, scores.kind) == ("length", "probability")


def test_a_step_of_277_characters_is_even_odds() -> None:
    """400 ln 2 = 277.26 characters score one half."""
    scores = StepLength().score(Trace("?", ["a" * 277, "a" * 278]))
    assert scores.first_error() == 1


def test_random_scores_depend_on_seed_trace_and_step_alone() -> None:
    one, other = Trace("?", ["a", "b", "c"]), Trace("!", ["a", "b", "c"])
    first = RandomScores(seed=3).score([one, other])
    again = RandomScores(seed=3).score([other, one])
    assert first == again[::-1]
    assert first[0].values != first[1].values
    assert first[0].values != RandomScores(seed=4).score(one).values
    assert len(set(first[0].values)) == 3


def test_random_scores_are_uniform() -> None:
    """Mean 1/2 and variance 1/12, within four standard errors at 4,000 draws."""
    values = load("random").score(Trace("?", ["step"] * 4000)).values
    draws = [value for value in values if value is not None]
    assert all(0 <= draw < 1 for draw in draws)
    assert statistics.mean(draws) == pytest.approx(0.5, abs=4 * 0.2887 / 63.2)
    assert statistics.pvariance(draws) == pytest.approx(1 / 12, abs=4 * 0.0745 / 63.2)
