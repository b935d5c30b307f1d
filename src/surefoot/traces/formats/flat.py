"""Flat rows: one trace a line with rated steps, the layout of the public data folder.

Fields: `id`, `source`, `domain`, `question`, `steps`, `labels` (1 right, 0 neutral, -1 wrong, null
unknown), `first_error` (0-based, -1 none, null unknown), `outcome`, `answer` (the reference),
`generator`, `split`, `meta`.

What comes back after flat -> Trace -> flat: every field. `id`, `domain`, `generator`, `split` and
the keys of `meta` become keys of `Trace.meta`; `meta.observations`, where there is one per step,
become the steps' observations; a step without text is set aside in `meta["blank_steps"]`;
`first_error` is kept apart only where the labels do not imply it (a truncated solution whose
labels are all right has null).
"""

from __future__ import annotations

from typing import Any

from surefoot.errors import RowError
from surefoot.traces.formats import fields, labelling
from surefoot.traces.formats.format import Format, LabelRule, Record, Written
from surefoot.traces.types import LabelSource, Step, StepLabels, Trace

_OWN = ("id", "domain", "generator", "split")
_FIELDS = (
    *_OWN,
    "source",
    "question",
    "steps",
    "labels",
    "first_error",
    "outcome",
    "answer",
    "meta",
)

LABEL_SOURCES: dict[str, LabelSource] = {
    "AgentRx tau-retail failed trajectories": "human",
    "BIG-Bench-Mistake": "human",
    "MR-Ben": "human",
    "MR-GSM8K (part found in eval results)": "human",
    "PRM800K (converted by OpenR)": "human",
    "PRM800K (train, 2% validation cut by tongyx361)": "human",
    "PRMBench (original PRM800K solution)": "human",
    "ProcessBench": "human",
    "Stepwise verification of student errors (MathDial)": "human",
    "ToT Game24 GPT-4 CoT log (labels computed here)": "checker",
    "Who&When": "human",
}
"""Who labelled the public sets, by the rows' `source`; a row does not say it. Any other source
reads as "other"."""


def looks_like(record: Record) -> bool:
    """A record with text `question` and lists `steps` and `labels`."""
    return (
        isinstance(record.get("question"), str)
        and isinstance(record.get("steps"), list)
        and isinstance(record.get("labels"), list)
    )


def read(record: Record) -> list[Trace]:
    """The one trace of a flat row."""
    steps = fields.texts(record, "steps")
    labels = fields.sequence(record, "labels")
    if len(labels) != len(steps):
        raise RowError(f"{len(labels)} labels for {len(steps)} steps", field="labels")
    for i, label in enumerate(labels):
        if isinstance(label, bool) or label not in (1, 0, -1, None):
            raise RowError(f"{label!r} is not 1, 0, -1 or null", field=f"labels.{i}")
    labels, stated = _settle(labels, record)
    meta = _meta(record)
    observations = _observations(meta, len(steps))
    if observations is None:
        steps, labels, blanks = fields.without_blanks(steps, labels, "steps")
        if blanks:
            meta["blank_steps"] = blanks
    else:
        del meta["observations"]
    if stated:
        meta["first_error"] = record["first_error"]
    source = fields.maybe_text(record, "source")
    given = (
        [StepLabels(tuple(labels), source=LABEL_SOURCES.get(source or "", "other"))]
        if any(label is not None for label in labels)
        else []
    )
    trace = fields.build(
        "steps",
        problem=fields.text(record, "question"),
        steps=[
            Step(step, observation) if observation is not None else step
            for step, observation in zip(steps, observations or [None] * len(steps), strict=True)
        ],
        reference=fields.maybe_text(record, "answer"),
        outcome=fields.maybe_bool(record, "outcome"),
        source=source or "flat",
        labels=given,
        meta=meta,
    )
    return [trace]


def _meta(record: Record) -> dict[str, Any]:
    extra = record.get("meta") or {}
    if not isinstance(extra, dict):
        raise RowError(f"must be an object, not {fields.kind(extra)}", field="meta")
    for name in (*_OWN, "first_error", "blank_steps"):
        if name in extra:
            raise RowError("this name is also a field of the row", field=f"meta.{name}")
    meta = {name: record[name] for name in _OWN if record.get(name) is not None}
    return {**meta, **extra, **fields.others(record, _FIELDS)}


def _observations(meta: dict[str, Any], n: int) -> list[Any] | None:
    found = meta.get("observations")
    if isinstance(found, list) and len(found) == n and any(o is not None for o in found):
        return found
    return None


def _implied(labels: list[Any]) -> int | None:
    """The `first_error` that labels imply: 0-based, -1 for none, None where they do not settle
    it."""
    for i, label in enumerate(labels):
        if label is None:
            return None
        if label < 0:
            return i
    return -1


def _settle(labels: list[Any], record: Record) -> tuple[list[Any], bool]:
    """The labels, filled in where only `first_error` is known; and whether to keep
    `first_error` beside them."""
    implied = _implied(labels)
    if "first_error" not in record or record["first_error"] == implied:
        return labels, False
    first = record["first_error"]
    if first is None:
        return labels, True
    if isinstance(first, bool) or not isinstance(first, int) or not -1 <= first < len(labels):
        raise RowError(f"{first!r} is not -1, null or a step's position", field="first_error")
    if all(label is None for label in labels):
        return list(labelling.first_error_values(len(labels), None if first < 0 else first)), False
    if implied is not None or -1 in labels[: max(first, 0)]:
        raise RowError(f"is {first}, but the labels say {implied}", field="first_error")
    return labels, True


def write(trace: Trace, rule: LabelRule) -> Written:
    """One flat row."""
    labels = next((one for one in trace.labels if any(v is not None for v in one.values)), None)
    values, lost = labelling.ratings(labels, rule) if labels else ([None] * len(trace.steps), set())
    meta = dict(trace.meta)
    own = {name: meta.pop(name, None) for name in _OWN}
    blanks = fields.blanks_of(trace)
    if blanks:
        del meta["blank_steps"]
    steps, values = fields.with_blanks(trace.texts, values, blanks)
    first = meta.pop("first_error") if "first_error" in meta else _implied(values)
    if any(step.observation is not None for step in trace.steps):
        meta["observations"] = [step.observation for step in trace.steps]
    expected = LABEL_SOURCES.get(trace.source or "", "other")
    lost |= labelling.field_losses(
        trace,
        "flat",
        holds=("reference", "outcome", "source", "observations", "meta"),
        labels=labels,
        label_source=expected,
    )
    row = {
        "id": own["id"] or trace.id,
        "source": trace.source,
        "domain": own["domain"],
        "question": trace.problem,
        "steps": steps,
        "labels": values,
        "first_error": first,
        "outcome": trace.outcome,
        "answer": trace.reference,
        "generator": own["generator"],
        "split": own["split"],
    }
    if meta:
        row["meta"] = meta
    return Written((row,), tuple(sorted(lost)))


FLAT = Format("flat", "flat rows with rated steps", looks_like, read, write)
