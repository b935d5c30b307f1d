"""PRMBench: two traces a record, errors counted from 1."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from surefoot.errors import RowError
from surefoot.traces.formats import FORMATS, LabelRule
from surefoot.traces.types import StepLabels, Trace

PRMBENCH = FORMATS["prmbench"]
RULE = LabelRule()


def row(**change):
    return {
        "original_question": "How long?",
        "modified_question": "How long, roughly?",
        "original_process": ["a", "b"],
        "modified_process": ["a", "x", "y", "b"],
        "modified_steps": [2, 3, 4],
        "error_steps": [2, 3],
        "reason": "assumed",
        "idx": "circular_1",
        "question": "How long",
        "classification": "circular",
        **change,
    }


def test_one_record_is_a_right_and_a_wrong_trace():
    original, modified = PRMBENCH.read(row())
    assert (original.problem, original.texts) == ("How long?", ("a", "b"))
    assert original.labels == (StepLabels((1, 1), source="human"),)
    assert modified.problem == "How long, roughly?"
    assert modified.labels == (StepLabels((1, -1, -1, 1), source="other"),)
    assert modified.meta["classification"] == "circular"


@pytest.mark.parametrize(
    "record",
    [
        row(),
        row(error_steps=[]),
        row(classification="redundency"),
        row(modified_process=["a", "", "y", "b"], error_steps=[3]),
    ],
)
def test_both_traces_together_come_back(record):
    written = PRMBENCH.join(PRMBENCH.read(record), RULE)
    assert (written.rows, written.lost) == ((record,), ())


def test_either_alone_is_a_modified_process():
    for trace in PRMBENCH.read(row()):
        (again,) = PRMBENCH.read(PRMBENCH.write(trace, RULE).rows[0])
        assert (again.problem, again.steps) == (trace.problem, trace.steps)
        assert again.labels[0].values == trace.labels[0].values


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"error_steps": [0]}, "error_steps.0"),
        ({"error_steps": [2, 5]}, "error_steps.1"),
        ({"error_steps": ["2"]}, "error_steps.0"),
        ({"error_steps": None}, "error_steps"),
        ({"modified_process": []}, "modified_process"),
        ({"modified_process": ["a", "", "b", "c"]}, "modified_process.1"),
        ({"modified_question": ""}, "modified_question"),
    ],
)
def test_bad_rows_name_the_field(change, field):
    with pytest.raises(RowError) as caught:
        PRMBENCH.read(row(**change))
    assert caught.value.field == field


@given(st.lists(st.sampled_from([1, -1]), min_size=1, max_size=8))
def test_any_pattern_of_errors_comes_back(values):
    trace = Trace(
        "Q", [f"s{i}" for i in values], labels=[StepLabels(tuple(values), source="other")]
    )
    written = PRMBENCH.write(trace, RULE)
    assert written.lost == ()
    wrong = [i + 1 for i in range(len(values)) if values[i] < 0]
    assert written.rows[0]["error_steps"] == wrong
    (again,) = PRMBENCH.read(written.rows[0])
    assert again.labels == trace.labels


def test_unknown_is_not_written_as_right():
    trace = Trace("Q", ["a", "b", "c"], labels=[StepLabels((1, -1, None), source="other")])
    written = PRMBENCH.write(trace, RULE)
    assert written.rows[0]["modified_process"] == ["a", "b"]
    assert written.lost == ("steps after the last label",)
