"""`surefoot demo` through the installed command: refusals, interruptions and the quick size."""

import json
import os
import signal
import subprocess
import time
from dataclasses import asdict
from pathlib import Path

import pytest

from surefoot.cli import main
from surefoot.demo.config import SIZES


@pytest.fixture
def claimed(tmp_path):
    """A folder that holds the beginning of a standard run with seed 0."""
    (tmp_path / "config.json").write_text(json.dumps(asdict(SIZES["standard"]), indent=1) + "\n")
    return tmp_path


def test_other_settings_in_the_folder(claimed, capsys):
    for options in (["--seed", "1"], ["--quick"], ["--long"]):
        assert main(["demo", "--out", str(claimed), *options]) == 2
        said = capsys.readouterr().err
        assert "holds a run with other settings" in said
        assert "--out" in said


def test_a_folder_of_something_else(tmp_path, capsys):
    (tmp_path / "thesis.txt").write_text("kept")
    assert main(["demo", "--out", str(tmp_path)]) == 2
    assert "holds files of something else" in capsys.readouterr().err


def test_a_folder_that_cannot_be_written(tmp_path, capsys):
    (tmp_path / "file").write_text("kept")
    for out in (tmp_path / "file", tmp_path / "file" / "inside"):
        assert main(["demo", "--out", str(out)]) == 1
        said = capsys.readouterr().err
        assert f"cannot write to {out}" in said
        assert "choose another --out" in said


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--quick", "--long"], "--quick and --long exclude each other"),
        (["--seed", "-1"], "seed is -1"),
        (["--seed", str(2**32)], "must be below"),
        (["--seed", "x"], "x"),
    ],
)
def test_options_that_cannot_work(tmp_path, capsys, options, said):
    assert main(["demo", "--out", str(tmp_path / "run"), *options]) == 2
    assert said in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


def children_of(pid):
    return [int(one) for one in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def is_running(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


@pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="needs /proc to see processes")
def test_ctrl_c_ends_the_workers_and_says_that_the_run_goes_on(surefoot_path, tmp_path):
    run = subprocess.Popen(
        [surefoot_path, "demo", "--quick", "--out", tmp_path / "run"],
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    with run:
        assert run.stderr.readline() == "policy ...\n"
        deadline = time.monotonic() + 60
        while len(children := children_of(run.pid)) < 2:
            assert time.monotonic() < deadline
            time.sleep(0.05)
        time.sleep(3)
        os.killpg(run.pid, signal.SIGINT)  # as a terminal does: to all processes
        said = run.stderr.read()
    assert run.returncode == 130, said
    assert "Traceback" not in said
    assert f"interrupted; what is finished is kept in {tmp_path / 'run'}" in said
    assert "the same command goes on from there" in said
    deadline = time.monotonic() + 10
    while any(map(is_running, children)):
        assert time.monotonic() < deadline, "workers outlive the run"
        time.sleep(0.05)


@pytest.mark.slow
def test_quick_runs_about_a_minute(surefoot_path, tmp_path):
    out = tmp_path / "run"
    command = [surefoot_path, "demo", "--quick", "--out", out]
    started = time.perf_counter()
    done = subprocess.run(command, capture_output=True, text=True, timeout=550)
    seconds = time.perf_counter() - started
    assert done.returncode == 0, done.stderr
    summary = json.loads((out / "summary.json").read_text())
    assert seconds < 300
    assert summary["peak_rss_mb"] < 3000
    assert "PRM vote" in done.stdout
    assert str(out / "report.html") in done.stderr
    assert summary["sizes"]["test_chains"] == 40 * 16
    assert summary["best_of_n"]["oracle"]["16"]["accuracy"]["mean"] > 0.5
    again = subprocess.run([*command, "--json"], capture_output=True, text=True, timeout=60)
    assert again.returncode == 0
    assert json.loads(again.stdout) == summary
