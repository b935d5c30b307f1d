"""Who&When: the messages of several agents that failed at a task, and the step that decided it.

Fields: `history` (messages with `content`, and the agent as `name`, else as `role`), `question`,
`ground_truth` (`groundtruth` in the hand-crafted half), `is_correct` (`is_corrected`),
`mistake_agent`, `mistake_step` (0-based place in the history, as text or a number) and
`mistake_reason`. Every message is a step, its agent in brackets before it, since a mistake may be
at any of them. Steps before the decisive one are labelled right, those after it are unknown.

What comes back after Who&When -> Trace -> Who&When: every field. A trace of another origin gets a
history of its own, of one agent.
"""

from __future__ import annotations

from typing import Any

from surefoot.errors import RowError, TraceError
from surefoot.traces.formats import fields, labelling
from surefoot.traces.formats.format import Format, LabelRule, Record, Written
from surefoot.traces.types import StepLabels, Trace

NAME = "who-and-when"
_USED = ("history", "question", "mistake_step")
_REFERENCES = ("ground_truth", "groundtruth")
_OUTCOMES = ("is_correct", "is_corrected")


def looks_like(record: Record) -> bool:
    """A record with `history` and `mistake_step`."""
    return isinstance(record.get("history"), list) and "mistake_step" in record


def read(record: Record) -> list[Trace]:
    """The one run of a record."""
    history = fields.sequence(record, "history")
    texts = [_said(one, i) for i, one in enumerate(history)]
    if not texts:
        raise RowError("holds no messages", field="history")
    place = _place(record["mistake_step"], len(texts))
    outcome = next((fields.maybe_bool(record, n) for n in _OUTCOMES if n in record), None)
    reference = next((record[n] for n in _REFERENCES if record.get(n) is not None), None)
    values = labelling.first_error_values(len(texts), place)
    trace = fields.build(
        "history",
        problem=fields.text(record, "question"),
        steps=texts,
        reference=None if reference is None else str(reference),
        outcome=outcome,
        source=NAME,
        labels=[StepLabels(values)],
        meta=fields.with_own(
            fields.others(record, _USED),
            NAME,
            {"history": history, "mistake_step": record["mistake_step"]},
        ),
    )
    return [trace]


def _said(message: Any, i: int) -> str:
    if not isinstance(message, dict):
        raise RowError(f"must be an object, not {fields.kind(message)}", field=f"history.{i}")
    agent, content = message.get("name") or message.get("role"), message.get("content")
    if not isinstance(agent, str):
        raise RowError("names no agent, neither as name nor as role", field=f"history.{i}")
    if not isinstance(content, str):
        raise RowError(f"must be text, not {fields.kind(content)}", field=f"history.{i}.content")
    return f"[{agent}] {content}"


def _place(value: Any, num: int) -> int:
    text = value.strip() if isinstance(value, str) else value
    if isinstance(text, str) and text.isdecimal():
        text = int(text)
    if isinstance(text, bool) or not isinstance(text, int) or not 0 <= text < num:
        raise RowError(
            f"{value!r} is no place in a history of {num} messages, counted from 0",
            field="mistake_step",
        )
    return text


def write(trace: Trace, rule: LabelRule) -> Written:
    """One record of the run.

    Raises:
        TraceError: no step is labelled wrong.
    """
    labels = labelling.needed_labels(trace)
    place, lost = labelling.first_error(labels, rule)
    if place is None:
        raise TraceError("no step is labelled wrong, and Who&When names one in every run")
    kept = fields.own(trace, NAME)
    history: Any = kept.get("history")
    step: Any = str(place)
    if isinstance(history, list) and tuple(map(_said, history, range(len(history)))) == trace.texts:
        was = kept.get("mistake_step")
        step = was if _place(was, len(history)) == place else step
    else:
        history = [{"role": "assistant", "name": "agent", "content": one} for one in trace.texts]
    row: dict[str, Any] = {
        "question": trace.problem,
        "ground_truth": trace.reference,
        "is_correct": trace.outcome,
        **{name: value for name, value in trace.meta.items() if name != NAME},
        "history": history,
        "mistake_step": step,
    }
    if "groundtruth" in trace.meta and "ground_truth" not in trace.meta:
        del row["ground_truth"]
    if "is_corrected" in trace.meta and "is_correct" not in trace.meta:
        del row["is_correct"]
    lost |= labelling.field_losses(
        trace,
        NAME,
        holds=("reference", "outcome", "meta"),
        labels=labels,
        label_source="human",
    )
    return Written((row,), tuple(sorted(lost)))


WHO_AND_WHEN = Format(NAME, "Who&When", looks_like, read, write)
