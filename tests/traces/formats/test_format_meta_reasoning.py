"""MR-GSM8K and MR-Ben: 1-based first errors, and headers that are not places."""

import pytest

from surefoot.errors import RowError
from surefoot.traces.formats import FORMATS, LabelRule

MRG, MRB = FORMATS["mr-gsm8k"], FORMATS["mr-ben"]
RULE = LabelRule()


def gsm(first=2, sound="wrong", answer="wrong"):
    return {
        "uuid": "u-1",
        "question": "How many?",
        "ground_truth_solution": "It is 5.",
        "ground_truth_answer": "5",
        "model_output_steps": ["Step 1: a", "Step 2: b", "Step 3: c"],
        "model_output_answer_correctness": answer,
        "model_output_solution_correctness": sound,
        "model_output_solution_first_error_step": first,
        "model_output_solution_first_error_reason": "because" if first != "N/A" else "N/A",
        "question_type": "POT",
    }


def ben(first="2", steps=("Step 1: a", "Step 2: b", "Step 3: c"), **more):
    return {
        "Question_UUID": "u-2",
        "Subject": "biology",
        "Question": "Which?",
        "Options": "A: x\nB: y",
        "Ground_Truth_Answer": "A",
        "Ground_Truth_Answer_Modified": "B",
        "Ground_Truth_Analysis": "…",
        "Sampled_Model": "M",
        "Model_Solution_Steps": list(steps),
        "Model_Solution_Correctness": "correct" if first == "N/A" else "incorrect",
        "Model_Solution_First_Error_Step": first,
        "Model_Solution_Error_Reason": "r",
        "Model_Solution_Rectified_First_Error_Step": "s",
        **more,
    }


@pytest.mark.parametrize(
    "record",
    [
        gsm(1),
        gsm(3, answer="correct"),
        gsm("N/A", "correct", "correct"),
        gsm("N/A", "correct", "wrong"),
        gsm("N/A", "wrong"),
    ],
)
def test_mr_gsm8k_comes_back(record):
    (trace,) = MRG.read(record)
    first = record["model_output_solution_first_error_step"]
    if first != "N/A":
        assert trace.labels[0].first_error() == first - 1
    elif record["model_output_solution_correctness"] == "correct":
        assert trace.labels[0].values == (1, 1, 1)
    else:
        assert trace.labels == ()  # wrong, but nobody said where
    assert trace.outcome is (record["model_output_answer_correctness"] == "correct")
    written = MRG.write(trace, RULE)
    assert (written.rows, written.lost) == ((record,), ())


@pytest.mark.parametrize(
    ("record", "field"),
    [
        (gsm(0), "model_output_solution_first_error_step"),
        (gsm(4), "model_output_solution_first_error_step"),
        (gsm("two"), "model_output_solution_first_error_step"),
        (gsm(2, "correct"), "model_output_solution_correctness"),
        (gsm(2, "maybe"), "model_output_solution_correctness"),
    ],
)
def test_mr_gsm8k_contradictions(record, field):
    with pytest.raises(RowError) as caught:
        MRG.read(record)
    assert caught.value.field == field


@pytest.mark.parametrize(
    ("first", "steps", "position"),
    [
        ("2", ("Step 1: a", "Step 2: b", "Step 3: c"), 1),
        ("N/A", ("Step 1: a", "Step 2: b"), None),
        ("2", ("a", "b", "c"), 1),
        ("2", ("Step 1: a", "more of it", "Step 2: b"), 2),
        ("3", ("a", "", "b"), 1),
    ],
    ids=["headers are places", "none", "no headers", "headers count", "blank line"],
)
def test_mr_ben_comes_back(first, steps, position):
    record = ben(first, steps)
    (trace,) = MRB.read(record)
    assert trace.problem == "Which?\nA: x\nB: y"
    assert trace.reference == "B"
    assert trace.labels[0].first_error() == position
    written = MRB.write(trace, RULE)
    assert (written.rows, written.lost) == ((record,), ())


@pytest.mark.parametrize(
    ("first", "steps"),
    [
        ("3", ("Step 1: a", "more", "Step 2: b")),
        ("1", ("Step 1: a", "Step 1: b")),
        ("4", ("a", "b")),
        ("0", ("a", "b")),
    ],
)
def test_mr_ben_never_guesses_a_step(first, steps):
    with pytest.raises(RowError) as caught:
        MRB.read(ben(first, steps))
    assert caught.value.field == "Model_Solution_First_Error_Step"


def test_mr_ben_without_options():
    record = ben()
    del record["Options"]
    (trace,) = MRB.read(record)
    assert trace.problem == "Which?"
    assert MRB.write(trace, RULE).rows == (record,)
