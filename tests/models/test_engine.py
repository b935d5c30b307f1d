"""The states of a tree are those of the stock model, one sequence at a time, whatever the model."""

import copy
import logging
import random
import re
import threading

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from transformers import CONFIG_MAPPING, AutoModel, AutoModelForCausalLM
from transformers import logging as their_logging

from surefoot.errors import ContractError
from surefoot.models import attention
from surefoot.models.engine import Engine, Usage, places_in
from surefoot.models.precision import linear_in_bfloat16
from surefoot.token_tree import TokenTree

BASE = {
    "vocab_size": 199,
    "hidden_size": 48,
    "intermediate_size": 64,
    "num_hidden_layers": 4,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 2048,
    "initializer_range": 0.3,
    "pad_token_id": 0,
    "bos_token_id": 1,
    "eos_token_id": 2,
}
MOE = {"moe_intermediate_size": 32, "num_experts_per_tok": 2}
HALF = {"use_sliding_window": True, "sliding_window": 40, "max_window_layers": 2}
DEEPSEEK = {
    "n_routed_experts": 4,
    "n_group": 1,
    "topk_group": 1,
    "kv_lora_rank": 16,
    "q_lora_rank": 16,
    "qk_rope_head_dim": 8,
    "qk_nope_head_dim": 8,
    "v_head_dim": 12,
    "first_k_dense_replace": 1,
    "num_key_value_heads": 4,
}
LLAMA3_ROPE = {
    "rope_type": "llama3",
    "rope_theta": 1e4,
    "factor": 8.0,
    "low_freq_factor": 1.0,
    "high_freq_factor": 4.0,
    "original_max_position_embeddings": 64,
}
PACKED = {
    "qwen2": {},
    "qwen2, half with a window": HALF,
    "qwen3": {"head_dim": 16},
    "llama": {},
    "llama, scaled": {"rope_parameters": LLAMA3_ROPE},
    "mistral": {"sliding_window": 40},
    "gemma": {"head_dim": 12},
    "gemma2": {"head_dim": 12, "sliding_window": 40, "attn_logit_softcapping": 2.0},
    "gemma3_text": {"head_dim": 12, "sliding_window": 40},
    "phi3": {"sliding_window": 40},
    "phi": {},
    "starcoder2": {},
    "smollm3": {},
    "glm4": {"head_dim": 12},
    "granite": {},
    "olmo2": {},
    "exaone4": {"sliding_window": 40},
    "cohere": {},
    "cohere2": {"sliding_window": 40},
    "deepseek_v3": {**MOE, **DEEPSEEK},
    "mixtral": {"num_local_experts": 4},
    "qwen2_moe": {"num_experts": 4, "shared_expert_intermediate_size": 32, **MOE},
    "qwen3_moe": {"num_experts": 4, "head_dim": 16, **MOE},
    "gpt_oss": {"head_dim": 16, "num_local_experts": 4, "sliding_window": 40, **MOE},
    "gpt_neox": {},
    "gpt2": {"n_embd": 48, "n_layer": 4, "n_head": 4},
}
UNPRUNED = ("gpt2",)
LONGROPE = {
    "rope_type": "longrope",
    "short_factor": [1.0] * 6,
    "long_factor": [2.0] * 6,
    "rope_theta": 1e4,
    "original_max_position_embeddings": 64,
    "factor": 4.0,
}
DYNAMIC = {"rope_type": "dynamic", "rope_theta": 1e4, "factor": 2.0}
PLAIN = {
    "qwen3_next": ({"head_dim": 16, "num_experts": 4, **MOE}, "layers of another kind .*linear"),
    "llama4_text": ({"head_dim": 12}, "layers of another kind .*chunked"),
    "phi3, longrope": (
        {"rope_parameters": LONGROPE, "original_max_position_embeddings": 64},
        r"rotary frequencies \(longrope\) depend on the longest",
    ),
    "llama, dynamic": (
        {"rope_parameters": DYNAMIC, "max_position_embeddings": 64},
        r"rotary frequencies \(dynamic\) depend on the longest",
    ),
    "bloom": ({"n_layer": 2}, "packed states differ"),
    "mpt": ({"d_model": 48, "n_heads": 4, "n_layers": 2}, "does not take our attention"),
    "doge": ({"sliding_window": 100}, "does not tell our attention of its window of 100 tokens"),
}


def body_of(name, extra=(), *, seed=0, **more):
    kind = name.partition(",")[0]
    before = their_logging.get_verbosity()
    their_logging.set_verbosity(logging.CRITICAL)
    try:
        config = CONFIG_MAPPING[kind](**{**BASE, **dict(extra), **more})
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            return AutoModel.from_config(config).eval()
    finally:
        their_logging.set_verbosity(before)


