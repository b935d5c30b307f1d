"""How a chain ends: right, wrong, or not to be told, and then why."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple, TypeAlias

from surefoot.labels.answers import extract_answer, same_answer
from surefoot.traces.types import Trace
from surefoot.worlds.base import Problem, World

CUT = "cut by the length limit"
EMPTY = "no steps"
NO_ANSWER = "no answer"
UNCLEAR = "an answer that cannot be compared"
NO_REFERENCE = "no reference to compare with"

UNFINISHED = frozenset({CUT, EMPTY, NO_ANSWER})
"""Causes that lie with the policy: it did not arrive anywhere. Others lie with who was to judge it,
or with a server that failed."""


class Chain(NamedTuple):
    """All steps taken on the problem of a trace, from the first to the end."""

    trace: Trace
    steps: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Ending:
    """Whether a chain ends right, None where that cannot be told, for a cause."""

    right: bool | None
    cause: str | None = None


Ends: TypeAlias = Callable[[Sequence[Chain]], list[Ending]]
"""Judges finished chains, all of them at once, so that slow checks can run side by side."""


def world_ends(world: World) -> Ends:
    """The exact answer of a world: a chain that gives none has no outcome."""

    def judge(chain: Chain) -> Ending:
        if chain.trace.reference is None:
            return Ending(None, NO_REFERENCE)
        ended = world.trace(Problem(chain.trace.problem, chain.trace.reference), chain.steps)
        return Ending(None, NO_ANSWER) if ended.answer is None else Ending(ended.outcome)

    return lambda chains: [judge(chain) for chain in chains]


def answer_ends(
    check: Callable[[str, str], bool | None] = same_answer,
    extract: Callable[[str], str | None] = extract_answer,
) -> Ends:
    """The answer of the last step that gives one, held against the trace's reference."""

    def judge(chain: Chain) -> Ending:
        if chain.trace.reference is None:
            return Ending(None, NO_REFERENCE)
        answer = extract("\n".join(chain.steps))
        if answer is None:
            return Ending(None, NO_ANSWER)
        right = check(answer, chain.trace.reference)
        return Ending(None, UNCLEAR) if right is None else Ending(right)

    return lambda chains: [judge(chain) for chain in chains]
