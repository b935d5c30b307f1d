"""The first error of a chain that ends wrong, by binary search (OmegaPRM, 2406.06592, 3.2).

A prefix is taken to be right if the policy still arrives at the right answer from it. The search
assumes that this, once lost, never comes back: of all prefixes a first part is right and the rest
is not. Of true values above 0 that holds wherever the policy itself may write the steps, since

    value(prefix) >= P(next step | prefix) * value(prefix and next step)

so that it fails through too few rollouts alone, or for a `low` above 0. A failure is looked for:
the prefix behind the error that was found is rolled out too, and if it is right after all the
search goes on behind it, as often as that happens; `not_monotone` counts it.

Labels are 1 before the first error, -1 at it and None behind it. A chain that ends right is right
throughout by the same assumption, and costs nothing: that a wrong step may still lead to a right
answer is what this way of labelling cannot see. Where the policy does not even solve the problem
from its beginning, the search says nothing of the steps, and there are no labels.

Where ours differs: a prefix is rolled out only until `SequentialTest` is clear about it, and the
neighbours are verified.
"""

from __future__ import annotations

from surefoot.labels.rollouts.draws import Plan
from surefoot.labels.rollouts.evidence import Evidence
from surefoot.labels.rollouts.positions import Positions, why_silent
from surefoot.labels.rollouts.sequential import SequentialTest, probe, verdict

TOO_HARD = "the policy does not solve the problem from its beginning"
BEHIND = "behind the first error"
NO_OUTCOME = "the chain's own end is not known, so there is no error to search for"


class _NotKnownError(Exception):
    """None of the rollouts of a prefix counts."""

    def __init__(self, evidence: Evidence) -> None:
        super().__init__(why_silent(evidence))


def binary(found: Positions, test: SequentialTest) -> Plan[list[float | None]]:
    """Search for the first error; returns the label of every step."""
    num = len(found.steps)
    blank: list[float | None] = [None] * num
    if found.own.right is None or found.silent:
        cause = next(iter(found.silent.values()), found.own.cause or NO_OUTCOME)
        found.silent |= {k: found.silent.get(k, cause) for k in range(num)}
        return blank
    if found.own.right:
        return [1.0] * num
    try:
        right, wrong = yield from _search(found, test)
    except _NotKnownError as error:
        found.silent |= dict.fromkeys(range(num), str(error))
        return blank
    if right is None:
        found.silent |= dict.fromkeys(range(num), TOO_HARD)
        return blank
    found.silent |= dict.fromkeys(range(wrong + 1, num), BEHIND)
    return [*([1.0] * wrong), -1.0, *blank[wrong + 1 :]]


def _search(found: Positions, test: SequentialTest) -> Plan[tuple[int | None, int]]:
    """The last position that is right (-1 the beginning, None if not even that is) and the first
    that is wrong."""
    last = len(found.steps) - 1
    right, wrong = -1, last
    failures = 0
    while True:
        while wrong - right > 1:
            middle = (right + wrong) // 2
            if (yield from _is_right(found, test, middle)):
                right = middle
            else:
                wrong = middle
        if wrong + 1 >= last or not (yield from _is_right(found, test, wrong + 1)):
            break
        failures += 1
        right, wrong = wrong + 1, last
    if failures:
        found.more["not_monotone"] = failures
    if right == -1 and not (yield from _is_right(found, test, -1)):
        return None, wrong
    return right, wrong


def _is_right(found: Positions, test: SequentialTest, k: int) -> Plan[bool]:
    """Whether the policy still arrives from step k, or from the beginning for -1."""
    evidence = found.start if k < 0 else found.steps[k]
    assert evidence is not None, "only the end of a finished chain has no rollouts"
    yield from probe([evidence], test)
    says = verdict(evidence, test)
    if says is None:
        raise _NotKnownError(evidence)
    return says
