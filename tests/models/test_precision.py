"""Linear layers in bf16 drift little from fp32, keep the order of scores, and round no angle."""

import copy
import logging

import pytest
import torch
from torch import nn
from transformers import CONFIG_MAPPING, AutoModel, AutoModelForCausalLM
from transformers import logging as their_logging

from surefoot.models.engine import Engine
from surefoot.models.heads import Head
from surefoot.models.precision import linear_in_bfloat16

SIZES = {
    "vocab_size": 300,
    "hidden_size": 128,
    "intermediate_size": 256,
    "num_hidden_layers": 6,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 1024,
    "initializer_range": 0.1,
    "pad_token_id": 0,
    "bos_token_id": 1,
    "eos_token_id": 2,
}
MORE = {
    "gemma2": {"head_dim": 32},
    "mixtral": {"num_local_experts": 4},
    "gpt2": {"n_embd": 128, "n_layer": 6, "n_head": 4},
}


def body_of(name, auto=AutoModel, seed=0):
    before = their_logging.get_verbosity()
    their_logging.set_verbosity(logging.CRITICAL)
    try:
        config = CONFIG_MAPPING[name](**{**SIZES, **MORE.get(name, {})})
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            return auto.from_config(config).eval()
    finally:
        their_logging.set_verbosity(before)


def in_bfloat16(model):
    changed = copy.deepcopy(model)
    linear_in_bfloat16(changed)
    return changed


IDS = torch.randint(3, 300, (4, 150), generator=torch.Generator().manual_seed(0))


@torch.no_grad()
def states(model):
    return model(input_ids=IDS).last_hidden_state.reshape(-1, SIZES["hidden_size"]).float()


@pytest.mark.parametrize("name", ["qwen2", "llama", "gemma2", "gpt2", "mixtral"])
def test_states_stay_in_fp32_and_near_those_of_fp32(name):
    model = body_of(name)
    changed = in_bfloat16(model)
    with torch.no_grad():
        assert changed(input_ids=IDS).last_hidden_state.dtype == torch.float32
    wanted = states(model)
    drift = (states(changed) - wanted).abs()
    share = 0.1 if name == "mixtral" else 0.03
    assert float(drift.mean()) < share * float(wanted.abs().mean())
    if name != "gpt2":
        assert float(drift.max()) > 0


@pytest.mark.parametrize("name", ["qwen2", "llama", "gemma2"])
def test_it_drifts_less_than_a_whole_model_in_bfloat16(name):
    model = body_of(name)
    wanted = states(model)
    mine = float((states(in_bfloat16(model)) - wanted).abs().mean())
    whole = float((states(copy.deepcopy(model).to(torch.bfloat16)) - wanted).abs().mean())
    assert mine < 0.8 * whole


def test_the_order_of_scores_is_kept():
    """Of all pairs of states whose scores in fp32 differ by more than a hundredth."""
    model = body_of("qwen2")
    weight = torch.randn(2, 128, generator=torch.Generator().manual_seed(1)) * 0.2
    head = Head(((weight, None),))
    scores = [torch.softmax(head(states(one))[0], -1)[:, 1] for one in (model, in_bfloat16(model))]
    gaps = [one[:, None] - one for one in scores]
    clear = gaps[0] > 0.01
    assert float(scores[0].std()) > 0.1
    assert float((gaps[1][clear] > 0).float().mean()) > 0.98
    assert float((scores[0] - scores[1]).abs().max()) < 0.05


def test_only_linear_layers_are_rounded():
    model = body_of("gemma2", AutoModelForCausalLM)
    changed = in_bfloat16(model)
    linear = {f"{name}.weight" for name, one in model.named_modules() if isinstance(one, nn.Linear)}
    assert len(linear) > 30
    tied = {"model.embed_tokens.weight"}
    for name, one in changed.named_parameters():
        assert one.dtype == (torch.bfloat16 if name in linear | tied else torch.float32), name
    for name, one in changed.named_buffers():
        assert one.dtype == torch.float32, name


@pytest.mark.parametrize("name", ["qwen2", "gemma2", "gpt2"])
def test_what_was_read_in_bfloat16_computes_in_fp32_but_for_linear_layers(name, tmp_path):
    model = body_of(name)
    model.save_pretrained(tmp_path)
    read = AutoModel.from_pretrained(tmp_path, dtype=torch.bfloat16).eval()
    linear_in_bfloat16(read)
    kinds = (nn.Linear, nn.Embedding)
    coarse = {f"{name}.weight" for name, one in read.named_modules() if isinstance(one, kinds)}
    coarse |= {f"{name}.bias" for name, one in read.named_modules() if isinstance(one, kinds)}
    for name, one in read.named_parameters():
        assert one.dtype == (torch.bfloat16 if name in coarse else torch.float32), name
    with torch.no_grad():
        assert read(input_ids=IDS).last_hidden_state.dtype == torch.float32


@pytest.mark.parametrize("name", ["qwen2", "llama", "gemma2"])
def test_rotary_frequencies_are_not_rounded(name, tmp_path):
    """Also where the weights were read in bf16, as they are from a checkpoint."""
    model = body_of(name)
    model.save_pretrained(tmp_path)
    read = AutoModel.from_pretrained(tmp_path, dtype=torch.bfloat16).eval()
    linear_in_bfloat16(read)
    frequencies = dict(model.named_buffers())
    found = {key: one for key, one in read.named_buffers() if "inv_freq" in key}
    assert found
    for key, one in found.items():
        assert one.dtype == torch.float32
        assert torch.equal(one, frequencies[key])
        rounded = frequencies[key].to(torch.bfloat16).float()
        assert not torch.equal(one, rounded)
    wanted = states(model)
    assert float((states(read) - wanted).abs().mean()) < 0.04 * float(wanted.abs().mean())
    with torch.no_grad():
        assert read(input_ids=IDS).last_hidden_state.dtype == torch.float32


@pytest.mark.parametrize("name", ["qwen2", "gemma2", "gpt2"])
def test_the_engine_packs_such_a_model(name):
    changed = in_bfloat16(body_of(name))
    engine = Engine(changed, pack_tokens=100)
    assert engine.reason is None
    rows = [(IDS[0, :60].tolist() + IDS[k, :60].tolist(), [59, 119]) for k in range(4)]
    with torch.no_grad():
        wanted = [
            changed(input_ids=torch.tensor([ids])).last_hidden_state[0, at] for ids, at in rows
        ]
    for found, one in zip(engine.states(rows), wanted, strict=True):
        assert float((found - one).abs().mean()) < 0.01 * float(one.abs().mean())
