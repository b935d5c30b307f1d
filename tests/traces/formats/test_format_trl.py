"""TRL stepwise rows."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from surefoot.errors import RowError, TraceError
from surefoot.traces.formats import FORMATS, LabelRule
from surefoot.traces.types import StepLabels, Trace

TRL = FORMATS["trl"]
RULE = LabelRule()


def test_booleans_and_numbers_are_told_apart():
    hard = {"prompt": "Q", "completions": ["a", "b"], "labels": [True, False]}
    (trace,) = TRL.read(hard)
    assert trace.labels == (StepLabels((1, -1), source="other"),)
    assert TRL.write(trace, RULE).rows == (hard,)
    assert TRL.write(trace, RULE).rows[0]["labels"] == [True, False]
    assert [type(v) for v in TRL.write(trace, RULE).rows[0]["labels"]] == [bool, bool]
    soft = {"prompt": "Q", "completions": ["a", "b"], "labels": [0.99, 1.0]}
    (trace,) = TRL.read(soft)
    assert trace.labels == (StepLabels((0.99, 1.0), source="other", scale="value"),)
    (row,) = TRL.write(trace, RULE).rows
    assert row == soft
    assert [type(v) for v in row["labels"]] == [float, float]


@pytest.mark.parametrize("neutral", [True, False])
def test_neutral_is_the_rules_choice_and_counted(neutral):
    trace = Trace("Q", ["a", "b"], labels=[StepLabels((0, -1), source="other")])
    written = TRL.write(trace, LabelRule(neutral=neutral))
    assert written.rows[0]["labels"] == [neutral, False]
    assert written.lost == ("neutral labels",)


def test_first_error_only_labels_end_the_row():
    trace = Trace("Q", ["a", "b", "c"], labels=[StepLabels((1, -1, None), source="other")])
    written = TRL.write(trace, RULE)
    assert written.rows[0] == {"prompt": "Q", "completions": ["a", "b"], "labels": [True, False]}
    assert written.lost == ("steps after the last label",)


def test_an_unlabelled_step_between_labelled_ones_cannot_be_written():
    trace = Trace("Q", ["a", "b"], labels=[StepLabels((None, 1))])
    with pytest.raises(TraceError, match="step 0"):
        TRL.write(trace, RULE)


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"labels": [True]}, "labels"),
        ({"labels": [True, None]}, "labels.1"),
        ({"labels": [True, 1.5]}, "labels.1"),
        ({"labels": [True, float("nan")]}, "labels.1"),
        ({"labels": "++"}, "labels"),
        ({"completions": "a b"}, "completions"),
        ({"completions": []}, "completions"),
        ({"completions": ["a", " "]}, "completions"),
        ({"prompt": [{"role": "user", "content": "Q"}]}, "prompt"),
        ({"prompt": ""}, "prompt"),
    ],
)
def test_bad_rows_name_the_field(change, field):
    with pytest.raises(RowError) as caught:
        TRL.read({"prompt": "Q", "completions": ["a", "b"], "labels": [True, False], **change})
    assert caught.value.field == field


texts = st.text(min_size=1, max_size=9).filter(str.strip)


@given(texts, st.lists(st.tuples(texts, st.one_of(st.floats(0, 1))), min_size=1, max_size=6))
def test_there_and_back(prompt, rated):
    record = {
        "prompt": prompt,
        "completions": [text for text, _ in rated],
        "labels": [value for _, value in rated],
    }
    (trace,) = TRL.read(record)
    written = TRL.write(trace, RULE)
    assert written.rows == (record,)
    assert written.lost == ()
