import copy
import json
import math

import pytest
from hypothesis import given, settings

from made_up import traces
from surefoot import Step, StepLabels, StepScores, Trace
from surefoot.errors import RowError
from surefoot.traces.rows import trace_from_row, trace_to_row


def full() -> Trace:
    return Trace(
        "What is 3*4+5?",
        ["3*4 = 12.", Step("look", {"seen": [1, 1.0, None]})],
        answer="17",
        reference="18",
        outcome=False,
        source="gsm8k",
        labels=[
            StepLabels((1, None), annotator="ann"),
            StepLabels((0.75, 1), "rollout", "value", counts=((6, 8), None)),
        ],
        scores=[StepScores((0.9, None), "m", threshold=0.25)],
        meta={"k": {"nested": [True]}},
    )


FULL_ROW = {
    "surefoot": 1,
    "id": "af9e8ed671431051ab2e",
    "problem": "What is 3*4+5?",
    "steps": [
        {"text": "3*4 = 12."},
        {"text": "look", "observation": {"seen": [1, 1.0, None]}},
    ],
    "answer": "17",
    "reference": "18",
    "outcome": False,
    "source": "gsm8k",
    "labels": [
        {"values": [1, None], "source": "human", "scale": "rating", "annotator": "ann"},
        {
            "values": [0.75, 1.0],
            "source": "rollout",
            "scale": "value",
            "counts": [[6, 8], None],
        },
    ],
    "scores": [
        {
            "values": [0.9, None],
            "model": "m",
            "kind": "probability",
            "default_aggregate": "min",
            "threshold": 0.25,
        }
    ],
    "meta": {"k": {"nested": [True]}},
}


def test_the_row_of_a_full_trace():
    row = trace_to_row(full())
    assert row == FULL_ROW
    assert next(iter(row)) == "surefoot"
    assert json.dumps(row) == json.dumps({name: FULL_ROW[name] for name in row})
    assert trace_from_row(FULL_ROW) == full()


def test_what_is_not_set_is_left_out():
    row = trace_to_row(Trace("p", ["a"]))
    assert row == {"surefoot": 1, "id": row["id"], "problem": "p", "steps": [{"text": "a"}]}


@settings(deadline=None, max_examples=300)
@given(traces())
def test_json_round_trip_is_exact(trace):
    text = json.dumps(trace_to_row(trace), ensure_ascii=False, allow_nan=False)
    again = trace_from_row(json.loads(text))
    assert again == trace
    assert repr(again) == repr(trace)
    assert again.id == trace.id
    assert json.dumps(trace_to_row(again), ensure_ascii=False) == text


def test_neutral_missing_and_wrong_stay_apart():
    trace = Trace("p", ["a", "b", "c"], labels=[StepLabels((0, None, -1))])
    again = trace_from_row(json.loads(json.dumps(trace_to_row(trace))))
    assert again.labels[0].values == (0, None, -1)
    assert repr(again.labels[0].values) == "(0, None, -1)"


def test_a_row_written_by_hand():
    row = {"surefoot": 1, "problem": "p", "steps": ["a", {"text": "b"}], "answer": None}
    assert trace_from_row(row) == Trace("p", ["a", "b"])


