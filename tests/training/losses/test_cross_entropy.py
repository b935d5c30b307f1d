"""Cross-entropy of hard and soft labels, on one number, two classes and three."""

import math

import pytest
import torch
from hypothesis import given, settings

from made_up_targets import batches, made
from surefoot.training.losses.cross_entropy import CrossEntropy
from surefoot.training.targets import StepTarget

LOSS = CrossEntropy()


def test_two_classes_by_hand():
    # p = softmax(0, log 3) = 3/4; p = 1/2; p = softmax(0, -log 4) = 1/5
    logits = torch.tensor([[0.0, math.log(3)], [1.0, 1.0], [5.0, -5.0], [0.0, -math.log(4)]])
    targets = made([1.0, 0.25, None, StepTarget(0.0, weight=3.0)])
    expected = -(math.log(3 / 4) + math.log(1 / 2) + 3 * math.log(4 / 5))
    assert float(LOSS(logits.double(), targets)) == pytest.approx(expected)
    assert float(LOSS.units(targets)) == 5


def test_three_classes_by_hand():
    # softmax of (log 1, log 2, log 5) = 1/8, 2/8, 5/8
    logits = torch.tensor([[0.0, math.log(2), math.log(5)]]).double()
    targets = made([StepTarget(good=0.5, neutral=0.3)])
    expected = -(0.2 * math.log(1 / 8) + 0.3 * math.log(2 / 8) + 0.5 * math.log(5 / 8))
    assert float(LOSS(logits, targets)) == pytest.approx(expected)


def test_one_number_is_a_sigmoid():
    logits = torch.tensor([[math.log(3)], [-math.log(4)]]).double()
    targets = made([0.25, 1.0])
    expected = -(0.25 * math.log(3 / 4) + 0.75 * math.log(1 / 4) + math.log(1 / 5))
    assert float(LOSS(logits, targets)) == pytest.approx(expected)


@settings(max_examples=40, deadline=None)
@given(batches())
def test_in_plain_loops(batch):
    logits, targets = batch
    total = 0.0
    for row, good, neutral, weight in zip(
        logits.tolist(),
        targets.good.tolist(),
        targets.neutral.tolist(),
        targets.weight.tolist(),
        strict=True,
    ):
        row = [0.0, *row] if len(row) == 1 else row
        wrong = 1 - good - neutral
        shares = [wrong, neutral, good] if len(row) == 3 else [wrong, good]
        norm = math.log(sum(math.exp(one) for one in row))
        total -= weight * sum(y * (z - norm) for y, z in zip(shares, row, strict=True))
    assert float(LOSS(logits, targets)) == pytest.approx(total, abs=1e-9)


def test_it_learns_the_weighted_mean_of_soft_labels(fit):
    targets = made([StepTarget(0.9, weight=1.0), StepTarget(0.2, weight=2.0)])
    learned = fit((1, 2), lambda free: LOSS(free.expand(2, 2), targets))
    assert float(learned.softmax(-1)[0, 1]) == pytest.approx((0.9 + 2 * 0.2) / 3, abs=1e-6)
