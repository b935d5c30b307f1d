import pytest

from measured import figures, scores, trace
from surefoot.evals.benchmark import Options
from surefoot.evals.benchmarks.who_and_when import WHO_AND_WHEN
from surefoot.models.baselines import StepLength
from surefoot.traces.convert import read_any

DECISIVE = [1, 1, -1, None, None]


def test_the_lowest_step_is_named_whatever_the_threshold():
    found = figures(WHO_AND_WHEN, [trace(DECISIVE)], [scores(0.9, 0.9, 0.8, 0.9, 0.9)])
    assert found["step_acc"] == 1
    assert found["flagged_acc"] == 0


def test_tolerance_counts_steps_to_either_side():
    found = figures(WHO_AND_WHEN, [trace(DECISIVE)], [scores(0.1, 0.9, 0.9, 0.9, 0.9)])
    assert [found[name] for name in ("step_acc", "within_1", "within_2", "within_5")] == [
        *(0, 0, 1, 1),
    ]


def test_ties_are_shared():
    found = figures(WHO_AND_WHEN, [trace(DECISIVE)], [scores(0.5, 0.5, 0.5, 0.5, 0.5)])
    assert found["step_acc"] == pytest.approx(1 / 5)
    assert found["within_1"] == pytest.approx(3 / 5)
    assert found["within_2"] == 1


def test_silent_steps_are_never_named_and_failures_are_wrong():
    traces = [trace(DECISIVE), trace(DECISIVE, problem="b"), trace(DECISIVE, problem="c")]
    given = [scores(None, 0.9, 0.8, None, None), scores(*[None] * 5), None]
    found = figures(WHO_AND_WHEN, traces, given)
    assert found["step_acc"] == pytest.approx(1 / 3)
    assert found["within_5"] == pytest.approx(1 / 3)


def test_what_does_not_count():
    assert WHO_AND_WHEN.left_out(trace([1, 1]), Options()) == "no step is labelled decisive"
    assert "do not settle" in WHO_AND_WHEN.left_out(trace([None, None]), Options())


def test_the_public_data(shared_data):
    traces = list(read_any(shared_data / "who_and_when_algorithm.jsonl.gz"))
    found = figures(WHO_AND_WHEN, traces, StepLength().score(traces))
    assert found["step_acc"] == pytest.approx(0.167, abs=0.001)
    assert found["step_acc"] < found["within_1"] < found["within_5"] < 1
    same = figures(WHO_AND_WHEN, traces, [scores(*[0.5] * len(one.steps)) for one in traces])
    assert same["step_acc"] == pytest.approx(sum(1 / len(one.steps) for one in traces) / 84)
