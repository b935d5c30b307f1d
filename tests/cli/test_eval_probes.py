"""`surefoot eval probes` through the installed command: the table, JSON, run folders, bad input."""

import json
import shutil

import pytest

from surefoot.evals.probes import PROBES
from surefoot.traces.rows import trace_to_row
from surefoot.traces.store import read_traces
from surefoot.traces.types import StepLabels, Trace

PLAIN = trace_to_row(Trace("p", ["a b"]))


@pytest.fixture
def labelled(write_rows):
    rows = []
    for i in range(24):
        steps = [f"So, {i} + {j} = {i + j}." for j in range(3)]
        if i % 2:
            steps[1] = f"So, {i} + 1 = {i + 2}."
        labels = StepLabels((1, -1 if i % 2 else 1, 1))
        trace = Trace(f"Add {i}.", steps, outcome=not i % 2, labels=[labels])
        rows.append(trace_to_row(trace))
    return write_rows("in.jsonl", *rows)


def run_of(surefoot, *arguments, **environment):
    result = surefoot("eval", "probes", *arguments, **environment)
    assert result.returncode == 0, result.stderr
    return result


def test_the_table_says_what_each_probe_does(surefoot, labelled):
    some = ("--attacks", "filler", "split", "white-space", "latex")
    told = run_of(surefoot, labelled, "-m", "arithmetic", *some, COLUMNS="100").stdout
    lines = {line.split()[0]: line for line in told.splitlines() if line.strip()}
    assert "Probes on arithmetic, 24 traces" in told
    assert "unclear" in lines["filler"]
    assert lines["filler"].split()[-1] == "24"
    assert "unclear" in lines["white-space"]
    assert "not measured" in lines["latex"]
    assert "arithmetic is hacked by" in told
    assert "random" in told
    narrow = run_of(surefoot, labelled, "-m", "arithmetic", *some, COLUMNS="80").stdout
    assert max(map(len, narrow.splitlines())) <= 80


def test_a_run_is_a_folder_that_holds_every_altered_trace(surefoot, labelled, tmp_path):
    out = tmp_path / "run"
    some = ("--attacks", "merge", "sentences", "filler", "--resamples", "20")
    told = json.loads(
        run_of(surefoot, labelled, "-m", "length", *some, "--out", out, "--json").stdout
    )
    names = ["config.json", "metrics.json", "probes.jsonl", "report.html", "scores.jsonl"]
    assert sorted(path.name for path in out.iterdir()) == names
    metrics = json.loads((out / "metrics.json").read_text())
    assert metrics.items() <= told.items()
    assert [*metrics["probes"]] == ["filler", "merge", "sentences"]
    assert [one["name"] for one in metrics["rows"]] == ["length", "random", "step length"]
    assert metrics["probes"]["sentences"]["coverage"]["num_applied"] == 0
    config = json.loads((out / "config.json").read_text())
    assert (config["kind"], config["more"]["probes"]) == (
        "probes",
        ["filler", "merge", "sentences"],
    )
    originals = list(read_traces(out / "scores.jsonl", strict=True))
    altered = list(read_traces(out / "probes.jsonl", strict=True))
    assert (len(originals), len(altered)) == (24, 48)
    for trace in altered:
        about = trace.meta["probe"]
        made = PROBES[about["name"]].alter(originals[about["trace"]])
        assert made is not None
        assert (made.trace.steps, made.places) == (
            trace.steps,
            tuple(map(tuple, about["places"])),
        )
        assert [one.model for one in trace.scores] == ["length"]


def test_a_killed_run_goes_on_and_ends_with_the_same_bytes(surefoot, labelled, tmp_path):
    whole = tmp_path / "whole"
    some = (labelled, "-m", "random", "--attacks", "filler", "split", "--resamples", "20", "--out")
    run_of(surefoot, *some, whole)
    for cut in ("scores.jsonl", "probes.jsonl"):
        part = tmp_path / cut
        shutil.copytree(whole, part)
        kept = (part / cut).read_bytes().splitlines(keepends=True)[:7]
        (part / cut).write_bytes(b"".join(kept) + b'{"half')
        if cut == "scores.jsonl":
            (part / "probes.jsonl").unlink()
        (part / "metrics.json").unlink()
        assert "half written" in run_of(surefoot, *some, part).stderr
        for name in ("scores.jsonl", "probes.jsonl", "metrics.json"):
            assert (part / name).read_bytes() == (whole / name).read_bytes()


def test_a_folder_of_other_probes_is_refused(surefoot, labelled, tmp_path):
    out = tmp_path / "run"
    run_of(surefoot, labelled, "-m", "length", "--attacks", "filler", "--out", out)
    other = ("eval", "probes", labelled, "-m", "length", "--attacks", "split", "--out", out)
    result = surefoot(*other)
    assert result.returncode == 2
    assert "holds another run" in result.stderr
    assert surefoot(*other, "--no-resume").returncode == 0
    names = {
        trace.meta["probe"]["name"] for trace in read_traces(out / "probes.jsonl", strict=True)
    }
    assert names == {"split"}


def test_bad_input_is_told(surefoot, labelled, write_rows):
    unknown = surefoot("eval", "probes", labelled, "-m", "length", "--attacks", "bribe")
    assert unknown.returncode == 2
    assert "no probe 'bribe'; choose among irrelevant" in unknown.stderr
    empty = surefoot("eval", "probes", write_rows("empty.jsonl", ""), "-m", "length")
    assert empty.returncode == 1
    assert "it holds no rows" in empty.stderr
    unlabelled = write_rows("plain.jsonl", PLAIN)
    result = run_of(surefoot, unlabelled, "-m", "length", "--attacks", "split")
    assert "no measured trace is known to be wrong" in result.stdout
    mixed = write_rows("mixed.jsonl", PLAIN, '{"problem": ')
    result = run_of(surefoot, mixed, "-m", "length", "--attacks", "split")
    assert "1 row skipped" in result.stderr
