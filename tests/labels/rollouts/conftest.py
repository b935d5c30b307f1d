"""Policies whose every continuation has a known probability, and ways of drawing from them."""

import pytest

from abc_chains import abc_policy, no_b_ends
from surefoot.labels.rollouts import Drawing
from surefoot.policies.base import Sampling


@pytest.fixture
def policy_of(small_model):
    """A policy of `abc_policy`: `policy_of(a=2, b=1, end=1)`."""
    return lambda **options: abc_policy(small_model, **options)


@pytest.fixture
def drawing_of(policy_of):
    """A way of drawing from such a policy: `drawing_of(a=2, b=1, end=1)`."""

    def make(seed=0, max_new_tokens=30, ends=no_b_ends, **weights):
        return Drawing(policy_of(**weights), ends, Sampling(max_new_tokens=max_new_tokens), seed)

    return make