@torch.no_grad()
def stock(body, rows):
    """Each sequence by itself through the model alone."""
    return [
        body(input_ids=torch.tensor([ids])).last_hidden_state[0, places] for ids, places in rows
    ]


def three_levels(seed=0, vocabulary=199):
    """A stem longer than the windows, branches on it, and twigs on those."""
    chance = random.Random(seed)

    def tokens(length):
        return [chance.randrange(3, vocabulary) for _ in range(length)]

    stem, rows = tokens(50), []
    for i in range(2):
        branch = stem + tokens(20 + 3 * i)
        rows.append((branch, [3, len(branch) - 1]))
        for j in range(2):
            ids = branch + tokens(9 + 7 * j)
            rows.append((ids, sorted(chance.sample(range(len(ids)), 6))))
    return rows


def worst(found, wanted):
    """The largest difference, relative to the largest state."""
    scale = max(float(one.abs().max()) for one in wanted)
    return max(float((a - b).abs().max()) for a, b in zip(found, wanted, strict=True)) / scale


@pytest.mark.parametrize("name", PACKED)
def test_a_tree_is_computed_as_the_stock_model_does(name, monkeypatch):
    body = body_of(name, PACKED[name])
    rows = three_levels()
    wanted = stock(body, rows)
    engine = Engine(body)
    assert engine.reason is None
    for pack_tokens in (16, 64, 640):
        engine.pack_tokens = pack_tokens
        assert worst(engine.states(rows), wanted) < 1e-5
    assert (engine._last_layer.number is None) == (name in UNPRUNED)
    monkeypatch.setattr(attention, "LONG_PREFIX", 0)
    assert worst(engine.states(rows), wanted) < 1e-5


@pytest.mark.parametrize("name", PLAIN)
def test_what_packing_would_get_wrong_is_computed_plainly(name):
    extra, reason = PLAIN[name]
    body = body_of(name, extra)
    fresh = copy.deepcopy(body)
    rows = sorted(three_levels(), key=lambda row: -len(row[0]))[::3]
    engine = Engine(body)
    assert re.search(reason, engine.reason)
    for found, row in zip(engine.states(rows), rows, strict=True):
        (wanted,) = stock(copy.deepcopy(fresh), [row])
        assert torch.equal(found, wanted)
    assert engine.usage.computed_tokens == engine.usage.tokens == sum(len(ids) for ids, _ in rows)


def ignoring(**changed):
    """Our attention with something of what it is told left out."""
    right = attention.tree_attention

    def broken(*args, **options):
        return right(*args, **{**options, **changed})

    return broken


def upside_down(*args, **options):
    answer, nothing = attention.tree_attention(*args, **options)
    return answer.flip(1), nothing


def nothing_before(module, query, key, value, mask, *, plan, **options):
    """Nodes do not see those before them."""
    for siblings in plan.siblings:
        siblings.chain.clear()
    return attention.tree_attention(module, query, key, value, mask, plan=plan, **options)


def failing(*_, **__):
    raise RuntimeError("no kernel")


@pytest.mark.parametrize(
    ("name", "broken", "reason"),
    [
        ("qwen2", upside_down, "packed states differ from its own by"),
        ("qwen2", nothing_before, "packed states differ from its own by"),
        ("qwen2", ignoring(scaling=1.0), "packed states differ from its own by"),
        ("qwen2", failing, "its code does not take our attention: no kernel"),
        ("gemma2", ignoring(softcap=None), "packed states differ from its own by"),
        ("gpt_oss", ignoring(s_aux=None), "packed states differ from its own by"),
        ("mistral", ignoring(sliding_window=None), "of its window of 40 tokens"),
    ],
)
def test_a_broken_attention_is_noticed_and_not_used(name, broken, reason):
    body = body_of(name, PACKED[name])
    rows = three_levels()
    attention.AttentionInterface.register(attention.NAME, broken)
    try:
        engine = Engine(body)
        assert reason in engine.reason
        assert worst(engine.states(rows), stock(body, rows)) == 0
    finally:
        attention.AttentionInterface.register(attention.NAME, attention.tree_attention)
    assert Engine(body).reason is None


def test_a_window_as_long_as_the_model_hides_nothing():
    assert Engine(body_of("phimoe", {**MOE, "sliding_window": 2048})).reason is None
    untold = Engine(body_of("phimoe", {**MOE, "sliding_window": 2047}))
    assert "window of 2047 tokens" in untold.reason


@pytest.mark.parametrize("kind", ["bert", "roberta", "electra"])
def test_a_model_that_sees_what_follows_is_refused(kind):
    body = body_of(kind)
    with pytest.raises(ContractError, match="lets a token see those behind it"):
        Engine(body)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("make", [linear_in_bfloat16, nn.Module.bfloat16, nn.Module.half])
