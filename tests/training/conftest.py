"""Small things to train, and quiet libraries."""

import random

import pytest
import torch
from transformers.utils import logging

from surefoot.training.scratch import Shape
from surefoot.worlds.last_digit import Authors, LastDigit

SMALL = Shape(hidden_size=16, num_layers=1, num_heads=2, vocab_size=280, max_positions=256)
"""Large enough to learn something, small enough for an update to take milliseconds."""


@pytest.fixture(scope="session", autouse=True)
def quiet():
    """One thread, no bars."""
    torch.set_num_threads(1)
    logging.set_verbosity_error()
    logging.disable_progress_bar()


@pytest.fixture
def small_shape():
    return SMALL


@pytest.fixture(scope="session")
def world_traces():
    """Labelled chains of simulated authors on short problems: `world_traces(40)`."""

    def make(number, *, seed=0, longest=2):
        world, authors, rng = LastDigit(1, longest), Authors(), random.Random(seed)
        problems = world.problems(number, seed=seed)
        return [world.trace(p, authors.draw(rng).solve(p, rng)) for p in problems]

    return make


@pytest.fixture
def same_weights():
    """Whether two models have the same weights, bit by bit."""

    def same(one, other):
        ours, theirs = one.state_dict(), other.state_dict()
        return ours.keys() == theirs.keys() and all(torch.equal(ours[k], theirs[k]) for k in ours)

    return same
