from measured import figures, scores, trace
from surefoot.evals.benchmark import Options
from surefoot.evals.benchmarks.agent_process import AGENT_PROCESS_BENCH
from surefoot.models.baselines import StepLength
from surefoot.traces.convert import read_any


def test_micro_accuracy_and_first_error_by_hand():
    traces = [trace([1, 0, -1, -1]), trace([1, 1], problem="b"), trace([-1], problem="c")]
    given = [scores(0.9, 0.9, 0.1, 0.9), scores(0.9, 0.1), scores(0.1)]
    found = figures(AGENT_PROCESS_BENCH, traces, given)
    assert found["step_micro_acc"] == 4 / 7, "the neutral step is missed by every scorer"
    assert found["step_acc"] == 5 / 7
    assert found["first_error_acc"] == 2 / 3
    assert found["exact_acc"] == 1 / 3


def test_no_error_is_named_by_flagging_nothing():
    found = figures(AGENT_PROCESS_BENCH, [trace([1, 0])], [scores(0.9, 0.5)])
    assert found["first_error_acc"] == 1
    assert found["step_auroc"] is None


def test_steps_without_a_label_count_nowhere():
    """As in the official code, also for the first error that is named."""
    found = figures(AGENT_PROCESS_BENCH, [trace([None, 1, -1])], [scores(0.1, 0.9, 0.1)])
    assert found["step_micro_acc"] == found["first_error_acc"] == found["exact_acc"] == 1


def test_a_failed_trajectory_is_wrong_even_where_nothing_is():
    """The official code takes a missing answer as "no error" and counts it as a match here."""
    found = figures(AGENT_PROCESS_BENCH, [trace([1, 1]), trace([1, 1])], [None, scores(0.9, 0.9)])
    assert found["first_error_acc"] == 0.5
    assert found["step_micro_acc"] == 0.5


def test_sources_stand_apart():
    traces = [trace([1], problem=one, meta={"data_source": one}) for one in ("tau2", "bfcl")]
    found = figures(AGENT_PROCESS_BENCH, traces, [scores(0.9), scores(0.1)])
    assert (found["step_micro_acc/tau2"], found["step_micro_acc/bfcl"]) == (1, 0)


def test_the_public_data(shared_data):
    traces = list(read_any(shared_data / "agentrx_tau.jsonl.gz"))
    kept = [one for one in traces if AGENT_PROCESS_BENCH.left_out(one, Options()) is None]
    assert len(kept) == 22
    found = AGENT_PROCESS_BENCH.measure(kept, StepLength().score(kept), Options())
    assert (found.counts["steps"], found.counts["wrong"]) == (400, 28)
    passing = figures(AGENT_PROCESS_BENCH, kept, [scores(*[1] * len(t.steps)) for t in kept])
    assert passing["step_micro_acc"] == 372 / 400
