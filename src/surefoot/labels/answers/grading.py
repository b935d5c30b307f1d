"""Grading: whether texts and traces arrive at the right answer, alone or in worker processes."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from functools import partial

from surefoot.labels.answers.comparing import AnswerCheck, Checked, compare
from surefoot.labels.answers.finding import extract_answer
from surefoot.labels.workers import Crashed, TimedOut, Workers
from surefoot.traces.types import Trace

MAX_LONE = 60
"""A text of one line that is no longer than this may be an answer alone."""

_SAYS = re.compile(r"\\f?boxed|####|answer|(?<!^[A-Z])[.!?]\s+\S", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Given:
    """What is to be judged: a text, or the answer of one, beside the reference.

    `problem` may list the options of a multiple choice.
    """

    reference: str
    text: str
    problem: str = ""


def judge_outcome(reference: str, text: str, *, check: AnswerCheck | None = None) -> bool | None:
    """Whether a solution, or an answer alone, is right; None if that cannot be told.

    Takes well under a millisecond and never hangs, since it leaves formulas out: where those may
    decide, use `judge_outcomes`.
    """
    return judge(Given(reference, text), replace(check or AnswerCheck(), algebra=False)).same


def judge_outcomes(
    given: Iterable[Given], workers: Workers, *, check: AnswerCheck | None = None
) -> Iterator[Checked]:
    """The verdict on each text, in order, by worker processes (see `answer_workers`).

    A comparison that takes too long or crashes is None, with that as its reason.
    """
    for found in workers.map(partial(judge, check=check or AnswerCheck()), given):
        match found:
            case TimedOut(seconds):
                yield Checked(None, f"took longer than {seconds:g} s", "")
            case Crashed(cause):
                yield Checked(None, f"crashed: {cause}", "")
            case Checked():
                yield found


def answer_workers(num_processes: int = 2, timeout_s: float = 10.0) -> Workers:
    """Worker processes that have read what `judge_outcomes` needs; a comparison has `timeout_s`."""
    return Workers(num_processes, timeout_s, imports=["surefoot.labels.answers.formulas"])


def judge(given: Given, check: AnswerCheck) -> Checked:
    """The verdict on one text; with `check.algebra`, for worker processes only."""
    text = given.text.strip()
    lone = len(text) <= MAX_LONE and "\n" not in text and not _SAYS.search(text)
    answer = text if lone else extract_answer(text)
    if answer is None:
        return Checked(None, "the text holds no answer", "")
    return compare(given.reference, answer, check, problem=given.problem)


def grade(
    traces: Iterable[Trace],
    workers: Workers,
    *,
    check: AnswerCheck | None = None,
    missing: bool = False,
) -> Iterator[Trace]:
    """The traces, in order, each with the outcome that its answer has beside its reference.

    The answer is that of the trace, or the one found in its steps. Without a reference a trace
    stays as it is; so does one that has an outcome, if only `missing` ones are asked for.
    `meta.outcome` keeps why, by which method, and the outcome that stood there before; what cannot
    be told is None.
    """
    check = check or AnswerCheck()
    read: deque[Trace] = deque()

    def given() -> Iterator[Given]:
        for trace in traces:
            read.append(trace)
            if _is_graded(trace, missing):
                yield _given(trace)

    for found in judge_outcomes(given(), workers, check=check):
        while not _is_graded(read[0], missing):
            yield read.popleft()
        yield _graded(read.popleft(), found)
    yield from read


def _is_graded(trace: Trace, missing: bool) -> bool:
    return trace.reference is not None and not (missing and trace.outcome is not None)


def _given(trace: Trace) -> Given:
    assert trace.reference is not None
    if trace.answer:
        return Given(trace.reference, trace.answer, trace.problem)
    for text in (trace.texts[-1], "\n".join(trace.texts)):
        if (answer := extract_answer(text)) is not None:
            return Given(trace.reference, answer, trace.problem)
    return Given(trace.reference, "", trace.problem)


def _graded(trace: Trace, found: Checked) -> Trace:
    note = {"why": found.why, "method": found.method, "before": trace.outcome}
    return replace(trace, outcome=found.same, meta={**trace.meta, "outcome": note})
