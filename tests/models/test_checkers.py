"""The built-in `"arithmetic"` model: its scores, its labels, and its record on public labels."""

import gzip
import json
from pathlib import Path

import pytest

from surefoot.errors import AbstainedError
from surefoot.labels.equations import check_step
from surefoot.models.checkers import ArithmeticChecker
from surefoot.models.hub import load
from surefoot.traces.types import Trace

TWO_STEPS = Trace("What is 3*4+5?", ["3*4 = 12.", "12+5 = 18."])


def test_scores_of_the_first_example() -> None:
    scores = load("arithmetic").score(TWO_STEPS)
    assert scores.values == (0.95, 0.05)
    assert scores.first_error() == 1
    assert scores.aggregate() == 0.05
    assert (scores.model, scores.kind, scores.threshold) == ("arithmetic", "probability", 0.5)
    assert scores.default_aggregate == "min"


def test_abstains_where_there_is_nothing_to_check() -> None:
    trace = Trace("?", ["Think first.", "2 + 2 = 4", "So x = y."])
    assert ArithmeticChecker().score(trace).values == (None, 0.95, None)


def test_a_trace_without_equations_has_no_aggregate() -> None:
    scores = ArithmeticChecker().score(Trace("?", ["Think.", "Stop."]))
    assert scores.first_error() is None
    with pytest.raises(AbstainedError):
        scores.aggregate()


def test_many_traces_keep_their_order() -> None:
    right = Trace("?", ["1 + 1 = 2"])
    scores = ArithmeticChecker().score([TWO_STEPS, right, TWO_STEPS])
    assert [s.values for s in scores] == [(0.95, 0.05), (0.95,), (0.95, 0.05)]


def test_labels_are_ratings_by_a_checker() -> None:
    labels = ArithmeticChecker().label(Trace("?", ["1 + 1 = 2", "Hm.", "2 + 1 = 4"]))
    assert labels.values == (1, None, -1)
    assert (labels.source, labels.scale) == ("checker", "rating")


def test_an_observation_alone_is_no_text_to_check() -> None:
    from surefoot.traces.types import Step

    trace = Trace("?", [Step("", observation={"result": "1 + 1 = 3"}), Step("1 + 1 = 2")])
    assert ArithmeticChecker().score(trace).values == (None, 0.95)


def test_the_evidence_is_kept() -> None:
    checks = ArithmeticChecker().check(TWO_STEPS)
    assert [s.why for check in checks for s in check.statements] == [
        "both sides are equal",
        "17 is not 18",
    ]


@pytest.mark.slow
def test_on_public_grade_school_labels(shared_data: Path) -> None:
    """ProcessBench gsm8k: half the steps checkable, 8 % of first errors found, no false alarm."""
    steps = checkable = found = wrong = alarms = 0
    with gzip.open(shared_data / "processbench_gsm8k_math.jsonl.gz", "rt") as lines:
        rows = [row for row in map(json.loads, lines) if "gsm8k" in row["domain"]]
    for row in rows:
        verdicts = [check_step(step).verdict for step in row["steps"]]
        steps += len(verdicts)
        checkable += sum(verdict != "cannot tell" for verdict in verdicts)
        for verdict, label in zip(verdicts, row["labels"], strict=True):
            wrong += label == -1
            found += label == -1 and verdict == "fails"
            alarms += label == 1 and verdict == "fails"
    assert (len(rows), wrong) == (307, 157)
    assert checkable / steps >= 0.5
    assert found / wrong >= 0.08
    assert alarms == 0
