"""What holds of every loss: it is a sum over units, has the gradient of what it says, and what is
not labelled takes no part."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from made_up_targets import batches, joined, made
from surefoot.errors import UsageError
from surefoot.training.losses import LOSSES
from surefoot.training.losses.binomial import Binomial
from surefoot.training.losses.cross_entropy import CrossEntropy
from surefoot.training.losses.joint import Joint
from surefoot.training.losses.outcome import Outcome
from surefoot.training.losses.pairwise import Pairwise
from surefoot.training.losses.q_ranking import QRanking
from surefoot.training.losses.squared_error import SquaredError
from surefoot.training.losses.temporal_difference import TemporalDifference

EVERY = [
    CrossEntropy(),
    Binomial(),
    SquaredError(),
    QRanking(),
    Pairwise(margin=0.5),
    TemporalDifference(lam=0.6, gamma=0.9),
    Outcome(),
    Joint(outcome_weight=0.7),
    Joint(QRanking(zeta=1.0), outcome_weight=2.0),
]
of_every = pytest.mark.parametrize("loss", EVERY, ids=repr)


def test_here_is_one_of_each():
    assert {type(one) for one in EVERY} == set(LOSSES.values())
    assert all(LOSSES[name]() == LOSSES[name]() for name in LOSSES)


def drawn(loss, data):
    width = data.draw(st.integers(1, 3)) + isinstance(loss, Joint)
    return data.draw(batches(width)), data.draw(batches(width))


@of_every
@settings(max_examples=25, deadline=None)
@given(data=st.data())
def test_cutting_a_batch_changes_nothing(loss, data):
    (logits, targets), (others, more) = drawn(loss, data)
    whole = joined(targets, more)
    parts = float(loss(logits, targets)) + float(loss(others, more))
    assert float(loss(torch.cat([logits, others]), whole)) == pytest.approx(parts, abs=1e-9)
    units = float(loss.units(targets)) + float(loss.units(more))
    assert float(loss.units(whole)) == pytest.approx(units)
    assert loss(logits, targets).shape == loss.units(targets).shape == ()


@of_every
@settings(max_examples=10, deadline=None)
@given(data=st.data())
def test_the_gradient_is_that_of_the_loss(loss, data):
    if isinstance(loss, TemporalDifference):
        loss = TemporalDifference(lam=1.0)  # otherwise what is taught moves with the values
    (logits, targets), _ = drawn(loss, data)
    logits.requires_grad_()
    assert torch.autograd.gradcheck(lambda z: loss(z, targets), logits, atol=1e-4)


def taught(loss, targets):
    """The places that may have a gradient, by what each loss says of itself."""
    some = torch.zeros(len(targets.good), dtype=torch.bool)
    if isinstance(loss, (CrossEntropy, SquaredError)):
        some = targets.weight > 0
    elif isinstance(loss, Binomial):
        some = targets.trials > 0
    elif isinstance(loss, QRanking):
        wrong = 1 - targets.good - targets.neutral
        some = (targets.weight > 0) & ((targets.good >= 0.5) | (wrong > 0.5))
    elif isinstance(loss, Pairwise):
        some[targets.pairs.flatten()] = True
    elif isinstance(loss, TemporalDifference):
        some = targets.outcome_weight[targets.trace] > 0
    elif isinstance(loss, Outcome):
        some[targets.last[targets.outcome_weight > 0]] = True
    return some


@of_every
@settings(max_examples=25, deadline=None)
@given(data=st.data())
def test_what_is_not_labelled_has_no_gradient_at_all(loss, data):
    (logits, targets), _ = drawn(loss, data)
    logits.requires_grad_()
    loss(logits, targets).backward()
    if isinstance(loss, Joint):
        steps, outcome = logits.grad[:, :-1], logits.grad[:, -1]
        assert (outcome[~taught(Outcome(), targets)] == 0).all()
        assert (steps[~taught(loss.steps, targets)] == 0).all()
    else:
        assert (logits.grad[~taught(loss, targets)] == 0).all()


@of_every
def test_a_batch_with_nothing_to_learn_is_zero_and_can_be_differentiated(loss):
    targets = made([None, None], [None])
    logits = torch.ones(3, 2, dtype=torch.float64, requires_grad=True)
    found = loss(logits, targets)
    found.backward()
    assert found.item() == loss.units(targets).item() == 0
    assert (logits.grad == 0).all()


@of_every
def test_certain_mistakes_are_large_and_finite(loss):
    targets = made([0.0, 1.0], outcomes=[True], pairs=[(1, 0)], dtype=torch.float32)
    logits = torch.tensor([[-200.0, 200.0, 9.0], [200.0, -200.0, -200.0]])
    logits = logits[:, : 2 + isinstance(loss, Joint)].requires_grad_()
    found = loss(logits, targets)
    found.backward()
    assert 0.9 < found.item() < math.inf
    assert logits.grad.isfinite().all()


@pytest.mark.parametrize(
    ("kind", "options", "said"),
    [
        (QRanking, {"zeta": -1.0}, "zeta is -1.0"),
        (QRanking, {"zeta": math.nan}, "zeta is nan"),
        (Pairwise, {"margin": -0.1}, "margin is -0.1"),
        (Pairwise, {"margin": math.inf}, "margin is inf"),
        (TemporalDifference, {"lam": 1.1}, "lam is 1.1"),
        (TemporalDifference, {"lam": math.nan}, "lam is nan"),
        (TemporalDifference, {"gamma": 0.0}, "gamma is 0.0"),
        (TemporalDifference, {"gamma": 1.5}, "gamma is 1.5"),
        (Joint, {"outcome_weight": 0.0}, "outcome_weight is 0.0"),
        (Joint, {"steps": Joint()}, "steps is a joint loss"),
    ],
)
def test_options_that_cannot_work_are_refused(kind, options, said):
    with pytest.raises(UsageError, match=said):
        kind(**options)
