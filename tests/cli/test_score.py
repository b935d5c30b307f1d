"""`surefoot score` through the installed command: streams, kinds of output, and being killed."""

import json
import os
import signal
import subprocess
import time

import pytest

from surefoot.traces.store import read_traces

RIGHT = {"surefoot": 1, "problem": "What is 2 + 3?", "steps": ["Add.", "2 + 3 = 5."]}
WRONG = {"surefoot": 1, "problem": "What is 2 * 3?", "steps": ["2 * 3 = 6.", "6 + 1 = 8."]}


def test_json_counts_what_was_scored(surefoot, write_rows):
    result = surefoot("score", write_rows("in.jsonl", RIGHT, WRONG), "-m", "arithmetic", "--json")
    assert result.returncode == 0, result.stderr
    told = json.loads(result.stdout)
    assert told["model"] == "arithmetic"
    assert (told["traces"], told["steps"], told["abstained_steps"]) == (2, 4, 1)
    assert told["flagged_traces"] == 1
    assert told["skipped"] == {"rows": 0, "first": []}
    right, wrong = told["scores"]
    assert right["values"][0] is None
    assert right["first_error"] is None
    assert wrong["first_error"] == 1
    assert wrong["values"][0] > 0.5 > wrong["values"][1]
    assert wrong["reward"] == min(wrong["values"])


def test_the_table_shows_each_step_with_its_score(surefoot, write_rows):
    result = surefoot("score", write_rows("in.jsonl", RIGHT, WRONG), "-m", "arithmetic")
    assert result.returncode == 0, result.stderr
    for words in ("What is 2 * 3?", "6 + 1 = 8.", "step 1 is the first below the threshold"):
        assert words in result.stdout
    assert "2 traces, 4 steps: no score on 1 of them (25%)" in result.stdout
    one = surefoot("score", write_rows("in.jsonl", RIGHT, WRONG), "-m", "arithmetic", "--show", "1")
    assert "What is 2 + 3?" in one.stdout
    assert "What is 2 * 3?" not in one.stdout


@pytest.mark.parametrize("name", ["out.jsonl", "out.jsonl.gz", "out.parquet"])
def test_every_kind_of_file_gives_the_same_traces(surefoot, write_rows, tmp_path, name):
    out = tmp_path / name
    result = surefoot("score", write_rows("in.jsonl", RIGHT, WRONG), "-m", "arithmetic", "-o", out)
    assert result.returncode == 0, result.stderr
    traces = list(read_traces(out, strict=True))
    assert [trace.problem for trace in traces] == ["What is 2 + 3?", "What is 2 * 3?"]
    assert [trace.scores[0].model for trace in traces] == ["arithmetic", "arithmetic"]
    assert traces[1].scores[0].first_error() == 1


def test_stdin_to_stdout(surefoot):
    rows = json.dumps(RIGHT) + "\n" + json.dumps(WRONG) + "\n"
    result = surefoot("score", "-", "-m", "arithmetic", "--out", "-", stdin=rows)
    assert result.returncode == 0, result.stderr
    written = [json.loads(line) for line in result.stdout.splitlines()]
    assert [row["problem"] for row in written] == ["What is 2 + 3?", "What is 2 * 3?"]
    assert "2 traces" in result.stderr


def test_several_files_are_read_one_after_another(surefoot, write_rows):
    first, second = write_rows("a.jsonl", RIGHT), write_rows("b.jsonl", WRONG, RIGHT)
    told = json.loads(surefoot("score", first, second, "-m", "length", "--json").stdout)
    assert told["traces"] == 3


@pytest.fixture
def many_rows(write_rows):
    """Traces enough for a run to be killed in the middle; some occur twice."""
    rows = [
        {
            "surefoot": 1,
            "problem": f"What is {i} + 1?",
            "steps": [f"{i} * {j} + 17 = {i * j + 17 + (i % 7 == j)}." for j in range(12)],
        }
        for i in range(4000)
    ]
    return write_rows("many.jsonl", *rows, *rows[:100])


