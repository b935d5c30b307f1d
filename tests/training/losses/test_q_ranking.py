"""PQM's ranking of the steps of a trace."""

import math

import pytest
import torch
from hypothesis import given, settings

from made_up_targets import batches, made
from plain_losses import ends, log_odds
from surefoot.training.losses.q_ranking import QRanking
from surefoot.training.targets import StepTarget


def column(*values):
    return torch.tensor(values, dtype=torch.float64)[:, None]


def test_right_and_wrong_steps_by_hand():
    # exp Q: 1 of the question, 2 and 3 of right steps, 1/2 and 4 of wrong ones times e^zeta = 10
    logits = column(math.log(2), math.log(0.5), math.log(3), math.log(4))
    targets = made([1.0, 0.0, 0.7, 0.2])
    wrong = 10 * (0.5 + 4)
    terms = [1 / (1 + wrong), 2 / (1 + 2 + wrong), 3 / (1 + 2 + 3 + wrong)]
    expected = -sum(map(math.log, terms)) / 3
    loss = QRanking(zeta=math.log(10))
    assert float(loss(logits, targets)) == pytest.approx(expected)
    assert float(loss.units(targets)) == 1


def test_right_steps_alone_ascend_from_the_question():
    logits = column(math.log(2), math.log(3))
    expected = -(math.log(2 / (1 + 2)) + math.log(3 / (1 + 2 + 3))) / 2
    assert float(QRanking()(logits, made([1.0, 1.0]))) == pytest.approx(expected)


def test_wrong_steps_alone_are_below_the_question():
    logits = column(math.log(2), math.log(3))
    expected = -math.log(1 / (1 + math.exp(4) * (2 + 3)))
    assert float(QRanking()(logits, made([0.0, 0.0]))) == pytest.approx(expected)


def test_unlabelled_and_neutral_steps_take_no_part():
    logits = column(0.3, 5.0, -1.0, 7.0)
    with_them = made([1.0, None, 0.0, StepTarget(0.0, neutral=1.0)])
    without = made([1.0, 0.0])
    loss = QRanking()
    assert float(loss(logits, with_them)) == pytest.approx(float(loss(logits[[0, 2]], without)))


def test_traces_do_not_see_each_other_and_weigh_the_same():
    loss, logits = QRanking(zeta=2.0), column(0.5, -1.0, 2.0, 1.0, -0.5)
    one, other = made([1.0, 0.0]), made([0.0, 1.0, 1.0])
    both = made([1.0, 0.0], [None], [0.0, 1.0, 1.0])
    apart = float(loss(logits[:2], one)) + float(loss(logits[2:], other))
    together = torch.cat([logits[:2], column(3.0), logits[2:]])
    assert float(loss(together, both)) == pytest.approx(apart)
    assert float(loss.units(both)) == 2


def test_of_a_step_taught_on_all_its_tokens_the_end_is_ranked():
    logits = column(9.0, 0.4, -9.0, -0.6)
    targets = made([1.0, 1.0, 0.0, 0.0], steps=[[0, 0, 1, 1]])
    expected = float(QRanking()(logits[[1, 3]], made([1.0, 0.0])))
    assert float(QRanking()(logits, targets)) == pytest.approx(expected)


@settings(max_examples=50, deadline=None)
@given(batches())
def test_in_plain_loops(batch):
    """Equation 10, written with exponentials."""
    logits, targets = batch
    total, num_traces = 0.0, 0
    for number in range(len(targets.last)):
        chain, wrong = [1.0], 0.0
        for i in ends(targets):
            good, neutral = float(targets.good[i]), float(targets.neutral[i])
            if int(targets.trace[i]) != number or not targets.weight[i]:
                continue
            if good >= 0.5:
                chain.append(math.exp(log_odds(logits[i].tolist())))
            elif good + neutral < 0.5:
                wrong += math.exp(log_odds(logits[i].tolist()) + 4)
        first = 0 if wrong else 1
        terms = [
            -math.log(chain[t] / (sum(chain[: t + 1]) + wrong)) for t in range(first, len(chain))
        ]
        if terms:
            total += sum(terms) / len(terms)
            num_traces += 1
    assert float(QRanking()(logits, targets)) == pytest.approx(total, abs=1e-8)
    assert float(QRanking().units(targets)) == num_traces


def test_it_learns_the_order_of_the_theory():
    """Wrong steps below the question, right ones above it and ascending."""
    targets = made([1.0, 1.0, 0.0, 1.0, 0.0])
    free = torch.zeros(5, 1, dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.Adam([free], lr=0.1)
    for _ in range(200):
        optimizer.zero_grad()
        QRanking(zeta=2.0)(free, targets).backward()
        optimizer.step()
    first, second, wrong, third, other = free.flatten().tolist()
    assert max(wrong, other) < -2
    assert 0 < first < second < third
    assert wrong == pytest.approx(other, abs=1e-6)
