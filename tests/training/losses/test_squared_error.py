"""Squared error of values, and of raw numbers."""

import math

import pytest
import torch
from hypothesis import given, settings

from made_up_targets import batches, made
from plain_losses import log_odds, sigmoid
from surefoot.errors import UsageError
from surefoot.training.losses.squared_error import SquaredError
from surefoot.training.targets import StepTarget

LOSS = SquaredError()


def test_by_hand():
    logits = torch.tensor([[0.0, math.log(3)], [9.0, 0.0], [0.0, -math.log(4)]]).double()
    targets = made([0.5, None, StepTarget(1.0, weight=2.0)])
    expected = (3 / 4 - 1 / 2) ** 2 + 2 * (1 / 5 - 1) ** 2
    assert float(LOSS(logits, targets)) == pytest.approx(expected)
    assert float(LOSS.units(targets)) == 3


def test_raw_numbers_by_hand():
    logits = torch.tensor([[2.5], [-1.0]]).double()
    targets = made([1.0, StepTarget(0.25, weight=2.0)])
    expected = 1.5**2 + 2 * 1.25**2
    assert float(SquaredError(raw=True)(logits, targets)) == pytest.approx(expected)


def test_raw_is_for_heads_of_one_number():
    with pytest.raises(UsageError, match="reads 2"):
        SquaredError(raw=True)(torch.zeros(1, 2), made([1.0]))


@settings(max_examples=40, deadline=None)
@given(batches())
def test_in_plain_loops(batch):
    logits, targets = batch
    total = sum(
        weight * (sigmoid(log_odds(row)) - good) ** 2
        for row, good, weight in zip(
            logits.tolist(), targets.good.tolist(), targets.weight.tolist(), strict=True
        )
    )
    assert float(LOSS(logits, targets)) == pytest.approx(total, abs=1e-9)


@pytest.mark.parametrize("raw", [False, True])
def test_it_learns_the_weighted_mean(fit, raw):
    targets = made([StepTarget(0.9, weight=1.0), StepTarget(0.3, weight=2.0)])
    learned = float(fit((1, 1), lambda free: SquaredError(raw=raw)(free.expand(2, 1), targets)))
    value = learned if raw else sigmoid(learned)
    assert value == pytest.approx((0.9 + 2 * 0.3) / 3, abs=1e-6)
