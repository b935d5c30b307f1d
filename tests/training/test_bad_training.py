"""What a training cannot begin with, or go on from: a clear error before time is spent, and nothing
left behind."""

import json
import shutil
from dataclasses import replace

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import (
    BertConfig,
    BertForMaskedLM,
    GPT2Config,
    GPT2LMHeadModel,
    LlamaConfig,
    LlamaForCausalLM,
    PreTrainedTokenizerFast,
)

import surefoot as sf
from surefoot.errors import ContractError, DataError, ModelError, StorageError, UsageError
from surefoot.traces.types import StepLabels
from surefoot.training.config import RewardConfig
from surefoot.training.guards.warnings import warnings_of
from surefoot.training.reward import train
from surefoot.training.scratch import fresh_tokenizer
from surefoot.training.scratches import scratch_of

QUICK = {
    "max_tokens": 200,
    "loop.num_updates": 4,
    "loop.batch_size": 4,
    "loop.save_every": 1,
    "loop.optimizer": "adamw",
    "loop.lr": 1e-3,
}


@pytest.fixture(scope="module")
def traces(world_traces):
    return world_traces(24)


@pytest.fixture(scope="module")
def base(traces, tmp_path_factory):
    """A causal language model that can be trained."""
    folder = tmp_path_factory.mktemp("base") / "base"
    tokenizer = fresh_tokenizer((text for t in traces for text in (t.problem, *t.texts)), 280)
    torch.manual_seed(0)
    sizes = {"hidden_size": 16, "intermediate_size": 24, "num_hidden_layers": 1}
    config = LlamaConfig(
        vocab_size=len(tokenizer), num_attention_heads=2, max_position_embeddings=256, **sizes
    )
    LlamaForCausalLM(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


@pytest.fixture
def copy(base, tmp_path):
    """A copy of the base, to be damaged."""
    shutil.copytree(base, tmp_path / "base")
    return tmp_path / "base"


@pytest.fixture
def go(traces, tmp_path):
    """Train in `tmp_path / name` with some settings: `go(base=...)`."""

    def run(given=traces, *, name="out", base=None, development=(), on_update=None, **changes):
        named = {key.replace("__", "."): value for key, value in changes.items()}
        plan = RewardConfig().changed(
            {**QUICK, "base": None if base is None else str(base)} | named
        )
        return train(given, tmp_path / name, plan, development=development, on_update=on_update)

    return run


def rewritten(name, change):
    """Damage one file of a folder."""

    def damage(folder):
        file = folder / name
        file.write_bytes(change(file.read_bytes()))

    return damage


def without_a_layer(folder):
    tensors = load_file(folder / "model.safetensors")
    del tensors["model.layers.0.mlp.up_proj.weight"]
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})


def as_encoder(folder):
    sizes = {"hidden_size": 16, "intermediate_size": 24, "num_hidden_layers": 1}
    settings = BertConfig(vocab_size=300, num_attention_heads=2, initializer_range=0.3, **sizes)
    BertForMaskedLM(settings).save_pretrained(folder)


