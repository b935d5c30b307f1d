"""Bradley-Terry: rewards from comparisons alone."""

import math

import pytest
import torch
from hypothesis import given, settings

from made_up_targets import batches, made
from plain_losses import log_odds, sigmoid
from surefoot.training.losses.pairwise import Pairwise


def test_by_hand():
    logits = torch.tensor([[1.0], [0.0], [-2.0]]).double()
    targets = made([None, None], [None], pairs=[(0, 1), (2, 0)])
    expected = math.log(1 + math.exp(-1)) + math.log(1 + math.exp(3))
    assert float(Pairwise()(logits, targets)) == pytest.approx(expected)
    assert float(Pairwise().units(targets)) == 2
    wider = math.log(1 + math.exp(-0.5)) + math.log(1 + math.exp(3.5))
    assert float(Pairwise(margin=0.5)(logits, targets)) == pytest.approx(wider)


def test_ends_of_traces_read_as_log_ratios_give_dpo():
    """DPO's own formula, from the log-probabilities of two answers under two models."""
    beta = 0.1
    policy, reference = {"right": -12.0, "wrong": -9.5}, {"right": -14.0, "wrong": -9.0}
    ratios = {name: beta * (policy[name] - reference[name]) for name in policy}
    logits = torch.tensor([[ratios["right"]], [ratios["wrong"]]]).double()
    dpo = -math.log(
        sigmoid(
            beta * ((policy["right"] - reference["right"]) - (policy["wrong"] - reference["wrong"]))
        )
    )
    found = Pairwise()(logits, made([None], [None], pairs=[(0, 1)]))
    assert float(found) == pytest.approx(dpo)


@settings(max_examples=40, deadline=None)
@given(batches())
def test_in_plain_loops(batch):
    logits, targets = batch
    rewards = [log_odds(row) for row in logits.tolist()]
    total = -sum(
        math.log(sigmoid(rewards[better] - rewards[worse] - 0.25))
        for better, worse in targets.pairs.tolist()
    )
    assert float(Pairwise(margin=0.25)(logits, targets)) == pytest.approx(total, abs=1e-9)


def test_it_recovers_strengths(fit):
    """Wins between four players; the maximum of the likelihood by Hunter's (2004) algorithm, which
    shares nothing with gradients."""
    wins = {(0, 1): 7, (1, 0): 3, (0, 2): 9, (2, 0): 2, (1, 2): 5, (2, 1): 4, (2, 3): 6, (3, 2): 5}
    strengths = [1.0] * 4
    for _ in range(3000):
        strengths = [
            sum(n for (winner, _), n in wins.items() if winner == i)
            / sum(n / (strengths[a] + strengths[b]) for (a, b), n in wins.items() if i in (a, b))
            for i in range(4)
        ]
    expected = [math.log(one / strengths[0]) for one in strengths]
    pairs = [pair for pair, n in wins.items() for _ in range(n)]
    targets = made([None] * 4, pairs=pairs)
    rewards = fit((4, 1), lambda free: Pairwise()(free, targets))
    assert (rewards - rewards[0]).flatten().tolist() == pytest.approx(expected, abs=1e-4)
