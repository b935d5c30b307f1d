"""Grading texts and traces: where the answer is found, options, tolerance, functions, outcomes."""

import gzip
import json
from itertools import count, islice

import pytest

from surefoot.errors import UsageError
from surefoot.labels.answers import (
    AnswerCheck,
    Given,
    answer_workers,
    compare,
    extract_answer,
    grade,
    judge_outcome,
    judge_outcomes,
)
from surefoot.traces.types import Trace

OPTIONS = r"""What is 3 * 4?
(A) 7 (B) 12 (C) $\frac{25}{2}$ (D) none of these"""
LINES = "Which is the capital of France?\nA. Lyon\nB. Paris\nC. Nice"


@pytest.mark.parametrize(
    ("reference", "text", "right"),
    [
        ("8", "So it will be 8 cm shorter after burning from 1:00 PM to 5:00 PM.", None),
        ("8", "2 * 4 = 8 cm.\nSo it will be 8 cm shorter at 5 PM.", True),
        ("8", "2 * 4 = 8.\nSo it is 9 cm shorter at 5 PM.", False),
        ("1,200", "80 * 15 = 1200.00\nSo there are 1,200 pieces in 80 rooms.", True),
        ("9", "So it will be 8 cm shorter after burning from 1:00 PM to 5:00 PM.", False),
        ("8", "It burns 8 cm an hour. So it is 9 cm shorter.", False),
        ("8", "Answer: Let us think step by step.\n4 + 4 = 8", True),
        ("12", "So 3 * 4 = 12.\n#### 12", True),
        ("12", r"Thus \boxed{12}", True),
        ("12", r"\boxed{11}, no, \boxed{12}", True),
        ("12", "The answer is 13.", False),
        ("7", "Claire eats **7 dozen** eggs in 4 weeks.", True),
        ("8", "#### 4. Solve for S\n8 = S\n\nSo the pool has \\( 8 \\) gallons of water.", True),
        ("12", "12 apples", True),
        ("(B)", "I choose (B).", None),
        ("(B)", "The answer is (B).", True),
        ("even", r"It is \boxed{\text{odd}}", False),
        ("12", "I cannot solve this", None),
        ("12", "", None),
        ("", "12", None),
    ],
)
def test_the_answer_of_a_text_is_judged(reference: str, text: str, right: bool | None) -> None:
    assert judge_outcome(reference, text) is right


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("**Step 1: 5**\nThere are **7 dozen** eggs in 4 weeks.", "7"),
        ("There are **many** eggs in 4 weeks.", "4"),
        ("There were **9** eggs.\nThen 4 were left.", "4"),
        ("#### Total presses:\n20 + 40 = 60 in all.", "60"),
        ("Sum\n#### 72\n", "72"),
        (r"So we have \[ x = \frac{1 + \sqrt{5", None),
        (r"So we have \[ x = 5 \] with \{1, 2, 3", "5"),
    ],
)
def test_unmarked_answers_are_found(text: str, answer: str | None) -> None:
    assert extract_answer(text) == answer


@pytest.mark.parametrize(
    ("reference", "answer", "problem", "right"),
    [
        ("B", "12", OPTIONS, True),
        ("(B)", "twelve", OPTIONS, True),
        ("B", "7", OPTIONS, False),
        ("C", "12.5", OPTIONS, True),
        ("B", "13", OPTIONS, None),
        ("12", "B", OPTIONS, True),
        ("12", "(A)", OPTIONS, False),
        ("12", "12", OPTIONS, True),
        ("B", "b", OPTIONS, True),
        ("B", "Paris", LINES, True),
        ("B", "lyon", LINES, False),
        ("Paris", "B.", LINES, True),
        ("Paris", "C", LINES, False),
        ("B", "London", LINES, None),
        ("B", "12", "What is 3 * 4?", None),
        ("D", "none of these", OPTIONS, True),
    ],
)
def test_options_are_chosen_by_letter_or_text(
    reference: str, answer: str, problem: str, right: bool | None
) -> None:
    assert compare(reference, answer, problem=problem).same is right


@pytest.mark.parametrize(
    ("check", "reference", "answer", "right"),
    [
        (AnswerCheck(), "1/3", "0.33", None),
        (AnswerCheck(relative=0.02), "1/3", "0.33", True),
        (AnswerCheck(relative=0.001), "1/3", "0.33", False),
        (AnswerCheck(absolute=0.5), "10", "10.5", True),
        (AnswerCheck(absolute=0.4), "10", "10.5", False),
        (AnswerCheck(relative=0.1), "100 cm", "1.09 m", True),
        (AnswerCheck(relative=0.1), "100 cm", "1.11 m", False),
        (AnswerCheck(relative=0.01), "(1/3, 2)", "(0.333, 2)", True),
        (AnswerCheck("text"), "0.5", "1/2", None),
        (AnswerCheck("number"), "0.5", "1/2", True),
        (AnswerCheck("number"), "x", "x", None),
        (AnswerCheck("choice"), "B", "(B)", True),
        (AnswerCheck("structure"), "(1, 2)", "(1, 3)", False),
        (AnswerCheck("answer_functions:same_length"), "abc", "xyz", True),
        (AnswerCheck("answer_functions:same_length"), "abc", "x", False),
        (AnswerCheck("answer_functions:same_length"), "abc", "", None),
    ],
)
def test_checks(check: AnswerCheck, reference: str, answer: str, right: bool | None) -> None:
    found = compare(reference, answer, check)
    assert found.same is right


