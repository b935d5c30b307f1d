"""Take fields out of a record, or say which one is wrong."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Sequence
from typing import Any

from surefoot.errors import RowError, TraceError
from surefoot.traces.formats.format import Record
from surefoot.traces.types import Trace, canonical_json


def kind(value: object) -> str:
    """The JSON name of a value's type, for messages."""
    if value is None:
        return "null"
    names = {bool: "a boolean", int: "a number", float: "a number", str: "text", list: "a list"}
    return names.get(type(value), "an object")


def text(record: Record, name: str) -> str:
    """A field that must be text with something in it."""
    value = record.get(name)
    if not isinstance(value, str):
        raise RowError(f"must be text, not {kind(value)}", field=name)
    if not value.strip():
        raise RowError("is empty", field=name)
    return value


def maybe_text(record: Record, name: str) -> str | None:
    """A field that is text, or absent or null."""
    value = record.get(name)
    if value is not None and not isinstance(value, str):
        raise RowError(f"must be text or null, not {kind(value)}", field=name)
    return value


def maybe_bool(record: Record, name: str) -> bool | None:
    """A field that is true or false, or absent or null."""
    value = record.get(name)
    if value is not None and not isinstance(value, bool):
        raise RowError(f"must be true, false or null, not {kind(value)}", field=name)
    return value


def sequence(record: Record, name: str) -> list[Any]:
    """A field that must be a list."""
    value = record.get(name)
    if not isinstance(value, list):
        raise RowError(f"must be a list, not {kind(value)}", field=name)
    return value


def texts(record: Record, name: str) -> list[str]:
    """A field that must be a list of texts, not an empty one."""
    values = sequence(record, name)
    for i, value in enumerate(values):
        if not isinstance(value, str):
            raise RowError(f"must be text, not {kind(value)}", field=f"{name}.{i}")
    if not values:
        raise RowError("holds no steps", field=name)
    return values


def others(record: Record, used: Collection[str]) -> dict[str, Any]:
    """The fields of a record that were not used and are not null, under their own names."""
    return {name: value for name, value in record.items() if name not in used and value is not None}


def build(field: str = "", /, **parts: Any) -> Trace:
    """A trace from its parts; what the trace refuses is a RowError of the record."""
    try:
        return Trace(**parts)
    except TraceError as error:
        raise RowError(str(error), field=field) from None


def own(trace: Trace, name: str) -> dict[str, Any]:
    """What the reader of a format keeps under its name in `meta`, to write the record back."""
    kept = trace.meta.get(name)
    return kept if trace.source == name and isinstance(kept, dict) else {}


def with_own(meta: dict[str, Any], name: str, kept: dict[str, Any]) -> dict[str, Any]:
    """The meta with what `own` will find, where there is anything."""
    if name in meta:
        raise RowError("this name is kept for the format itself", field=name)
    return {**meta, name: kept} if kept else meta


def record_of(trace: Trace) -> tuple[str, str] | None:
    """The record that a trace came from, if that record held several traces."""
    name = trace.source or ""
    key = own(trace, name).get("record")
    return (name, key) if isinstance(key, str) else None


def record_key(record: Record) -> str:
    """A short content hash that ties together the traces of one record."""
    try:
        return hashlib.sha256(canonical_json(record).encode()).hexdigest()[:16]
    except (TypeError, ValueError, RecursionError) as error:
        raise RowError(f"is not plain JSON, or nested too deeply: {error}") from None


Blanks = list[list[Any]]
"""Steps without any text: ``[position, text, label]`` each; positions are 0-based in the list
as it was."""


def without_blanks(
    steps: Sequence[str], labels: Sequence[Any], name: str
) -> tuple[list[str], list[Any], Blanks]:
    """Steps and labels without the steps that hold no text, and those apart.

    A blank step says nothing, so it may go; one that is labelled wrong may not, and is a RowError.
    """
    kept, values, blanks = [], [], []
    for i, (step, label) in enumerate(zip(steps, labels, strict=True)):
        if step.strip():
            kept.append(step)
            values.append(label)
        elif label is not None and label < 0:
            raise RowError("is empty and yet labelled wrong", field=f"{name}.{i}")
        else:
            blanks.append([i, step, label])
    if not kept:
        raise RowError("holds only empty steps", field=name)
    return kept, values, blanks


def blanks_of(trace: Trace) -> Blanks:
    """The blank steps that were set aside when the trace was read."""
    kept = trace.meta.get("blank_steps")
    if isinstance(kept, list) and all(
        isinstance(one, list) and len(one) == 3 and isinstance(one[0], int) for one in kept
    ):
        return kept
    return []


def with_blanks(
    steps: Sequence[str], labels: Sequence[Any], blanks: Blanks
) -> tuple[list[str], list[Any]]:
    """The inverse of `without_blanks`."""
    all_steps, all_labels = list(steps), list(labels)
    for i, step, label in blanks:
        all_steps.insert(i, step)
        all_labels.insert(i, label)
    return all_steps, all_labels
