"""`surefoot eval processbench` through the installed command."""

import json

import pytest


@pytest.fixture
def labelled(write_rows):
    """Sixty traces of ProcessBench's own form; an error is always a false equation."""
    rows = []
    for i in range(60):
        steps = [f"{i} + {j} = {i + j}." for j in range(4)]
        label = i % 4 if i % 2 else -1
        if label >= 0:
            steps[label] = f"{i} + {label} = {i + label + 1}."
        rows.append(
            {
                "id": f"toy-{i}",
                "problem": f"Add {i}.",
                "steps": steps,
                "final_answer_correct": label < 0,
                "label": label,
            }
        )
    return write_rows("bench.jsonl", *rows)


def test_a_checker_that_is_always_right_has_f1_one(surefoot, labelled):
    result = surefoot("eval", "processbench", labelled, "-m", "arithmetic", "--json")
    assert result.returncode == 0, result.stderr
    told = json.loads(result.stdout)
    checker, *baselines = told["scorers"]
    assert checker["name"] == "arithmetic"
    assert checker["fixed"]["mean_f1"] == {"mean": 1.0, "low": 1.0, "high": 1.0}
    assert told["num_traces"] == 60
    names = " ".join(one["name"] for one in baselines)
    for name in ("random", "majority", "length"):
        assert name in names
    assert all(one["fixed"]["mean_f1"]["mean"] < 0.7 for one in baselines)


def test_the_table_has_the_baselines_and_intervals(surefoot, labelled):
    result = surefoot("eval", "processbench", labelled, "-m", "arithmetic", COLUMNS="160")
    assert result.returncode == 0, result.stderr
    lines = result.stdout.splitlines()
    assert any("arithmetic" in line and "100.0 [100.0, 100.0]" in line for line in lines)
    for name in ("random", "majority class", "step length"):
        assert any(name in line for line in lines)


def test_scores_that_the_traces_hold_give_the_same_figures(surefoot, labelled, tmp_path):
    scored = tmp_path / "scored.jsonl"
    assert surefoot("score", labelled, "-m", "arithmetic", "-o", scored).returncode == 0
    now = surefoot("eval", "processbench", labelled, "-m", "arithmetic", "--json")
    held = surefoot("eval", "processbench", scored, "--scores", "arithmetic", "--json")
    assert held.returncode == 0, held.stderr
    assert json.loads(held.stdout)["scorers"] == json.loads(now.stdout)["scorers"]
    absent = surefoot("eval", "processbench", scored, "--scores", "other")
    assert absent.returncode == 2
    assert "it holds those of arithmetic" in absent.stderr


def test_a_threshold_replaces_the_models_own(surefoot, labelled):
    arguments = ("eval", "processbench", labelled, "-m", "arithmetic", "--json")
    told = json.loads(surefoot(*arguments, "--threshold", "0").stdout)
    part = told["scorers"][0]["fixed"]
    assert (part["threshold"], part["threshold_rule"]) == (0, "fixed at 0")
    assert part["mean_f1"]["mean"] == 0, "nothing scores below 0, so no error is ever found"


def test_the_seed_makes_it_repeatable(surefoot, labelled):
    arguments = ("eval", "processbench", labelled, "-m", "length", "--json", "--seed")
    first, again, other = (surefoot(*arguments, seed).stdout for seed in ("1", "1", "2"))
    assert first == again
    assert first != other


def test_out_holds_every_figure(surefoot, labelled, tmp_path):
    out = tmp_path / "new" / "folder"
    result = surefoot("eval", "processbench", labelled, "-m", "length", "--json", "--out", out)
    assert json.loads((out / "processbench.json").read_text()) == json.loads(result.stdout)


def test_unlabelled_traces_are_refused(surefoot, write_rows):
    file = write_rows("in.jsonl", {"surefoot": 1, "problem": "p", "steps": ["s"]})
    result = surefoot("eval", "processbench", file, "-m", "length")
    assert result.returncode == 2
    assert "labels" in result.stderr
