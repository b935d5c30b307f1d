"""From labelled traces to a saved model, from nothing or on a base, and into a new process."""

import json
import os
import shutil
import subprocess
import sys
from dataclasses import replace

import pytest
import torch
from safetensors.torch import load_file, save_file

from surefoot.errors import ContractError, ModelError, UsageError
from surefoot.models.contract import Contract
from surefoot.models.discriminative import DiscriminativeModel
from surefoot.policies.local import LocalPolicy
from surefoot.traces.types import Step, StepLabels, Trace
from surefoot.training.reward import LabelRule, fresh_scorer, scorer_on, train_reward_model
from surefoot.training.run import Plan, train_on
from surefoot.training.scratch import fresh_model, fresh_tokenizer
from surefoot.training.trainer import TrainConfig

FEW = TrainConfig(num_updates=3, batch_size=8)


@pytest.fixture
def plan(small_shape):
    return Plan(base=None, rule=LabelRule(), shape=small_shape, config=FEW)


@pytest.fixture
def base(tmp_path, world_traces, small_shape):
    """A saved policy to start from."""
    tokenizer = fresh_tokenizer((t.problem for t in world_traces(20)), small_shape.vocab_size)
    folder = tmp_path / "policy"
    LocalPolicy(fresh_model(tokenizer, small_shape, seed=3), tokenizer).save(folder)
    return folder


PROGRAM = """
import json, sys, surefoot as sf
traces = [sf.Trace(p, s) for p, s in json.loads(sys.stdin.read())]
print(json.dumps([one.values for one in sf.load(sys.argv[1]).score(traces)]))
"""


@pytest.mark.parametrize(("target", "on_base"), [("steps", False), ("outcome", True)])
def test_the_trained_model_scores_the_same_in_a_new_process(
    plan, base, world_traces, tmp_path, monkeypatch, target, on_base
):
    trained = []
    plain_save = DiscriminativeModel.save

    def keep(self, folder):
        trained.append(self)
        plain_save(self, folder)

    monkeypatch.setattr(DiscriminativeModel, "save", keep)
    plan = replace(plan, base=base if on_base else None, rule=LabelRule(target=target))
    train_on(world_traces(20), tmp_path / "model", plan)
    traces = [*world_traces(5, seed=9), Trace("\0 <end>", ["<pad>\n", "é 12"])]
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, tmp_path / "model"],
        input=json.dumps([(t.problem, t.texts) for t in traces]),
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    (in_memory,) = trained
    for here, there in zip(in_memory.score(traces), json.loads(done.stdout), strict=True):
        assert there == pytest.approx(here.values, abs=1e-5)
    contract = Contract.load(tmp_path / "model")
    expected = ("value", "last") if target == "outcome" else ("step-correct", "min")
    assert (contract.meaning, contract.aggregate) == expected


def test_what_was_used_is_counted(plan, tmp_path):
    traces = [
        Trace("a", ["1", "2", "3"], labels=[StepLabels((1, 0, -1))]),
        Trace("b", ["1", "2"], labels=[StepLabels((None, 1))]),
        Trace("c", ["1" * 300], labels=[StepLabels((1,))]),
    ]
    plan = replace(plan, rule=LabelRule(neutral=None))
    used = train_on(traces, tmp_path / "model", plan)
    assert (used.num_traces, used.num_steps, used.num_too_long) == (2, 3, 1)
    assert used.share_right == pytest.approx(2 / 3)
    assert used.max_tokens == 256
    assert 0 < used.final_loss < 10


def test_a_base_limits_the_length(plan, base, world_traces, tmp_path):
    shape = replace(plan.shape, max_positions=100_000)
    train_on(world_traces(8), tmp_path / "model", replace(plan, base=base, shape=shape))
    assert Contract.load(tmp_path / "model").max_tokens == 256


def test_the_body_of_the_base_is_taken_and_the_head_is_new(base):
    one, other = scorer_on(base, seed=1), scorer_on(base, seed=2)
    saved = load_file(base / "model.safetensors")
    for name, weight in one.state_dict().items():
        assert name.startswith("score.") or torch.equal(weight, saved[name])
    assert one.score.weight.shape[0] == 2
    assert not torch.equal(one.score.weight, other.score.weight)
    assert one.config.id2label == {0: "wrong", 1: "right"}


