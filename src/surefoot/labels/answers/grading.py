"""Grading: whether texts and traces arrive at the right answer, alone or in worker processes."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from importlib.util import find_spec

from surefoot.errors import UsageError
from surefoot.labels.answers.comparing import (
    AnswerCheck,
    Checked,
    compare,
    find_function,
    is_function,
)
from surefoot.labels.answers.finding import FoundAnswer, find_answer
from surefoot.labels.workers import Crashed, TimedOut, Workers
from surefoot.traces.types import Trace

MAX_LONE = 60
"""A text of one line that is no longer than this may be an answer alone."""

_SAYS = re.compile(
    r"\\f?boxed|####|answer|\*\*|(?<!^[A-Z])[.!?]\s+\S|^(?:\S+\s+){4,}\S*\.$", re.IGNORECASE
)
"""Signs that a text is more than an answer."""


@dataclass(frozen=True, slots=True)
class Given:
    """What is to be judged: a text, or the answer of one, beside the reference.

    `problem` may list the options of a multiple choice. Of a text that is `whole`, an answer is to
    be found even where it is so short that it might be one.
    """

    reference: str
    text: str
    problem: str = ""
    whole: bool = False


def judge_outcome(reference: str, text: str, *, check: AnswerCheck | None = None) -> bool | None:
    """Whether a solution, or an answer alone, is right; None if that cannot be told.

    Takes about a millisecond and never hangs, since it leaves formulas out: where those may decide,
    use `judge_outcomes`.
    """
    return judge(Given(reference, text), replace(check or AnswerCheck(), algebra=False)).same


def judge_outcomes(
    given: Iterable[Given], workers: Workers, *, check: AnswerCheck | None = None
) -> Iterator[Checked]:
    """The verdict on each text, in order, by worker processes (see `answer_workers`).

    A comparison that takes too long or crashes is None, with that as its reason.

    Raises:
        UsageError: the check is a function that cannot be found.
    """
    check = check or AnswerCheck()
    if is_function(check.method):
        find_function(check.method)
    for found in workers.map(partial(judge, check=check), given):
        match found:
            case TimedOut(seconds):
                yield Checked(None, f"took longer than {seconds:g} s", "")
            case Crashed(cause):
                yield Checked(None, f"crashed: {cause}", "")
            case Checked():
                yield found


def answer_workers(
    num_processes: int = 2, timeout_s: float = 10.0, *, check: AnswerCheck | None = None
) -> Workers:
    """Worker processes that have imported what `judge_outcomes` needs for a check.

    A comparison may take `timeout_s` seconds.

    Raises:
        UsageError: formulas are to be compared, and math-verify is not installed.
    """
    check = check or AnswerCheck()
    if is_function(check.method):
        return Workers(num_processes, timeout_s, imports=[check.method.partition(":")[0]])
    if check.algebra and find_spec("math_verify") is None:
        raise UsageError(
            "comparing formulas needs the package math-verify: pip install 'surefoot[answers]', or"
            " leave them out (algebra=False)"
        )
    module = "formulas" if check.algebra else "grading"
    return Workers(num_processes, timeout_s, imports=[f"surefoot.labels.answers.{module}"])


def judge(given: Given, check: AnswerCheck) -> Checked:
    """The verdict on one text; with `check.algebra`, for worker processes only."""
    text = given.text.strip()
    text = text[2:-2] if re.fullmatch(r"\*\*[^*]+\*\*", text) else text
    short = len(text) <= MAX_LONE and "\n" not in text and not _SAYS.search(text)
    lone = short and not given.whole
    found = FoundAnswer(text) if lone else find_answer(text)
    if found is None:
        return Checked(None, "the text holds no answer", "")

    def held(answer: str) -> Checked:
        return compare(given.reference, answer, check, problem=given.problem)

    checked = replace(held(found.text), answer=found.text)
    if checked.same is False and any(held(one).same is not False for one in found.rivals):
        why = "the text may hold the right answer, and does not mark it"
        return replace(checked, same=None, why=why)
    return checked


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
    `meta.outcome` keeps that answer, why, by which method, and the outcome that stood there before;
    what cannot be told is None.
    """
    check = check or AnswerCheck()
    read: deque[tuple[Trace, bool]] = deque()

    def given() -> Iterator[Given]:
        for trace in traces:
            one = None if missing and trace.outcome is not None else _given(trace)
            read.append((trace, one is not None))
            if one is not None:
                yield one

    for found in judge_outcomes(given(), workers, check=check):
        while not read[0][1]:
            yield read.popleft()[0]
        yield _graded(read.popleft()[0], found)
    yield from (trace for trace, _ in read)


def _given(trace: Trace) -> Given | None:
    """What is to be judged of a trace; None if it has no reference."""
    if trace.reference is None:
        return None
    if trace.answer and trace.answer.strip():
        return Given(trace.reference, trace.answer, trace.problem)
    return Given(trace.reference, "\n".join(trace.texts), trace.problem, whole=True)


def _graded(trace: Trace, found: Checked) -> Trace:
    note = {
        "answer": found.answer,
        "why": found.why,
        "method": found.method,
        "before": trace.outcome,
    }
    return replace(trace, outcome=found.same, meta={**trace.meta, "outcome": note})
