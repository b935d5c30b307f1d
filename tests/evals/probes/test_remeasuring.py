"""Runs of probes held against one another from their folders."""

import json
from dataclasses import replace

import pytest

from surefoot.errors import UsageError
from surefoot.evals.benchmark import Options
from surefoot.evals.compare import compare
from surefoot.evals.figures import differences
from surefoot.evals.probes import PROBES, probes_named
from surefoot.evals.probes.measuring import Attempt, measure
from surefoot.evals.probes.scorecard import altered_by, scorecard
from surefoot.evals.run import RunConfig, begin_run, finish_run, read_run
from surefoot.models.baselines import RandomScores, StepLength
from surefoot.traces.store import write_traces
from surefoot.traces.types import StepLabels, Trace

SOME = ("filler", "split", "white-space")
SHORT, LONG = StepLength(), RandomScores()


def made(num=30):
    return [
        Trace(
            f"Add {i} to {i}.",
            [
                f"So, we go with {i}. " * (1 + i % 3),
                f"So, it is {2 * i + i % 2}. " * (8 + 20 * (i % 2)),
            ],
            outcome=not i % 2,
            labels=[StepLabels((1, -1 if i % 2 else 1))],
        )
        for i in range(num)
    ]


def attempts_of(model, traces, probes, seed=0):
    found = {one.name: [None] * len(traces) for one in probes}
    rows = []
    for probe, number, altered in altered_by(probes, traces, seed):
        scores = model.score(altered.trace)
        found[probe.name][number] = Attempt(altered.places, scores)
        about = {"name": probe.name, "trace": number, "places": altered.places}
        rows.append(replace(altered.trace, scores=(scores,), meta={"probe": about}))
    return found, rows


def run_of(folder, model, traces, names=SOME, **options):
    """A run as the command leaves it."""
    chosen, probes = Options(num_resamples=100, **options), probes_named(names)
    scores = [model.score(one) for one in traces]
    attempts, rows = attempts_of(model, traces, probes)
    config = RunConfig(
        kind="probes",
        scorer=model.name,
        files=("f",),
        options=chosen,
        more={"probes": [one.name for one in probes]},
    )
    begin_run(folder, config)
    scored = [replace(one, scores=(own,)) for one, own in zip(traces, scores, strict=True)]
    write_traces(folder / "scores.jsonl", scored)
    write_traces(folder / "probes.jsonl", rows)
    card = scorecard(model.name, traces, scores, attempts, probes, chosen)
    finish_run(folder, {"kind": "probes", **card.to_json()})
    return read_run(folder)


def test_differences_are_those_of_the_altered_traces_in_the_folders(tmp_path):
    traces, probes = made(), probes_named(SOME)
    runs = [run_of(tmp_path / one.name, one, traces) for one in (SHORT, LONG)]
    gaps = compare(runs).gaps[0]
    figures = [
        measure(
            traces,
            one.score(traces),
            attempts_of(one, traces, probes)[0],
            probes,
            Options(num_resamples=100),
        ).figures
        for one in (SHORT, LONG)
    ]
    assert gaps == differences(figures[1], figures[0], seed=0, num_resamples=100)
    for figure in ("came_to_pass", "aggregate_change/split", "verdict_flipped/white-space"):
        first, second = (run.metrics["rows"][0]["figures"][figure]["mean"] for run in runs)
        assert gaps[figure].mean == pytest.approx(second - first), figure
    assert any(gap.mean for gap in gaps.values())


def test_runs_with_other_probes_are_refused_by_name(tmp_path):
    traces = made(6)
    first = run_of(tmp_path / "a", SHORT, traces)
    other = run_of(tmp_path / "b", LONG, traces, ("split", "latex", "white-space"))
    with pytest.raises(UsageError, match=r"a lacks latex; .*b lacks filler\); give both"):
        compare([first, other])
    drawn = run_of(tmp_path / "c", LONG, traces, seed=1)
    with pytest.raises(UsageError, match=r"has seed 0 and .* 1"):
        compare([first, drawn])


def test_the_same_probes_that_altered_otherwise_are_refused(tmp_path):
    runs = [run_of(tmp_path / one.name, one, made(6)) for one in (SHORT, LONG)]
    place = runs[1].folder / "probes.jsonl"
    rows = [json.loads(line) for line in place.read_text().splitlines()]
    rows[2]["steps"][0] = "What an older version put in."
    del rows[2]["id"]
    place.write_text("".join(json.dumps(row) + "\n" for row in rows))
    with pytest.raises(UsageError, match="altered the same traces in other ways"):
        compare(runs)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"name": "nonsense"}, "holds a trace of no probe of this run"),
        ({"trace": 99}, "holds a trace of no probe of this run"),
    ],
)
def test_altered_traces_of_another_run_are_refused(tmp_path, change, says):
    runs = [run_of(tmp_path / one.name, one, made(6)) for one in (SHORT, LONG)]
    place = runs[0].folder / "probes.jsonl"
    first, *rest = place.read_text().splitlines(keepends=True)
    row = json.loads(first)
    row["meta"]["probe"] |= change
    place.write_text(json.dumps(row) + "\n" + "".join(rest))
    with pytest.raises(UsageError, match=says):
        compare(runs)


def test_a_probe_that_this_version_does_not_have(tmp_path):
    runs = [run_of(tmp_path / one.name, one, made(6)) for one in (SHORT, LONG)]
    assert "hypnosis" not in PROBES
    more = {"probes": ["hypnosis"]}
    old = [replace(run, config=replace(run.config, more=more)) for run in runs]
    with pytest.raises(UsageError, match="made by another version: it names hypnosis"):
        compare(old)
