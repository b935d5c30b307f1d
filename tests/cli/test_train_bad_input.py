"""Bad input to `surefoot train`: a code and a sentence, before time is spent, and nothing left."""

import json

import pytest

from surefoot.cli import main
from surefoot.traces.rows import trace_to_row
from surefoot.traces.types import StepLabels, Trace

SMALL = ("--hidden-size", 16, "--layers", 1, "--vocab-size", 280, "--max-tokens", 120)
QUICK = (*SMALL, "--updates", 2, "--batch-size", 4)


def row(problem, *values, **changes):
    steps = [f"{problem} step {i}." for i in range(len(values))]
    made = trace_to_row(Trace(problem, steps, labels=[StepLabels(values)]))
    made["labels"][0].update(changes)
    return made


ROWS = [row(f"What is {i} + 1?", 1, 0, -1) for i in range(8)]


@pytest.fixture
def train(capsys, monkeypatch, tmp_path):
    """Run `surefoot train ... --out out --json` in this process; gives exit code and stderr."""
    monkeypatch.chdir(tmp_path)

    def run(*arguments):
        given = ["--out", "out"] if "--out" not in arguments else []
        code = main(["train", *map(str, arguments), *given, "--json"])
        out, err = capsys.readouterr()
        assert (code == 0) == bool(out)
        assert "Traceback" not in err
        return code, err

    return run


def nothing_new(folder):
    return not {file.name for file in folder.iterdir()} & {"out", ".out.training", ".out.partial"}


BAD_ROWS = {
    "too many labels": (row("p", 1, 1, values=[1, 1, 1]), "has 3 entries for 2 steps"),
    "too few labels": (row("p", 1, 1, values=[1]), "has 1 entries for 2 steps"),
    "NaN": (json.dumps(row("p", 1)).replace("[1]", "[NaN]"), "NaN"),
    "infinite": (json.dumps(row("p", 1)).replace("[1]", "[1e999]"), "too large"),
    "no rating": (row("p", 1, values=[7]), "on the rating scale it must be -1, 0 or 1"),
    "no share": (row("p", 1, values=[1.5], scale="value"), "it must be a number in [0, 1]"),
    "true": (row("p", 1, values=[True]), "label 0 is True"),
    "text": (row("p", 1, values=["1"]), "label 0 is '1'"),
    "more than all": (row("p", 1, values=[1], counts=[[9, 8]]), "counts"),
}


@pytest.mark.parametrize("bad", BAD_ROWS)
def test_bad_rows(train, write_rows, tmp_path, bad):
    wrong, said = BAD_ROWS[bad]
    file = write_rows("in.jsonl", *ROWS, wrong)
    code, err = train(file, *QUICK, "--strict")
    assert (code, nothing_new(tmp_path)) == (1, True), err
    assert said in err
    assert "in.jsonl:9" in err
    code, err = train(write_rows("alone.jsonl", wrong), *QUICK)
    assert (code, nothing_new(tmp_path)) == (1, True), err
    assert "none of 1 row could be read" in err
    code, err = train(write_rows("dev.jsonl", wrong), *QUICK, "--dev", file, "--strict")
    assert code == 1


SETTINGS = {
    ("--set", "loop.lr=fast"): "loop.lr is 'fast'; it must be a number",
    ("--set", "loop.batch_size=2.5"): "loop.batch_size is 2.5; it must be a whole number",
    ("--set", "loop.num_updates=true"): "loop.num_updates is True; it must be a whole number",
    ("--set", "loop.bf16=maybe"): "loop.bf16 is 'maybe'; it must be true or false",
    ("--set", "loop.lr=null"): "loop.lr is None; it must be a number",
    ("--set", "loop.lr=NaN"): "lr is nan; it must be positive",
    ("--set", "tokens=null"): "tokens is None; it must be a list of 2, each text",
    ("--set", "lora=3"): "lora is 3; it must be an object",
    ("--set", 'labels.sources=["human"]'): "it must be an object of a number by name or null",
    ("--set", 'tokens=["+"]'): "it must be a list of 2, each text",
    ("--set", "loss=[1]"): "loss is [1]; name one of cross-entropy, binomial",
    ("--set", 'loss={"name": "joint", "steps": 3}'): "loss is 3; name one of cross-entropy",
    ("--set", 'loss={"name": "q-ranking", "zeta": "x"}'): "loss.zeta is 'x'; it must be a number",
    ("--set", "loop.speed=1"): "unknown settings: loop.speed; there are num_updates, batch_size",
    ("--set", "nothing.at=1"): "unknown settings: nothing; there are base, profile",
    ("--set", "loop"): "--set loop is no setting; write it as",
    ("--set", "loop.passes=3"): "batch_size is 4; it must be a multiple of 3 passes",
    ("--set", "loop.fsdp=true"): "which muon needs whole; take adamw",
    ("--set", "loop.patience=2"): "patience is 2 measurements, and none is made",
    ("--loss", "foo"): "loss is 'foo'; name one of cross-entropy",
    ("--metric", "foo"): "metric is 'foo'; it must be one of f1_heldout",
    ("--profile", "foo"): "lora and profile are for a base",
    ("--eval-every", "1"): "eval_every measures on development traces; give some",
    ("--config", "in.jsonl"): "in.jsonl",
    ("--config", "list.json"): "holds no JSON object of a training's settings",
}


@pytest.mark.parametrize("options", SETTINGS, ids=" ".join)
def test_settings_that_cannot_work(train, write_rows, tmp_path, options):
    (tmp_path / "list.json").write_text("[]")
    code, err = train(write_rows("in.jsonl", *ROWS), *QUICK, *options)
    assert (code, nothing_new(tmp_path)) == (2, True), err
    assert SETTINGS[options] in err


def test_development_traces_that_are_all_there_is(train, write_rows, tmp_path):
    file = write_rows("in.jsonl", *ROWS)
    code, err = train(file, *QUICK, "--dev", file)
    assert (code, nothing_new(tmp_path)) == (2, True)
    assert "no trace is left to learn from: 8 for question of a development trace" in err


def test_out_within_the_base(train, write_rows, tmp_path):
    file = write_rows("in.jsonl", *ROWS)
    (tmp_path / "base").mkdir()
    code, err = train(file, *QUICK, "--base", "base", "--out", "base/out")
    assert (code, [*(tmp_path / "base").iterdir()]) == (2, [])
    assert "base/out lies in the folder of the base, base; name another" in err


def test_what_several_processes_cannot_do(train, write_rows, tmp_path, monkeypatch):
    file = write_rows("in.jsonl", *ROWS)
    for name, value in {"RANK": "0", "LOCAL_RANK": "0", "WORLD_SIZE": "2"}.items():
        monkeypatch.setenv(name, value)
    code, err = train(file, "-", *QUICK)
    assert (code, nothing_new(tmp_path)) == (2, True)
    assert "2 processes cannot all read standard input; name a file instead of -" in err
    code, err = train(file, "--features")
    assert (code, nothing_new(tmp_path)) == (2, True)
    assert "--features grows trees in one process" in err
    monkeypatch.setenv("RANK", "1")
    code, err = train(file, "-", *QUICK)
    assert (code, err.startswith("process 1: error: ")) == (2, True)
