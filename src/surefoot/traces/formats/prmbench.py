"""PRMBench: a right solution and the same with errors put in, errors counted from 1.

Fields: `original_question`, `original_process`, `modified_question`, `modified_process`,
`modified_steps`, `error_steps` (1-based), `reason`, `idx`, `question`, `classification`. One
record reads to two traces: the original (all steps right; these are the benchmark's "correct"
samples) and the modified one, told apart by `meta["prmbench"]["version"]`. In class `redundency`
the error steps are superfluous rather than wrong.

What comes back after PRMBench -> Trace -> PRMBench: every field, if both traces of a record are
written one after the other; one alone is written as the modified process with no original. It
holds no neutral and no missing labels.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from surefoot.errors import RowError
from surefoot.traces.formats import fields, labelling
from surefoot.traces.formats.format import Format, LabelRule, Record, Written
from surefoot.traces.types import LabelSource, StepLabels, Trace

_BOTH = ("idx", "classification", "question")
_MODIFIED = ("modified_steps", "reason")
_USED = (
    "original_question",
    "original_process",
    "modified_question",
    "modified_process",
    "error_steps",
)


def looks_like(record: Record) -> bool:
    """A record with `modified_process` and `error_steps`."""
    return {"modified_process", "error_steps"} <= record.keys()


def read(record: Record) -> list[Trace]:
    """The original trace, where there is one, and the modified one."""
    extra = fields.others(record, _USED)
    shared = {name: extra[name] for name in _BOTH if name in extra}
    steps = fields.texts(record, "modified_process")
    wrong = _wrong(record, len(steps))
    values = [-1 if i in wrong else 1 for i in range(len(steps))]
    key = fields.record_key(record)
    traces = []
    if record.get("original_process"):
        original = fields.texts(record, "original_process")
        traces.append(
            _trace(record, "original", original, [1] * len(original), "human", shared, key)
        )
    traces.append(_trace(record, "modified", steps, values, "other", extra, key))
    return traces


def _wrong(record: Record, n: int) -> set[int]:
    """0-based positions of the error steps."""
    wrong = set()
    for i, number in enumerate(fields.sequence(record, "error_steps")):
        if isinstance(number, bool) or not isinstance(number, int) or not 1 <= number <= n:
            raise RowError(
                f"{number!r} names none of the {n} modified steps (counted from 1)",
                field=f"error_steps.{i}",
            )
        wrong.add(number - 1)
    return wrong


def _trace(
    record: Record,
    version: str,
    steps: list[str],
    values: list[int],
    source: LabelSource,
    extra: dict[str, Any],
    key: str,
) -> Trace:
    kept, ratings, blanks = fields.without_blanks(steps, values, f"{version}_process")
    meta = fields.with_own(extra, "prmbench", {"version": version, "record": key})
    if blanks:
        meta["blank_steps"] = blanks
    if f"{version}_question" in record:
        question = fields.text(record, f"{version}_question")
    else:
        question = fields.text(record, "question")
    return fields.build(
        f"{version}_process",
        problem=question,
        steps=kept,
        source="prmbench",
        labels=[StepLabels(tuple(ratings), source=source)],
        meta=meta,
    )


def write(trace: Trace, rule: LabelRule) -> Written:
    """One record whose modified process is the trace."""
    return join([trace], rule)


def join(traces: Sequence[Trace], rule: LabelRule) -> Written:
    """The record of an original and a modified trace; any other traces get a record each."""
    versions = [fields.own(trace, "prmbench").get("version") for trace in traces]
    if versions != ["original", "modified"]:
        written = [_record(None, trace, rule) for trace in traces]
    else:
        written = [_record(traces[0], traces[1], rule)]
    rows = tuple(row for row, _ in written)
    return Written(rows, tuple(sorted(set().union(*(lost for _, lost in written)))))


def _record(
    original: Trace | None, trace: Trace, rule: LabelRule
) -> tuple[dict[str, Any], set[str]]:
    steps, wrong, lost = _process(trace, rule, "other")
    before: list[str] = []
    if original is not None:
        before, wrong_before, more = _process(original, rule, "human")
        lost |= more
        if wrong_before:
            lost.add("errors in the original")
    row = {
        "original_question": (original or trace).problem,
        "modified_question": trace.problem,
        "original_process": before,
        "modified_process": steps,
        "modified_steps": wrong,
        "error_steps": wrong,
        "reason": None,
        "idx": trace.id,
        "question": (original or trace).problem,
        "classification": None,
    }
    row.update({name: trace.meta[name] for name in (*_BOTH, *_MODIFIED) if name in trace.meta})
    return row, lost


def _process(
    trace: Trace, rule: LabelRule, source: LabelSource
) -> tuple[list[str], list[int], set[str]]:
    """Steps, 1-based numbers of the wrong ones, and losses."""
    labels = labelling.needed_labels(trace)
    n, lost = labelling.labelled_steps(labels)
    right, more = labelling.verdicts(labels, rule)
    steps, marks = fields.with_blanks(trace.texts[:n], right[:n], fields.blanks_of(trace))
    lost |= more | labelling.field_losses(
        trace,
        "prmbench",
        meta=(*_BOTH, *_MODIFIED, "prmbench", "blank_steps"),
        labels=labels,
        label_source=source,
    )
    return steps, [i for i, mark in enumerate(marks, start=1) if mark is False], lost


PRMBENCH = Format("prmbench", "PRMBench", looks_like, read, write, join)
