import pytest

from measured import figures, scores, trace
from surefoot.evals.benchmark import Options
from surefoot.evals.benchmarks import BENCHMARKS
from surefoot.evals.benchmarks.steps import STEPS
from surefoot.models.baselines import StepLength
from surefoot.traces.convert import read_any
from surefoot.traces.types import StepLabels, Trace


def test_figures_by_hand():
    traces = [trace([1, -1, None]), trace([None, -1, 1], problem="b")]
    found = figures(STEPS, traces, [scores(0.2, 0.1, 0.0), scores(0.0, 0.9, 0.8)])
    # Labelled: right 0.2 (flagged), wrong 0.1 (flagged), wrong 0.9, right 0.8.
    assert found["precision"] == 1 / 2
    assert found["recall"] == 1 / 2
    assert found["f1_wrong"] == 1 / 2
    assert found["step_acc"] == 1 / 2
    assert found["step_auroc"] == pytest.approx(2 / 4)
    assert found["first_error_acc"] == 0, "only the first trace settles it, and step 0 is named"


def test_soft_labels_and_whose_labels_count():
    soft = StepLabels((0.9, 0.4), "rollout", "value")
    hard = StepLabels((1, 1), "human")
    both = Trace("p", ["a", "b"], labels=[hard, soft])
    given = [scores(0.9, 0.1)]
    assert figures(STEPS, [both], given)["step_acc"] == 1 / 2
    assert figures(STEPS, [both], given, label_source="rollout")["step_acc"] == 1
    assert STEPS.left_out(both, Options(label_source="judge")) == "no step has a label"


def test_nothing_predicted():
    found = figures(STEPS, [trace([1, -1])], [scores(0.9, 0.9)])
    assert found["precision"] is None
    assert found["f1_wrong"] == found["recall"] == 0


def test_subsets():
    traces = [trace([1, -1], problem=one, source=one) for one in ("x", "y")]
    found = figures(STEPS, traces, [scores(0.9, 0.1), None])
    assert (found["step_acc/x"], found["step_acc/y"]) == (1, 0)
    assert found["step_auroc/x"] == 1
    assert found["step_auroc/y"] == 0.5, "no score at all is a tie"


def test_the_public_data(shared_data):
    traces = list(read_any(shared_data / "parc.jsonl.gz"))
    measured = STEPS.measure(traces, StepLength().score(traces), Options())
    assert (measured.counts["steps"], measured.counts["wrong"]) == (4010, 1533)
    assert 0.45 < measured.figures.value("step_auroc") < 0.56


@pytest.mark.parametrize("name", BENCHMARKS)
def test_every_benchmark_shows_figures_that_it_has(name):
    benchmark = BENCHMARKS[name]
    labels = [[1, 1, -1], [1, 1, 1], [1, -1, -1], [0, 1, 1], [1, 1, 1], [-1, 1, 1]]
    meta = {"category": "circular"}
    traces = [
        trace(one, problem=f"p{i % 2}", text=f"t{i}", outcome=i % 3 > 0, meta=meta)
        for i, one in enumerate(labels)
    ]
    kept = [one for one in traces if benchmark.left_out(one, Options()) is None]
    found = benchmark.measure(kept, StepLength().score(kept), Options()).figures.statistics
    plain = {figure.partition("/")[0] for figure in found}
    wanted = {figure.partition("/")[0] for figure in (*benchmark.headline, *benchmark.by_group)}
    assert {*wanted, *benchmark.compared, *benchmark.undirected} <= plain | {"tuned_f1"}
