"""`surefoot eval trust` through the installed command."""

import json

import pytest

from surefoot.traces.rows import trace_to_row
from surefoot.traces.store import read_traces
from surefoot.traces.types import StepLabels, Trace


def rows(num, domain, first=0):
    for i in range(first, first + num):
        steps = [f"{i} + {j} = {i + j}." for j in range(3)]
        if i % 2:
            steps[1] = f"{i} + 1 = {i + 2}."
        labels = StepLabels((1, -1 if i % 2 else 1, 1))
        yield trace_to_row(
            Trace(f"Add {i} in {domain}.", steps, labels=[labels], meta={"domain": domain})
        )


@pytest.fixture
def labelled(write_rows):
    return write_rows("in.jsonl", *rows(24, "sums"), *rows(24, "more"))


def test_figures_sentences_and_the_folder(surefoot, labelled, write_rows, tmp_path):
    train = write_rows("train.jsonl", *rows(6, "sums"), *rows(3, "none"))
    out = tmp_path / "run"
    arguments = ("eval", "trust", labelled, "-m", "length", "--train", train, "--resamples", "50")
    result = surefoot(*arguments, "--out", out, COLUMNS="100")
    assert result.returncode == 0, result.stderr
    assert "ECE" in result.stdout
    assert "step 2-3" in result.stdout
    assert "6 of 48 traces have a question of a training file" in result.stderr
    assert "F1 is" in result.stderr
    names = ["config.json", "metrics.json", "report.html", "scores.jsonl"]
    assert sorted(path.name for path in out.iterdir()) == names
    metrics = json.loads((out / "metrics.json").read_text())
    assert metrics["details"]["contamination"][0]["same_questions"] == 6
    assert metrics["details"]["num_seen"] == 6
    assert {"ece/sums", "ece/more", "ece/step 1", "drift_position_within"} <= {
        *metrics["rows"][0]["figures"]
    }
    assert json.loads((out / "config.json").read_text())["more"]["train"] == [str(train)]
    assert len(list(read_traces(out / "scores.jsonl", strict=True))) == 48
    held = surefoot(
        *("eval", "trust", out / "scores.jsonl", "--scores", "length", "--resamples", "50"),
        *("--train", train, "--json"),
    )
    told = json.loads(held.stdout)
    assert told["rows"] == metrics["rows"]
    assert told["details"] == metrics["details"]


def test_bad_input_is_told(surefoot, labelled, write_rows, tmp_path):
    absent = surefoot("eval", "trust", labelled, "-m", "length", "--train", tmp_path / "no.jsonl")
    assert absent.returncode == 2
    assert "there is no such file" in absent.stderr
    neither = surefoot("eval", "trust", labelled)
    assert neither.returncode == 2
    assert "give either --model" in neither.stderr
    plain = write_rows("plain.jsonl", trace_to_row(Trace("p", ["s"])))
    result = surefoot("eval", "trust", plain, "-m", "length")
    assert result.returncode == 2
    assert "1: no step has a label" in result.stderr
