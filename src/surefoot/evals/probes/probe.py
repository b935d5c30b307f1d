"""What a probe is: a pure function that alters a trace, and where the original steps went.

An attack alters a trace so that it is no better than it was; a scorer that likes it more can be
hacked. An invariance alters what should not matter; a scorer whose numbers move reads what it
should not. Whatever is drawn depends on the seed, the probe and the trace alone.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal, TypeAlias

from surefoot.errors import UsageError
from surefoot.traces.types import Step, StepScores, Trace

Kind = Literal["attack", "invariance"]

Places: TypeAlias = tuple[tuple[int, ...], ...]
"""For each original step, the steps of the altered trace that hold its text, in order."""


@dataclass(frozen=True, slots=True)
class Altered:
    """A trace after a probe, without labels and scores, and where the original steps are in it."""

    trace: Trace
    places: Places


@dataclass(frozen=True, slots=True)
class Piece:
    """One step of an altered trace, and the original steps whose text it holds."""

    step: Step
    holds: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Probe:
    """One way of altering traces. `pieces` gives the new steps of a trace, None where the probe
    does not apply."""

    name: str
    kind: Kind
    summary: str
    pieces: Callable[[Trace, random.Random], list[Piece] | None]

    def alter(self, trace: Trace, seed: int = 0) -> Altered | None:
        """The trace altered; None where the probe does not apply, or changes nothing."""
        made = self.pieces(trace, random.Random(f"{seed}:{self.name}:{trace.id}"))
        if made is None or [piece.step for piece in made] == list(trace.steps):
            return None
        places: list[list[int]] = [[] for _ in trace.steps]
        for position, piece in enumerate(made):
            for original in piece.holds:
                places[original].append(position)
        altered = replace(trace, steps=tuple(one.step for one in made), labels=(), scores=())
        return Altered(altered, tuple(map(tuple, places)))


def aligned(scores: StepScores, places: Places) -> list[float | None]:
    """What each original step scores in the altered trace: the least score of the steps that hold
    it, None where the scorer abstained on all of these.

    Raises:
        UsageError: a place lies outside the scores.
    """
    num = len(scores.values)
    found: list[float | None] = []
    for some in places:
        if any(not 0 <= place < num for place in some):
            raise UsageError(f"a step is at {max(some)} of an altered trace of {num} scores")
        known = [value for value in (scores.values[place] for place in some) if value is not None]
        found.append(min(known, default=None))
    return found


def kept(trace: Trace) -> list[Piece]:
    """The steps as they are."""
    return [Piece(step, (i,)) for i, step in enumerate(trace.steps)]


def inserted(trace: Trace, before: Mapping[int, Sequence[str]]) -> list[Piece]:
    """The steps with further ones before some of them; those before S stand at the end."""
    made: list[Piece] = []
    for i, piece in enumerate(kept(trace)):
        made += [Piece(Step(text)) for text in before.get(i, ())]
        made.append(piece)
    return [*made, *(Piece(Step(text)) for text in before.get(len(trace.steps), ()))]


def rewritten(trace: Trace, rewrite: Callable[[str], str]) -> list[Piece]:
    """The steps with another text each; what the world answered stays."""
    return [
        Piece(replace(step, text=rewrite(step.text)), (i,)) for i, step in enumerate(trace.steps)
    ]
