import pytest

from measured import figures, scores, trace
from surefoot.evals.benchmark import Options
from surefoot.evals.benchmarks.bigbench import BIGBENCH_MISTAKE
from surefoot.models.baselines import StepLength
from surefoot.traces.convert import read_any

RIGHT, WRONG = [1, 1], [1, -1]


def test_accuracies_by_hand():
    traces = [trace(one, problem=str(i)) for i, one in enumerate([RIGHT, RIGHT, WRONG, WRONG])]
    given = [scores(0.9, 0.9), scores(0.9, 0.1), scores(0.9, 0.1), scores(0.1, 0.1)]
    found = figures(BIGBENCH_MISTAKE, traces, given)
    assert found["accuracy"] == 0.5
    assert found["location_acc"] == 0.5
    assert found["no_mistake_acc"] == 0.5
    assert found["detection_acc"] == 0.75, "the last mistake is noticed, a step too early"


def test_failed_traces_are_wrong_and_silent_ones_flag_nothing():
    traces = [trace(RIGHT, problem="a"), trace(RIGHT, problem="b"), trace(WRONG, problem="c")]
    given = [None, scores(None, None), scores(None, None)]
    found = figures(BIGBENCH_MISTAKE, traces, given)
    assert found["accuracy"] == found["detection_acc"] == pytest.approx(1 / 3)
    assert found["no_mistake_acc"] == 0.5


def test_tasks_are_averaged_and_those_without_mistakes_have_no_location():
    def of(task, labels, number):
        return [trace(labels, problem=f"{task}{i}", meta={"subset": task}) for i in range(number)]

    traces = of("sorting", RIGHT, 3) + of("objects", WRONG, 1)
    given = [scores(0.9, 0.9)] * 3 + [scores(0.9, 0.9)]
    found = figures(BIGBENCH_MISTAKE, traces, given)
    assert found["accuracy"] == 0.5, "and not 3/4"
    assert found["location_acc/sorting"] is None
    assert found["location_acc"] == 0


def test_the_public_data(shared_data):
    traces = list(read_any(shared_data / "bigbench_mistake.jsonl.gz"))
    assert {BIGBENCH_MISTAKE.left_out(one, Options()) for one in traces} == {None}
    found = figures(BIGBENCH_MISTAKE, traces, StepLength().score(traces))
    assert sum(one.startswith("accuracy/") for one in found) == 3
    assert found["location_acc"] == 0, "no step is long enough to score below a half"
    right = sum(one.labels[0].first_error() is None for one in traces)
    assert right == 136
