"""Label Studio tasks: steps as task data, one choice a step in annotations and predictions.

`CONFIG` is the labelling interface that shows what `write` makes: paste it into a project's
settings. A task is `{id, data{problem, steps[{text, observation}], ...},
annotations[{completed_by, result[]}], predictions[{model_version, result[]}]}`; each result is
`{from_name: "label_<i>", to_name: "step_<i>", type: "choices", value: {choices: ["right"]}}` with
`i` counted from 0. Choices read: right, correct, good, + / neutral, okay / wrong, incorrect, bad,
-. A step with no result is unlabelled.

A trace's human labels are annotations; all other labels are predictions, whose `model_version` is
the label source and, after a colon, the annotator. What comes back after Label Studio -> Trace ->
Label Studio: the task, its data, every annotation and prediction with its own further fields;
results that are no step labels come back too. It holds no numbers as labels, no counts and no
scores. Label Studio imports a JSON list of tasks: write to a file named `.json`.
"""

from __future__ import annotations

import re
from typing import Any, get_args

from surefoot.errors import RowError, TraceError
from surefoot.traces.formats import fields, labelling
from surefoot.traces.formats.format import Format, LabelRule, Record, Written
from surefoot.traces.types import LabelSource, Step, StepLabels, Trace

CONFIG = """<View>
  <Text name="problem" value="$problem"/>
  <Repeater on="$steps" indexFlag="{{idx}}">
    <Text name="step_{{idx}}" value="$steps[{{idx}}].text"/>
    <Choices name="label_{{idx}}" toName="step_{{idx}}" choice="single-radio" showInline="true">
      <Choice value="right"/>
      <Choice value="neutral"/>
      <Choice value="wrong"/>
    </Choices>
  </Repeater>
</View>
"""

_CHOICES = {
    **dict.fromkeys(("right", "correct", "good", "+"), 1),
    **dict.fromkeys(("neutral", "okay"), 0),
    **dict.fromkeys(("wrong", "incorrect", "bad", "-"), -1),
}
_NAMES = {1: "right", 0: "neutral", -1: "wrong"}
_STEP = re.compile(r"label_(\d+)\Z")
_DATA = ("problem", "steps", "answer", "reference", "outcome", "source", "meta")
_TASK = ("data", "annotations", "predictions")
_OWN = "label-studio"


def looks_like(record: Record) -> bool:
    """A record whose `data` holds `steps`."""
    data = record.get("data")
    return isinstance(data, dict) and isinstance(data.get("steps"), list)


def read(record: Record) -> list[Trace]:
    """The one trace of a task, with the labels of all its annotations and predictions."""
    data = record["data"]
    try:
        problem = fields.text(data, "problem")
        steps = [_step(step) for step in fields.sequence(data, "steps")]
        own = {
            "answer": fields.maybe_text(data, "answer"),
            "reference": fields.maybe_text(data, "reference"),
            "outcome": fields.maybe_bool(data, "outcome"),
            "source": fields.maybe_text(data, "source") or "label-studio",
        }
        meta = data.get("meta") or {}
        if not isinstance(meta, dict):
            raise RowError(f"must be an object, not {fields.kind(meta)}", field="meta")
    except RowError as error:
        raise RowError(error.reason, field=f"data.{error.field}") from None
    except TraceError as error:
        raise RowError(str(error), field="data.steps") from None
    labels: list[StepLabels] = []
    kept: dict[str, Any] = {
        "task": fields.others(record, _TASK),
        "data": fields.others(data, _DATA),
    }
    for name in ("annotations", "predictions"):
        kept[name] = []
        present = record.get(name) is not None
        for i, given in enumerate(fields.sequence(record, name) if present else ()):
            one, extra = _labels(given, len(steps), name, f"{name}.{i}")
            kept[name].append(extra)
            labels.extend([one] if one else [])
    meta = fields.with_own(meta, _OWN, {name: value for name, value in kept.items() if value})
    return [fields.build("data", problem=problem, steps=steps, labels=labels, meta=meta, **own)]


def _step(step: Any) -> Step:
    if isinstance(step, dict):
        return Step(fields.maybe_text(step, "text") or "", step.get("observation"))
    return Step(step)