@pytest.mark.slow
def test_a_killed_run_goes_on_and_ends_with_the_same_bytes(
    surefoot, surefoot_path, many_rows, tmp_path
):
    whole, cut = tmp_path / "whole.jsonl", tmp_path / "cut.jsonl"
    assert surefoot("score", many_rows, "-m", "arithmetic", "-o", whole).returncode == 0
    size = whole.stat().st_size
    for share in (0.2, 0.6):
        run = start(surefoot_path, "score", many_rows, "-m", "arithmetic", "-o", cut)
        wait_until(lambda: cut.exists() and cut.stat().st_size > share * size, run)  # noqa: B023
        run.send_signal(signal.SIGKILL)
        run.communicate()
        assert run.returncode == -signal.SIGKILL
        assert cut.stat().st_size < size
    kept = sum(1 for _ in cut.open())
    result = surefoot("score", many_rows, "-m", "arithmetic", "-o", cut, "--json")
    assert result.returncode == 0, result.stderr
    told = json.loads(result.stdout)
    assert told["traces"] == 4100
    assert 0 < told["resumed"] in (kept, kept - 1)
    assert cut.read_bytes() == whole.read_bytes()


def test_a_half_written_row_is_done_again(surefoot, write_rows, tmp_path):
    file, out = write_rows("in.jsonl", RIGHT, WRONG), tmp_path / "out.jsonl"
    surefoot("score", file, "-m", "arithmetic", "-o", out)
    whole = out.read_bytes()
    out.write_bytes(whole[:-20])
    result = surefoot("score", file, "-m", "arithmetic", "-o", out)
    assert result.returncode == 0
    assert "half written" in result.stderr
    assert out.read_bytes() == whole


def test_a_finished_run_is_not_done_again(surefoot, write_rows, tmp_path):
    file, out = write_rows("in.jsonl", RIGHT, WRONG), tmp_path / "out.jsonl"
    surefoot("score", file, "-m", "arithmetic", "-o", out)
    whole = out.read_bytes()
    told = json.loads(surefoot("score", file, "-m", "arithmetic", "-o", out, "--json").stdout)
    assert (told["traces"], told["resumed"]) == (2, 2)
    assert out.read_bytes() == whole


@pytest.mark.parametrize(
    ("rows", "model", "said"),
    [
        ([WRONG, RIGHT], "arithmetic", "row 1 holds another trace"),
        ([RIGHT, WRONG], "length", "row 1 holds scores of arithmetic"),
        ([RIGHT], "arithmetic", "row 2 holds more traces"),
    ],
)
def test_rows_of_another_run_are_never_mixed_in(surefoot, write_rows, tmp_path, rows, model, said):
    out = tmp_path / "out.jsonl"
    surefoot("score", write_rows("in.jsonl", RIGHT, WRONG), "-m", "arithmetic", "-o", out)
    whole = out.read_bytes()
    other = write_rows("other.jsonl", *rows)
    result = surefoot("score", other, "-m", model, "-o", out)
    assert result.returncode == 2
    assert said in result.stderr
    assert "--no-resume" in result.stderr
    assert out.read_bytes() == whole
    assert surefoot("score", other, "-m", model, "-o", out, "--no-resume").returncode == 0
    assert [trace.scores[0].model for trace in read_traces(out)] == [model] * len(rows)


def test_an_interrupted_run_says_what_is_kept(surefoot, surefoot_path, many_rows, tmp_path):
    out = tmp_path / "out.jsonl"
    run = start(surefoot_path, "score", many_rows, "-m", "arithmetic", "-o", out)
    wait_until(lambda: out.exists() and out.stat().st_size > 100_000, run)
    run.send_signal(signal.SIGINT)
    _, errors = run.communicate(timeout=60)
    assert run.returncode == 130
    assert "interrupted" in errors
    assert f"{sum(1 for _ in out.open()):,} traces are kept in {out}" in errors
    assert "Traceback" not in errors


def start(*arguments):
    return subprocess.Popen(
        [str(one) for one in arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )


def wait_until(condition, run):
    deadline = time.monotonic() + 120
    while not condition():
        assert run.poll() is None, "the run ended before it could be stopped"
        assert time.monotonic() < deadline
        time.sleep(0.005)
