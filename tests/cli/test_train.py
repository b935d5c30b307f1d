"""`surefoot train`: what it learns from, what it leaves out, and being killed."""

import json
import os
import signal
import subprocess

import pytest
import torch

from surefoot.cli import main
from surefoot.models.contract import Contract
from surefoot.traces.rows import trace_to_row
from surefoot.traces.store import read_traces
from surefoot.traces.types import StepLabels, Trace

SMALL = ("--hidden-size", 16, "--layers", 1, "--vocab-size", 280, "--max-tokens", 120)
QUICK = (*SMALL, "--updates", 3, "--batch-size", 4)


def row(problem, *labels, outcome=None, source="human"):
    steps = [f"{problem} step {i}." for i in range(len(labels))]
    given = [StepLabels(labels, source)] if set(labels) != {None} else []
    return trace_to_row(Trace(problem, steps, outcome=outcome, labels=given))


ROWS = [row(f"What is {i} + 1?", 1, 0, -1, outcome=i % 4 == 0) for i in range(12)]


@pytest.fixture
def train(capsys):
    """Run `surefoot train ... --json` in this process; gives exit code, result and stderr."""

    def run(*arguments):
        before = torch.get_num_threads()
        torch.set_num_threads(1)
        code = main(["train", *map(str, arguments), "--json"])
        torch.set_num_threads(before)
        out, err = capsys.readouterr()
        return code, json.loads(out) if out else None, err

    return run


def test_a_prm_from_nothing_that_score_takes(surefoot, write_rows, tmp_path):
    file, out = write_rows("in.jsonl", *ROWS), tmp_path / "prm"
    result = surefoot("train", file, "--out", out, *QUICK)
    assert result.returncode == 0, result.stderr
    assert result.stdout == ""
    assert "trained on 36 labelled steps of 12 traces (66.7% right)" in result.stderr
    assert str(out) in result.stderr
    assert [path.name for path in tmp_path.iterdir() if path.is_dir()] == ["prm"]
    scored = surefoot("score", file, "--model", out, "--out", tmp_path / "scored.jsonl")
    assert scored.returncode == 0, scored.stderr
    traces = list(read_traces(tmp_path / "scored.jsonl", strict=True))
    assert [trace.scores[0].model for trace in traces] == ["prm"] * 12
    assert all(0 < value < 1 for trace in traces for value in trace.scores[0].values)


def test_an_orm_on_a_base(train, write_rows, tmp_path):
    file = write_rows("in.jsonl", *ROWS)
    assert train(file, "--out", tmp_path / "prm", *QUICK)[0] == 0
    code, told, err = train(
        *(file, "--out", tmp_path / "orm", "--base", tmp_path / "prm", "--target", "outcome"),
        *("--updates", 2, "--batch-size", 4),
    )
    assert code == 0, err
    assert (told["traces"], told["steps"], told["share_right"]) == (12, 36, 0.25)
    contract = Contract.load(tmp_path / "orm")
    assert (contract.meaning, contract.aggregate, contract.max_tokens) == ("value", "last", 120)


@pytest.mark.parametrize(
    ("neutral", "steps", "share"), [("right", 36, 2 / 3), ("wrong", 36, 1 / 3), ("masked", 24, 0.5)]
)
def test_neutral_steps(train, write_rows, tmp_path, neutral, steps, share):
    file = write_rows("in.jsonl", *ROWS)
    code, told, _ = train(file, "--out", tmp_path / "prm", "--neutral", neutral, *QUICK)
    assert code == 0
    assert (told["steps"], told["share_right"]) == (steps, pytest.approx(share))


def test_everything_left_out_is_counted(train, write_rows, tmp_path):
    file = write_rows(
        "in.jsonl",
        *ROWS,
        row("No label", None, None),
        row("7" * 200, 1),
        '{"surefoot": 1, "problem": "p", "steps": ["s"], "labels": [{"values": [NaN]}]}',
        "{",
    )
    benchmark = write_rows("bench.jsonl", row("What is 3 + 1", None), row("what is $5+1$?", None))
    code, told, err = train(file, "--out", tmp_path / "prm", "--exclude", benchmark, *QUICK)
    assert code == 0, err
    assert told["traces"] == 10
    assert told["left_out"] == {
        "question of an excluded file": 2,
        "no label to learn": 1,
        "more than 120 tokens": 1,
    }
    assert told["skipped"]["rows"] == 2
    assert {one["line"] for one in told["skipped"]["first"]} == {15, 16}
    assert told["out"] == str(tmp_path / "prm")
    assert told["final_loss"] > 0
    (overlap,) = told["data"]["overlaps"]
    assert (overlap["name"], overlap["questions"], overlap["left_out"]) == ("excluded", 2, 2)
    assert overlap["same_training_traces"] == 0