CHANGES = [
    ("surefoot", (), ..., "surefoot", "not a Surefoot row.*convert"),
    ("surefoot", (), 2, "surefoot", "newer Surefoot.*upgrade"),
    ("surefoot", (), True, "surefoot", "format version"),
    ("surefoot", (), "1", "surefoot", "format version"),
    ("id", (), "0" * 20, "id", "the row was edited"),
    ("text", ("steps", 0), "3*4 = 13.", "id", "the row was edited"),
    ("problem", (), "What?", "id", "the row was edited"),
    ("problme", (), "p", "problme", "unknown.*problem"),
    ("problem", (), ..., "problem", "missing"),
    ("problem", (), "  ", "problem", "empty"),
    ("problem", (), ["p"], "problem", "must be text"),
    ("problem", (), "\ud800", "problem", "surrogate"),
    ("answer", (), 17, "answer", "must be text"),
    ("reference", (), 18, "reference", "must be text"),
    ("source", (), 1, "source", "must be text"),
    ("outcome", (), 1, "outcome", "true, false or null"),
    ("meta", (), [1], "meta", "mapping"),
    ("k", ("meta",), math.nan, "meta", "meta.k is nan"),
    ("steps", (), ..., "steps", "missing"),
    ("steps", (), "ab", "steps", "must be a list"),
    ("steps", (), {"text": "a"}, "steps", "must be a list"),
    (0, ("steps",), 7, "steps.0", "must be an object"),
    (0, ("steps",), " ", "steps.0.text", "empty"),
    ("text", ("steps", 1), ..., "steps.1.text", "missing"),
    ("text", ("steps", 1), 7, "steps.1.text", "must be text"),
    ("text", ("steps", 0), "", "steps.0.text", "empty"),
    ("texts", ("steps", 1), "a", "steps.1.texts", "unknown.*text, observation"),
    ("observation", ("steps", 1), math.inf, "steps.1.observation", "inf"),
    ("labels", (), {}, "labels", "must be a list"),
    (1, ("labels",), [1], "labels.1", "must be an object"),
    ("values", ("labels", 0), ..., "labels.0.values", "missing"),
    ("values", ("labels", 0), [1], "labels.0.values", "1 entries for 2 steps"),
    ("values", ("labels", 0), [1, 0, 1], "labels.0.values", "3 entries for 2 steps"),
    (1, ("labels", 0, "values"), 3, "labels.0.values.1", "label 1 is 3"),
    (1, ("labels", 0, "values"), True, "labels.0.values.1", "label 1 is True"),
    (1, ("labels", 0, "values"), math.nan, "labels.0.values.1", "null"),
    (1, ("labels", 1, "values"), -1, "labels.1.values.1", r"\[0, 1\]"),
    ("source", ("labels", 0), "robot", "labels.0.source", "human, rollout"),
    ("source", ("labels", 0), ..., "labels.0.source", "missing"),
    ("scale", ("labels", 0), [], "labels.0.scale", "rating, value"),
    ("annotator", ("labels", 0), 3, "labels.0.annotator", "must be text"),
    ("annotators", ("labels", 0), "x", "labels.0.annotators", "unknown"),
    ("counts", ("labels", 1), [None], "labels.1.counts", "1 entries for 2 steps"),
    (0, ("labels", 1, "counts"), [9, 8], "labels.1.counts.0", "9 of 8"),
    (0, ("labels", 1, "counts"), [1.5, 8], "labels.1.counts.0", "whole"),
    (0, ("labels", 1, "counts"), 3, "labels.1.counts.0", "pair"),
    (0, ("scores", 0, "values"), 1.5, "scores.0.values.0", "probability"),
    (1, ("scores", 0, "values"), "x", "scores.0.values.1", "must be a number"),
    ("values", ("scores", 0), [], "scores.0.values", "0 entries for 2 steps"),
    ("model", ("scores", 0), 3, "scores.0.model", "must be text"),
    ("kind", ("scores", 0), "stars", "scores.0.kind", "probability, value"),
    ("threshold", ("scores", 0), "half", "scores.0.threshold", "must be a number"),
    ("default_aggregate", ("scores", 0), "median", "scores.0.default_aggregate", "min, product"),
]


@pytest.mark.parametrize(("name", "within", "value", "field", "says"), CHANGES)
def test_a_bad_row_names_its_field(name, within, value, field, says):
    row = copy.deepcopy(FULL_ROW)
    place = row
    for key in within:
        place = place[key]
    if value is ...:
        del place[name]
    else:
        place[name] = value
    with pytest.raises(RowError, match=rf"(?s){says}") as caught:
        trace_from_row(row)
    assert caught.value.field == field


def test_no_steps_at_all():
    with pytest.raises(RowError, match="at least one step") as caught:
        trace_from_row({"surefoot": 1, "problem": "p", "steps": []})
    assert caught.value.field == "steps"


def test_a_newer_version_is_told_before_its_unknown_fields():
    with pytest.raises(RowError, match="upgrade"):
        trace_from_row({"surefoot": 3, "brand_new": 1})
