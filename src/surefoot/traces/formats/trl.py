"""TRL stepwise supervision: a prompt, and completions (one text a step) with labels.

Fields: `prompt`, `completions`, `labels` (booleans, or numbers in [0, 1]).

What comes back after TRL -> Trace -> TRL: all three fields; numbers stay numbers. It holds no
neutral label (the `LabelRule` decides), no missing one (steps after the last label are cut off),
no answer, no origin. Further columns become `Trace.meta`. Note that TRL's own training code cut
numbers to integers; the file format does not.
"""

from __future__ import annotations

from surefoot.errors import RowError
from surefoot.traces.formats import fields, labelling
from surefoot.traces.formats.format import Format, LabelRule, Record, Written
from surefoot.traces.types import StepLabels, Trace


def looks_like(record: Record) -> bool:
    """A record with `prompt`, `completions` and `labels`."""
    return {"prompt", "completions", "labels"} <= record.keys()


def read(record: Record) -> list[Trace]:
    """The one trace of a row; labels are ratings where all are booleans (or 0 and 1), else
    values in [0, 1]."""
    steps = fields.texts(record, "completions")
    labels = fields.sequence(record, "labels")
    if len(labels) != len(steps):
        raise RowError(f"{len(labels)} labels for {len(steps)} completions", field="labels")
    for i, label in enumerate(labels):
        if not isinstance(label, (bool, int, float)) or not 0 <= label <= 1:
            raise RowError(
                f"{label!r} is not true, false or a number in [0, 1]", field=f"labels.{i}"
            )
    trace = fields.build(
        "completions",
        problem=fields.text(record, "prompt"),
        steps=steps,
        source="trl",
        labels=[hard_or_soft(labels)],
        meta=fields.others(record, ("prompt", "completions", "labels")),
    )
    return [trace]


def hard_or_soft(labels: list[bool | int | float]) -> StepLabels:
    """Ratings from booleans and the integers 0 and 1; values where a fractional number type
    occurs."""
    if any(isinstance(label, float) for label in labels):
        return StepLabels(tuple(float(label) for label in labels), source="other", scale="value")
    return StepLabels(tuple(1 if label else -1 for label in labels), source="other")


def write(trace: Trace, rule: LabelRule) -> Written:
    """One row: booleans for ratings, numbers for values."""
    labels = labelling.needed_labels(trace)
    n, lost = labelling.labelled_steps(labels)
    values: list[bool | None] | list[float | None]
    if labels.scale == "value":
        values = [None if v is None else float(v) for v in labels.values]
    else:
        values, more = labelling.verdicts(labels, rule)
        lost = lost | more
    lost = lost | labelling.field_losses(trace, "trl", labels=labels, label_source="other")
    row = {
        "prompt": trace.problem,
        "completions": list(trace.texts[:n]),
        "labels": values[:n],
    }
    return Written((row,), tuple(sorted(lost)))


TRL = Format("trl", "TRL stepwise supervision", looks_like, read, write)
