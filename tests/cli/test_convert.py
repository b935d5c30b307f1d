"""`surefoot convert` through the installed command: what is written, and what is told of losses."""

import json

import pytest

from surefoot.traces.formats import FORMATS

LABELLED = {
    "surefoot": 1,
    "problem": "What is 2 * 3 + 1?",
    "steps": ["2 * 3 = 6.", "6 + 1 = 8.", "The answer is 8."],
    "labels": [{"source": "human", "scale": "rating", "values": [1, -1, 0]}],
}


def test_to_another_format_and_what_it_cannot_hold(surefoot, write_rows, tmp_path):
    out = tmp_path / "out.jsonl"
    file = write_rows("in.jsonl", LABELLED, LABELLED)
    result = surefoot("convert", file, out, "--to", "processbench", "--json")
    assert result.returncode == 0, result.stderr
    told = json.loads(result.stdout)
    assert (told["read"], told["written"], told["skipped"]) == (2, 2, 0)
    assert told["formats"] == {"surefoot": 2}
    assert told["lost"]
    assert set(told["lost"].values()) == {2}
    for what in told["lost"]:
        assert f"lost in 2 rows: {what}" in result.stderr
    rows = [json.loads(line) for line in out.open()]
    assert [(row["problem"], row["label"]) for row in rows] == [("What is 2 * 3 + 1?", 1)] * 2


def test_there_and_back_again(surefoot, write_rows, tmp_path):
    file, there, back = (
        write_rows("in.jsonl", LABELLED),
        tmp_path / "there.parquet",
        tmp_path / "back.jsonl",
    )
    assert surefoot("convert", file, there, "--to", "surefoot").returncode == 0
    assert surefoot("convert", there, back, "--to", "surefoot").returncode == 0
    row = json.loads(back.read_text())
    assert row["labels"] == LABELLED["labels"]
    assert [step["text"] for step in row["steps"]] == LABELLED["steps"]


def test_stdin_to_stdout_with_the_counts_on_stderr(surefoot):
    rows = json.dumps(LABELLED) + "\n"
    result = surefoot("convert", "-", "-", "--to", "processbench", stdin=rows)
    assert result.returncode == 0, result.stderr
    assert json.loads(result.stdout)["label"] == 1
    assert "1 trace read (1 surefoot), 1 row written to stdout" in result.stderr


def test_several_files_become_one(surefoot, write_rows, tmp_path):
    first, second, out = (
        write_rows("a.jsonl", LABELLED),
        write_rows("b.jsonl", LABELLED),
        "out.jsonl",
    )
    result = surefoot("convert", first, second, tmp_path / out, "--to", "surefoot")
    assert result.returncode == 0, result.stderr
    assert len((tmp_path / out).read_text().splitlines()) == 2


def test_a_score_file_is_joined_and_the_join_is_told(surefoot, write_rows, tmp_path):
    trace = {**LABELLED, "meta": {"problem_id": "p1", "candidate": 0}}
    scores = {"problem_id": "p1", "candidate": 0, "step_scores": [0.9, 0.1, 0.2]}
    stray = {"problem_id": "p2", "candidate": 5, "step_scores": [0.5]}
    file, table = write_rows("in.jsonl", trace), write_rows("scores_toy.jsonl", scores, stray)
    out = tmp_path / "out.jsonl"
    result = surefoot("convert", file, out, "--to", "surefoot", "--scores", table)
    assert result.returncode == 0, result.stderr
    written = json.loads(out.read_text())["scores"][0]
    assert (written["model"], written["values"]) == ("toy", [0.9, 0.1, 0.2])
    assert "1 trace with scores" in result.stderr
    assert "extra 1" in result.stderr


def test_a_threshold_decides_what_counts_as_right(surefoot, write_rows, tmp_path):
    labels = {"source": "rollout", "scale": "value", "values": [0.9, 0.6, 0.2]}
    file, out = write_rows("in.jsonl", {**LABELLED, "labels": [labels]}), tmp_path / "out.jsonl"
    for threshold, first in (("0.5", 2), ("0.7", 1)):
        arguments = ("--to", "processbench", "--threshold", threshold)
        assert surefoot("convert", file, out, *arguments).returncode == 0
        assert json.loads(out.read_text())["label"] == first


@pytest.mark.parametrize("name", FORMATS)
def test_help_names_every_format(surefoot, name):
    words = surefoot("convert", "--help", COLUMNS="200").stdout.replace("\n", " ")
    assert name in words


def test_a_file_that_no_row_could_replace_stays(surefoot, write_rows, tmp_path):
    unlabelled = {key: value for key, value in LABELLED.items() if key != "labels"}
    file, out = write_rows("in.jsonl", unlabelled, unlabelled), tmp_path / "out.jsonl"
    out.write_text("before\n")
    result = surefoot("convert", file, out, "--to", "processbench")
    assert result.returncode == 1
    assert f"none of 2 rows could be converted, and {out} was not written" in result.stderr.replace(
        "\n", " "
    )
    assert "no step labels" in result.stderr
    assert out.read_text() == "before\n"
    assert sorted(one.name for one in tmp_path.iterdir()) == ["in.jsonl", "out.jsonl"]


def test_nothing_is_left_behind_when_it_fails(surefoot, write_rows, tmp_path):
    file = write_rows("in.jsonl", LABELLED, {**LABELLED, "problem": ""})
    out = tmp_path / "out.jsonl"
    out.write_text("before\n")
    assert surefoot("convert", file, out, "--to", "surefoot", "--strict").returncode == 1
    assert out.read_text() == "before\n"
    assert sorted(one.name for one in tmp_path.iterdir()) == ["in.jsonl", "out.jsonl"]
