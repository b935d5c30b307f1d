"""Runs held against one another from their folders."""

from dataclasses import replace

import pytest

from surefoot.errors import UsageError
from surefoot.evals.benchmark import Options, evaluate
from surefoot.evals.benchmarks import BENCHMARKS
from surefoot.evals.compare import MEASURED, compare, names_of
from surefoot.evals.figures import differences
from surefoot.evals.run import RunConfig, begin_run, finish_run, read_run
from surefoot.models.baselines import RandomScores, StepLength
from surefoot.traces.store import write_traces
from surefoot.traces.types import StepLabels, Trace

KIND = "bigbench-mistake"


def made(num=40, first=0):
    return [
        Trace(
            f"Problem {i}.",
            [f"Go {i}.", "A long and winding step " * (1 + i % 40 if i % 2 else 1)],
            labels=[StepLabels((1, -1 if i % 2 else 1))],
        )
        for i in range(first, first + num)
    ]


def run_of(folder, model, traces, *, kind=KIND, **options):
    """A run made by hand, without the command."""
    chosen = Options(num_resamples=100, **options)
    scored = [replace(one, scores=(model.score(one),)) for one in traces]
    begin_run(folder, RunConfig(kind=kind, scorer=model.name, files=("f",), options=chosen))
    write_traces(folder / "scores.jsonl", scored)
    benchmark = MEASURED.get(kind)
    rows = [{"name": model.name, "figures": {}}]
    if benchmark:
        scores = [one.scores[0] for one in scored]
        rows = evaluate(benchmark, traces, scores, chosen).to_json()["rows"]
    finish_run(folder, {"kind": kind, "rows": rows})
    return read_run(folder)


def test_differences_are_those_of_the_scores_in_the_folders(tmp_path):
    traces = made()
    runs = [run_of(tmp_path / one.name, one, traces) for one in (StepLength(), RandomScores())]
    found = compare(runs)
    assert found.names == ("length", "random")
    benchmark, options = BENCHMARKS[KIND], runs[0].config.options
    own = [
        benchmark.measure(traces, model.score(traces), options).figures
        for model in (StepLength(), RandomScores())
    ]
    plain = differences(own[1], own[0], seed=0, num_resamples=100)
    assert found.gaps == (plain,)
    first, second = (run.metrics["rows"][0]["figures"]["accuracy"]["mean"] for run in runs)
    assert found.gaps[0]["accuracy"].mean == pytest.approx(second - first)
    told = found.to_json()
    assert told["differences"]["random"]["accuracy"]["p_value"] <= 1
    assert [one["scorer"] for one in told["runs"]] == ["length", "random"]


def test_runs_of_trust_are_compared_over_the_same_questions(tmp_path):
    traces = made()
    runs = [
        run_of(tmp_path / one.name, one, traces, kind="trust")
        for one in (StepLength(), RandomScores())
    ]
    (gaps,) = compare(runs).gaps
    for figure in ("ece", "brier", "f1", "drift_position_within", "ece/step 1"):
        first, second = (run.metrics["rows"][0]["figures"][figure]["mean"] for run in runs)
        assert gaps[figure].mean == pytest.approx(second - first), figure
    assert gaps["ece"].p_value <= 1
    other = run_of(tmp_path / "other", RandomScores(), made(first=10), kind="trust")
    with pytest.raises(UsageError, match="of which 30 are the same"):
        compare([runs[0], other])


def test_runs_over_other_traces_are_refused(tmp_path):
    first = run_of(tmp_path / "a", StepLength(), made())
    other = run_of(tmp_path / "b", RandomScores(), made(first=10))
    with pytest.raises(
        UsageError, match=r"over 40 traces and .* over 40, of which 30 are the same"
    ):
        compare([first, other])
    turned = run_of(tmp_path / "c", RandomScores(), made()[::-1])
    with pytest.raises(UsageError, match="in another order or with other labels"):
        compare([first, turned])


def test_relabelled_traces_are_other_traces(tmp_path):
    first = run_of(tmp_path / "a", StepLength(), made())
    traces = [replace(one, labels=(StepLabels((1, 1)),)) for one in made()]
    with pytest.raises(UsageError, match="with other labels"):
        compare([first, run_of(tmp_path / "b", RandomScores(), traces)])


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"kind": "steps"}, "only runs of one benchmark"),
        ({"seed": 1}, "has seed 0 and .* 1"),
        ({"development": 0.2}, "has development 0.5 and .* 0.2"),
    ],
)
def test_runs_that_measure_otherwise_are_refused(tmp_path, settings, says):
    first = run_of(tmp_path / "a", StepLength(), made())
    with pytest.raises(UsageError, match=says):
        compare([first, run_of(tmp_path / "b", RandomScores(), made(), **settings)])


def test_a_kind_that_cannot_be_measured_again_and_a_single_run(tmp_path):
    runs = [run_of(tmp_path / x, StepLength(), made(), kind="dreams") for x in "ab"]
    with pytest.raises(UsageError, match="a run of dreams, and only runs of processbench"):
        compare(runs)
    with pytest.raises(UsageError, match="two runs at least"):
        compare(runs[:1])


def test_runs_are_called_by_what_tells_them_apart(tmp_path):
    traces = made(4)
    same = [run_of(tmp_path / x, StepLength(), traces) for x in ("one", "two")]
    assert names_of(same) == ("one", "two")
    alike = [run_of(tmp_path / x / "run", StepLength(), traces) for x in ("p", "q")]
    assert names_of(alike) == (str(tmp_path / "p" / "run"), str(tmp_path / "q" / "run"))
    with pytest.raises(UsageError, match="named twice"):
        names_of([same[0], same[0]])
