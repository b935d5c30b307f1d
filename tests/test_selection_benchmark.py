"""The label-efficiency benchmark on a small task of the built-in world, with trees that learn."""

import json
import random
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

from surefoot.models.features.vector import features_of
from surefoot.traces.types import StepLabels
from surefoot.training.features import Trees, train_feature_scorer
from surefoot.worlds.last_digit import Authors, LastDigit

FOLDER = Path(__file__).resolve().parents[1] / "benchmarks" / "labels"


@pytest.fixture
def benchmark(monkeypatch):
    monkeypatch.syspath_prepend(str(FOLDER))
    import selection

    yield selection
    for name in ("selection", "selection_tasks"):
        sys.modules.pop(name, None)


class Small:
    """Chains of simulated authors, labelled exactly; trees on features."""

    name = "small"
    budgets = (20, 30, 40)

    def __init__(self):
        world, authors, rng = LastDigit(), Authors(), random.Random(0)
        problems = world.problems(120, seed=0)
        traces = [world.trace(one, authors.draw(rng).solve(one, rng)) for one in problems]
        self.pool = [
            replace(one, labels=(StepLabels(one.labels[0].values),)) for one in traces[:60]
        ]
        self.held_out = traces[60:]
        self.trainings = []
        self._features = {one.id: features_of(one) for one in traces}

    def trained(self, labelled, seed, folder):
        self.trainings.append([one.id for one in labelled])
        self._scorer, _ = train_feature_scorer(labelled, seed=seed, trees=Trees(rounds=30, folds=2))

    def scores(self, traces):
        return sys.modules["selection_tasks"].Human.scores(self, traces)


@pytest.mark.slow
def test_every_strategy_starts_alike_and_what_is_done_is_not_done_again(benchmark, tmp_path):
    task, console = Small(), Console(quiet=True)
    extra = sys.modules["selection_tasks"].checked(task.pool)
    for strategy in benchmark.STRATEGIES:
        benchmark.run(task, strategy, 0, tmp_path, extra, console)
    # the start, random twice, and each of the four others once
    assert len(task.trainings) == 1 + 2 + 4
    files = sorted((tmp_path / "seed-0").glob("*.json"))
    found = {path.stem: json.loads(path.read_text()) for path in files}
    start = set(found["start-20"]["chosen"])
    for name, one in found.items():
        assert start <= set(one["chosen"])
        assert len(set(one["chosen"])) == int(name.rpartition("-")[2])
    assert found["convincing-wrong-30"]["wrong_outcome"] > found["random-30"]["wrong_outcome"]
    assert len({tuple(sorted(one["chosen"])) for one in found.values()}) == len(found)

    redone = found["uncertainty-30"]
    (tmp_path / "seed-0" / "uncertainty-30.json").unlink()
    task.trainings.clear()
    for strategy in benchmark.STRATEGIES:
        benchmark.run(task, strategy, 0, tmp_path, extra, console)
    assert len(task.trainings) == 1
    again = json.loads((tmp_path / "seed-0" / "uncertainty-30.json").read_text())
    assert {**again, "seconds": 0} == {**redone, "seconds": 0}

    result = benchmark.gathered(task, [0], tmp_path)
    assert [p["labels"] for p in result["curves"]["random"]] == [20, 30, 40]
    assert [p["labels"] for p in result["curves"]["diversity"]] == [20, 30]
    firsts = {curve[0]["f1"] for curve in result["curves"].values()}
    assert len(firsts) == 1
    assert benchmark.drawn("small", result).startswith("<svg")


def test_first_errors_are_measured_with_the_threshold_of_the_other_half(benchmark):
    from surefoot.scores.first_errors import first_error
    from surefoot.traces.types import StepScores

    traces = Small().held_out
    sure = []
    for trace in traces:
        first = first_error(trace)
        values = tuple(0.2 if i == first else 0.9 for i in range(len(trace.steps)))
        sure.append(StepScores(values, model="m"))
    found = benchmark.measured(traces, sure)
    assert found["f1"] == found["f1_own_threshold"] == 1.0
    assert set(found["hits"]) == {"1"}
    inside = benchmark.halves(traces)
    assert 20 <= inside.sum() <= 40
    # scores that mean something else in each half: a threshold of the same half would still fit
    moved = [
        replace(one, values=tuple(v / 10 for v in one.values)) if half else one
        for one, half in zip(sure, inside, strict=True)
    ]
    assert benchmark.measured(traces, moved)["f1"] < 0.7