def test_labels_of_one_source(train, write_rows, tmp_path):
    file = write_rows("in.jsonl", *ROWS, row("By rollouts", 1, -1, source="rollout"))
    code, told, _ = train(file, "--out", tmp_path / "m", "--label-source", "rollout", *QUICK)
    assert code == 0
    assert (told["traces"], told["left_out"]) == (1, {"no label to learn": 12})


@pytest.mark.parametrize(
    ("rows", "options", "code", "said"),
    [
        (None, (), 2, "name at least one file"),
        ((), (), 1, "holds no rows"),
        ([row("p", None)], (), 2, "no trace is left to learn from: 1 for no label to learn"),
        ([row("p", 1)], ("--target", "outcome"), 2, "1 for no label to learn"),
        (['{"surefoot": 1, "problem": "p", "steps": ["s"], "labels": NaN}'], (), 1, "NaN"),
        (['{"surefoot": 1, "problem": "p"}'], (), 1, "none of 1 row could be read"),
        ([row("7" * 200, 1)], (), 1, "1 are longer than the model has room for"),
        (ROWS, ("--base", "nowhere"), 1, "no model 'nowhere'"),
        (ROWS, ("--base", "out"), 2, "--out out is the folder of --base"),
        (ROWS, ("--out", "in.jsonl"), 1, "in.jsonl cannot hold a model"),
        (ROWS, ("--out", "in.jsonl/model"), 1, "cannot write it"),
        (ROWS, ("--exclude", "missing.jsonl"), 1, "missing.jsonl"),
        (ROWS, ("--lr", "0"), 2, "lr is 0.0; it must be positive"),
        (ROWS, ("--lr", "nan"), 2, "lr is nan"),
        (ROWS, ("--seed", "-1"), 2, "seed is -1"),
        (ROWS, ("--hidden-size", "30"), 2, "hidden_size is 30"),
        (ROWS, ("--neutral", "grey"), 2, "grey"),
        (ROWS, ("--label-source", "nobody"), 2, "nobody"),
    ],
)
def test_what_cannot_work(train, write_rows, tmp_path, monkeypatch, rows, options, code, said):
    monkeypatch.chdir(tmp_path)
    files = []
    if rows is not None:
        files = [write_rows("in.jsonl", *rows) if rows else tmp_path / "empty.jsonl"]
        files[0].touch()
    settings = {"--out": "out", **dict(zip(QUICK[::2], QUICK[1::2], strict=True))}
    settings |= dict(zip(options[::2], options[1::2], strict=True))
    arguments = [word for pair in settings.items() for word in pair]
    told = train(*files, *arguments)
    assert told[0] == code, told
    assert said in told[2]
    assert "Traceback" not in told[2]
    assert told[1] is None
    assert not (tmp_path / "out").exists()
    assert not (tmp_path / ".out.training").exists()


@pytest.mark.slow
def test_a_killed_training_goes_on(surefoot, surefoot_path, write_rows, tmp_path):
    file = write_rows("in.jsonl", *ROWS)
    command = ["train", file, *SMALL, "--updates", 400, "--batch-size", 4, "--out"]
    whole = surefoot(*command, tmp_path / "whole")
    assert whole.returncode == 0, whole.stderr
    for how, code in ((signal.SIGKILL, -signal.SIGKILL), (signal.SIGINT, 130)):
        said = interrupted(surefoot_path, [*command, tmp_path / "cut"], "update 300 of", how, code)
        assert not (tmp_path / "cut").exists()
    assert "the same command goes on from the last checkpoint" in said
    result = surefoot(*command, tmp_path / "cut")
    assert result.returncode == 0, result.stderr
    assert "update 250 of" not in result.stderr
    weights = [(tmp_path / name / "model.safetensors").read_bytes() for name in ("whole", "cut")]
    assert weights[0] == weights[1]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["cut", "in.jsonl", "whole"]


