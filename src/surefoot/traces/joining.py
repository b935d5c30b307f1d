"""One trace of several that tell of the same one: labels in one file, scores in another."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, TypeVar

from surefoot.errors import UsageError
from surefoot.traces.types import Trace

T = TypeVar("T")


def joined(parts: Sequence[Trace]) -> tuple[Trace, tuple[str, ...]]:
    """The trace with the labels, scores and meta of all parts, and where the parts differ.

    What equals something already there is not repeated. Where parts differ in answer, reference,
    outcome, source or a key of meta, the first that has one is kept, and the field is named;
    objects in meta are joined key by key.

    Raises:
        UsageError: no parts, or they are not of one problem with the same steps.
    """
    if not parts:
        raise UsageError("there is nothing to join; give one trace at least")
    first, *others = parts
    if not others:
        return first, ()
    if any((one.problem, one.steps) != (first.problem, first.steps) for one in others):
        raise UsageError(f"trace {first.id} cannot be joined to one of other steps")
    differing: list[str] = []
    fields: dict[str, Any] = {}
    for name in ("answer", "reference", "outcome", "source"):
        given = [value for one in parts if (value := getattr(one, name)) is not None]
        fields[name] = given[0] if given else None
        if any(value != given[0] for value in given):
            differing.append(name)
    meta: dict[str, Any] = {}
    for one in parts:
        _add(meta, one.meta, "meta", differing)
    return (
        replace(
            first,
            labels=_distinct([labels for one in parts for labels in one.labels]),
            scores=_distinct([scores for one in parts for scores in one.scores]),
            meta=meta,
            **fields,
        ),
        tuple(dict.fromkeys(differing)),
    )


def _add(into: dict[str, Any], more: Mapping[str, Any], place: str, differing: list[str]) -> None:
    for key, value in more.items():
        held = into.setdefault(key, value)
        if isinstance(held, dict) and isinstance(value, dict) and held is not value:
            into[key] = merged = dict(held)
            _add(merged, value, f"{place}.{key}", differing)
        elif held != value:
            differing.append(f"{place}.{key}")


def _distinct(items: Sequence[T]) -> tuple[T, ...]:
    found: list[T] = []
    for item in items:
        if item not in found:
            found.append(item)
    return tuple(found)
