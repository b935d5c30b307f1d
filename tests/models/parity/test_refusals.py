"""Checkpoints that are damaged, foreign or hostile are refused, and nothing in them ever runs."""

import pickle

import pytest
import torch

import surefoot
from published_checkpoints import rewrite
from published_tokenizers import llama3
from surefoot.errors import ContractError, ModelError
from surefoot.models.profiles import profiles


class Evil:
    """Leaves a file if it is unpickled."""

    def __init__(self, file):
        self.file = file

    def __reduce__(self):
        return (open, (str(self.file), "w"))


@pytest.mark.parametrize(
    ("name", "file"),
    [
        ("skywork-o1-open-prm", "pytorch_model.bin"),
        ("math-shepherd", "pytorch_model-00002-of-00002.bin"),
        ("reasonflux-prm-1.5b", "reward_head.pt"),
    ],
)
@pytest.mark.parametrize("as_archive", [True, False])
def test_a_pickle_that_would_run_code_is_refused(published, tmp_path, name, file, as_archive):
    one = published(name)
    folder = one.copied(tmp_path / one.family.folder)
    content = {"v_head.summary.weight": torch.ones(1, 16), "evil": Evil(tmp_path / "ran")}
    if as_archive:
        torch.save(content, folder / file)
    else:
        (folder / file).write_bytes(pickle.dumps(content))
    with pytest.raises(ModelError, match=r"cannot be loaded|cannot be read as plain tensors"):
        surefoot.load(folder)
    assert not (tmp_path / "ran").exists()


LAYERS = {
    "qwen2.5-math-prm": "score.2.weight",
    "fin-prm": "score.0.weight",
    "actprm": "score.model.nn_out.weight",
    "pqm": "v_head.summary.weight",
    "reasoneval-34b": "score_head.weight",
    "trl": "score.weight",
    "prorag-prm": "score.weight",
}


@pytest.mark.parametrize("name", LAYERS)
@pytest.mark.parametrize("damage", ["gone", "renamed", "wide", "more classes"])
def test_a_damaged_head_is_refused(published, tmp_path, name, damage):
    one = published(name)
    folder = one.copied(tmp_path / one.family.folder)

    def change(weights):
        layer = weights.pop(LAYERS[name])
        if damage == "renamed":
            weights["head." + LAYERS[name]] = layer
        elif damage == "wide":
            weights[LAYERS[name]] = torch.cat([layer, layer], 1)
        elif damage == "more classes":
            last = layer.dim() - 1 if layer.dim() == 3 else 0
            weights[LAYERS[name]] = torch.cat([layer] * 3, last)

    rewrite(folder / "model.safetensors", change)
    profile = {"profile": name} if name == "fin-prm" else {}
    with pytest.raises((ModelError, ContractError), match=r"score|v_head|the head reads"):
        surefoot.load(folder, **profile)


@pytest.mark.parametrize(
    "name", [n for n, one in profiles().items() if one.contract and one.contract.pinned]
)
def test_another_tokenizer_is_refused(published, tmp_path, name):
    """One that cuts text alike, but has other ids or lacks the tag."""
    one = published(name)
    folder = one.copied(tmp_path / "org" / "name")
    other = one.family.body.tokenizer() if any(one.model.contract.pinned.values()) else llama3()
    for file in folder.glob("*token*"):
        file.unlink()
    other.save_pretrained(folder)
    options = {**one.options, "profile": name}
    with pytest.raises(ContractError, match="use the tokenizer that belongs to the model"):
        surefoot.load(folder, **options)


def test_an_adapter_does_not_fit_another_base(published, small_model, tmp_path):
    tokenizer = llama3()
    small_model("llama", "causal", tokenizer=tokenizer).save_pretrained(tmp_path / "base")
    tokenizer.save_pretrained(tmp_path / "base")
    with pytest.raises(ModelError, match="does not fit its base"):
        surefoot.load(published("medsss-prm").folder, base=tmp_path / "base")


@pytest.mark.parametrize("gone", ["score", "lora_B"])
def test_an_adapter_that_is_not_whole_is_refused(published, tmp_path, gone):
    one = published("medsss-prm")
    folder = one.copied(tmp_path / one.family.folder)

    def damage(weights):
        for name in [name for name in weights if gone in name]:
            del weights[name]

    rewrite(folder / "adapter_model.safetensors", damage)
    with pytest.raises(ModelError, match=f"lacks weights.*{gone}"):
        surefoot.load(folder, base=one.options["base"])
