import pytest

from measured import figures, scores, trace
from surefoot.evals.benchmark import Options
from surefoot.evals.benchmarks.tau_bench import TAU_BENCH
from surefoot.models.baselines import StepLength
from surefoot.traces.convert import read_any


def attempt(task, number, outcome):
    return trace([None, None], problem=task, text=f"try {number}", outcome=outcome)


def test_within_a_task_and_over_all_by_hand():
    traces = [
        *(attempt("easy", 0, True), attempt("easy", 1, True), attempt("easy", 2, False)),
        *(attempt("hard", 3, True), attempt("hard", 4, False), attempt("dead", 5, False)),
    ]
    given = [
        scores(one, 0.99) for one in (0.9, 0.7, 0.8, 0.2, 0.2, 0.1)
    ]  # the aggregate is the minimum
    found = figures(TAU_BENCH, traces, given)
    # Easy: 0.9 above 0.8, 0.7 below: 1/2. Hard: a tie: 1/2. Dead has no success.
    assert found["within_auroc"] == pytest.approx(1 / 2)
    # 0.9: 3 of 3; 0.7: 2 of 3; 0.2: 1 and a tie.
    assert found["outcome_auroc"] == pytest.approx((3 + 2 + 1.5) / 9)
    # Easy chooses a success, hard shares a tie, dead cannot.
    assert found["chosen"] == pytest.approx((1 + 0.5 + 0) / 3)
    assert found["success"] == pytest.approx((2 / 3 + 1 / 2 + 0) / 3)
    # Above one half: 0.9, 0.7 (right), 0.8 (not); below: 0.2 (not), 0.2 and 0.1 (right).
    assert found["outcome_acc"] == pytest.approx(4 / 6)


def test_attempts_without_scores_come_last_and_are_wrong():
    traces = [attempt("a", 0, True), attempt("a", 1, False)]
    found = figures(TAU_BENCH, traces, [None, scores(0.9, 0.9)])
    assert found["within_auroc"] == found["chosen"] == found["outcome_acc"] == 0
    found = figures(TAU_BENCH, traces, [scores(0.9, 0.9), scores(None, None)])
    assert (found["within_auroc"], found["outcome_acc"]) == (1, 0.5)


def test_an_aggregate_off_the_scale_has_no_accuracy_but_ranks():
    traces = [attempt("a", 0, True), attempt("a", 1, False)]
    given = [scores(one, 0.9, default_aggregate="nll") for one in (0.8, 0.1)]
    found = figures(TAU_BENCH, traces, given)
    assert found["outcome_acc"] is None
    assert found["within_auroc"] == 1


def test_no_task_with_both_ends():
    measured = TAU_BENCH.measure(
        [attempt("a", 0, True), attempt("b", 1, True)], [scores(0.9, 0.9)] * 2, Options()
    )
    assert not measured.figures.exists("within_auroc")
    assert not measured.figures.exists("outcome_auroc")
    assert measured.warnings
    assert TAU_BENCH.left_out(attempt("a", 0, None), Options()) == "its outcome is not known"


def test_the_public_data(shared_data):
    traces = list(read_any(shared_data / "taubench_airline_gpt4o.jsonl.gz"))
    measured = TAU_BENCH.measure(traces, StepLength().score(traces), Options())
    assert (measured.counts["tasks"], measured.counts["tasks_with_both"]) == (50, 26)
    assert measured.figures.value("success") == pytest.approx(84 / 200)
    assert measured.figures.value("outcome_auroc") > measured.figures.value("within_auroc")
