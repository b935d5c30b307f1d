import math

import pytest

from measured import figures, scores, trace
from surefoot.evals.benchmark import Options
from surefoot.evals.benchmarks.meta_reasoning import MR_BEN, subject_of
from surefoot.models.baselines import StepLength
from surefoot.traces.convert import read_any

RIGHT, WRONG = [1, 1, 1], [1, -1, None]


def test_the_parts_by_hand():
    # Right called right 2, right called wrong 1; wrong called wrong 2, of which 1 at its step;
    # wrong called right 1: MCC = (2*2 - 1*1) / sqrt(3*3*3*3) = 1/3.
    traces = [trace(one, problem=str(i)) for i, one in enumerate([RIGHT] * 3 + [WRONG] * 3)]
    given = [
        scores(0.9, 0.9, 0.9),
        scores(0.9, 0.9, 0.9),
        scores(0.9, 0.9, 0.1),
        scores(0.9, 0.1, 0.1),
        scores(0.1, 0.1, 0.9),
        scores(0.9, 0.9, 0.9),
    ]
    found = figures(MR_BEN, traces, given)
    assert found["mcc"] == pytest.approx(1 / 3)
    assert found["step_acc"] == pytest.approx(1 / 3)
    assert found["two_parts"] == pytest.approx((0.2 / 3 + 0.3 / 3) / 0.5)


def test_mcc_is_clipped_at_0_and_0_where_it_divides_by_0():
    traces = [trace(RIGHT, problem="a"), trace(WRONG, problem="b")]
    turned = figures(MR_BEN, traces, [scores(0.1, 0.9, 0.9), scores(0.9, 0.9, 0.9)])
    assert (turned["mcc"], turned["mcc_signed"]) == (0, -1)
    always = figures(MR_BEN, traces, [scores(0.9, 0.1, 0.9), scores(0.9, 0.1, 0.9)])
    assert (always["mcc"], always["step_acc"]) == (0, 1)
    assert always["two_parts"] == pytest.approx(0.6)
    measured = MR_BEN.measure(traces[1:], [scores(0.9, 0.1, 0.9)], Options())
    assert measured.figures.value("mcc") == 0
    assert any("MCC is 0 there" in one for one in measured.warnings)


def test_nothing_wrong_has_no_first_errors():
    found = figures(MR_BEN, [trace(RIGHT)], [scores(0.9, 0.9, 0.9)])
    assert found["step_acc"] is None
    assert found["two_parts"] is None


def test_a_solution_that_failed_is_the_wrong_verdict():
    traces = [trace(RIGHT, problem="a"), trace(WRONG, problem="b"), trace(WRONG, problem="c")]
    found = figures(MR_BEN, traces, [None, None, scores(0.9, 0.1, 0.9)])
    # Right called wrong 1, wrong called right 1, wrong called wrong 1.
    assert found["mcc_signed"] == pytest.approx(-1 / math.sqrt(1 * 2 * 2 * 1))
    assert found["step_acc"] == 0.5


def test_subjects_are_averaged():
    traces = [
        trace(labels, problem=f"{i}{subject}", meta={"Subject": subject})
        for subject, number in (("college_biology", 1), ("coding", 9))
        for i in range(number)
        for labels in (RIGHT, WRONG)
    ]
    ok, blind = [scores(0.9, 0.9, 0.9), scores(0.9, 0.1, 0.9)], [scores(0.9, 0.9, 0.9)] * 2
    found = figures(MR_BEN, traces, ok + blind * 9)
    assert found["mcc/biology"] == 1
    assert found["mcc/coding"] == 0
    assert found["mcc"] == 0.5
    assert found["step_acc"] == 0.5
    assert subject_of(trace(RIGHT, meta={"question_type": "POT"})) == "POT"


def test_what_does_not_count():
    assert "do not settle" in MR_BEN.left_out(trace([None, None]), Options())


@pytest.mark.parametrize(("name", "groups"), [("mr_ben", 3), ("mr_gsm8k_partial", 3)])
def test_the_public_data(shared_data, name, groups):
    traces = list(read_any(shared_data / f"{name}.jsonl.gz"))
    found = figures(MR_BEN, traces, StepLength().score(traces))
    assert sum(one.startswith("step_acc/") for one in found) == groups
    assert (found["mcc"] == 0) == (name == "mr_gsm8k_partial"), "its solutions are all wrong"