def test_a_scorer_as_base_keeps_its_head(plan, world_traces, tmp_path):
    train_on(world_traces(8), tmp_path / "prm", plan)
    again = scorer_on(tmp_path / "prm", seed=5)
    saved = load_file(tmp_path / "prm" / "model.safetensors")
    assert torch.equal(again.score.weight, saved["score.weight"])


def broken(base, tmp_path, kind):
    folder = tmp_path / "broken"
    shutil.copytree(base, folder)
    if kind == "config":
        (folder / "config.json").unlink()
    elif kind == "weights":
        (folder / "model.safetensors").write_bytes(b"no")
    elif kind == "layer":
        weights = load_file(folder / "model.safetensors")
        del weights["model.layers.0.mlp.up_proj.weight"]
        save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    elif kind == "tokenizer":
        (folder / "tokenizer.json").write_text("{}")
    elif kind == "vocabulary":
        texts = [f"word{chr(97 + i % 26)}{chr(97 + i // 26)}" * 3 for i in range(300)]
        fresh_tokenizer(texts, 600).save_pretrained(folder)
    return folder


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        ("config", "no config.json"),
        ("weights", "cannot be loaded"),
        ("layer", "lacks weights, which would be made up: model.layers.0.mlp.up_proj.weight"),
        ("tokenizer", "tokenizer cannot be read"),
        ("vocabulary", "the tokenizer knows"),
    ],
)
def test_a_bad_base_is_refused_before_training(plan, base, world_traces, tmp_path, kind, said):
    plan = replace(plan, base=broken(base, tmp_path, kind))
    with pytest.raises(ModelError, match=said):
        train_on(world_traces(8), tmp_path / "model", plan)
    assert not (tmp_path / "model").exists()
    assert not (tmp_path / ".model.training").exists()


@pytest.fixture
def parts(small_shape, world_traces):
    """What `train_reward_model` needs besides traces and a folder."""
    tokenizer = fresh_tokenizer((t.problem for t in world_traces(8)), small_shape.vocab_size)
    return {
        "model": fresh_scorer(tokenizer, small_shape, seed=0),
        "tokenizer": tokenizer,
        "contract": Contract.for_layout(tokenizer, max_tokens=256),
        "rule": LabelRule(),
        "config": FEW,
    }


def test_nothing_to_learn(plan, parts, tmp_path):
    silent = [Trace("a", ["1"], labels=[StepLabels((None,))])]
    with pytest.raises(UsageError, match="no step carries a label"):
        train_reward_model(silent, tmp_path / "model", **parts)
    long = [Trace("a", ["1" * 300], labels=[StepLabels((1,))])]
    with pytest.raises(UsageError, match="no trace fits into 256 tokens"):
        train_on(long, tmp_path / "model", plan)
    with pytest.raises(ModelError, match="has 303 tokens"):
        train_reward_model(long, tmp_path / "model", **parts)
    seen = [Trace("a", [Step("look", observation=1)], labels=[StepLabels((1,))])]
    with pytest.raises(ModelError, match="has an observation"):
        train_on(seen, tmp_path / "model", plan)


def test_a_contract_that_does_not_fit_is_refused(parts, world_traces, tmp_path):
    parts["contract"] = replace(parts["contract"], max_tokens=257)
    with pytest.raises(ContractError, match="256 positions"):
        train_reward_model(world_traces(8), tmp_path / "model", **parts)


def test_a_trace_without_a_target_has_no_part(
    parts, small_shape, world_traces, tmp_path, same_weights
):
    labelled = world_traces(16)
    silent = Trace("a", ["1"], labels=[StepLabels((None,))])
    other = fresh_scorer(parts["tokenizer"], small_shape, seed=0)
    train_reward_model([silent, *labelled, silent], tmp_path / "one", **parts)
    train_reward_model(labelled, tmp_path / "two", **{**parts, "model": other})
    assert same_weights(parts["model"], other)
