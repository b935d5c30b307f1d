"""Chains of the steps a, b and c for tests of rollouts, and their exact values."""

from __future__ import annotations

from surefoot.labels.rollouts.ends import Ending
from surefoot.traces.types import Trace


def no_b_ends(chains):
    """A chain is right if it holds no b. One that holds c gives no answer."""
    return [
        Ending(None, "no answer") if "c" in chain.steps else Ending("b" not in chain.steps)
        for chain in chains
    ]


def chain(steps, outcome=None, problem="p", **fields):
    """A trace of one-letter steps, such as `chain("aab", False)`."""
    return Trace(problem, list(steps), outcome=outcome, reference="no b", **fields)


def value(a, b, end):
    """The exact value of a prefix without b: one step at least, then no b before the end."""
    return a * (end / (end + b)) / (a + b)
