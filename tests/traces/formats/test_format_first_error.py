"""ProcessBench and BIG-Bench Mistake: 0-based first errors."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from surefoot.errors import RowError, TraceError
from surefoot.traces.formats import FORMATS, LabelRule
from surefoot.traces.types import StepLabels, Trace

PB, BBM = FORMATS["processbench"], FORMATS["bigbench-mistake"]
RULE = LabelRule()
ROW = {
    "id": "gsm8k-1",
    "generator": "Qwen2",
    "problem": "How many?",
    "steps": ["a", "b", "c"],
    "final_answer_correct": True,
    "label": 1,
}


def test_processbench_counts_from_0_and_leaves_the_rest_unknown():
    (trace,) = PB.read(ROW)
    assert trace.labels == (StepLabels((1, -1, None)),)
    assert trace.outcome is True  # right answer, flawed chain: both stay
    assert trace.meta == {"id": "gsm8k-1", "generator": "Qwen2"}
    written = PB.write(trace, RULE)
    assert (written.rows, written.lost) == ((ROW,), ())


@pytest.mark.parametrize("correct", [True, False, None])
def test_processbench_without_error(correct):
    record = {**ROW, "label": -1, "final_answer_correct": correct}
    (trace,) = PB.read(record)
    assert trace.labels[0].values == (1, 1, 1)
    assert trace.outcome is correct
    assert PB.write(trace, RULE).rows == (record,)


@pytest.mark.parametrize("label", [3, -2, None, "1.5", True, 1.0])
def test_processbench_label_must_name_a_step(label):
    with pytest.raises(RowError) as caught:
        PB.read({**ROW, "label": label})
    assert caught.value.field == "label"


@pytest.mark.parametrize("label", [0, 2, 3, -1])
def test_a_blank_step_keeps_its_place(label):
    record = {**ROW, "steps": ["a", "", "b", "c"], "label": label}
    (trace,) = PB.read(record)
    assert trace.texts == ("a", "b", "c")
    assert trace.labels[0].first_error() == {0: 0, 2: 1, 3: 2, -1: None}[label]
    assert PB.write(trace, RULE).rows == (record,)


def test_an_error_at_a_blank_step_is_refused():
    with pytest.raises(RowError) as caught:
        PB.read({**ROW, "steps": ["a", "", "b"]})
    assert caught.value.field == "steps.1"


def test_what_first_errors_cannot_hold_is_said():
    labels = StepLabels((0, -1, 1), source="judge", annotator="m")
    trace = Trace("Q", ["a", "b", "c"], "4", "5", labels=[labels, labels], meta={"x": 1})
    written = PB.write(trace, RULE)
    assert written.rows[0]["label"] == 1
    assert written.lost == (
        "annotator",
        "answer",
        "label source",
        "labels after the first error",
        "meta",
        "more labels",
        "neutral labels",
        "reference",
    )
    assert PB.write(trace, LabelRule(neutral=False)).rows[0]["label"] == 0


def test_a_neutral_step_after_the_error_is_lost_with_the_rest_only():
    trace = Trace("Q", ["a", "b", "c"], labels=[StepLabels((1, -1, 0))])
    assert PB.write(trace, RULE).lost == ("labels after the first error",)


def test_unsettled_labels_are_refused():
    for values in ((1, None, -1), (1, 1, None)):
        trace = Trace("Q", ["a", "b", "c"], labels=[StepLabels(values)])
        with pytest.raises(TraceError, match="unlabelled"):
            PB.write(trace, RULE)


@pytest.mark.parametrize("mistake", [0, 2, None])
def test_bigbench_there_and_back(mistake):
    record = {
        "input": "(1 + 2) =",
        "steps": ["a", "b", "c"],
        "answer": "4",
        "target": "3",
        "mistake_index": mistake,
    }
    (trace,) = BBM.read(record)
    assert (trace.answer, trace.reference, trace.outcome) == ("4", "3", None)
    assert trace.labels[0].first_error() == mistake
    assert BBM.write(trace, RULE).rows == (record,)


@given(st.integers(1, 8), st.data())
def test_index_bases_agree(n, data):
    """The same error, written 0-based and 1-based, reads back as the same step."""
    first = data.draw(st.one_of(st.none(), st.integers(0, n - 1)))
    values = tuple([1] * n if first is None else [1] * first + [-1] + [None] * (n - first - 1))
    trace = Trace("Q", [f"s{i}" for i in range(n)], labels=[StepLabels(values)])
    fields = {
        "processbench": ("label", -1 if first is None else first),
        "bigbench-mistake": ("mistake_index", first),
        "mr-gsm8k": (
            "model_output_solution_first_error_step",
            "N/A" if first is None else first + 1,
        ),
        "mr-ben": ("Model_Solution_First_Error_Step", "N/A" if first is None else str(first + 1)),
    }
    for name, (field, value) in fields.items():
        (row,) = FORMATS[name].write(trace, RULE).rows
        assert row[field] == value
        (again,) = FORMATS[name].read(row)
        assert again.labels[0].values == values
        assert again.texts == trace.texts
