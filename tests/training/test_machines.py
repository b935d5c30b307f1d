"""Two processes on a CPU learn what one learns, as copies (DDP) and in pieces (FSDP2), and go on
after they were killed."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from transformers import LlamaConfig, LlamaForCausalLM

import surefoot as sf
from surefoot.errors import UsageError
from surefoot.models import engine
from surefoot.models.contract import Contract
from surefoot.traces.store import read_traces, write_traces
from surefoot.training.config import RewardConfig, TrainConfig
from surefoot.training.reward import train
from surefoot.training.scratch import fresh_tokenizer
from surefoot.training.scratches import scratch_of
from two_processes import killed, started

pytestmark = pytest.mark.slow

USUAL = {
    "base": "base",
    "max_tokens": 200,
    "loop.num_updates": 6,
    "loop.batch_size": 4,
    "loop.save_every": 2,
    "loop.optimizer": "adamw",
    "loop.lr": 1e-3,
}
MEASURED = {
    "loop.eval_every": 2,
    "loop.metric": "step_auroc",
    "loop.head_first": 2,
    "loop.head_lr": 1e-2,
}
IN_PIECES = {"loop.fsdp": True}
RUNS = {
    "copies": MEASURED,
    "pieces": MEASURED | IN_PIECES,
    "copies, passes, two heads": {"loop.passes": 2, "loss": "joint"},
    "pieces, passes, tokens": {"loop.passes": 2, "read": "tokens", "base": "tied"} | IN_PIECES,
    "pieces, adapter": {"lora.rank": 2, "lora.merge": True, "loop.checkpointing": True} | IN_PIECES,
    "pieces, log-ratio": {"read": "log-ratio", "loss": "outcome"} | IN_PIECES,
    "pieces, two layers": {"profile": "fin-prm", "loss": "q-ranking"} | IN_PIECES,
}


@pytest.fixture(scope="module")
def data(world_traces, tmp_path_factory):
    """Traces, two bases and a config for each run, in a folder."""
    folder = tmp_path_factory.mktemp("data")
    traces = world_traces(32)
    write_traces(folder / "train.jsonl", traces[:20])
    write_traces(folder / "dev.jsonl", traces[20:])
    tokenizer = fresh_tokenizer((text for t in traces for text in (t.problem, *t.texts)), 280)
    tokenizer.add_tokens(["<extra_0>"], special_tokens=True)
    for name in ("base", "tied"):
        torch.manual_seed(0)
        config = LlamaConfig(
            vocab_size=len(tokenizer),
            hidden_size=32,
            intermediate_size=48,
            num_hidden_layers=2,
            num_attention_heads=4,
            num_key_value_heads=2,
            max_position_embeddings=256,
            initializer_range=0.1,
            tie_word_embeddings=name == "tied",
            pad_token_id=tokenizer.pad_token_id,
            eos_token_id=tokenizer.eos_token_id,
            bos_token_id=None,
        )
        LlamaForCausalLM(config).save_pretrained(folder / name)
        tokenizer.save_pretrained(folder / name)
    for name, changes in RUNS.items():
        changed = {**USUAL, **changes}
        changed["base"] = str(folder / changed["base"])
        plan = RewardConfig().changed(changed)
        (folder / f"{name}.json").write_text(json.dumps(plan.to_json()))
    return folder


@pytest.fixture(scope="module")
def two(data, tmp_path_factory):
    """The folder in which two processes left a model of each run; they were killed in another."""
    out = tmp_path_factory.mktemp("two")
    killed(started(data, out, *RUNS, "cut/pieces"), "cut/pieces 5")
    return out


@pytest.fixture
def one(data, tmp_path, monkeypatch):
    """Train by this process alone: `one(name)` gives the folder of the model."""
    monkeypatch.setattr(engine, "NARROW", 0)

    def run(name):
        plan = RewardConfig.load(data / f"{name}.json").changed({"loop.fsdp": False})
        traces, development = (
            list(read_traces(data / f"{part}.jsonl")) for part in ("train", "dev")
        )
        train(traces, tmp_path / name, plan, development=development)
        return tmp_path / name

    return run


def log_of(folder):
    return [json.loads(line) for line in (folder / "metrics.jsonl").open()]


def difference(one, other):
    """The largest difference of two models' weights."""
    files = sorted(file.relative_to(one) for file in one.rglob("*.safetensors"))
    assert files == sorted(file.relative_to(other) for file in other.rglob("*.safetensors"))
    worst = 0.0
    for file in files:
        ours, theirs = load_file(one / file), load_file(other / file)
        assert ours.keys() == theirs.keys()
        worst = max(worst, *(float((ours[k] - theirs[k]).abs().max()) for k in ours))
    return worst