def test_tolerance_counts_for_formulas_too() -> None:
    pairs = [Given(r"12\pi", "37.7"), Given(r"12\pi", "38.7"), Given("37.7", r"12\pi")]
    for relative, expected in ((0.0, [None, False, None]), (0.01, [True, False, True])):
        check = AnswerCheck(relative=relative)
        with answer_workers(1, 20, check=check) as workers:
            assert [one.same for one in judge_outcomes(pairs, workers, check=check)] == expected


def test_checks_that_cannot_work_are_refused() -> None:
    for settings in (
        {"method": "magic"},
        {"method": "no module:f"},
        {"relative": -1.0},
        {"absolute": float("nan")},
    ):
        with pytest.raises(UsageError):
            AnswerCheck(**settings)
    for path in ("no_such_module:f", "answer_functions:nothing", "answer_functions:NOT_A_FUNCTION"):
        with pytest.raises(UsageError, match=path.partition(":")[2]):
            compare("a", "b", AnswerCheck(path))
    with pytest.raises(UsageError, match="True, False or None"):
        compare("a", "b", AnswerCheck("answer_functions:says_one"))


def traces():
    yield Trace("3 * 4?", ["It is 12."], answer="12", reference="12")
    yield Trace("3 * 4?", ["It is 13."], reference="12", outcome=True)
    yield Trace("3 * 4?", ["It is 12."])
    yield Trace(
        "Expand.", [r"So \boxed{x^2 + 2x + 1}"], reference="(x+1)^2", outcome=False, meta={"a": 1}
    )
    yield Trace("3 * 4?", ["I do not know."], reference="12", outcome=True)
    yield Trace("3 * 4?", ["The answer is 12.", "That was it."], reference="12")


def test_traces_are_graded_in_order_and_nothing_is_lost() -> None:
    with answer_workers(2, 20) as workers:
        graded = list(grade(traces(), workers))
    assert [one.outcome for one in graded] == [True, False, None, True, None, True]
    for before, after in zip(traces(), graded, strict=True):
        assert before.id == after.id
        assert (before.answer, before.reference) == (after.answer, after.reference)
    assert graded[2] == list(traces())[2]
    assert graded[3].meta["a"] == 1
    assert graded[3].meta["outcome"] == {
        "answer": "x^2 + 2x + 1",
        "why": "the values are equal at every sampled point",
        "method": "formula",
        "before": False,
    }
    assert graded[4].meta["outcome"]["before"] is True
    assert graded[4].meta["outcome"]["why"] == "the text holds no answer"
    assert graded[1].meta["outcome"]["answer"] == "13"


def test_missing_outcomes_alone_are_graded_if_asked() -> None:
    with answer_workers(2, 20, check=AnswerCheck(algebra=False)) as workers:
        graded = list(grade(traces(), workers, check=AnswerCheck(algebra=False), missing=True))
    assert [one.outcome for one in graded] == [True, True, None, False, True, True]
    assert "outcome" not in graded[1].meta


def test_a_stream_without_end_is_graded() -> None:
    def endless():
        for i in count():
            yield Trace("What?", [f"It is {i}."], reference="7" if i % 2 else None)

    check = AnswerCheck(algebra=False)
    with answer_workers(2, 20, check=check) as workers:
        some = list(islice(grade(endless(), workers, check=check), 3_000))
    assert [one.outcome for one in some[:9]] == [None, False] * 3 + [None, True, None]
    assert all(one.outcome is False for one in some[9::2])


@pytest.mark.parametrize(
    ("name", "least"), [("bon_math500_32", 0.99), ("bon_gsm8k_32", 0.94)], ids=["math500", "gsm8k"]
)
def test_outcomes_of_public_pools_are_found_again(shared_data, name: str, least: float) -> None:
    """Every 8th row; docs/labels.md has the whole figures, and why those of GSM8K are lower."""
    with gzip.open(shared_data / f"{name}.jsonl.gz", "rt", encoding="utf-8") as file:
        rows = [json.loads(line) for line in islice(file, 0, None, 8)]
    given = [Given(row["answer"], "\n".join(row["steps"]), row["question"]) for row in rows]
    with answer_workers(2, 20) as workers:
        found = [one.same for one in judge_outcomes(given, workers)]
    both = [(row["outcome"], same) for row, same in zip(rows, found, strict=True)]
    known = [(outcome, same) for outcome, same in both if same is not None]
    assert len(known) > 0.99 * len(rows)
    assert sum(outcome == same for outcome, same in known) > least * len(known)
    assert sum(outcome and not same for outcome, same in known) <= 0.002 * len(known)


def test_every_outcome_of_a_set_that_was_not_looked_at_is_found_again(shared_data) -> None:
    path = shared_data / "gsm8k_example_solutions.jsonl.gz"
    with gzip.open(path, "rt", encoding="utf-8") as file:
        rows = [json.loads(line) for line in islice(file, 0, None, 3)]
    found = [judge_outcome(row["answer"], "\n".join(row["steps"])) for row in rows]
    known = [(row["outcome"], same) for row, same in zip(rows, found, strict=True)]
    assert sum(same is None for _, same in known) <= 0.002 * len(known)
    assert all(outcome == same for outcome, same in known if same is not None)
