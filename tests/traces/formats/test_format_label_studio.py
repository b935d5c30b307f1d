"""Label Studio tasks."""

import xml.etree.ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st

from surefoot.errors import RowError
from surefoot.traces.formats import FORMATS, LabelRule
from surefoot.traces.formats.label_studio import CONFIG
from surefoot.traces.types import Step, StepLabels, StepScores, Trace

LS = FORMATS["label-studio"]
RULE = LabelRule()


def result(i, word):
    return {
        "from_name": f"label_{i}",
        "to_name": f"step_{i}",
        "type": "choices",
        "value": {"choices": [word]},
    }


def task(**more):
    return {
        "id": 12,
        "project": 3,
        "data": {
            "problem": "Q?",
            "steps": [{"text": "a"}, {"text": "b", "observation": {"ok": True}}, {"text": "c"}],
            "reference": "5",
            "shown": "extra data",
        },
        "annotations": [
            {
                "id": 1,
                "completed_by": {"id": 9, "email": "ann"},
                "lead_time": 3.5,
                "result": [result(0, "right"), result(1, "neutral"), {"type": "textarea"}],
            },
            {"id": 2, "completed_by": 7, "was_cancelled": True, "result": [result(0, "wrong")]},
            {"id": 3, "completed_by": 7, "result": [result(2, "wrong")]},
        ],
        "predictions": [
            {"model_version": "judge:gpt", "score": 0.5, "result": [result(0, "right")]}
        ],
        **more,
    }


def test_every_annotation_and_prediction_is_a_set_of_labels():
    (trace,) = LS.read(task())
    assert trace.steps[1].observation == {"ok": True}
    assert trace.labels == (
        StepLabels((1, 0, None), annotator="ann"),
        StepLabels((None, None, -1), annotator="7"),
        StepLabels((1, None, None), source="judge", annotator="gpt"),
    )
    assert trace.source == "label-studio"


def test_the_task_comes_back():
    (trace,) = LS.read(task())
    written = LS.write(trace, RULE)
    assert written.lost == ()
    (row,) = written.rows
    assert row["data"].pop("source") == "label-studio"
    assert row == task()


def test_the_config_shows_what_is_written():
    """Names and choices of the interface are those of the results that are written."""
    trace = Trace("Q?", ["a", "b"], labels=[StepLabels((1, -1))])
    (row,) = LS.write(trace, RULE).rows
    root = ET.fromstring(CONFIG)
    choices = root.find(".//Choices")
    repeater = root.find(".//Repeater")
    assert repeater.get("on") == "$steps"
    first = row["annotations"][0]["result"][1]
    assert choices.get("name").replace("{{idx}}", "1") == first["from_name"]
    assert choices.get("toName").replace("{{idx}}", "1") == first["to_name"]
    words = {c.get("value") for c in choices}
    assert words == {"right", "neutral", "wrong"}
    assert first["value"]["choices"][0] in words
    shown = root.find(".//Repeater/Text")
    assert shown.get("name").replace("{{idx}}", "1") == first["to_name"]
    assert shown.get("value") == "$steps[{{idx}}].text"
    assert root.find("Text").get("value") == "$problem"


@pytest.mark.parametrize(
    ("bad", "field"),
    [
        (result(5, "right"), "annotations.0.result.0"),
        (result(0, "maybe"), "annotations.0.result.0"),
        ({**result(0, "right"), "value": None}, "annotations.0.result.0"),
        (
            {**result(0, "right"), "value": {"choices": ["right", "wrong"]}},
            "annotations.0.result.0",
        ),
    ],
)
def test_bad_choices_are_named(bad, field):
    with pytest.raises(RowError) as caught:
        LS.read(task(annotations=[{"result": [bad]}]))
    assert caught.value.field == field


@pytest.mark.parametrize("name", ["annotations", "predictions"])
@pytest.mark.parametrize("given", [True, 5, "x", {}, [True], [{"result": True}]])
def test_annotations_that_are_no_list_of_results_are_named(name, given):
    with pytest.raises(RowError) as caught:
        LS.read(task(**{name: given}))
    assert caught.value.field in (name, f"{name}.0")


def test_null_annotations_are_none():
    (trace,) = LS.read(task(annotations=None, predictions=None))
    assert trace.labels == ()


def test_two_choices_for_one_step_are_a_contradiction():
    with pytest.raises(RowError):
        LS.read(task(annotations=[{"result": [result(0, "right"), result(0, "wrong")]}]))


def test_what_it_cannot_hold_is_said():
    trace = Trace(
        "Q?",
        ["a"],
        labels=[StepLabels((0.75,), "rollout", "value", counts=((3, 4),))],
        scores=[StepScores((0.5,), "m")],
    )
    written = LS.write(trace, RULE)
    assert written.lost == ("k of n counts", "scores", "soft labels")
    assert written.rows[0]["predictions"][0]["model_version"] == "rollout"


values = st.lists(st.sampled_from([1, 0, -1, None]), min_size=2, max_size=2).filter(any)
labels = st.builds(
    StepLabels,
    values.map(tuple),
    st.sampled_from(["human", "rollout", "judge", "checker", "other"]),
    annotator=st.one_of(st.none(), st.text("ab:", min_size=1, max_size=3)),
)


@given(st.lists(labels, max_size=4))
def test_neutral_missing_and_sources_survive(given_labels):
    ordered = sorted(given_labels, key=lambda one: one.source != "human")
    trace = Trace(
        "Q?",
        ["a", Step("b", 1)],
        "5",
        "6",
        False,
        source="set",
        labels=ordered,
        meta={"k": [1]},
    )
    written = LS.write(trace, RULE)
    assert written.lost == ()
    (again,) = LS.read(written.rows[0])
    assert again.labels == trace.labels
    assert (again.steps, again.answer, again.outcome, again.source) == (
        trace.steps,
        "5",
        False,
        "set",
    )
    assert again.meta["k"] == [1]
