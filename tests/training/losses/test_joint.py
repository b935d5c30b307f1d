"""Steps and outcome at once."""

import math

import pytest
import torch

from made_up_targets import joined, made
from plain_losses import cross_entropy
from surefoot.training.losses.binomial import Binomial
from surefoot.training.losses.joint import Joint
from surefoot.training.losses.pairwise import Pairwise


def test_by_hand():
    # classes, then the outcome head
    logits = torch.tensor(
        [[0.0, math.log(3), 5.0], [0.0, 0.0, math.log(3)], [0.0, -math.log(4), 0.0]]
    ).double()
    targets = made([1.0, None], [0.0], outcomes=[False, None])
    steps = -math.log(3 / 4) - math.log(4 / 5)
    outcome = -math.log(1 / 4)
    loss = Joint(outcome_weight=0.5)
    assert float(loss(logits, targets)) == pytest.approx(steps + 0.5 * outcome)
    assert float(loss.units(targets)) == 2 + 0.5 * 1


def test_any_loss_of_steps_counts_in_its_own_units():
    logits = torch.tensor([[0.4, 1.0], [-0.3, -2.0]]).double()
    targets = made([(3, 8)], [(1, 4)], outcomes=[True, False], pairs=[(0, 1)])
    outcomes = cross_entropy(1.0, 1) + cross_entropy(-2.0, 0)
    binomial = float(Binomial()(logits[:, :1], targets))
    loss = Joint(Binomial(), outcome_weight=2.0)
    assert float(loss(logits, targets)) == pytest.approx(binomial + 2 * outcomes)
    assert float(loss.units(targets)) == 12 + 2 * 2
    loss = Joint(Pairwise())
    assert float(loss(logits, targets)) == pytest.approx(math.log(1 + math.exp(-0.7)) + outcomes)
    assert float(loss.units(targets)) == 1 + 2


def test_passes_of_unlike_parts_give_the_gradient_of_the_whole():
    """One pass has only step labels, the other only outcomes."""
    torch.manual_seed(0)
    logits = torch.randn(5, 3, dtype=torch.float64)
    parts = [made([1.0, 0.0, 0.3]), made([None], [None], outcomes=[True, False])]
    loss = Joint(outcome_weight=0.7)

    def gradient(passes):
        free = logits.clone().requires_grad_()
        units = sum(float(loss.units(one)) for _, one in passes)
        for own, one in passes:
            (loss(free[own], one) / units).backward()
        return free.grad

    whole = gradient([(slice(0, 5), joined(*parts))])
    cut = gradient([(slice(0, 3), parts[0]), (slice(3, 5), parts[1])])
    assert torch.allclose(whole, cut, atol=1e-12)


def test_both_heads_learn():
    free = torch.zeros(4, 3, dtype=torch.float64, requires_grad=True)
    targets = made([1.0, 0.0], [1.0, 1.0], outcomes=[False, True])
    optimizer = torch.optim.Adam([free], lr=0.1)
    for _ in range(100):
        optimizer.zero_grad()
        Joint()(free, targets).backward()
        optimizer.step()
    assert (free[:, 1] > free[:, 0]).tolist() == [True, False, True, True]
    assert free[1, 2] < -1
    assert free[3, 2] > 1
    assert free[[0, 2], 2].tolist() == [0, 0]
