"""Flat rows: the layout of the public data folder."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from surefoot.errors import RowError
from surefoot.traces.formats import FORMATS, LabelRule
from surefoot.traces.types import StepLabels, StepScores, Trace

FLAT = FORMATS["flat"]
RULE = LabelRule()


def row(**change):
    return {
        "id": "x/1",
        "source": "ProcessBench",
        "domain": "math",
        "question": "Q?",
        "steps": ["a", "b", "c"],
        "labels": [1, -1, None],
        "first_error": 1,
        "outcome": True,
        "answer": "5",
        "generator": "m",
        "split": "test",
        **change,
    }


def both_ways(record):
    (trace,) = FLAT.read(record)
    written = FLAT.write(trace, RULE)
    assert written.lost == ()
    return trace, written.rows[0]


@pytest.mark.parametrize(
    "record",
    [
        row(),
        row(labels=[1, 0, -1], first_error=2),
        row(labels=[0, 1, 1], first_error=-1),
        row(labels=[None] * 3, first_error=None, generator=None, answer=None, outcome=None),
        row(labels=[1, 1, 1], first_error=None),
        row(labels=[None, -1, None], first_error=1),
        row(meta={"problem_id": "p", "candidate": 0}),
        row(meta={"observations": ["x", None, {"y": 1}]}),
        row(meta={"observations": ["only one"]}),
        row(steps=["a", "", "c"], labels=[1, 1, -1], first_error=2),
        row(steps=["", "b", "c"], labels=[None, None, None], first_error=None),
    ],
    ids=str,
)
def test_rows_come_back(record):
    _, again = both_ways(record)
    assert again == record


def test_where_things_go():
    trace, _ = both_ways(row(meta={"problem_id": "p", "observations": ["x", None, None]}))
    assert trace.labels == (StepLabels((1, -1, None), source="human"),)
    assert (trace.reference, trace.answer, trace.outcome) == ("5", None, True)
    assert trace.source == "ProcessBench"
    assert trace.meta["problem_id"] == "p"
    assert [s.observation for s in trace.steps] == ["x", None, None]


def test_who_labelled_is_known_for_public_sets_only():
    assert both_ways(row(source="new"))[0].labels[0].source == "other"
    game = row(source="ToT Game24 GPT-4 CoT log (labels computed here)")
    assert both_ways(game)[0].labels[0].source == "checker"


@pytest.mark.parametrize(
    ("first", "values"), [(-1, (1, 1, 1)), (0, (-1, None, None)), (2, (1, 1, -1))]
)
def test_a_first_error_alone_gives_labels(first, values):
    (trace,) = FLAT.read(row(labels=[None] * 3, first_error=first))
    assert trace.labels[0].values == values


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"labels": [1, -1]}, "labels"),
        ({"labels": [1, 2, None]}, "labels.1"),
        ({"labels": [1, True, None]}, "labels.1"),
        ({"first_error": 0}, "first_error"),
        ({"first_error": 3}, "first_error"),
        ({"labels": [1, None, None], "first_error": -2}, "first_error"),
        ({"labels": [None, -1, None], "first_error": 2}, "first_error"),
        ({"steps": ["a", "", "c"]}, "steps.1"),
        ({"steps": ["", " ", "\n"], "labels": [None] * 3, "first_error": None}, "steps"),
        ({"steps": [], "labels": [], "first_error": None}, "steps"),
        ({"question": " "}, "question"),
        ({"outcome": "yes"}, "outcome"),
        ({"meta": {"id": 1}}, "meta.id"),
        ({"meta": [1]}, "meta"),
    ],
)
def test_bad_rows_name_the_field(change, field):
    with pytest.raises(RowError) as caught:
        FLAT.read(row(**change))
    assert caught.value.field == field


def test_what_it_cannot_hold_is_said():
    counted = StepLabels((0.5, 1.0), "rollout", "value", "me", counts=((1, 2), (2, 2)))
    trace = Trace("Q", ["a", "b"], "4", labels=[counted, counted], scores=[StepScores((1, 0), "m")])
    assert FLAT.write(trace, RULE).lost == (
        "annotator",
        "answer",
        "k of n counts",
        "label source",
        "more labels",
        "scores",
        "soft labels",
    )


@given(st.lists(st.sampled_from([1, 0, -1, None]), min_size=1, max_size=7))
def test_every_pattern_of_ratings_survives(values):
    labels = [StepLabels(tuple(values), source="other")] if set(values) != {None} else []
    trace = Trace("Q", [f"s{i}" for i in range(len(values))], source="s", labels=labels)
    written = FLAT.write(trace, RULE)
    assert written.lost == ()
    (again,) = FLAT.read(written.rows[0])
    assert again.labels == trace.labels
    assert FLAT.write(again, RULE).rows == written.rows
