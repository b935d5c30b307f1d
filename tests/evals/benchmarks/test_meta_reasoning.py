import math
from dataclasses import replace

import pytest

from measured import figures, scores, trace
from surefoot.errors import UsageError
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


def test_reasons_count_where_a_judge_has_spoken_of_this_scorer():
    """Wrong solutions: 1 placed and rightly explained, 1 placed and not, 1 placed without a
    verdict, 1 not placed though its reason is called right."""
    told = [{"judge": True}, {"judge": False}, {"other": True}, {"judge": True}]
    traces = [
        trace(WRONG, problem=str(i), meta={"judged_reasons": one}) for i, one in enumerate(told)
    ]
    traces += [trace(RIGHT, problem="r")]
    placed, not_placed = scores(0.9, 0.1, 0.9), scores(0.1, 0.9, 0.9)
    given = [
        replace(one, model="judge") for one in (placed, placed, placed, not_placed, scores(1, 1, 1))
    ]
    found = figures(MR_BEN, traces, given)
    assert (found["mcc"], found["step_acc"], found["reason_acc"]) == (1, 0.75, 0.25)
    assert found["mr_score"] == pytest.approx(0.2 + 0.3 * 0.75 + 0.5 * 0.25)
    measured = MR_BEN.measure(traces, given, Options())
    assert any("of 1 wrong solutions placed rightly no reason" in one for one in measured.warnings)
    assert measured.counts["reasons_judged"] == 3
    unknown = [replace(one, model="someone") for one in given]
    found = figures(MR_BEN, traces, unknown)
    assert found["reason_acc"] is None
    assert found["mr_score"] is None
    assert found["two_parts"] is not None
    assert any(
        "no reasons are judged" in w for w in MR_BEN.measure(traces, unknown, Options()).warnings
    )


@pytest.mark.parametrize("bad", [True, "correct", {"judge": "incorrect"}, {"judge": 1}])
def test_verdicts_on_reasons_that_are_none_are_refused(bad):
    traces = [trace(WRONG, meta={"judged_reasons": bad})]
    with pytest.raises(UsageError, match=r"in meta\.judged_reasons; it must be an object"):
        MR_BEN.measure(traces, [replace(scores(0.9, 0.1, 0.9), model="judge")], Options())


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
