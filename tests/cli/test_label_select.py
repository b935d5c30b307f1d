"""`surefoot label select` through the installed command."""

import csv
import json

import pytest

from surefoot.traces.store import read_traces


def row(i, **more):
    """Every third trace ends right; the model likes later ones more."""
    scores = {
        "model": "toy",
        "kind": "probability",
        "default_aggregate": "min",
        "threshold": 0.5,
        "values": [0.9, i / 100],
    }
    return {
        "surefoot": 1,
        "problem": f"Add {i // 2}.",
        "steps": [f"{i} + 1 = {i + 1}.", "Done."],
        "outcome": i % 3 == 0,
        "scores": [scores],
        **more,
    }


@pytest.fixture
def pool(write_rows):
    return write_rows("pool.jsonl", *(row(i) for i in range(60)))


def test_convincing_wrong_answers_and_a_random_slice(surefoot, pool, tmp_path):
    out, queue = tmp_path / "next.jsonl", tmp_path / "tasks.json"
    command = ["label", "select", pool, "-n", 10, "--by", "convincing-wrong", "-o", out]
    command += ["--queue", queue, "--json"]
    result = surefoot(*command)
    assert result.returncode == 0, result.stderr
    told = json.loads(result.stdout)
    traces = list(read_traces(out))
    assert [t.id for t in traces] == [one["id"] for one in told["chosen"]]
    reasons = [t.meta["selection"] for t in traces]
    assert [one["probability"] for one in reasons] == [2 / 60] * 2 + [None] * 8
    picked = [t.scores[0].values[1] for t in traces[2:]]
    assert picked == sorted(picked, reverse=True)
    assert picked[0] == 0.59 or reasons[0]["value"] == 0.59 or reasons[1]["value"] == 0.59
    assert all(t.outcome is False for t in traces[2:])
    assert len(json.loads(queue.read_text())) == 10
    again = surefoot(*command)
    assert json.loads(again.stdout) == told


def test_labelled_traces_of_another_file_are_not_chosen_again(surefoot, pool, write_rows, tmp_path):
    labels = [{"source": "human", "scale": "rating", "values": [1, -1]}]
    done = write_rows("done.jsonl", *(row(i, labels=labels) for i in range(30, 60)))
    out = tmp_path / "next.jsonl"
    result = surefoot("label", "select", pool, done, "-n", 12, "-o", out)
    assert result.returncode == 0, result.stderr
    assert "30 traces labelled already" in result.stdout
    assert all(t.scores[0].values[1] < 0.3 for t in read_traces(out))


def test_quota_table_and_csv(surefoot, pool, tmp_path):
    queue = tmp_path / "tasks.csv"
    result = surefoot(
        "label",
        "select",
        pool,
        "-n",
        50,
        "--per-question",
        1,
        "--random-share",
        0,
        "--queue",
        queue,
    )
    assert result.returncode == 0, result.stderr
    rows = list(csv.DictReader(queue.open(newline="")))
    problems = {r["trace"]: r["problem"] for r in rows}
    assert len(problems) == len(set(problems.values())) == 30
    assert "20 fewer than asked for" in result.stdout
    assert "30 by uncertainty" in result.stdout
    assert "over the quota of their question" in result.stdout


@pytest.mark.parametrize("by", ["uncertainty", "diversity", "random"])
def test_every_strategy(surefoot, pool, by):
    result = surefoot("label", "select", pool, "-n", 5, "--by", by, "--json")
    assert result.returncode == 0, result.stderr
    chosen = json.loads(result.stdout)["chosen"]
    assert [one["why"] for one in chosen] == ["random-slice"] + [by] * 4


def test_what_cannot_be(surefoot, pool, write_rows, tmp_path):
    bare = write_rows(
        "bare.jsonl", *({k: v for k, v in row(i).items() if k != "scores"} for i in range(4))
    )
    out = tmp_path / "next.jsonl"
    for arguments, code, said in (
        ([pool, "--by", "luck"], 2, "no strategy 'luck'"),
        ([pool, "-n", "0"], 2, "num is 0"),
        ([pool, "--queue", tmp_path / "tasks.txt"], 2, "name it .csv"),
        ([pool, "--queue", out], 2, "name two files"),
        ([pool, "-m", "other"], 1, "they hold those of toy"),
        ([pool, "--by", "disagreement", "--random-share", 0], 1, "two label sets or models"),
        ([bare, "--random-share", 0], 1, "nothing can be chosen"),
    ):
        result = surefoot("label", "select", *arguments, "-o", out)
        assert result.returncode == code, result.stderr
        assert said in result.stderr
        assert not out.exists()
