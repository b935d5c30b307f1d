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
    outcome, source or a key of meta, the first that has one is kept, and the field is named. In
    meta objects are joined key by key, lists of objects item by item, and of the accounts of two
    annotators the first becomes one of the `earlier` ones of the second.

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
        if held == value:
            continue
        if _is_account(held) and _is_account(value) and held["annotator"] != value["annotator"]:
            into[key] = _in_turn(held, value)
        elif isinstance(held, dict) and isinstance(value, dict):
            into[key] = merged = dict(held)
            _add(merged, value, f"{place}.{key}", differing)
        elif _are_objects(held) and _are_objects(value):
            into[key] = list(_distinct([*held, *value]))
        else:
            differing.append(f"{place}.{key}")


def _is_account(value: object) -> bool:
    return isinstance(value, dict) and isinstance(value.get("annotator"), str)


def _in_turn(first: dict[str, Any], last: dict[str, Any]) -> dict[str, Any]:
    """The last account, with the first and all that came before either as its earlier ones."""
    before = _distinct([*first.get("earlier", ()), _alone(first), *last.get("earlier", ())])
    return {**last, "earlier": [one for one in before if one != _alone(last)]}


def _alone(account: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in account.items() if key != "earlier"}


def _are_objects(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(one, dict) for one in value)


def _distinct(items: Sequence[T]) -> tuple[T, ...]:
    found: list[T] = []
    for item in items:
        if item not in found:
            found.append(item)
    return tuple(found)