def test_coarser_numbers_do_not_make_it_plain(make, seed):
    body = body_of("qwen2", initializer_range=0.1, hidden_size=128, seed=seed)
    wanted = stock(body, three_levels())
    make(body)
    engine = Engine(body)
    assert engine.reason is None
    assert worst([one.float() for one in engine.states(three_levels())], wanted) < 0.1


ids_of_few = st.lists(st.integers(3, 6), min_size=1, max_size=12)


@pytest.fixture(scope="module")
def tiny():
    return Engine(body_of("qwen2", num_hidden_layers=2))


@settings(max_examples=25, deadline=None)
@given(data=st.data(), sequences=st.lists(ids_of_few, min_size=1, max_size=6))
def test_any_rows_at_any_places_in_any_packs(tiny, data, sequences):
    """Also rows that are beginnings of others, the same row twice, and the same place twice."""
    rows = [
        (ids, sorted(data.draw(st.lists(st.integers(0, len(ids) - 1), min_size=1, max_size=4))))
        for ids in sequences
    ]
    tiny.pack_tokens = data.draw(st.integers(1, 40))
    tiny.usage = Usage()
    found = tiny.states(rows)
    assert [len(one) for one in found] == [len(places) for _, places in rows]
    assert worst(found, stock(tiny.body, rows)) < 1e-5
    different = {tuple(ids[: i + 1]) for ids in sequences for i in range(len(ids))}
    assert tiny.usage.computed_tokens == len(different)
    assert tiny.usage.tokens == sum(map(len, sequences))


def test_no_rows_give_nothing(tiny):
    assert tiny.states([]) == []


def test_shared_tokens_are_computed_once_and_packs_are_full(tiny):
    rows = [([1] * 100 + [i] * 10, [99, 105, 109]) for i in range(2, 42)]
    for pack_tokens, passes in ((100, 1 + 4), (50, 2 + 8), (1000, 1)):
        tiny.usage, tiny.pack_tokens = Usage(), pack_tokens
        tiny.states(rows)
        assert tiny.usage == Usage(tokens=4400, computed_tokens=500, passes=passes)


def test_a_new_engine_has_used_nothing():
    assert Engine(body_of("qwen2")).usage == Usage()


def test_keys_and_values_are_let_go(tiny, monkeypatch):
    """While it works it keeps those of the nodes that others wait for, afterwards none."""
    trees, most = [], []
    compute, forward = Engine.compute, Engine._forward

    def watch_tree(self, tree, wanted, *, keep):
        trees.append(tree)
        return compute(self, tree, wanted, keep=keep)

    def watch_pass(self, segments):
        forward(self, segments)
        kept = [one for one in trees[-1].nodes() if one.memory is not None]
        assert all(one.children for one in kept)
        most.append(sum(len(one.ids) for one in kept))

    monkeypatch.setattr(Engine, "compute", watch_tree)
    monkeypatch.setattr(Engine, "_forward", watch_pass)
    tiny.pack_tokens = 50
    rows = [([1] * 60 + [2 + i] * 30 + [50 + j] * 20, [109]) for i in range(8) for j in range(8)]
    tiny.states(rows)
    (tree,) = trees
    nodes = list(tree.nodes())
    assert sum(len(node.ids) for node in nodes) == 60 + 8 * 30 + 64 * 20
    assert all(node.is_computed and node.memory is None for node in [*nodes, tree.root])
    assert max(most) <= 60 + 30 + 50


def test_kept_nodes_are_not_computed_again(tiny):
    tree = TokenTree()
    tiny.usage, tiny.pack_tokens = Usage(), 25
    rows = [([1] * 30 + [2] * 10, [39]), ([1] * 30 + [2] * 10 + [3] * 5, [39, 44]), ([1] * 9, [8])]
    found = []
    for ids, places in rows:
        tree.add(ids)
        tree.cut(tiny.pack_tokens)
        at = places_in(tree, ids, places)
        wanted = {}
        for node, place in at:
            wanted.setdefault(node, set()).add(place)
        tiny.compute(tree, wanted, keep=True)
        found.append([node.found.get(place) for node, place in at])
    assert tiny.usage.computed_tokens == 45
    (first,), (again, new), (behind,) = found
    assert again is first
    assert behind is None, "a place that nobody asked for when it was computed"
    wanted = stock(tiny.body, rows)
    assert worst([torch.stack([first]), torch.stack([again, new])], wanted[:2]) < 1e-5
    assert all(len(node.memory) == 2 for node in tree.nodes())


