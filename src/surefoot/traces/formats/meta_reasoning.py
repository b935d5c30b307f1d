"""MR-GSM8K and MR-Ben: first errors counted from 1, "N/A" where there is none.

| format | field of the first error | no error | solution |
|---|---|---|---|
| MR-GSM8K | `model_output_solution_first_error_step`, a number | "N/A" | correct or wrong |
| MR-Ben | `Model_Solution_First_Error_Step`, digits as text | "N/A" | correct or incorrect |

Labels read as in `surefoot.traces.formats.first_error`; a solution that is called wrong with no
step named has none. What comes back after either -> Trace -> the same: every field (`null` and
absent count as the same).

MR-Ben numbers the step by its "Step k" header, which is not always its place in the list (some
lists have blank or broken lines): the header counts where the steps have headers, else the place.
Its options are part of the problem.
"""

from __future__ import annotations

import re
from typing import Any

from surefoot.errors import RowError, TraceError
from surefoot.traces.formats import fields
from surefoot.traces.formats.first_error import (
    all_steps,
    keep_blanks,
    labelled,
    position,
    settled,
    written,
)
from surefoot.traces.formats.format import Format, LabelRule, Record, Written
from surefoot.traces.types import Trace

_HEADER = re.compile(r"\s*Step (\d+)\b")

_MRG = "model_output_"
_MRG_FIRST = f"{_MRG}solution_first_error_step"
_MRG_SOUND = f"{_MRG}solution_correctness"
_MRG_ANSWER = f"{_MRG}answer_correctness"
_MRG_META = (
    "uuid",
    "question_type",
    "ground_truth_solution",
    f"{_MRG}solution_first_error_reason",
)


def _is_mr_gsm8k(record: Record) -> bool:
    return {f"{_MRG}steps", _MRG_FIRST} <= record.keys()


def _read_mr_gsm8k(record: Record) -> list[Trace]:
    steps = fields.texts(record, f"{_MRG}steps")
    sound = _choice(record, _MRG_SOUND, "correct", "wrong")
    first = None
    if record[_MRG_FIRST] not in ("N/A", None):
        first = position(record[_MRG_FIRST], len(steps), 1, _MRG_FIRST)
    _agree(sound, first, _MRG_SOUND)
    used = ("question", "ground_truth_answer", f"{_MRG}steps", _MRG_FIRST, _MRG_ANSWER, _MRG_SOUND)
    meta = fields.others(record, used)
    steps, labels, blanks = labelled(steps, first, f"{_MRG}steps")
    if unlocated := sound is False and first is None:
        meta[_MRG_SOUND] = record[_MRG_SOUND]
    answer = record.get("ground_truth_answer")
    trace = fields.build(
        f"{_MRG}steps",
        problem=fields.text(record, "question"),
        steps=steps,
        reference=str(answer) if isinstance(answer, (int, float)) else answer,
        outcome=_choice(record, _MRG_ANSWER, "correct", "wrong"),
        source="mr-gsm8k",
        labels=[] if unlocated else [labels],
        meta=keep_blanks(meta, blanks),
    )
    return [trace]


def _choice(record: Record, name: str, right: str, wrong: str) -> bool | None:
    """A verdict written as one of two words, or as a boolean."""
    value = record.get(name)
    word = value.strip().lower() if isinstance(value, str) else value
    if word in (right, True, wrong, False, None):
        return None if word is None else word in (right, True)
    raise RowError(f"{value!r} is neither {right!r} nor {wrong!r}", field=name)


def _agree(sound: bool | None, first: int | None, name: str) -> None:
    if sound is True and first is not None:
        raise RowError("says the solution is right, yet a first error is given", field=name)


def _verdict(trace: Trace, rule: LabelRule, sound: str) -> tuple[Any, int | None, set[str]]:
    """Labels and first error to write; no labels where only "wrong" is known, not where."""
    if not trace.labels and isinstance(trace.meta.get(sound), str):
        return None, None, set()
    return settled(trace, rule)


def _write_mr_gsm8k(trace: Trace, rule: LabelRule) -> Written:
    labels, first, lost = _verdict(trace, rule, _MRG_SOUND)
    steps, first = all_steps(trace, first)
    outcome = {True: "correct", False: "wrong", None: None}[trace.outcome]
    row = {
        "uuid": trace.id,
        "question": trace.problem,
        "ground_truth_answer": trace.reference,
        f"{_MRG}steps": steps,
        _MRG_ANSWER: outcome,
        _MRG_SOUND: "correct" if labels is not None and first is None else "wrong",
        _MRG_FIRST: "N/A" if first is None else first + 1,
        f"{_MRG}solution_first_error_reason": "N/A",
    }
    holds, meta = ("outcome", "reference"), list(_MRG_META)
    if labels is None:
        meta.append(_MRG_SOUND)
    return written(trace, row, "mr-gsm8k", labels, lost, holds, meta)


