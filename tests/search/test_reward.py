import math

import pytest

from surefoot import StepScores
from surefoot.errors import UsageError
from surefoot.search.reward import Reward
from surefoot.search.tree import Node


def node(values, *, outcome=None, logprob=-2.0, aggregate="product"):
    scores = None if values is None else StepScores(values, "m", "value", aggregate)
    return Node(None, ("a",), 1, 1, scores=scores, outcome=outcome, logprob=logprob)


def test_without_weights_it_is_the_aggregate_itself():
    assert Reward().of(node((0.5, 0.8))) == 0.4
    assert Reward(aggregate="min").of(node((0.5, 0.8))) == 0.5
    assert Reward().of(node((0.5, None, 0.8), aggregate="mean")) == 0.65
    assert Reward().log(node((0.5, 0.8))) == pytest.approx(math.log(0.4))


def test_the_log_probability_is_added_to_the_logarithm():
    assert Reward(logprob_weight=0.5).of(node((0.5, 0.8))) == pytest.approx(math.log(0.4) - 1)
    assert Reward(logprob_weight=0.5).log(node((0.5, 0.8))) == pytest.approx(math.log(0.4) - 1)


def test_an_outcome_multiplies_and_stays_comparable_with_what_has_none():
    rated = node((0.5, 0.8), outcome=0.25)
    assert Reward().of(rated) == pytest.approx(0.1)
    assert Reward(outcome_weight=2).of(rated) == pytest.approx(0.4 / 16)
    assert Reward(outcome_weight=0).of(rated) == 0.4
    assert Reward(logprob_weight=1).of(rated) == pytest.approx(math.log(0.1) - 2)


def test_without_scores_there_is_no_reward():
    for none in (node(None), node((None, None))):
        assert Reward().of(none) == -math.inf
        assert Reward(logprob_weight=1).of(none) == -math.inf
        assert Reward().log(none) is None


def test_tiny_scores_keep_their_order_and_zero_is_the_least():
    reward = Reward(logprob_weight=1)
    values = [reward.of(node((one,))) for one in (0.0, 1e-200, 1e-100, 1.0)]
    assert values == sorted(set(values))
    assert math.isfinite(values[0])


def test_scores_that_are_no_probabilities_stand_for_logarithms():
    ratio = Node(None, ("a",), 1, 1, logprob=-2.0, outcome=0.5)
    ratio.scores = StepScores((-1.5, 0.5), "m", "log-ratio", "sum")
    assert Reward(outcome_weight=0).of(ratio) == -1.0
    assert Reward().of(ratio) == pytest.approx(-1.0 + math.log(0.5))
    assert Reward(logprob_weight=1).of(ratio) == pytest.approx(-3.0 + math.log(0.5))
    assert Reward(outcome_weight=0).log(ratio) == -1.0


def test_what_has_no_logarithm_is_refused():
    with pytest.raises(UsageError, match=r"-0\.5, which has no logarithm"):
        Reward(logprob_weight=1).of(node((-0.5,), aggregate="sum"))
    assert Reward().of(node((-0.5,), aggregate="sum")) == -0.5
    with pytest.raises(UsageError, match="does not say how probable"):
        Reward(logprob_weight=1).of(node((0.5,), logprob=None))


@pytest.mark.parametrize("weight", [-1, math.inf, math.nan])
def test_weights_are_finite_and_not_negative(weight):
    with pytest.raises(UsageError, match="outcome_weight"):
        Reward(outcome_weight=weight)
    with pytest.raises(UsageError, match="logprob_weight"):
        Reward(logprob_weight=weight)


def test_the_rule_must_exist():
    with pytest.raises(UsageError, match="median"):
        Reward(aggregate="median")
    with pytest.raises(UsageError, match="nll is a loss"):
        Reward(aggregate="nll")
