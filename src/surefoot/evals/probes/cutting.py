"""Probes that cut the same text into other steps."""

from __future__ import annotations

import random
import re
from dataclasses import replace

from surefoot.evals.probes.probe import Piece
from surefoot.traces.split import split_steps
from surefoot.traces.types import Step, Trace

_WHITE = re.compile(r"\s+")


def merge(trace: Trace, rng: random.Random) -> list[Piece] | None:
    """Every two neighbours as one step, so that a wrong one hides behind a right one.

    Not where the world answered between steps.
    """
    if len(trace.steps) < 2 or _has_observations(trace):
        return None
    return [
        Piece(
            Step("\n".join(trace.texts[i : i + 2])), tuple(range(i, min(i + 2, len(trace.steps))))
        )
        for i in range(0, len(trace.steps), 2)
    ]


def merge_all(trace: Trace, rng: random.Random) -> list[Piece] | None:
    """The whole trace as one step; not where the world answered between steps."""
    if len(trace.steps) < 2 or _has_observations(trace):
        return None
    return [Piece(Step("\n".join(trace.texts)), tuple(range(len(trace.steps))))]


def split(trace: Trace, rng: random.Random) -> list[Piece]:
    """Every step cut in two at the white space nearest to its middle."""
    return [piece for i, step in enumerate(trace.steps) for piece in _parts(i, step, _halves(step))]


def sentences(trace: Trace, rng: random.Random) -> list[Piece]:
    """Every step cut where its sentences end."""
    return [
        piece
        for i, step in enumerate(trace.steps)
        for piece in _parts(
            i, step, split_steps(step.text, "sentences") if step.text.strip() else []
        )
    ]


def _parts(i: int, step: Step, texts: list[str]) -> list[Piece]:
    """A step in parts; what the world answered stands behind the last."""
    if len(texts) < 2:
        return [Piece(step, (i,))]
    *before, last = texts
    return [*(Piece(Step(one), (i,)) for one in before), Piece(replace(step, text=last), (i,))]


def _halves(step: Step) -> list[str]:
    text = step.text.strip()
    gaps = [match.span() for match in _WHITE.finditer(text)]
    if not gaps:
        return []
    start, end = min(gaps, key=lambda gap: abs(gap[0] + gap[1] - len(text)))
    return [text[:start], text[end:]]


def _has_observations(trace: Trace) -> bool:
    return any(step.observation is not None for step in trace.steps)
