"""The binomial likelihood keeps k of n: pooled counts give the pooled ratio."""

import math

import pytest
import torch
from hypothesis import given, settings

from made_up_targets import batches, made
from plain_losses import log_odds, sigmoid
from surefoot.training.losses.binomial import Binomial
from surefoot.training.losses.cross_entropy import CrossEntropy
from surefoot.training.targets import StepTarget

LOSS = Binomial()


def test_by_hand():
    # p = 3/4 with 3 of 8; p = 1/5 with 1 of 1; nothing; p = 1/2 with 0 of 4
    logits = torch.tensor(
        [[0.0, math.log(3)], [0.0, -math.log(4)], [7.0, 1.0], [2.0, 2.0]]
    ).double()
    targets = made([(3, 8), 1.0], [None, (0, 4)])
    likelihood = (3 / 4) ** 3 * (1 / 4) ** 5 * (1 / 5) * (1 / 2) ** 4
    assert float(LOSS(logits, targets)) == pytest.approx(-math.log(likelihood))
    assert float(LOSS.units(targets)) == 8 + 1 + 4


@settings(max_examples=40, deadline=None)
@given(batches())
def test_in_plain_loops(batch):
    logits, targets = batch
    total = 0.0
    counts = zip(logits.tolist(), targets.successes.tolist(), targets.trials.tolist(), strict=True)
    for row, k, n in counts:
        p = sigmoid(log_odds(row))
        total -= k * math.log(p) + (n - k) * math.log(1 - p)
    assert float(LOSS(logits, targets)) == pytest.approx(total, abs=1e-8)


def test_it_is_cross_entropy_with_the_ratio_weighted_by_trials():
    logits = torch.tensor([[0.3, -1.2], [2.0, 0.5]]).double()
    counted = made([(6, 8), (1, 4)])
    weighted = made([StepTarget(6 / 8, weight=8.0), StepTarget(1 / 4, weight=4.0)])
    assert float(LOSS(logits, counted)) == pytest.approx(float(CrossEntropy()(logits, weighted)))


@pytest.mark.parametrize("width", [1, 2, 3])
def test_it_learns_the_pooled_ratio(fit, width):
    """Steps of two kinds: the maximum of the likelihood is all successes of all trials, while the
    mean of the ratios is something else."""
    targets = made([(1, 1), (2, 8), (0, 4), (3, 3)])
    learned = fit((2, width), lambda free: LOSS(free[[0, 0, 1, 1]], targets))
    values = [sigmoid(log_odds(row)) for row in learned.tolist()]
    assert values == pytest.approx([(1 + 2) / (1 + 8), (0 + 3) / (4 + 3)], abs=1e-5)