def interrupted(surefoot_path, command, moment, how, code):
    """Start a command, stop it once it says a certain thing; gives all it said."""
    run = subprocess.Popen(
        [surefoot_path, *map(str, command)],
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    said = ""
    with run:
        for line in run.stderr:
            said += line
            if moment in line:
                run.send_signal(how)
    assert run.returncode == code, said
    return said


def test_development_traces_on_the_command_line(surefoot, train, write_rows, tmp_path):
    rows = [row(f"What is {i} + 1?", 1, -1 if i % 2 else 1) for i in range(24)]
    file, dev = write_rows("in.jsonl", *rows), write_rows("dev.jsonl", *rows[:8])
    code, told, err = train(
        *(file, "--out", tmp_path / "m", "--dev", dev, "--calibrate", "temperature"),
        *(*QUICK, "--eval-every", 1, "--metric", "step_auroc"),
    )
    assert code == 0, err
    assert told["left_out"] == {"question of a development trace": 8}
    assert (told["traces"], told["development"]["num_traces"]) == (16, 8)
    assert told["threshold"] == Contract.load(tmp_path / "m").threshold
    assert 1 <= told["kept_update"] <= 3
    shown = surefoot("train", file, "--out", tmp_path / "n", "--dev-share", "0.3", *QUICK)
    assert shown.returncode == 0, shown.stderr
    assert "AUROC of wrong steps" in shown.stderr
    assert "of 24 questions" not in shown.stderr  # some were put aside
    assert "0 of " in shown.stderr  # and are in no training trace
    code, _, err = train(file, "--out", tmp_path / "x", "--dev", dev, "--dev-share", 0.2, *QUICK)
    assert (code, "give one" in err) == (2, True)


def test_settings_from_a_file_and_by_name(train, write_rows, tmp_path):
    file = write_rows("in.jsonl", *ROWS)
    code, _, err = train(
        *(file, "--out", tmp_path / "a", *QUICK, "--loss", "q-ranking", "--set", "loss.zeta=2"),
        *("--set", "loop.warmup=0.2", "--set", 'labels.sources={"human": 2}'),
    )
    assert code == 0, err
    kept = json.loads((tmp_path / "a" / "training.json").read_text())
    assert kept["loss"] == {"name": "q-ranking", "zeta": 2}
    assert (kept["loop"]["warmup"], kept["labels"]["sources"]) == (0.2, {"human": 2})
    settings = tmp_path / "a" / "training.json"
    code, _, err = train(file, "--out", tmp_path / "b", "--config", settings, "--seed", 5)
    assert code == 0, err
    again = json.loads((tmp_path / "b" / "training.json").read_text())
    assert again.pop("loop") == {**kept.pop("loop"), "seed": 5}
    assert again == kept
    for bad, said in (
        (("--set", "loop.speed=1"), "unknown settings: loop.speed"),
        (("--set", "speed"), "write it as"),
        (("--config", file), "is not JSON"),
        (("--config", tmp_path / "none.json"), "cannot be read"),
        (("--loss", "pqm"), "name one of cross-entropy"),
        (("--epochs", 1), "give one"),
    ):
        code, _, err = train(file, "--out", tmp_path / "c", *QUICK, *bad)
        assert code in (1, 2)
        assert said in err


def test_epochs_are_updates_for_these_traces(train, write_rows, tmp_path):
    file = write_rows("in.jsonl", *ROWS)
    code, _, err = train(file, "--out", tmp_path / "a", *SMALL, "--batch-size", 5, "--epochs", 2)
    assert code == 0, err
    kept = json.loads((tmp_path / "a" / "training.json").read_text())
    assert kept["loop"]["num_updates"] == 5  # 2 x 12 / 5, rounded up


def test_trees_on_features(train, surefoot, tmp_path):
    from surefoot.traces.store import write_traces

    traces = []
    for i in range(60):
        right, wrong = f"{i} + 7 = {i + 7}", f"{i} + 7 = {i + 8 + i % 5}"
        labels = StepLabels((1, -1 if i % 3 == 0 else 1))
        steps = [right, wrong if i % 3 == 0 else right]
        traces.append(Trace(f"What is {i} + 7?", steps, labels=[labels]))
    file, out = tmp_path / "in.jsonl", tmp_path / "trees"
    write_traces(file, traces)
    code, told, err = train(file, "--out", out, "--features", "--dev-share", 0.3)
    assert code == 0, err
    assert told["steps"] + told["development"]["num_steps"] == 120
    assert told["development"]["step_auroc"] > 0.9
    scored = surefoot("score", file, "--model", out)
    assert scored.returncode == 0, scored.stderr
    shown = surefoot("train", file, "--out", tmp_path / "again", "--features", "--dev-share", "0.3")
    assert "on questions that the trees had not seen: AUROC" in shown.stderr
    code, _, err = train(file, "--out", tmp_path / "x", "--features", "--loss", "outcome")
    assert (code, "means nothing to --features" in err) == (2, True)
