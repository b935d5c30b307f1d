"""How a chain ends: right, wrong, or not to be told, and then why."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple, TypeAlias

from surefoot.errors import TraceError
from surefoot.labels.answers import (
    AnswerCheck,
    Given,
    extract_answer,
    judge_outcome,
    judge_outcomes,
)
from surefoot.labels.workers import Workers
from surefoot.traces.types import Trace
from surefoot.worlds.base import Problem, World

CUT = "cut by the length limit"
EMPTY = "no steps"
NO_ANSWER = "no answer"
UNCLEAR = "an answer that cannot be compared"
NO_REFERENCE = "no reference to compare with"
FOREIGN = "a problem that is not of this world"

UNFINISHED = frozenset({CUT, NO_ANSWER})
"""Causes by which the policy went on and did not arrive."""


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
        try:
            ended = world.trace(Problem(chain.trace.problem, chain.trace.reference), chain.steps)
        except TraceError:
            return Ending(None, FOREIGN)
        return Ending(None, NO_ANSWER) if ended.answer is None else Ending(ended.outcome)

    return lambda chains: [judge(chain) for chain in chains]


def answer_ends(workers: Workers | None = None, *, check: AnswerCheck | None = None) -> Ends:
    """The answer of a chain, held against the reference of its trace.

    It is looked for in the last step, then in all of them. With `workers` (of `answer_workers`)
    formulas are compared too.
    """

    def judge(chains: Sequence[Chain]) -> list[Ending]:
        found: list[Ending | None] = []
        asked: list[Given] = []
        for chain in chains:
            given = _given(chain)
            if isinstance(given, Given):
                asked.append(given)
            found.append(given if isinstance(given, Ending) else None)
        judged = iter(_judged(asked, workers, check))
        return [next(judged) if one is None else one for one in found]

    return judge


def _given(chain: Chain) -> Given | Ending:
    trace = chain.trace
    if trace.reference is None:
        return Ending(None, NO_REFERENCE)
    for text in (chain.steps[-1], "\n".join(chain.steps)):
        if (answer := extract_answer(text)) is not None:
            return Given(trace.reference, answer, trace.problem)
    return Ending(None, NO_ANSWER)


def _judged(
    asked: Sequence[Given], workers: Workers | None, check: AnswerCheck | None
) -> list[Ending]:
    """Equal questions are asked once."""
    distinct = list(dict.fromkeys(asked))
    if workers is not None:
        says = [found.same for found in judge_outcomes(distinct, workers, check=check)]
    else:
        says = [judge_outcome(one.reference, one.text, check=check) for one in distinct]
    known = dict(zip(distinct, says, strict=True))
    return [Ending(None, UNCLEAR) if known[one] is None else Ending(known[one]) for one in asked]
