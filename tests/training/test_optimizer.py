"""Muon for hidden matrices and AdamW for the rest, each as torch's own."""

import copy

import pytest
import torch
from torch.optim.lr_scheduler import LambdaLR
from transformers import AutoModelForTokenClassification

from surefoot.training.optimizer import MuonWithAdamW
from surefoot.training.scratch import fresh_config, fresh_model, fresh_tokenizer

RATES = {"matrix_lr": 0.02, "other_lr": 0.01}


@pytest.fixture
def causal(small_shape):
    tokenizer = fresh_tokenizer(["Start with 3."], small_shape.vocab_size)
    return fresh_model(tokenizer, small_shape, seed=0)


def give_gradients(model, seed):
    generator = torch.Generator().manual_seed(seed)
    for parameter in model.parameters():
        parameter.grad = torch.randn(parameter.shape, generator=generator)


def names_of(model, group):
    wanted = {id(parameter) for parameter in group["params"]}
    return {name for name, parameter in model.named_parameters() if id(parameter) in wanted}


MATRICES = {
    *(f"model.layers.0.self_attn.{name}_proj.weight" for name in "qkvo"),
    *(f"model.layers.0.mlp.{name}_proj.weight" for name in ("gate", "up", "down")),
}


def test_which_parameters_go_where(causal, small_shape):
    tokenizer = fresh_tokenizer(["Start with 3."], small_shape.vocab_size)
    scorer = AutoModelForTokenClassification.from_config(fresh_config(tokenizer, small_shape))
    for model, ends in ((causal, {"model.embed_tokens.weight"}), (scorer, {"score.weight"})):
        muon, adamw = MuonWithAdamW(model, **RATES).param_groups
        assert names_of(model, muon) == MATRICES
        assert ends | {"model.norm.weight"} <= names_of(model, adamw)
        everything = {name for name, _ in model.named_parameters()}
        assert names_of(model, muon) | names_of(model, adamw) == everything
        assert (muon["lr"], adamw["lr"]) == (0.02, 0.01)


def test_what_does_not_learn_is_left_alone(causal):
    causal.model.layers[0].mlp.requires_grad_(False)
    muon, adamw = MuonWithAdamW(causal, **RATES).param_groups
    assert names_of(causal, muon) == {name for name in MATRICES if "mlp" not in name}
    assert not any("mlp" in name for name in names_of(causal, adamw))


def test_a_step_is_that_of_torch_s_own_two(causal, same_weights):
    other = copy.deepcopy(causal)
    ours = MuonWithAdamW(causal, **RATES)
    by_name = dict(other.named_parameters())
    theirs = [
        torch.optim.Muon(
            [by_name[n] for n, _ in causal.named_parameters() if n in MATRICES],
            lr=0.02,
            weight_decay=0.0,
        ),
        torch.optim.AdamW(
            [by_name[n] for n, _ in causal.named_parameters() if n not in MATRICES],
            lr=0.01,
            weight_decay=0.0,
            betas=(0.9, 0.95),
        ),
    ]
    for k in range(3):
        give_gradients(causal, k)
        give_gradients(other, k)
        ours.step()
        for one in theirs:
            one.step()
    assert same_weights(causal, other)


def test_a_saved_state_goes_on_bit_by_bit(causal, same_weights, tmp_path):
    ours = MuonWithAdamW(causal, **RATES)
    for k in range(2):
        give_gradients(causal, k)
        ours.step()
    torch.save(ours.state_dict(), tmp_path / "state.pt")
    other = copy.deepcopy(causal)
    again = MuonWithAdamW(other, matrix_lr=0.5, other_lr=0.5)
    again.load_state_dict(torch.load(tmp_path / "state.pt", weights_only=True))
    assert [group["lr"] for group in again.param_groups] == [0.02, 0.01]
    for k in range(2, 4):
        give_gradients(causal, k)
        give_gradients(other, k)
        ours.step()
        again.step()
    assert same_weights(causal, other)


@pytest.mark.parametrize("loaded", [False, True])
def test_a_schedule_moves_both_parts(causal, loaded):
    ours = MuonWithAdamW(causal, **RATES)
    schedule = LambdaLR(ours, lambda update: 1.0 if update == 0 else 0.0)
    if loaded:
        ours.load_state_dict(ours.state_dict())
    before = [parameter.clone() for parameter in causal.parameters()]
    give_gradients(causal, 0)
    ours.step()
    moved = [parameter.clone() for parameter in causal.parameters()]
    assert all(not torch.equal(a, b) for a, b in zip(before, moved, strict=True))
    schedule.step()
    assert [part.param_groups[0]["lr"] for part in ours.parts] == [0.0, 0.0]
    give_gradients(causal, 1)
    ours.step()
    assert all(torch.equal(a, b) for a, b in zip(moved, causal.parameters(), strict=True))
