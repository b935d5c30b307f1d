"""TD(lambda): values of steps from outcomes, and from each other."""

import math
from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from made_up_targets import batches, made
from plain_losses import cross_entropy, ends, log_odds, sigmoid
from surefoot.training.losses.temporal_difference import TemporalDifference


def test_by_hand():
    # values 3/4, 1/2, 1/5, then the answer is right; lambda = 1/2
    logits = torch.tensor([[math.log(3)], [0.0], [-math.log(4)]]).double()
    third = 1.0
    second = 0.5 * (1 / 5) + 0.5 * third
    first = 0.5 * (1 / 2) + 0.5 * second
    expected = -(
        first * math.log(3 / 4)
        + (1 - first) * math.log(1 / 4)
        + math.log(1 / 2)
        + third * math.log(1 / 5)
    )
    targets = made([None, 0.0, None], outcomes=[True])
    loss = TemporalDifference(lam=0.5)
    assert float(loss(logits, targets)) == pytest.approx(expected)
    assert float(loss.units(targets)) == 3


def test_lambda_one_teaches_the_outcome_at_every_step_and_gamma_discounts_it():
    logits = torch.tensor([[0.4], [-1.0], [2.0]]).double()
    targets = made([None] * 3, outcomes=[True])
    expected = sum(
        cross_entropy(float(z), y) for z, y in zip(logits[:, 0], [0.81, 0.9, 1.0], strict=True)
    )
    found = TemporalDifference(lam=1.0, gamma=0.9)(logits, targets)
    assert float(found) == pytest.approx(expected)


@settings(max_examples=50, deadline=None)
@given(batches(), st.floats(0, 1), st.floats(0.1, 1))
def test_in_plain_loops(batch, lam, gamma):
    """Also the gradient: value minus return, since nothing flows through the return."""
    logits, targets = batch
    logits.requires_grad_()
    total, num_steps = 0.0, 0
    errors = {}
    for number, known in enumerate(targets.outcome_weight.tolist()):
        own = [i for i in ends(targets) if int(targets.trace[i]) == number]
        taught = float(targets.outcome[number])
        for i in reversed(own if known else []):
            odds = log_odds(logits[i].tolist())
            total += cross_entropy(odds, taught)
            num_steps += 1
            errors[i] = sigmoid(odds) - taught
            taught = gamma * ((1 - lam) * sigmoid(odds) + lam * taught)
    loss = TemporalDifference(lam=lam, gamma=gamma)
    found = loss(logits, targets)
    assert found.item() == pytest.approx(total, abs=1e-8)
    assert float(loss.units(targets)) == num_steps
    found.backward()
    expected = [errors.get(i, 0.0) for i in range(len(logits))]
    assert logits.grad[:, -1].tolist() == pytest.approx(expected, abs=1e-9)


def random_walk(rng):
    """States 0 to 4 from the middle, one to the left or right each time (Sutton and Barto, example
    6.2); right is the answer at the right end."""
    state, visited = 2, []
    while 0 <= state <= 4:
        visited.append(state)
        state += int(rng.choice([-1, 1]))
    return visited, state > 4


@pytest.fixture(scope="module")
def walks():
    rng = np.random.default_rng(0)
    return [random_walk(rng) for _ in range(60)]


def learned(walks, loss):
    """Values of a table of the states, learned from all walks at once until nothing moves."""
    states = [state for visited, _ in walks for state in visited]
    targets = made(*[[None] * len(v) for v, _ in walks], outcomes=[right for _, right in walks])
    table = torch.zeros(5, 1, dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.SGD([table], lr=15.0)
    for _ in range(200):
        optimizer.zero_grad()
        (loss(table[states], targets) / loss.units(targets)).backward()
        optimizer.step()
    return table.sigmoid().flatten().tolist()


def test_lambda_one_learns_the_mean_outcome_of_each_state(walks):
    seen = [
        [right for visited, right in walks for s in visited if s == state] for state in range(5)
    ]
    means = [sum(own) / len(own) for own in seen]
    assert learned(walks, TemporalDifference(lam=1.0)) == pytest.approx(means, abs=1e-4)


def test_lambda_zero_learns_the_values_of_the_markov_chain_that_was_seen(walks):
    """The certainty-equivalence estimate: solve V = P V + r with the observed frequencies."""
    moves, wins = np.zeros((5, 5)), np.zeros(5)
    for visited, right in walks:
        for here, there in pairwise(visited):
            moves[here, there] += 1
        wins[visited[-1]] += right
    visits = np.bincount([s for visited, _ in walks for s in visited], minlength=5)
    exact = np.linalg.solve(np.eye(5) - moves / visits[:, None], wins / visits)
    found = learned(walks, TemporalDifference(lam=0.0))
    assert found == pytest.approx(exact.tolist(), abs=1e-4)
    assert found != pytest.approx(learned(walks, TemporalDifference(lam=1.0)), abs=1e-2)


def test_any_lambda_comes_near_the_true_values():
    rng = np.random.default_rng(1)
    many = [random_walk(rng) for _ in range(600)]
    found = learned(many, TemporalDifference(lam=0.8))
    assert found == pytest.approx([1 / 6, 2 / 6, 3 / 6, 4 / 6, 5 / 6], abs=0.05)
