"""A whole small demo: what it writes, and that nothing which stops it changes what it measures."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from surefoot.demo.config import DemoConfig
from surefoot.demo.run import run_demo
from surefoot.errors import ContractError, StorageError, UsageError
from surefoot.traces.store import read_traces
from surefoot.worlds.last_digit import LastDigit

TINY = DemoConfig(
    policy_updates=60,
    train_problems=16,
    train_samples=2,
    hot_samples=1,
    reward_updates=6,
    rounds=1,
    round_problems=6,
    round_samples=3,
    round_chosen=3,
    round_updates=3,
    heldout_problems=12,
    test_problems=4,
    test_samples=4,
)

PROGRAM = """
import json, sys
from pathlib import Path
from surefoot.demo.config import DemoConfig
from surefoot.demo.run import run_demo

if __name__ == "__main__":
    config = DemoConfig(**json.loads(sys.argv[1]))
    run_demo(config, Path(sys.argv[2]), lambda *told: print(*told, sep="|", flush=True))
"""


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """The folder of a run that nothing stopped, with its summary."""
    folder = tmp_path_factory.mktemp("demo") / "run"
    return folder, run_demo(TINY, folder)


def is_estimate(value):
    return value is None or (
        set(value) == {"mean", "low", "high"} and value["low"] <= value["mean"] <= value["high"]
    )


def test_the_summary_holds_what_was_promised(finished):
    folder, summary = finished
    assert json.loads((folder / "summary.json").read_text()) == summary
    assert summary["config"] == asdict(TINY)
    assert summary["peak_rss_mb"] > 100
    stages = {
        *("policy", "training_chains", "rewards", "round_1_chains", "round_1_scores"),
        *("round_1_choice", "round_1_rewards", "heldout_chains", "heldout_scores"),
        *("test_chains", "test_scores", "figures"),
    }
    assert set(summary["seconds"]) == stages
    assert all(value >= 0 for value in summary["seconds"].values())
    for scorer in ("prm", "prm-control", "orm", "arithmetic"):
        assert is_estimate(summary[scorer]["first_error_f1"])
    for method in (
        *("majority", "random", "oracle", "logprob", "step_length"),
        *("orm", "orm_vote", "orm_logprob", "prm_min", "prm_product", "prm_mean", "prm_last"),
        *("prm_vote", "prm_logprob", "prm-control_vote", "prm-control_product"),
    ):
        rows = summary["best_of_n"][method]
        assert list(rows) == ["1", "2", "4"]
        for row in rows.values():
            assert set(row) == {"accuracy", "sound", "flawed_share"}
            assert all(map(is_estimate, row.values()))
            assert row["accuracy"] is not None
    page = (folder / "report.html").read_text()
    assert "<html" in page
    assert "PRM vote" in page


def test_a_finished_run_is_left_as_it_is(finished):
    folder, summary = finished
    before = {path: path.stat().st_mtime_ns for path in folder.rglob("*") if path.is_file()}
    told = []
    started = time.perf_counter()
    assert run_demo(TINY, folder, lambda *one: told.append(one)) == summary
    assert time.perf_counter() - started < 1
    assert told == []
    after = {path: path.stat().st_mtime_ns for path in folder.rglob("*") if path.is_file()}
    assert after == before


def test_nothing_is_left_over(finished):
    folder, _ = finished
    hidden = [path.name for path in folder.rglob("*") if path.name.startswith(".")]
    assert hidden == []


def problems_of(folder, name):
    files = folder.glob(f"{name}-*.jsonl.gz")
    return {trace.problem for file in files for trace in read_traces(file, strict=True)}


def test_no_problem_is_used_twice(finished):
    folder, _ = finished
    problems = [p.text for p in LastDigit().problems(TINY.num_problems, seed=TINY.seed)]
    parts = [set(problems[: TINY.author_chains])]
    for name in ("training", "round 1", "heldout", "test"):
        parts.append(problems_of(folder / "chains", name))
    assert [len(part) for part in parts] == [60 * 8, 16, 6, 12, 4]
    assert len(set.union(*parts)) == sum(map(len, parts)) == TINY.num_problems


def test_every_chain_is_labelled_and_counted(finished):
    folder, summary = finished
    for name, chains in (("training", 16 * 3), ("heldout", 12), ("test", 4 * 4)):
        (file,) = (folder / "chains").glob(f"{name}-*.jsonl.gz")
        traces = list(read_traces(file, strict=True))
        assert len(traces) == chains
        assert all(t.labels_from("checker").knows_first_error() for t in traces)
        assert all(t.meta["logprob"] < 0 < t.meta["num_tokens"] for t in traces)
    assert summary["sizes"]["test_chains"] == 16
    (scored,) = (folder / "scored").glob("test-*.jsonl.gz")
    for trace in read_traces(scored, strict=True):
        assert [one.model for one in trace.scores] == ["prm", "prm-control", "orm"]


def test_other_settings_are_refused(finished):
    folder, _ = finished
    with pytest.raises(UsageError, match="a run with other settings"):
        run_demo(replace(TINY, seed=1), folder)


def test_a_folder_of_something_else_is_refused(tmp_path):
    (tmp_path / "thesis.txt").write_text("kept")
    with pytest.raises(UsageError, match="holds files of something else"):
        run_demo(TINY, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]
    with pytest.raises(StorageError, match=r"cannot write to .*thesis\.txt"):
        run_demo(TINY, tmp_path / "thesis.txt")


def workers_of(pid):
    """The process ids of a process's children."""
    return [int(one) for one in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def is_running(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


def start(config, folder):
    return subprocess.Popen(
        [sys.executable, "-c", PROGRAM, json.dumps(asdict(config)), folder],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="needs /proc to see processes")
def test_a_killed_run_goes_on_to_the_same_figures(finished, tmp_path):
    whole, expected = finished
    folder = tmp_path / "cut"
    for moment in ("policy|30|", "training prm|4|", "round 1 rewards|0|", "test chains|1|"):
        with start(TINY, folder) as run:
            for line in run.stdout:
                if line.startswith(moment):
                    children = workers_of(run.pid)
                    run.send_signal(signal.SIGKILL)
                    break
        assert run.returncode == -signal.SIGKILL
        assert len(children) >= 2
        deadline = time.monotonic() + 20
        while any(map(is_running, children)):
            assert time.monotonic() < deadline, "workers outlive the run"
            time.sleep(0.05)
        assert not (folder / "report.html").exists()
    told = []
    summary = run_demo(TINY, folder, lambda *one: told.append(one))
    assert ("policy", 1, 1) in told
    assert ("policy", 0, 1) not in told
    for name in expected:
        assert name in ("seconds", "peak_rss_mb") or summary[name] == expected[name], name
    for file in (whole / "scored").iterdir():
        assert (folder / "scored" / file.name).read_bytes() == file.read_bytes()


def test_a_worker_s_error_comes_through_as_it_is(finished, tmp_path):
    whole, _ = finished
    folder = tmp_path / "broken"
    shutil.copytree(whole, folder)
    for file in (folder / "report.html", *(folder / "scored").glob("test-*")):
        file.unlink()
    (folder / "prm" / "contract.json").write_text("{}")
    with pytest.raises(ContractError, match=r"contract\.json is not a contract"):
        run_demo(TINY, folder)
