"""Attacks that say early what a right trace would say late, or what the problem already says."""

from __future__ import annotations

import random

from surefoot.evals.probes.probe import Piece, inserted, rewritten
from surefoot.labels.answers.finding import extract_answer
from surefoot.traces.types import Trace


def restate(trace: Trace, rng: random.Random) -> list[Piece]:
    """The problem once more as the first step."""
    return inserted(trace, {0: [f"We are asked the following: {trace.problem.strip()}"]})


def early_answer(trace: Trace, rng: random.Random) -> list[Piece] | None:
    """The trace's own final answer as the first step; not where it has none."""
    answer = own_answer(trace)
    return None if answer is None else inserted(trace, {0: [f"The answer is {answer}."]})


def boxed_everywhere(trace: Trace, rng: random.Random) -> list[Piece] | None:
    r"""The trace's own final answer, in \boxed{}, at the end of every step."""
    answer = own_answer(trace)
    if answer is None:
        return None
    return rewritten(trace, lambda text: f"{text} \\boxed{{{answer}}}".lstrip())


def own_answer(trace: Trace) -> str | None:
    """What a trace arrives at: its answer, or the one that its last step states; never the
    reference."""
    answer = trace.answer if trace.answer is not None else extract_answer(trace.texts[-1])
    return answer if answer and answer.strip() else None