@pytest.mark.parametrize("name", RUNS)
def test_two_processes_learn_what_one_learns(two, one, data, name):
    ours, alone = two / name, one(name)
    told = [log_of(folder) for folder in (ours, alone)]
    assert len(told[0]) == len(told[1]) > 2
    for entry, other in zip(*told, strict=True):
        assert entry == pytest.approx(other, rel=1e-5)
    assert difference(ours, alone) <= 1e-5
    mine, other = (Contract.load(folder) for folder in (ours, alone))
    assert mine.threshold == pytest.approx(other.threshold, abs=1e-5)
    assert mine.template == other.template
    assert {file.name for file in ours.iterdir()} == {file.name for file in alone.iterdir()}
    traces = list(read_traces(data / "dev.jsonl"))
    scores = [sf.load(folder).score(traces) for folder in (ours, alone)]
    for found, expected in zip(*scores, strict=True):
        assert found.values == pytest.approx(expected.values, abs=1e-5)


def test_what_was_measured_chose_the_weights(two):
    log = log_of(two / "pieces")
    measured = {entry["step"]: entry["eval_step_auroc"] for entry in log if "eval_brier" in entry}
    assert [*measured] == [2, 4, 6]
    assert len({*measured.values()}) > 1


def test_a_kill_of_both_processes_changes_nothing(data, two):
    cut = two / "cut"
    assert not (cut / "pieces").exists()
    said = killed(started(data, two, "cut/pieces", "cut/copies"), "cut/copies 3")
    assert said[0] == "cut/pieces 5"  # update 4 is not made again
    told = by_torchrun(data, "copies", cut / "copies")
    assert "update 2 of 6" not in told
    assert "update 4 of 6" in told
    for name in ("pieces", "copies"):
        assert difference(cut / name, two / name) <= 1e-6
        for entry, other in zip(log_of(cut / name), log_of(two / name), strict=True):
            assert entry == pytest.approx(other, rel=1e-5)
        assert not scratch_of(cut / name).exists()


def by_torchrun(data, name, out):
    """Train by the command line on two processes; gives what was said."""
    torchrun = Path(sys.executable).with_name("torchrun")
    command = [torchrun, "--standalone", "--nproc-per-node", "2", "-m", "surefoot", "train"]
    options = ["--config", data / f"{name}.json", "--dev", data / "dev.jsonl", "--out", out]
    run = subprocess.run(
        [*command, data / "train.jsonl", *options],
        capture_output=True,
        text=True,
        timeout=300,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    assert run.returncode == 0, run.stderr
    assert run.stderr.count("saved in") == 1  # only the first process speaks
    return run.stderr


def test_what_does_not_fit(data, tmp_path):
    traces = list(read_traces(data / "train.jsonl"))
    plan = RewardConfig.load(data / "pieces.json")
    with pytest.raises(UsageError, match="this is the only one; start them with torchrun"):
        train(traces, tmp_path / "alone", plan)
    assert [*tmp_path.iterdir()] == []
    with pytest.raises(UsageError, match="which muon needs whole"):
        TrainConfig(fsdp=True)
    with pytest.raises(UsageError, match="batch_size is 4; it must be a multiple of 3 passes"):
        train(traces, tmp_path / "odd", plan.changed({"loop.fsdp": False, "loop.passes": 3}))
