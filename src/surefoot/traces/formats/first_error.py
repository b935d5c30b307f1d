"""Rows that hold the first error only, counted from 0: ProcessBench and BIG-Bench Mistake.

| format | field of the first error | no error |
|---|---|---|
| ProcessBench | `label` | -1 |
| BIG-Bench Mistake | `mistake_index` | null |

Both read to labels 1 before the error, -1 at it and None after it (all 1 where there is none). A
right final answer with a flawed step, and the reverse, are kept as they are. What comes back after
format -> Trace -> format: every field (`null` and absent count as the same). Neither holds labels
after the first error, or neutral ones. A list entry without text is no step; it is set aside in
`meta["blank_steps"]` and written back in its place.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from surefoot.errors import RowError
from surefoot.traces.formats import fields, labelling
from surefoot.traces.formats.fields import Blanks
from surefoot.traces.formats.format import Format, LabelRule, Record, Written
from surefoot.traces.types import StepLabels, Trace


def labelled(
    steps: list[str], first: int | None, name: str
) -> tuple[list[str], StepLabels, Blanks]:
    """Steps that hold text, their labels, and the blank steps apart."""
    values = labelling.first_error_values(len(steps), first)
    kept, ratings, blanks = fields.without_blanks(steps, values, name)
    return kept, StepLabels(tuple(ratings)), blanks


def position(value: object, n: int, base: int, field: str) -> int:
    """The 0-based position that a format's number names."""
    digits = int(value) if isinstance(value, str) and value.strip().isdigit() else value
    if isinstance(digits, bool) or not isinstance(digits, int) or not base <= digits < n + base:
        raise RowError(f"{value!r} names none of the {n} steps (counted from {base})", field=field)
    return digits - base


def settled(trace: Trace, rule: LabelRule) -> tuple[StepLabels, int | None, set[str]]:
    """The labels to write, the first error they settle (0-based), and what is lost."""
    labels = labelling.needed_labels(trace)
    return labels, *labelling.first_error(labels, rule)


def all_steps(trace: Trace, first: int | None) -> tuple[list[str], int | None]:
    """All steps, blank ones too, and where the first error stands among them."""
    blanks = [[i, step, None] for i, step, _ in fields.blanks_of(trace)]
    steps, places = fields.with_blanks(trace.texts, range(len(trace.steps)), blanks)
    return steps, None if first is None else places.index(first)


def keep_blanks(meta: dict[str, Any], blanks: Blanks) -> dict[str, Any]:
    """The meta with the blank steps, if there are any."""
    return {**meta, "blank_steps": blanks} if blanks else meta


def written(
    trace: Trace,
    row: dict[str, Any],
    name: str,
    labels: StepLabels | None,
    lost: set[str],
    holds: tuple[str, ...],
    meta: Sequence[str],
) -> Written:
    """The row with the `meta` keys that are its fields filled in, and all that is lost."""
    row.update({key: trace.meta[key] for key in meta if key in trace.meta})
    more = labelling.field_losses(
        trace,
        name,
        holds=holds,
        meta=(*meta, "blank_steps"),
        labels=labels,
        label_source="human",
    )
    return Written((row,), tuple(sorted(lost | more)))


# ProcessBench


def _is_processbench(record: Record) -> bool:
    return {"problem", "steps", "label"} <= record.keys()


def _read_processbench(record: Record) -> list[Trace]:
    steps = fields.texts(record, "steps")
    label = record.get("label")
    first = None if label == -1 else position(label, len(steps), 0, "label")
    steps, labels, blanks = labelled(steps, first, "steps")
    meta = fields.others(record, ("problem", "steps", "label", "final_answer_correct"))
    trace = fields.build(
        "steps",
        problem=fields.text(record, "problem"),
        steps=steps,
        outcome=fields.maybe_bool(record, "final_answer_correct"),
        source="processbench",
        labels=[labels],
        meta=keep_blanks(meta, blanks),
    )
    return [trace]


def _write_processbench(trace: Trace, rule: LabelRule) -> Written:
    labels, first, lost = settled(trace, rule)
    steps, first = all_steps(trace, first)
    row = {
        "id": trace.id,
        "generator": None,
        "problem": trace.problem,
        "steps": steps,
        "final_answer_correct": trace.outcome,
        "label": -1 if first is None else first,
    }
    keys = ("id", "generator")
    return written(trace, row, "processbench", labels, lost, ("outcome",), keys)


# BIG-Bench Mistake


def _is_bigbench(record: Record) -> bool:
    return {"input", "steps", "mistake_index"} <= record.keys()


def _read_bigbench(record: Record) -> list[Trace]:
    steps = fields.texts(record, "steps")
    mistake = record["mistake_index"]
    first = None if mistake is None else position(mistake, len(steps), 0, "mistake_index")
    steps, labels, blanks = labelled(steps, first, "steps")
    meta = fields.others(record, ("input", "steps", "mistake_index", "answer", "target"))
    trace = fields.build(
        "steps",
        problem=fields.text(record, "input"),
        steps=steps,
        answer=fields.maybe_text(record, "answer"),
        reference=fields.maybe_text(record, "target"),
        source="bigbench-mistake",
        labels=[labels],
        meta=keep_blanks(meta, blanks),
    )
    return [trace]


def _write_bigbench(trace: Trace, rule: LabelRule) -> Written:
    labels, first, lost = settled(trace, rule)
    steps, first = all_steps(trace, first)
    row = {
        "input": trace.problem,
        "steps": steps,
        "answer": trace.answer,
        "target": trace.reference,
        "mistake_index": first,
    }
    holds = ("answer", "reference")
    return written(trace, row, "bigbench-mistake", labels, lost, holds, ())


PROCESSBENCH = Format(
    "processbench", "ProcessBench", _is_processbench, _read_processbench, _write_processbench
)
BIGBENCH_MISTAKE = Format(
    "bigbench-mistake", "BIG-Bench Mistake", _is_bigbench, _read_bigbench, _write_bigbench
)