def test_a_failed_pass_leaves_nothing_half_done(tiny, monkeypatch):
    tree = TokenTree()
    tiny.pack_tokens = 10
    tree.add([1] * 10)
    second = tree.add([1] * 10 + [2] * 10)
    mlp = tiny.body.layers[0].mlp
    passes = iter([True, False])

    def once_only(module, inputs):
        if not next(passes):
            raise KeyboardInterrupt

    hook = mlp.register_forward_pre_hook(once_only)
    with pytest.raises(KeyboardInterrupt):
        tiny.compute(tree, {second: {9}}, keep=True)
    hook.remove()
    assert [node.is_computed for node in tree.nodes()] == [True, False]
    tiny.compute(tree, {second: {9}}, keep=True)
    wanted = stock(tiny.body, [([1] * 10 + [2] * 10, [19])])
    assert worst([second.found[9][None]], wanted) < 1e-5
    assert tiny.body.config._attn_implementation != attention.NAME
    assert tiny._last_layer.plan is None


@pytest.mark.parametrize("engines", [1, 2])
def test_two_threads_get_right_numbers(engines):
    """Through one engine, and through two on the same model."""
    body = body_of("qwen2", num_hidden_layers=3)
    of_thread = [Engine(body, pack_tokens=30) for _ in range(engines)] * (2 // engines)
    work = [three_levels(seed) for seed in range(2)]
    wanted = [stock(body, rows) for rows in work]
    differences = []

    def run(i):
        for _ in range(6):
            differences.append(worst(of_thread[i].states(work[i]), wanted[i]))

    threads = [threading.Thread(target=run, args=(i,)) for i in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(differences) == 12
    assert max(differences) < 1e-5


@pytest.mark.parametrize("name", ["qwen2", "gemma2", "mixtral", "cohere", "gpt_oss"])
def test_the_model_stays_as_it_was(name):
    """Scores, gradients and copies of it are those of a model that no engine was made for."""
    torch.manual_seed(0)
    extra = {**BASE, **PACKED[name]}
    plain = AutoModelForCausalLM.from_config(CONFIG_MAPPING[name](**extra)).eval()
    used = copy.deepcopy(plain)
    engine = Engine(used.base_model)
    rows = three_levels()
    engine.states(rows)
    inputs = torch.tensor([rows[0][0], rows[0][0][::-1]])
    mask = torch.ones_like(inputs)
    mask[1, -9:] = 0
    with torch.no_grad():
        both = [one(input_ids=inputs, attention_mask=mask).logits for one in (plain, used)]
    assert torch.equal(*both)
    assert torch.equal(*(one.generate(inputs, max_new_tokens=3) for one in (plain, used)))
    for model in (plain, used):
        model.train()
        torch.manual_seed(1)
        model(input_ids=inputs, attention_mask=mask, labels=inputs).loss.backward()
    for one, other in zip(plain.parameters(), used.parameters(), strict=True):
        assert (one.grad is None) == (other.grad is None)
        if one.grad is not None:
            assert torch.equal(one.grad, other.grad)
    copied = copy.deepcopy(used).eval()
    assert (
        worst(Engine(copied.base_model).states(rows), stock(plain.base_model.eval(), rows)) < 1e-5
    )
    assert [*used.state_dict()] == [*plain.state_dict()]


@pytest.mark.filterwarnings("ignore:.gradient_checkpointing_enable. is deprecated")
def test_activation_checkpointing_still_works_after_an_engine():
    torch.manual_seed(0)
    plain = AutoModelForCausalLM.from_config(CONFIG_MAPPING["qwen2"](**BASE))
    used = copy.deepcopy(plain)
    Engine(used.base_model.eval()).states(three_levels())
    inputs = torch.tensor([three_levels()[0][0]])
    for model in (plain, used):
        model.train()
        model.gradient_checkpointing_enable()
        model(input_ids=inputs, labels=inputs).loss.backward()
    for one, other in zip(plain.parameters(), used.parameters(), strict=True):
        assert torch.equal(one.grad, other.grad)


def test_no_gradients_are_kept(tiny):
    (states,) = tiny.states([([1, 2, 3], [2])])
    assert not states.requires_grad


@given(
    sequences=st.lists(ids_of_few, min_size=1, max_size=8),
    longest=st.integers(1, 12),
)
def test_places_are_found_in_their_nodes(sequences, longest):
    tree = TokenTree()
    for ids in sequences:
        tree.add(ids)
    tree.cut(longest)
    for ids in sequences:
        found = places_in(tree, ids, range(len(ids)))
        assert [int(node.ids[place]) for node, place in found] == ids
        assert [node.depth + place for node, place in found] == list(range(len(ids)))