# MR-Ben

_MRB = "Model_Solution_"
_MRB_FIRST = f"{_MRB}First_Error_Step"
_MRB_SOUND = f"{_MRB}Correctness"
_MRB_META = (
    "Question_UUID",
    "Subject",
    "Options",
    "Ground_Truth_Analysis",
    "Ground_Truth_Answer",
    "Sampled_Model",
    f"{_MRB}Error_Reason",
    f"{_MRB}Rectified_First_Error_Step",
)
_MRB_REFERENCE = "Ground_Truth_Answer_Modified"


def _is_mr_ben(record: Record) -> bool:
    return {f"{_MRB}Steps", _MRB_FIRST} <= record.keys()


def _read_mr_ben(record: Record) -> list[Trace]:
    steps = fields.texts(record, f"{_MRB}Steps")
    sound = _choice(record, _MRB_SOUND, "correct", "incorrect")
    first = None
    if str(record[_MRB_FIRST]).strip().upper() not in ("N/A", "NONE", ""):
        first = _mr_ben_position(record[_MRB_FIRST], steps)
    _agree(sound, first, _MRB_SOUND)
    used = ("Question", f"{_MRB}Steps", _MRB_FIRST, _MRB_SOUND, _MRB_REFERENCE)
    meta = fields.others(record, used)
    if unlocated := sound is False and first is None:
        meta[_MRB_SOUND] = record[_MRB_SOUND]
    options = fields.maybe_text(record, "Options")
    question = fields.text(record, "Question")
    steps, labels, blanks = labelled(steps, first, f"{_MRB}Steps")
    trace = fields.build(
        f"{_MRB}Steps",
        problem=f"{question}\n{options}" if options else question,
        steps=steps,
        reference=fields.maybe_text(record, _MRB_REFERENCE),
        source="mr-ben",
        labels=[] if unlocated else [labels],
        meta=keep_blanks(meta, blanks),
    )
    return [trace]


def _mr_ben_position(value: object, steps: list[str]) -> int:
    headers = [found and int(found[1]) for found in map(_HEADER.match, steps)]
    number = position(value, max(len(steps), *(h or 0 for h in headers)), 1, _MRB_FIRST) + 1
    if any(headers):
        if headers.count(number) == 1:
            return headers.index(number)
        raise RowError(
            f"'Step {number}' heads {headers.count(number)} of the steps; it must head one",
            field=_MRB_FIRST,
        )
    return position(number, len(steps), 1, _MRB_FIRST)


def _write_mr_ben(trace: Trace, rule: LabelRule) -> Written:
    labels, first, lost = _verdict(trace, rule, _MRB_SOUND)
    steps, first = all_steps(trace, first)
    options = trace.meta.get("Options")
    ending = f"\n{options}" if isinstance(options, str) else ""
    if not trace.problem.endswith(ending):
        raise TraceError("the problem no longer ends with the options in meta.Options; remove them")
    row = {
        "Question_UUID": trace.id,
        "Question": trace.problem.removesuffix(ending),
        f"{_MRB}Steps": steps,
        _MRB_SOUND: "correct" if labels is not None and first is None else "incorrect",
        _MRB_FIRST: "N/A" if first is None else str(first + 1),
        f"{_MRB}Error_Reason": "N/A",
        _MRB_REFERENCE: trace.reference,
    }
    meta = list(_MRB_META)
    if labels is None:
        meta.append(_MRB_SOUND)
    elif first is not None:
        row[_MRB_FIRST] = _mr_ben_number(steps, first)
    return written(trace, row, "mr-ben", labels, lost, ("reference",), meta)


def _mr_ben_number(steps: list[str], first: int) -> str:
    """The number that reads back to this step: its header's where the steps have headers."""
    for number in (first + 1, *(int(h[1]) for h in [_HEADER.match(steps[first])] if h)):
        try:
            if _mr_ben_position(number, steps) == first:
                return str(number)
        except RowError:
            continue
    raise TraceError(
        f"step {first} is wrong, but its 'Step k' header is missing or not unique, so MR-Ben "
        "cannot name it"
    )


MR_GSM8K = Format("mr-gsm8k", "MR-GSM8K", _is_mr_gsm8k, _read_mr_gsm8k, _write_mr_gsm8k)
MR_BEN = Format("mr-ben", "MR-Ben", _is_mr_ben, _read_mr_ben, _write_mr_ben)
