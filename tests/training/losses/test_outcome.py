"""The outcome of a trace, learned where it ends."""

import math

import pytest
import torch
from hypothesis import given, settings

from made_up_targets import batches, made
from plain_losses import cross_entropy, log_odds
from surefoot.training.losses.outcome import Outcome

LOSS = Outcome()


def test_by_hand():
    logits = torch.tensor([[5.0], [math.log(3)], [-math.log(4)], [9.0]]).double()
    targets = made([None, 0.0], [1.0], [1.0], outcomes=[True, False, None])
    assert float(LOSS(logits, targets)) == pytest.approx(-math.log(3 / 4) - math.log(4 / 5))
    assert float(LOSS.units(targets)) == 2


def test_summed_log_ratios_are_an_implicit_prm():
    """Yuan et al.'s cross-entropy from log-probabilities of the tokens of a right answer."""
    beta = 0.05
    policy, reference = [-1.0, -0.2, -3.0], [-1.5, -0.1, -7.0]
    ratios = torch.tensor(policy).double() - torch.tensor(reference).double()
    logits = (beta * ratios.cumsum(0))[:, None]
    reward = beta * (sum(policy) - sum(reference))
    expected = -math.log(1 / (1 + math.exp(-reward)))
    targets = made([None] * 3, outcomes=[True])
    assert float(LOSS(logits, targets)) == pytest.approx(expected)


@settings(max_examples=40, deadline=None)
@given(batches())
def test_in_plain_loops(batch):
    logits, targets = batch
    total = 0.0
    for number, known in enumerate(targets.outcome_weight.tolist()):
        if known:
            own = [i for i, trace in enumerate(targets.trace.tolist()) if trace == number]
            z = float(targets.outcome[number])
            total += cross_entropy(log_odds(logits[own[-1]].tolist()), z)
    assert float(LOSS(logits, targets)) == pytest.approx(total, abs=1e-9)


def test_it_learns_which_ending_is_right():
    """Sums of token rewards, taught at the end alone, put the blame on the token that decides."""
    torch.manual_seed(0)
    tokens = torch.randint(0, 6, (200, 5))
    right = ~(tokens == 3).any(-1)
    targets = made(*[[None] * 5] * 200, outcomes=right.tolist())
    rewards = torch.zeros(6, dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.Adam([rewards], lr=0.1)
    for _ in range(150):
        optimizer.zero_grad()
        sums = rewards[tokens].cumsum(-1).reshape(-1, 1)
        (LOSS(sums, targets) / LOSS.units(targets)).backward()
        optimizer.step()
    *others, blamed = rewards[[0, 1, 2, 4, 5, 3]].tolist()
    assert blamed < min(others) - 2
    assert min(others) > 0
