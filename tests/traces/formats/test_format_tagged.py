"""Math-Shepherd and OpenRLHF: tags, signs, and where the question ends."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from surefoot.errors import RowError, TraceError
from surefoot.traces.formats import FORMATS, LabelRule
from surefoot.traces.types import StepLabels, Trace

MS, ORLHF = FORMATS["math-shepherd"], FORMATS["openrlhf"]
RULE = LabelRule()


def row(text, signs, **more):
    """`text` has @ for each tag; `signs` go into the label text in order."""
    label = text
    for sign in signs:
        label = label.replace("@", sign, 1)
    return {"input": text.replace("@", "ки"), "label": label, "task": "GSM8K", **more}


PLAIN = row("How many? Step 1: 2+3 = 5 @\nStep 2: 5-1 = 4 @\nStep 3: The answer is: 4 @", "+-+")


def test_math_shepherd_reads():
    (trace,) = MS.read(PLAIN)
    assert trace.problem == "How many?"
    assert trace.texts == ("Step 1: 2+3 = 5", "Step 2: 5-1 = 4", "Step 3: The answer is: 4")
    assert trace.labels == (StepLabels((1, -1, 1), source="rollout"),)
    assert (trace.answer, trace.meta) == ("4", {"task": "GSM8K"})


def test_a_tag_in_the_question_is_text_if_the_label_repeats_it():
    record = row("What is ки? Step 1: a word @", "+")
    record["input"] = "What is ки? Step 1: a word ки"
    (trace,) = MS.read(record)
    assert trace.problem == "What is ки?"
    assert trace.labels[0].values == (1,)
    assert MS.write(trace, RULE).rows == (record,)


def test_a_rated_tag_in_the_question_costs_no_step_its_label():
    record = row("Mr. A has @ 5 apples. How many? Step 1: five @\nStep 2: done @", "-+-")
    (trace,) = MS.read(record)
    assert trace.problem == "Mr. A has  5 apples. How many?"
    assert trace.texts == ("Step 1: five", "Step 2: done")
    assert trace.labels[0].values == (1, -1)
    assert trace.meta["math-shepherd"]["question_tags"] == [[10, "-"]]
    assert MS.write(trace, RULE).rows == (record,)


def test_two_rated_tags_in_the_question():
    record = row("A @ b @ c? Step 1: x @", "-++")
    (trace,) = MS.read(record)
    assert (trace.problem, trace.labels[0].values) == ("A  b  c?", (1,))
    assert MS.write(trace, RULE).rows == (record,)


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"label": PLAIN["label"][:-1]}, "label"),
        ({"label": PLAIN["label"] + "+"}, "label"),
        ({"label": PLAIN["label"].replace("2+3", "2-3", 1)}, "label"),
        ({"input": "How many? Step 1: five", "label": "How many? Step 1: five"}, "input"),
        (row("Q? Step 1: a @\ntail", "+"), "input"),
        (row("No end of question @", "+"), "input"),
        (row("Q? Step 1: see Step 1: a @", "+"), "input"),
        (row("Step 1: a @", "+"), "input"),
    ],
)
def test_misaligned_rows_are_refused(change, field):
    with pytest.raises(RowError) as caught:
        MS.read({**PLAIN, **change})
    assert caught.value.field == field


def test_signs_beside_a_tag_in_ordinary_text():
    record = row("Is ки + - a sum? Step 1: + and - and ки @\nStep 2: no @", "-+")
    record["input"] = record["input"]
    (trace,) = MS.read(record)
    assert trace.texts[0] == "Step 1: + and - and ки"
    assert trace.labels[0].values == (-1, 1)


def test_unlabelled_tail_is_cut_and_said_gaps_are_refused():
    steps = ["Step 1: a", "Step 2: b", "Step 3: c"]
    first_error_only = Trace("Q?", steps, labels=[StepLabels((1, -1, None))])
    written = MS.write(first_error_only, RULE)
    assert written.lost == ("label source", "steps after the last label")
    assert written.rows[0]["label"] == "Q? Step 1: a +\nStep 2: b -"
    gap = Trace("Q?", steps, labels=[StepLabels((1, None, 1))])
    with pytest.raises(TraceError, match="step 1 is unlabelled"):
        MS.write(gap, RULE)
    with pytest.raises(TraceError, match="no step labels"):
        MS.write(Trace("Q?", steps), RULE)


def test_neutral_follows_the_rule_and_is_said():
    trace = Trace("Q?", ["a", "b"], labels=[StepLabels((0, 1), source="rollout")])
    kept = MS.write(trace, LabelRule(neutral=True))
    assert kept.lost == ("neutral labels", "steps without numbers")
    assert kept.rows[0]["label"] == "Q? Step 1: a +\nStep 2: b +"
    assert MS.write(trace, LabelRule(neutral=False)).rows[0]["label"].startswith("Q? Step 1: a -")


def test_a_question_with_step_1_is_refused():
    trace = Trace("What does Step 1: do?", ["Step 1: a"], labels=[StepLabels((1,))])
    with pytest.raises(TraceError, match="Step 1:"):
        MS.write(trace, RULE)


words = st.text("abc ки+-\n=?", min_size=1, max_size=12).filter(
    lambda t: t == t.strip() and "\n\n" not in t
)


@given(words, st.lists(st.tuples(words, st.booleans()), min_size=1, max_size=5))
def test_math_shepherd_there_and_back(question, rated):
    trace = Trace(
        question,
        [f"Step {i}: {text}" for i, (text, _) in enumerate(rated, 1)],
        source="math-shepherd",
        labels=[StepLabels(tuple(1 if good else -1 for _, good in rated), source="rollout")],
    )
    written = MS.write(trace, RULE)
    assert written.lost == ()
    assert MS.read(written.rows[0]) == [trace]


ORLHF_ROW = {"input": "How many? Step 1: five ки\nStep 2: four ки", "value": ["+", "-"]}


def test_openrlhf_reads_signs_and_numbers():
    (trace,) = ORLHF.read(ORLHF_ROW)
    assert trace.labels == (StepLabels((1, -1), source="other"),)
    assert ORLHF.write(trace, RULE).rows == (ORLHF_ROW,)
    soft = {**ORLHF_ROW, "value": [0.875, 0.0]}
    (trace,) = ORLHF.read(soft)
    assert trace.labels == (StepLabels((0.875, 0.0), source="other", scale="value"),)
    assert ORLHF.write(trace, RULE).rows == (soft,)


@pytest.mark.parametrize("value", [["+"], ["+", "-", "+"], ["+", 0.5], [True, False], [2, 0], "+-"])
def test_openrlhf_values_must_fit_the_tags(value):
    with pytest.raises(RowError) as caught:
        ORLHF.read({**ORLHF_ROW, "value": value})
    assert caught.value.field.startswith("value")


def test_openrlhf_refuses_the_tag_in_text():
    trace = Trace("Q?", ["Step 1: ки"], labels=[StepLabels((1,))])
    with pytest.raises(TraceError, match="ки"):
        ORLHF.write(trace, RULE)


def test_openrlhf_says_where_the_question_cannot_be_found_again():
    trace = Trace("Compute it.", ["a", "b"], labels=[StepLabels((1, 1), source="other")])
    written = ORLHF.write(trace, RULE)
    assert written.lost == ("end of the question",)
    with pytest.raises(RowError):
        ORLHF.read(written.rows[0])


@given(
    words.filter(lambda t: "ки" not in t),
    st.lists(st.tuples(words.filter(lambda t: "ки" not in t), st.floats(0, 1)), min_size=1),
)
def test_openrlhf_there_and_back(question, rated):
    trace = Trace(
        question,
        [f"Step {i}: {text}" for i, (text, _) in enumerate(rated, 1)],
        source="openrlhf",
        labels=[StepLabels(tuple(v for _, v in rated), source="other", scale="value")],
    )
    written = ORLHF.write(trace, RULE)
    assert written.lost == ()
    assert ORLHF.read(written.rows[0]) == [trace]