DAMAGES = {
    "no config": (lambda folder: (folder / "config.json").unlink(), "has no config.json"),
    "half a config": (rewritten("config.json", lambda data: data[:40]), "not a valid JSON"),
    "no kind": (rewritten("config.json", lambda _: b"{}"), "Unrecognized model"),
    "no weights": (lambda folder: (folder / "model.safetensors").unlink(), "no file named model"),
    "half the weights": (rewritten("model.safetensors", lambda data: data[:999]), "header"),
    "a layer less": (without_a_layer, "lacks weights, which would be made up: model.layers.0.mlp"),
    "no tokenizer": (lambda folder: (folder / "tokenizer.json").unlink(), "tokenizer cannot be"),
    "a broken tokenizer": (rewritten("tokenizer.json", lambda _: b"{}"), "tokenizer cannot be"),
    "sees ahead": (as_encoder, "a BertModel lets a token see those behind it"),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_bases_that_cannot_be_used(go, copy, tmp_path, damage):
    change, said = DAMAGES[damage]
    change(copy)
    with pytest.raises((ModelError, ContractError), match=said):
        go(base=copy)
    assert [file.name for file in tmp_path.iterdir()] == ["base"]


def bare_tokenizer(folder):
    """No padding, no end of text, no special token at all."""
    data = json.loads((folder / "tokenizer.json").read_text())
    data["added_tokens"] = []
    (folder / "tokenizer.json").write_text(json.dumps(data))
    settings = {"tokenizer_class": "PreTrainedTokenizerFast"}
    (folder / "tokenizer_config.json").write_text(json.dumps(settings))
    tokenizer = PreTrainedTokenizerFast.from_pretrained(folder)
    assert (tokenizer.pad_token, tokenizer.eos_token, tokenizer.all_special_ids) == (None, None, [])


def as_gpt2(folder):
    """Its token classifier has a `classifier`, not a `score`, and drops attention."""
    GPT2LMHeadModel(
        GPT2Config(vocab_size=300, n_embd=16, n_layer=1, n_head=2, n_positions=256)
    ).save_pretrained(folder)


@pytest.mark.parametrize(
    "changes", [{}, {"lora__rank": 2}, {"read": "tokens"}], ids=["classes", "adapter", "tokens"]
)
@pytest.mark.parametrize("other", [bare_tokenizer, as_gpt2])
def test_bases_that_simply_work(go, copy, traces, tmp_path, other, changes):
    other(copy)
    if other is as_gpt2 and changes:
        pytest.skip("one way is enough")
    trained = go(base=copy, **changes)
    assert trained.num_traces == len(traces)
    scores = sf.load(tmp_path / "out").score(traces)
    assert all(0 < value < 1 for one in scores for value in one.values)


@pytest.mark.parametrize(
    ("tokens", "said"),
    [
        (["no good", "very good"], "the tokenizer writes 'no good' as"),
        (["a", "a"], "begin with the same token"),
    ],
)
def test_tokens_that_are_none(go, base, tmp_path, tokens, said):
    with pytest.raises(ContractError, match=said):
        go(base=base, read="tokens", tokens=tokens)
    assert [*tmp_path.iterdir()] == []


def labelled(trace, value):
    return replace(trace, labels=(StepLabels((value,) * len(trace.steps)),))


DATA = {
    "nothing": (lambda traces: [], "no trace to learn from"),
    "no labels": (lambda traces: [replace(t, labels=()) for t in traces], "24 have no label"),
    "labels that say nothing": (
        lambda traces: [labelled(t, None) for t in traces],
        "says anything",
    ),
    "one class": (lambda traces: [labelled(t, 1) for t in traces], "labels say right"),
    "too long": (
        lambda traces: [replace(t, problem="7" * 900) for t in traces],
        "24 are longer than the model has room for",
    ),
}


@pytest.mark.parametrize("kind", DATA)
def test_data_from_which_nothing_is_learned(go, traces, tmp_path, kind):
    made, said = DATA[kind]
    with pytest.raises(DataError, match=said):
        go(made(traces))
    assert [*tmp_path.iterdir()] == []


def test_one_class_that_is_meant(go, traces):
    assert go([labelled(t, 1) for t in traces], one_class=True).share_right == 1


def test_development_traces_that_do_not_serve(go, traces, tmp_path):
    all_right = [labelled(t, 1) for t in traces[:6]]
    with pytest.raises(UsageError, match="do not define step_auroc"):
        go(traces[6:], development=all_right, loop__eval_every=2, loop__metric="step_auroc")
    with pytest.raises(UsageError, match="eval_every measures on development traces; give some"):
        go(loop__eval_every=2)
    with pytest.raises(UsageError, match="patience is 2 measurements, and none is made"):
        go(development=all_right, loop__patience=2)
    assert [*tmp_path.iterdir()] == []
    trained = go(traces[6:], development=all_right)
    assert trained.contract.threshold == 0.5
    assert "the threshold stays at 0.5" in " ".join(trained.fit.notes)


def test_development_questions_that_are_also_learned_are_told(go, traces):
    data = go(traces, development=traces[:6]).data
    assert [(one.name, one.questions) for one in data.overlaps] == [("development", 6)]
    assert "same-question-development" in {one.kind for one in warnings_of(data)}


def test_places_where_no_model_can_be(go, base, copy, tmp_path):
    (tmp_path / "file").write_text("kept")
    with pytest.raises(StorageError, match="cannot hold a model"):
        go(base=base, name="file")
    with pytest.raises(StorageError, match="cannot write it"):
        go(base=base, name="file/inside")
    with pytest.raises(UsageError, match="is the folder of the base"):
        go(base=copy, name="base")
    with pytest.raises(UsageError, match="lies in the folder of the base"):
        go(base=copy, name="base/below/out")
    assert sorted(file.name for file in tmp_path.iterdir()) == ["base", "file"]
    assert sorted(file.name for file in copy.iterdir()) == sorted(f.name for f in base.iterdir())


class Killed(BaseException):
    """Stands for whatever stops a training."""


@pytest.fixture
def cut(go, tmp_path):
    """A training that was stopped in update 3, whose best weights so far are those of update 1, and
    the weights that it would have had."""

    def stop(done, total, loss):
        if done == 3 and loss is None:
            raise Killed

    go(name="whole")
    with pytest.raises(Killed):
        go(name="cut", on_update=stop)
    scratch = scratch_of(tmp_path / "cut")
    assert {file.name for file in scratch.glob("checkpoint-*")} == {"checkpoint-1", "checkpoint-2"}
    return scratch


@pytest.mark.parametrize(
    "name",
    ["model.safetensors", "optimizer.pt", "scheduler.pt", "trainer_state.json", "whole.json"],
)
def test_a_damaged_checkpoint(go, cut, tmp_path, name):
    file = cut / "checkpoint-2" / name
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 1
    file.write_bytes(data)
    with pytest.raises(ModelError, match=r"checkpoint-2 is damaged: .*; remove that folder to go"):
        go(name="cut")
    if name != "whole.json":
        with pytest.raises(ModelError, match=f"{name} is not as it was written"):
            go(name="cut")
    assert not (tmp_path / "cut").exists()
    shutil.rmtree(cut / "checkpoint-2")
    updates = []
    go(name="cut", on_update=lambda done, *_: updates.append(done))
    assert updates[0] == 2
    ours, whole = (load_file(tmp_path / one / "model.safetensors") for one in ("cut", "whole"))
    assert all(torch.equal(ours[key], whole[key]) for key in whole)


def test_a_checkpoint_that_lacks_a_file(go, cut):
    (cut / "checkpoint-2" / "optimizer.pt").unlink()
    with pytest.raises(ModelError, match=r"checkpoint-2 is damaged: .*optimizer\.pt"):
        go(name="cut")


def test_damaged_best_weights(go, traces, tmp_path):
    def stop(done, total, loss):
        if done == 4 and loss is None:
            raise Killed

    given = {
        "name": "cut",
        "development": traces[:8],
        "loop__eval_every": 1,
        "loop__metric": "step_auroc",
        "loop__lr": 1e-7,  # no later weights are better than the first
    }
    with pytest.raises(Killed):
        go(traces[8:], **given, on_update=stop)
    scratch = scratch_of(tmp_path / "cut")
    state = json.loads((scratch / "checkpoint-3" / "trainer_state.json").read_text())
    assert state["best_global_step"] == 1
    (scratch / "checkpoint-1" / "model.safetensors").write_bytes(b"rotten")
    updates = []
    with pytest.raises(ModelError, match=r"checkpoint-1 is damaged: .*remove .*cut\.training to"):
        go(traces[8:], **given, on_update=lambda *told: updates.append(told))
    assert updates == []  # before any time is spent
