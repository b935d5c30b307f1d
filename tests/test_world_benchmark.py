"""The benchmark of the demo counts what it says, on summaries small enough to reckon by hand."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).resolve().parents[1] / "benchmarks" / "world.py"


def estimate(mean):
    return {"mean": mean, "low": mean - 0.1, "high": mean + 0.1}


def summary(seed, gain, flawed):
    def row(accuracy, share):
        return {
            "accuracy": estimate(accuracy),
            "sound": estimate(accuracy / 2),
            "flawed_share": None if share is None else estimate(share),
        }

    names = ("prm_vote", "prm_logprob", "prm_product")
    best_of_n = {name: {"16": row(0.5 + gain, flawed), "64": row(0.6, flawed)} for name in names}
    others = ("majority", "orm_vote", "orm", "logprob")
    best_of_n |= {name: {"16": row(0.5, 0.5), "64": row(0.5, 0.5)} for name in others}
    return {
        "seed": seed,
        "config": {"seed": seed, "policy_updates": 1200},
        "seconds": {"policy": 100.0 + seed, "figures": 20.0},
        "peak_rss_mb": 1000.0,
        "prm": {"first_error_f1": estimate(0.8 - gain)},
        "best_of_n": best_of_n,
    }


def gather(folder, *summaries):
    runs = []
    for i, one in enumerate(summaries):
        runs.append(folder / f"run-{i}")
        runs[-1].mkdir()
        (runs[-1] / "summary.json").write_text(json.dumps(one))
    command = [sys.executable, SCRIPT, "--out", folder, "--existing", *runs]
    done = subprocess.run(command, capture_output=True, text=True)
    return done, folder / "world.json"


def test_means_intervals_and_targets(tmp_path):
    done, file = gather(tmp_path, summary(0, 0.1, 0.2), summary(2, 0.3, 0.4))
    assert done.returncode == 0, done.stderr
    result = json.loads(file.read_text())
    rows = {row["target"]: row for row in result["targets"]}
    vote = rows["prm_vote - majority, accuracy at N = 16"]
    assert vote["seeds"] == pytest.approx([0.1, 0.3])
    assert vote["mean"] == pytest.approx(0.2)
    # half the range is the standard error; t(0.975, 1) = 12.706
    assert vote["high"] - vote["mean"] == pytest.approx(12.706 * 0.1, rel=1e-3)
    assert vote["reached"] is True
    assert rows["prm_vote - majority, accuracy at N = 64"]["reached"] is False
    assert rows["prm, first-error F1"]["mean"] == pytest.approx(0.6)
    assert rows["prm, first-error F1"]["reached"] is False
    assert rows["prm_vote / majority, flawed share at N = 64"]["mean"] == pytest.approx(0.6)
    assert rows["prm_vote / majority, flawed share at N = 64"]["reached"] is False
    assert rows["seconds"]["seeds"] == [120.0, 122.0]
    assert rows["seconds"]["reached"] is True
    assert result["figures"]["best_of_n.majority.16.accuracy"]["seeds"] == [0.5, 0.5]
    assert result["seconds"]["policy"]["mean"] == 101.0
    assert "NO" in done.stdout


def test_what_one_seed_lacks_is_undefined(tmp_path):
    done, file = gather(tmp_path, summary(0, 0.1, None), summary(1, 0.1, 0.2))
    assert done.returncode == 0, done.stderr
    rows = {row["target"]: row for row in json.loads(file.read_text())["targets"]}
    row = rows["prm_vote / majority, flawed share at N = 64"]
    assert row["seeds"] == [None, pytest.approx(0.4)]
    assert row["mean"] is row["reached"] is None


def test_runs_of_different_sizes_are_not_mixed(tmp_path):
    other = summary(1, 0.1, 0.2)
    other["config"]["policy_updates"] = 500
    done, file = gather(tmp_path, summary(0, 0.1, 0.2), other)
    assert done.returncode == 2
    assert "differ in more than their seed" in done.stderr
    assert not file.exists()