def _labels(given: Any, n: int, name: str, place: str) -> tuple[StepLabels | None, dict[str, Any]]:
    """The step labels of one annotation or prediction (None if it has none), and its other
    fields."""
    if not isinstance(given, dict) or not isinstance(given.get("result"), list):
        raise RowError("must be an object with a list result", field=place)
    values: list[int | None] = [None] * n
    extra = {key: value for key, value in given.items() if key != "result"}
    for i, result in enumerate(given["result"]):
        where = f"{place}.result.{i}"
        named = _STEP.match(str(result.get("from_name"))) if isinstance(result, dict) else None
        if named is None:
            extra.setdefault("result", []).append(result)
            continue
        step = int(named[1])
        value = result.get("value")
        choices = value.get("choices") if isinstance(value, dict) else None
        word = str(choices[0]).lower() if isinstance(choices, list) and len(choices) == 1 else ""
        if step >= n or word not in _CHOICES or values[step] is not None:
            raise RowError(
                f"{choices!r} for step {step} of {n} is not one known choice", field=where
            )
        values[step] = _CHOICES[word]
    if all(value is None for value in values) or given.get("was_cancelled"):
        extra["result"] = given["result"]
        return None, {**extra, "unlabelled": True}
    source, annotator = _who(given, name)
    return StepLabels(tuple(values), source=source, annotator=annotator), extra


def _who(given: dict[str, Any], name: str) -> tuple[LabelSource, str | None]:
    if name == "annotations":
        by = given.get("completed_by")
        by = by.get("email", by.get("id")) if isinstance(by, dict) else by
        return "human", None if by is None else str(by)
    source, _, annotator = str(given.get("model_version") or "other").partition(":")
    for known in get_args(LabelSource):
        if source == known:
            return known, annotator or None
    return "other", str(given["model_version"])


def write(trace: Trace, rule: LabelRule) -> Written:
    """One task."""
    lost: set[str] = set()
    kept: Any = trace.meta.get(_OWN)
    kept = kept if isinstance(kept, dict) else {}
    made: dict[str, list[dict[str, Any]]] = {"annotations": [], "predictions": []}
    before = {name: list(kept.get(name, [])) for name in made}
    for labels in trace.labels:
        name = "annotations" if labels.source == "human" else "predictions"
        made[name].extend(_next_unlabelled(before[name]))
        extra = before[name].pop(0) if before[name] else {}
        values, more = labelling.ratings(labels, rule)
        lost |= more
        if any(labels.counts or ()):
            lost.add("k of n counts")
        results = [_result(i, value) for i, value in enumerate(values) if value is not None]
        made[name].append({**_by(labels), **extra, "result": [*results, *extra.get("result", [])]})
    for name in made:
        made[name].extend(_next_unlabelled(before[name]))
    meta = {name: value for name, value in trace.meta.items() if name != _OWN}
    data = {
        "problem": trace.problem,
        "steps": [
            {"text": step.text}
            | ({} if step.observation is None else {"observation": step.observation})
            for step in trace.steps
        ],
        "answer": trace.answer,
        "reference": trace.reference,
        "outcome": trace.outcome,
        "source": trace.source,
        "meta": meta or None,
        **kept.get("data", {}),
    }
    if trace.scores:
        lost.add("scores")
    row = {**kept.get("task", {}), "data": {k: v for k, v in data.items() if v is not None}, **made}
    return Written((row,), tuple(sorted(lost)))


def _next_unlabelled(before: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The annotations at the head of what was read that label no step; they come back unchanged."""
    found = []
    while before and before[0].get("unlabelled"):
        found.append({k: v for k, v in before.pop(0).items() if k != "unlabelled"})
    return found


def _by(labels: StepLabels) -> dict[str, Any]:
    if labels.source == "human":
        return {} if labels.annotator is None else {"completed_by": labels.annotator}
    annotator = "" if labels.annotator is None else f":{labels.annotator}"
    return {"model_version": labels.source + annotator}


def _result(i: int, value: int) -> dict[str, Any]:
    return {
        "from_name": f"label_{i}",
        "to_name": f"step_{i}",
        "type": "choices",
        "value": {"choices": [_NAMES[value]]},
    }


LABEL_STUDIO = Format("label-studio", "Label Studio tasks", looks_like, read, write)
