"""One trace as one JSON object, and back, exactly.

    {"surefoot": 1, "id": "…", "problem": "…", "steps": [{"text": "…", "observation": …}, …],
     "answer": "…", "reference": "…", "outcome": true, "source": "…",
     "labels": [{"source": "human", "scale": "rating", "values": [1, 0, null], "annotator": "…",
                 "counts": [[7, 8], null, null]}],
     "scores": [{"model": "…", "kind": "probability", "default_aggregate": "min", "threshold": 0.5,
                 "values": [0.9, 0.2, null], "log_odds": [2.2, -1.4, null]}],
     "meta": {}}

`surefoot` is the version of this format and comes first. What is not set is left out. A row written
by hand may leave out `id` and give steps as plain texts; an `id` that is there must fit the
content, and a field that is not listed here is an error, so that a misspelt one is not lost.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import fields
from functools import partial
from sys import intern
from typing import Any, TypeAlias

from surefoot.errors import RowError, TraceError
from surefoot.traces.checks import check_text
from surefoot.traces.types import Step, StepLabels, StepScores, Trace

ROW_VERSION = 1

_ROW_FIELDS = ("surefoot", "id", *(field.name for field in fields(Trace)))
_STEP_FIELDS = tuple(field.name for field in fields(Step))
_LABEL_FIELDS = tuple(field.name for field in fields(StepLabels))
_SCORE_FIELDS = tuple(field.name for field in fields(StepScores))

Part: TypeAlias = tuple[str, Callable[[], object]]
"""A field, and what fails if that field is at fault."""


def trace_to_row(trace: Trace) -> dict[str, Any]:
    """The trace as a JSON object, with what is not set left out."""
    row = {
        "surefoot": ROW_VERSION,
        "id": trace.id,
        "problem": trace.problem,
        "steps": [_set_fields(step, _STEP_FIELDS) for step in trace.steps],
        **_set_fields(trace, ("answer", "reference", "outcome", "source")),
    }
    if trace.labels:
        row["labels"] = [_labels_to_row(labels) for labels in trace.labels]
    if trace.scores:
        row["scores"] = [_scores_to_row(scores) for scores in trace.scores]
    if trace.meta:
        row["meta"] = trace.meta
    return row


def trace_from_row(row: Mapping[str, Any]) -> Trace:
    """The trace of a JSON object.

    Raises:
        RowError: the row is not one of ours, comes from a newer version, was edited without its id,
            or a field is missing, unknown or wrong; `field` says which, as in ``steps.3.text``.
    """
    _check_version(row.get("surefoot"))
    _check_names(row, _ROW_FIELDS, needed=("problem", "steps"))
    steps = [_step(step, f"steps.{i}") for i, step in enumerate(_list(row, "steps"))]
    known = {name: row[name] for name in _ROW_FIELDS[2:] if row.get(name) is not None}
    if "source" in known:
        known["source"] = _interned(known["source"])
    known["steps"] = steps
    for name, read in (("labels", _labels), ("scores", _scores)):
        if name in known:
            known[name] = [
                read(one, f"{name}.{i}", len(steps)) for i, one in enumerate(_list(row, name))
            ]
    try:
        trace = Trace(**known)
    except TraceError as error:
        raise _blame(error, "", _trace_parts(known)) from None
    if row.get("id") not in (None, trace.id):
        raise RowError(
            f"is {row['id']!r}, but this problem and these steps have the id {trace.id}: the row "
            "was edited; remove its id to take it as it is",
            field="id",
        )
    return trace


def _set_fields(thing: object, names: tuple[str, ...]) -> dict[str, Any]:
    """The fields that are not None."""
    found = {name: getattr(thing, name) for name in names}
    return {name: value for name, value in found.items() if value is not None}


def _labels_to_row(labels: StepLabels) -> dict[str, Any]:
    row = _set_fields(labels, _LABEL_FIELDS) | {"values": list(labels.values)}
    if labels.counts is not None:
        row["counts"] = [None if pair is None else list(pair) for pair in labels.counts]
    return row


def _scores_to_row(scores: StepScores) -> dict[str, Any]:
    row = _set_fields(scores, _SCORE_FIELDS)
    return {name: list(one) if isinstance(one, tuple) else one for name, one in row.items()}


def _check_version(version: object) -> None:
    if version is None:
        raise RowError(
            "is missing, so this is not a Surefoot row; bring other formats in with "
            "`surefoot convert`",
            field="surefoot",
        )
    if not isinstance(version, int) or isinstance(version, bool) or version < 1:
        raise RowError(
            f"is {version!r}; it must be the format version, {ROW_VERSION}", field="surefoot"
        )
    if version > ROW_VERSION:
        raise RowError(
            f"is {version}: the row was written by a newer Surefoot; this one reads version "
            f"{ROW_VERSION}, so upgrade to read it",
            field="surefoot",
        )


def _check_names(
    row: Any, names: tuple[str, ...], *, needed: tuple[str, ...], within: str = ""
) -> None:
    prefix = f"{within}." if within else ""
    if not isinstance(row, Mapping):
        raise RowError(f"is {row!r}; it must be an object", field=within)
    for name in row:
        if name not in names:
            raise RowError(
                f"is unknown here; the fields are {', '.join(names)}", field=f"{prefix}{name}"
            )
    for name in needed:
        if row.get(name) is None:
            raise RowError("is missing", field=f"{prefix}{name}")


def _list(row: Mapping[str, Any], name: str, within: str = "") -> list[Any]:
    values = row[name]
    if not isinstance(values, list):
        field = f"{within}.{name}" if within else name
        raise RowError(f"is {type(values).__name__}; it must be a list", field=field)
    return values


def _step(row: Any, field: str) -> Step:
    if isinstance(row, str):
        row = {"text": row}
    _check_names(row, _STEP_FIELDS, needed=("text",), within=field)
    text, observation = row["text"], row.get("observation")
    try:
        return Step(text, observation)
    except TraceError as error:
        raise _blame(error, field, _step_parts(text, observation)) from None


def _labels(row: Any, field: str, steps: int) -> StepLabels:
    _check_names(row, _LABEL_FIELDS, needed=("values", "source", "scale"), within=field)
    known = {name: _interned(value) for name, value in row.items() if value is not None}
    for name in ("values", "counts"):
        if name in known:
            _check_length(_list(row, name, field), f"{field}.{name}", steps)
    try:
        return StepLabels(**known)
    except TraceError as error:
        raise _blame(error, field, _label_parts(known)) from None


def _scores(row: Any, field: str, steps: int) -> StepScores:
    _check_names(row, _SCORE_FIELDS, needed=("values", "model", "kind"), within=field)
    known = {name: _interned(value) for name, value in row.items() if value is not None}
    for name in ("values", "log_odds"):
        if name in known:
            _check_length(_list(row, name, field), f"{field}.{name}", steps)
    try:
        return StepScores(**known)
    except TraceError as error:
        raise _blame(error, field, _score_parts(known)) from None


def _check_length(values: list[Any], field: str, steps: int) -> None:
    if len(values) != steps:
        raise RowError(
            f"has {len(values)} entries for {steps} steps; give one per step", field=field
        )


def _interned(value: Any) -> Any:
    """Equal short texts as one object, so that names repeated in every row take no memory."""
    return intern(value) if type(value) is str else value


def _blame(error: TraceError, within: str, parts: Iterator[Part]) -> RowError:
    """The error, placed at the first part that fails by itself."""
    for field, build in parts:
        try:
            build()
        except TraceError:
            return RowError(str(error), field=f"{within}.{field}" if within else field)
    return RowError(str(error), field=within)


def _step_parts(text: Any, observation: Any) -> Iterator[Part]:
    yield "text", partial(check_text, text, "")
    yield "observation", partial(Step, "x", observation)
    yield "text", partial(Step, text)


def _trace_parts(known: dict[str, Any]) -> Iterator[Part]:
    yield "problem", partial(Trace, known["problem"], ["x"])
    yield "steps", partial(Trace, "x", known["steps"])
    for name in ("answer", "reference", "source", "outcome", "meta"):
        yield name, partial(Trace, "x", ["x"], **_only(known, name))


def _label_parts(known: dict[str, Any]) -> Iterator[Part]:
    for name in ("source", "scale", "annotator"):
        yield name, partial(StepLabels, (), **_only(known, name))
    for i, value in enumerate(known["values"]):
        yield f"values.{i}", partial(StepLabels, (value,), scale=known["scale"])
    for i, pair in enumerate(known.get("counts", ())):
        yield f"counts.{i}", partial(StepLabels, (None,), counts=(pair,))


def _score_parts(known: dict[str, Any]) -> Iterator[Part]:
    yield "model", partial(StepScores, (), known["model"])
    for name in ("kind", "default_aggregate", "threshold"):
        yield name, partial(StepScores, (), "x", **_only(known, name))
    for i, value in enumerate(known["values"]):
        yield f"values.{i}", partial(StepScores, (value,), "x", known["kind"])
    for i, value in enumerate(known.get("log_odds", ())):
        yield f"log_odds.{i}", partial(StepScores, (value,), "x", "reward", log_odds=(value,))


def _only(known: dict[str, Any], name: str) -> dict[str, Any]:
    return {name: known[name]} if name in known else {}
