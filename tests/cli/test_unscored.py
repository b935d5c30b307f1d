"""A trace that a model cannot score is told and counted, and does not stop the others."""

import json

import pytest

from surefoot.models.contract import Contract
from surefoot.models.discriminative import DiscriminativeModel
from surefoot.traces.layout import Layout
from surefoot.traces.store import read_traces

ROWS = [
    {"surefoot": 1, "problem": "2+2?", "steps": ["2 + 2 = 4."]},
    {"surefoot": 1, "problem": "2+2?", "steps": ["2 + 2 = 4."] * 60},
    {"surefoot": 1, "problem": "3+3?", "steps": ["3 + 3 = 6."]},
]
LABELS = {"values": [1] * 60, "source": "human", "scale": "rating"}


@pytest.fixture
def prm(small_model, small_tokenizer, tmp_path):
    contract = Contract.for_layout(small_tokenizer, Layout(), max_tokens=64)
    model = small_model(task="scorer")
    DiscriminativeModel(model, small_tokenizer, contract, name="prm").save(tmp_path / "prm")
    return tmp_path / "prm"


def test_too_long_traces_come_through_without_scores(surefoot, write_rows, prm, tmp_path):
    source, out = write_rows("traces.jsonl", *ROWS), tmp_path / "out.jsonl"
    done = surefoot("score", source, "--model", prm, "--out", out)
    assert done.returncode == 0
    assert "the contract allows 64" in done.stderr
    assert "Loading" not in done.stderr
    assert "1 trace could not be scored" in done.stdout
    assert [len(trace.scores) for trace in read_traces(str(out))] == [1, 0, 1]
    again = surefoot("score", source, "--model", prm, "--out", out, "--json")
    counts = json.loads(again.stdout)
    assert (counts["resumed"], counts["unscored_traces"]) == (3, 1)


def test_strict_stops_at_the_first(surefoot, write_rows, prm):
    done = surefoot("score", write_rows("traces.jsonl", *ROWS), "--model", prm, "--strict")
    assert done.returncode == 1
    assert "60 steps" in done.stderr


def test_none_scored_is_a_failure(surefoot, write_rows, prm):
    done = surefoot("score", write_rows("traces.jsonl", ROWS[1]), "--model", prm)
    assert done.returncode == 1
    assert "could score none of 1 trace" in done.stderr


def test_an_unscored_trace_counts_as_a_wrong_answer(surefoot, write_rows, prm):
    labelled = [{**row, "labels": [{**LABELS, "values": [1] * len(row["steps"])}]} for row in ROWS]
    source = write_rows("labelled.jsonl", *labelled)
    done = surefoot("eval", "processbench", source, "--model", prm, "--threshold", "0", "--json")
    result = json.loads(done.stdout)
    assert "1 of 3 traces could not be scored; each counts as wrong" in result["warnings"]
    assert result["rows"][0]["figures"]["acc_correct/all"]["mean"] == pytest.approx(2 / 3)
