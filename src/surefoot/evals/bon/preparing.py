"""Pools made ready: every candidate with its problem, its outcome, and the group of its answer.

What is found is kept in `meta.bon` of the trace, so that a run is measured again from its traces
alone, without comparing answers anew.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from surefoot.errors import UsageError
from surefoot.labels.answers.comparing import AnswerCheck
from surefoot.labels.answers.finding import extract_answer
from surefoot.labels.answers.grading import MAX_LONE, answer_workers, grade
from surefoot.labels.answers.groups import GroupCounts, Question, group_answers
from surefoot.traces.types import Trace

KEY = "bon"
"""Where in `meta` the findings are."""


@dataclass(frozen=True)
class Prepared:
    """The candidates of all pools, ready to be measured, and what happened on the way.

    `repeated` candidates were in a pool twice and are left out; `graded` were held against their
    reference, which changed the outcome of `regraded`; `answers` says what became of differently
    spelled answers.
    """

    traces: tuple[Trace, ...]
    repeated: int
    graded: int
    regraded: int
    answers: GroupCounts

    def to_json(self) -> dict[str, Any]:
        """The counts."""
        return {
            "repeated": self.repeated,
            "graded": self.graded,
            "regraded": self.regraded,
            "answers": self.answers.to_json(),
        }


def prepare(
    pools: Mapping[str, Sequence[Trace]],
    *,
    check: AnswerCheck | None = None,
    answer_column: str | None = None,
    regrade: bool = False,
    num_processes: int = 2,
    timeout_s: float = 10.0,
) -> Prepared:
    """Make pools ready, each by its name.

    The problem of a candidate is its `meta.problem_id` where all of the pool have one, else the
    problem's text. Candidates without an outcome are held against their reference.

    Args:
        pools: The candidates of each pool.
        check: How answers are compared.
        answer_column: A key of `meta` that holds the answer; by default it is that of the trace,
            or the one found in its steps.
        regrade: Hold all candidates that have a reference against it, whatever their outcome says.
        num_processes: Worker processes.
        timeout_s: How long the comparison of two answers may take.

    Raises:
        UsageError: a pool is empty; a problem id stands for two problems; a candidate's number for
            two candidates; no candidate has an answer; or algebra is asked for and math-verify is
            not installed.
    """
    check = check or AnswerCheck()
    kept: list[tuple[str, str, Trace]] = []
    for name, traces in pools.items():
        kept += [(name, *one) for one in _candidates(name, traces)]
    repeated = sum(map(len, pools.values())) - len(kept)
    answers = [_answer(trace, answer_column) for _, _, trace in kept]
    if answer_column is not None and not any(answers):
        raise UsageError(f"no candidate has an answer in meta.{answer_column}")
    with answer_workers(num_processes, timeout_s, check=check) as workers:
        said = [
            replace(one, answer=answer) for (*_, one), answer in zip(kept, answers, strict=True)
        ]
        graded = list(grade(said, workers, check=check, missing=not regrade))
        members: dict[tuple[str, str], list[int]] = {}
        for i, (pool, problem, _) in enumerate(kept):
            members.setdefault((pool, problem), []).append(i)
        asked = [
            Question(
                tuple(one for i in who if (one := answers[i]) is not None), kept[who[0]][2].problem
            )
            for who in members.values()
        ]
        groups, counts = group_answers(asked, workers, check=check)
    group_of = dict(zip(members, groups, strict=True))
    ready = []
    for (pool, problem, trace), judged, answer in zip(kept, graded, answers, strict=True):
        group = None if answer is None else group_of[pool, problem][answer]
        found = {"pool": pool, "problem": problem, "answer": answer, "group": group}
        ready.append(replace(trace, outcome=judged.outcome, meta={**judged.meta, KEY: found}))
    before = [trace.outcome for *_, trace in kept]
    return Prepared(
        traces=tuple(ready),
        repeated=repeated,
        graded=sum(one is not trace for one, trace in zip(graded, said, strict=True)),
        regraded=sum(
            was is not None and was is not one.outcome
            for was, one in zip(before, ready, strict=True)
        ),
        answers=counts,
    )


def _answer(trace: Trace, column: str | None) -> str | None:
    if column is None:
        return answer_of(trace)
    value = trace.meta.get(column)
    return None if value is None or not str(value).strip() else str(value).strip()


def answer_of(trace: Trace) -> str | None:
    """The answer of a trace, else the one found in its steps; None without any."""
    text = (trace.answer or "").strip()
    if text and (len(text) <= MAX_LONE and "\n" not in text):
        return text
    said = (extract_answer(one) for one in (text, trace.texts[-1], "\n".join(trace.texts)) if one)
    return next((one for one in said if one), None) or text or None


def _candidates(name: str, traces: Sequence[Trace]) -> list[tuple[str, Trace]]:
    """The candidates of one pool, once each, with the key of their problem."""
    if not traces:
        raise UsageError(f"{name}: the pool holds no candidates")
    has_ids = all(isinstance(one.meta.get("problem_id"), (str, int)) for one in traces)
    texts: dict[str, str] = {}
    numbered: dict[tuple[str, int], str] = {}
    found = []
    for trace in traces:
        key = str(trace.meta["problem_id"]) if has_ids else trace.problem
        if texts.setdefault(key, trace.problem) != trace.problem:
            raise UsageError(
                f"{name}: problem_id {key!r} stands for two problems, the second in trace "
                f"{trace.id}; give each its own"
            )
        number = trace.meta.get("candidate")
        if isinstance(number, int):
            first = numbered.get((key, number))
            if first == trace.id:
                continue
            if first is not None:
                raise UsageError(
                    f"{name}: candidate {number} of problem {key!r} is there twice, as trace "
                    f"{first} and as {trace.id}; number them anew, or leave one out"
                )
            numbered[key, number] = trace.id
        found.append((key, trace))
    return found


def pools_of(traces: Sequence[Trace]) -> dict[str, list[Trace]]:
    """Prepared candidates by pool, in order.

    Raises:
        UsageError: a trace was not prepared.
    """
    pools: dict[str, list[Trace]] = {}
    for trace in traces:
        if KEY not in trace.meta:
            raise UsageError(f"trace {trace.id} is of no prepared pool; `surefoot eval bon` is")
        pools.setdefault(trace.meta[KEY]["pool"], []).append(trace)
    return pools


def num_mixed(traces: Sequence[Trace]) -> int:
    """Groups of equal answers of which some are right by their outcome and others wrong."""
    seen: dict[tuple[str, int], set[bool]] = {}
    for trace in traces:
        found = trace.meta[KEY]
        if found["group"] is not None and trace.outcome is not None:
            seen.setdefault((found["problem"], found["group"]), set()).add(trace.outcome)
    return Counter(map(len, seen.values()))[2]
