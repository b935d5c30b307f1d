"""Chains of the steps a, b and c for tests of rollouts, and their exact values."""

from __future__ import annotations

from surefoot.labels.rollouts.draws import Rollout
from surefoot.labels.rollouts.ends import EMPTY, Ending
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


def by_chance(rng):
    """What a policy writes that adds a, b or the end with chances 3, 1 and 1."""

    def answer(ask):
        found = []
        for _ in range(ask.n):
            steps = "".join(iter(lambda: rng.choice("aaab."), "."))
            ending = Ending("b" not in (*ask.steps, *steps)) if steps else Ending(None, EMPTY)
            found.append(Rollout(tuple(steps), ending, 1))
        return found

    return answer
