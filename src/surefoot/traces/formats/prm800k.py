"""PRM800K: steps with several rated completions each, of which one is chosen.

Fields: `labeler`, `timestamp`, `generation` (null in phase 1), `is_quality_control_question`,
`is_initial_screening_question`, `question{problem, ground_truth_answer, ...}`, and
`label{steps[{completions[{text, rating, flagged}], human_completion, chosen_completion}],
total_time, finish_reason}`.

One record reads to the chosen path, and one trace for each other rated completion (the path before
it, then it). Ratings stay 1, 0, -1, or None where null. A step that a person wrote (phase 1)
continues the path and counts as right, as the data set's authors asked people for "+1 steps"; its
own rating, null in the file, comes back as it was. Where nothing was chosen the path ends, as
phase 2 does at the first error. Completions that are unrated or without text are no traces; they
wait in `meta["prm800k"]`. The answer is what stands below "# Answer"; the text keeps it too.

What comes back after PRM800K -> Trace -> PRM800K: the whole record, if its traces are written one
after the other; the first of them carries the record's own fields. All carry `meta["prm800k"]` with
`path` ("chosen" or "alternative") and, for alternatives, `at` (step and completion, 0-based). One
path alone gives a record with just that path.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from surefoot.errors import RowError
from surefoot.traces.formats import fields, labelling
from surefoot.traces.formats.format import Format, LabelRule, Record, Written
from surefoot.traces.types import StepLabels, Trace

_TOP = (
    "labeler",
    "timestamp",
    "generation",
    "is_quality_control_question",
    "is_initial_screening_question",
)
_OWN = "prm800k"
_ANSWER = re.compile(r"(?:\A|\n)# Answer\s*\n(.+)\Z", re.DOTALL)


def looks_like(record: Record) -> bool:
    """A record whose `question` and `label` are objects."""
    return isinstance(record.get("question"), dict) and isinstance(record.get("label"), dict)


@dataclass(slots=True)
class _Tree:
    """One record taken apart: the chosen path, the alternatives to it, and the rest."""

    chosen: list[dict[str, Any]] = field(default_factory=list)
    alternatives: list[tuple[int, int, dict[str, Any]]] = field(default_factory=list)
    set_aside: list[list[Any]] = field(default_factory=list)
    shape: list[dict[str, Any]] = field(default_factory=list)


def read(record: Record) -> list[Trace]:
    """The chosen path and each rated alternative to it."""
    question, label = record["question"], record["label"]
    tree = _take_apart(label)
    carried = {
        "question": fields.others(question, ("problem", "ground_truth_answer")),
        "label": fields.others(label, ("steps",)),
        "shape": tree.shape,
        "set_aside": tree.set_aside,
    }
    shared = {
        "problem": _in(fields.text, question, "problem", "question"),
        "reference": _in(fields.maybe_text, question, "ground_truth_answer", "question"),
        "source": _OWN,
    }
    key, labeler = fields.record_key(record), fields.maybe_text(record, "labeler")
    paths: list[tuple[dict[str, Any], list[dict[str, Any]]]] = []
    if tree.chosen:
        paths.append(({"path": "chosen"}, tree.chosen))
    for i, j, completion in tree.alternatives:
        paths.append(({"path": "alternative", "at": [i, j]}, [*tree.chosen[:i], completion]))
    if not paths:
        raise RowError("no step has a chosen or a rated completion", field="label.steps")
    traces = []
    for n, (where, path) in enumerate(paths):
        new = path if where["path"] == "chosen" else path[-1:]
        kept = {
            "record": key,
            **where,
            "completions": [fields.others(one, ("text", "rating")) for one in new],
            **({} if n else carried),
        }
        top = {} if n else fields.others(record, ("question", "label"))
        traces.append(_trace(path, labeler, shared, fields.with_own(top, _OWN, kept)))
    return traces


def _in(take: Any, record: Record, name: str, place: str) -> Any:
    try:
        return take(record, name)
    except RowError as error:
        raise RowError(error.reason, field=f"{place}.{error.field}") from None


def _take_apart(label: Record) -> _Tree:
    tree = _Tree()
    ended = False
    for i, step in enumerate(_in(fields.sequence, label, "steps", "label")):
        place = f"label.steps.{i}"
        if not isinstance(step, dict):
            raise RowError(f"must be an object, not {fields.kind(step)}", field=place)
        if ended:
            raise RowError("follows a step at which nothing was chosen", field=place)
        human, chosen = step.get("human_completion"), step.get("chosen_completion")
        completions = step.get("completions")
        if completions is not None and not isinstance(completions, list):
            raise RowError("must be a list or null", field=f"{place}.completions")
        shape = {"n": None if completions is None else len(completions), "chosen": chosen}
        for j, completion in enumerate(completions or []):
            _check(completion, f"{place}.completions.{j}")
            if j == chosen:
                continue
            if completion.get("rating") is None or not completion["text"].strip():
                tree.set_aside.append([i, j, completion])
            else:
                tree.alternatives.append((i, j, completion))
        if chosen is not None:
            if isinstance(chosen, bool) or chosen not in range(len(completions or [])):
                raise RowError(
                    f"{chosen!r} is not the position of a completion",
                    field=f"{place}.chosen_completion",
                )
            tree.chosen.append((completions or [])[chosen])
            if human is not None:
                shape["human"] = human
        elif human is not None:
            human = {"text": human} if isinstance(human, str) else human
            _check(human, f"{place}.human_completion")
            shape["human"] = fields.others(human, ("text",)) | {"rating": human.get("rating")}
            tree.chosen.append({"rating": 1, **{k: v for k, v in human.items() if v is not None}})
        else:
            ended = True
        tree.shape.append(shape)
    return tree


def _check(completion: Any, place: str) -> None:
    if not isinstance(completion, dict) or not isinstance(completion.get("text"), str):
        raise RowError("must be an object with text", field=place)
    rating = completion.get("rating")
    if isinstance(rating, bool) or rating not in (1, 0, -1, None):
        raise RowError(f"{rating!r} is not 1, 0, -1 or null", field=f"{place}.rating")


def _trace(
    path: list[dict[str, Any]], labeler: str | None, shared: dict[str, Any], meta: dict[str, Any]
) -> Trace:
    ratings = tuple(completion.get("rating") for completion in path)
    answer = _ANSWER.search(path[-1]["text"])
    return fields.build(
        "label.steps",
        **shared,
        steps=[completion["text"] for completion in path],
        answer=answer[1].strip() if answer else None,
        labels=[StepLabels(ratings, annotator=labeler)],
        meta=meta,
    )


def write(trace: Trace, rule: LabelRule) -> Written:
    """One record with one completion a step."""
    return join([trace], rule)


def join(traces: Sequence[Trace], rule: LabelRule) -> Written:
    """The record of a chosen path and its alternatives; what does not fit gets its own record."""
    lost: set[str] = set()
    rated = []
    for trace in traces:
        labels = labelling.needed_labels(trace)
        ratings, more = labelling.ratings(labels, rule)
        rated.append(ratings)
        lost |= more | _losses(trace, labels)
    steps = _steps(traces, rated)
    if steps is not None:
        rows = [_record(traces[0], steps, rated[0])]
    else:
        rows = [
            _record(trace, _plain(trace, ratings), ratings)
            for trace, ratings in zip(traces, rated, strict=True)
        ]
    return Written(tuple(rows), tuple(sorted(lost)))


def _losses(trace: Trace, labels: StepLabels) -> set[str]:
    found = _ANSWER.search(trace.texts[-1])
    holds = ["reference", "annotator"]
    if found and found[1].strip() == trace.answer:
        holds.append("answer")
    return labelling.field_losses(
        trace, "prm800k", holds=holds, meta=(*_TOP, _OWN), labels=labels, label_source="human"
    )


def _completion(text: str, rating: int | None, detail: dict[str, Any]) -> dict[str, Any]:
    return {"text": text, "rating": rating, "flagged": None, **detail}


def _plain(trace: Trace, ratings: list[int | None]) -> list[dict[str, Any]]:
    """Each step as the one, chosen, completion."""
    return [
        {
            "completions": [_completion(text, rating, {})],
            "human_completion": None,
            "chosen_completion": 0,
        }
        for text, rating in zip(trace.texts, ratings, strict=True)
    ]


def _steps(traces: Sequence[Trace], rated: list[list[int | None]]) -> list[dict[str, Any]] | None:
    """The steps of the record that the first trace carries; None where the traces do not fit it."""
    first, kept = traces[0], [fields.own(trace, _OWN) for trace in traces]
    shape: Any = kept[0].get("shape")
    if shape is None or any(own.get("path") != "alternative" for own in kept[1:]):
        return None
    path = len(first.steps) if kept[0]["path"] == "chosen" else 0
    on_path = [place["chosen"] is not None or "human" in place for place in shape]
    if sum(on_path) != path:
        return None
    slots = {(i, j): completion for i, j, completion in kept[0]["set_aside"]}
    for own, trace, ratings in zip(kept, traces, rated, strict=True):
        if own["path"] == "alternative":
            i, j = own["at"]
            slots[i, j] = _completion(trace.texts[-1], ratings[-1], own["completions"][-1])
    steps = []
    for i, place in enumerate(shape):
        chosen: int | None = place["chosen"]
        human: dict[str, Any] | None = place.get("human")
        if on_path[i]:
            made = _completion(first.texts[i], rated[0][i], kept[0]["completions"][i])
            if chosen is not None:
                slots[i, chosen] = made
            else:
                human = {**made, **(human or {})}
        present = [j for j in range(place["n"] or 0) if (i, j) in slots]
        steps.append(
            {
                "completions": None if place["n"] is None else [slots[i, j] for j in present],
                "human_completion": human,
                "chosen_completion": None if chosen is None else present.index(chosen),
            }
        )
    return steps


def _record(trace: Trace, steps: list[dict[str, Any]], ratings: list[int | None]) -> dict[str, Any]:
    labels = labelling.needed_labels(trace)
    meta = trace.meta
    kept = fields.own(trace, _OWN)
    return {
        "labeler": labels.annotator,
        "timestamp": meta.get("timestamp"),
        "generation": meta.get("generation"),
        "is_quality_control_question": meta.get("is_quality_control_question", False),
        "is_initial_screening_question": meta.get("is_initial_screening_question", False),
        "question": {
            "problem": trace.problem,
            "ground_truth_answer": trace.reference,
            **kept.get("question", {}),
        },
        "label": {
            "steps": steps,
            "total_time": None,
            "finish_reason": "found_error" if -1 in ratings else "solution",
            **kept.get("label", {}),
        },
    }


PRM800K = Format("prm800k", "PRM800K", looks_like, read, write, join)
