"""Attention over packs of tree nodes is ordinary causal attention over each whole sequence."""

from types import SimpleNamespace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from surefoot.models import attention
from surefoot.models.attention import Plan, Segment, has_merged_kernel, tree_attention
from surefoot.token_tree import TokenTree

HEADS, KEYS, WIDTH = 4, 2, 8


def dense(queries, keys, values, scale, window, softcap, sinks):
    """One sequence in float64, every pair of tokens: (H, T, D) and (KV, T, .) give (T, H, .)."""
    share = queries.shape[0] // keys.shape[0]
    keys, values = (one.double().repeat_interleave(share, 0) for one in (keys, values))
    logits = torch.einsum("htd,hsd->hts", queries.double(), keys) * scale
    if softcap is not None:
        logits = softcap * torch.tanh(logits / softcap)
    back = torch.arange(logits.shape[1])[:, None] - torch.arange(logits.shape[1])
    seen = (back >= 0) & (back < (window or len(back)))
    weights = torch.where(seen, torch.exp(logits), 0.0)
    total = weights.sum(-1, keepdim=True)
    if sinks is not None:
        total = total + torch.exp(sinks.double())[:, None, None]
    return torch.einsum("hts,hsd->thd", weights / total, values)


class World:
    """Queries, keys and values for every beginning of every sequence: two layers that are asked
    for one after the other, as a model does."""

    def __init__(self, sequences, *, value_width=WIDTH, seed=0):
        self.generator = torch.Generator().manual_seed(seed)
        self.sequences = sequences
        self.at = {}
        for ids in sequences:
            for i in range(len(ids)):
                if (key := tuple(ids[: i + 1])) not in self.at:
                    self.at[key] = [
                        [self.random(n, w) for n, w in ((HEADS, WIDTH), (KEYS, WIDTH))]
                        + [self.random(KEYS, value_width)]
                        for _ in range(2)
                    ]

    def random(self, *shape):
        return torch.randn(shape, generator=self.generator)

    def stacked(self, beginnings, layer, which):
        return torch.stack([self.at[one][layer][which] for one in beginnings], 1)

    def of_sequence(self, ids, layer):
        beginnings = [tuple(ids[: i + 1]) for i in range(len(ids))]
        return [self.stacked(beginnings, layer, which) for which in range(3)]

    def of_pack(self, segments, layer):
        beginnings = []
        for segment in segments:
            chain = [*segment.node.chain(), segment.node]
            ids = [int(i) for node in chain for i in node.ids]
            beginnings += [tuple(ids[: i + 1]) for i in range(segment.node.depth, len(ids))]
        return [self.stacked(beginnings, layer, which)[None] for which in range(3)]


def packs_of(tree, size):
    """Nodes in order, some together; keys and values of all are kept."""
    pack, rows = [], 0
    for node in tree.nodes():
        if pack and rows + len(node.ids) > size:
            yield pack
            pack, rows = [], 0
        marked = sorted({0, len(node.ids) // 2, len(node.ids) - 1})
        pack.append(Segment(node, rows, rows + len(node.ids), marked, keep=True))
        rows += len(node.ids)
    yield pack


def run(world, tree, size, last_layer=None, **options):
    """What each layer gives at every place of every node, by beginning."""
    found = [{}, {}]
    for pack in packs_of(tree, size):
        rows = torch.tensor([s.begin + place for s in pack for place in s.marked])
        plan = Plan(pack, rows, last_layer, has_merged_kernel(torch.device("cpu")))
        for segment in pack:
            segment.node.memory = []
        for layer in range(2):
            module = SimpleNamespace(layer_idx=layer)
            answer, nothing = tree_attention(
                module, *world.of_pack(pack, layer), None, plan=plan, **options
            )
            assert nothing is None
            for segment in pack:
                chain = [*segment.node.chain(), segment.node]
                ids = [int(i) for node in chain for i in node.ids]
                places = segment.marked if layer == last_layer else range(len(segment.node.ids))
                for place in places:
                    beginning = tuple(ids[: segment.node.depth + place + 1])
                    found[layer][beginning] = answer[0, segment.begin + place]
    return found


def check(world, found, *, scale=WIDTH**-0.5, window=None, softcap=None, sinks=None):
    compared = 0
    for layer in range(2):
        for ids in world.sequences:
            wanted = dense(*world.of_sequence(ids, layer), scale, window, softcap, sinks)
            for i in range(len(ids)):
                answer = found[layer].get(tuple(ids[: i + 1]))
                if answer is not None:
                    assert torch.allclose(answer.double(), wanted[i], atol=1e-5)
                    compared += 1
    return compared


def tree_of(sequences):
    tree = TokenTree()
    for ids in sequences:
        tree.add(ids)
    return tree


STEM = list(range(30))
SEQUENCES = [
    STEM + [100, 1, 2] + [5] * 20,
    [*STEM, 100, 1, 2, 6, 7],
    [*STEM, 101],
    STEM[:11] + [102] * 70,
    [103, 104],
]


@pytest.mark.parametrize("size", [1, 40, 1000])
@pytest.mark.parametrize("last_layer", [None, 1])
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"scaling": 0.9},
        {"sliding_window": 1},
        {"sliding_window": 2},
        {"sliding_window": 9},
        {"sliding_window": 64},
        {"softcap": 0.7},
        {"s_aux": torch.tensor([-2.0, 0.0, 1.0, 3.0])},
        {"s_aux": torch.tensor([0.5, 1.0, 2.0, -1.0]), "sliding_window": 7, "softcap": 1.5},
    ],
    ids=lambda one: "-".join(one) or "plain",
)
def test_packs_of_any_size_give_ordinary_attention(size, last_layer, options):
    world = World(SEQUENCES)
    found = run(world, tree_of(SEQUENCES), size, last_layer, **options)
    compared = check(
        world,
        found,
        scale=options.get("scaling", WIDTH**-0.5),
        window=options.get("sliding_window"),
        softcap=options.get("softcap"),
        sinks=options.get("s_aux"),
    )
    tokens = sum(map(len, SEQUENCES))
    assert compared == 2 * tokens if last_layer is None else tokens < compared < 2 * tokens


@pytest.mark.parametrize("size", [1, 40, 1000])
@pytest.mark.parametrize("shortest", [0, 12])
@pytest.mark.skipif(not has_merged_kernel(torch.device("cpu")), reason="torch lacks the operation")
def test_the_merged_kernel_gives_the_same(monkeypatch, size, shortest):
    monkeypatch.setattr(attention, "LONG_PREFIX", shortest)
    calls = []
    merged = attention._merged
    monkeypatch.setattr(attention, "_merged", lambda *args: calls.append(1) or merged(*args))
    world = World(SEQUENCES)
    check(world, run(world, tree_of(SEQUENCES), size, scaling=1.3), scale=1.3)
    assert calls


def test_a_long_node_alone_takes_the_merged_kernel_too(monkeypatch):
    monkeypatch.setattr(attention, "LONG_NODE", 20)
    world = World(SEQUENCES)
    check(world, run(world, tree_of(SEQUENCES), 1000))


@pytest.mark.parametrize("options", [{}, {"sliding_window": 5}])
def test_values_may_be_narrower_than_keys(monkeypatch, options):
    monkeypatch.setattr(attention, "LONG_PREFIX", 0)
    world = World(SEQUENCES, value_width=6)
    found = run(world, tree_of(SEQUENCES), 40, **options)
    check(world, found, window=options.get("sliding_window"))


@settings(max_examples=25, deadline=None)
@given(
    sequences=st.lists(
        st.lists(st.integers(0, 2), min_size=1, max_size=12), min_size=1, max_size=6
    ),
    size=st.integers(1, 30),
    longest=st.integers(1, 12),
    window=st.none() | st.integers(1, 6),
    last_layer=st.sampled_from([None, 1]),
)
def test_any_tree_in_any_packs(sequences, size, longest, window, last_layer):
    tree = tree_of(sequences)
    tree.cut(longest)
    world = World(sequences)
    found = run(world, tree, size, last_layer, sliding_window=window)
    check(world, found, window=window)


@settings(max_examples=15, deadline=None)
@given(
    sequences=st.lists(
        st.lists(st.integers(0, 2), min_size=1, max_size=12), min_size=1, max_size=6
    ),
    size=st.integers(1, 30),
)
def test_any_tree_with_the_merged_kernel(sequences, size):
    before, attention.LONG_PREFIX = attention.LONG_PREFIX, 0
    try:
        world = World(sequences)
        check(world, run(world, tree_of(sequences), size))
    finally:
        attention.LONG_PREFIX = before


def test_blocks_of_any_length_give_the_same(monkeypatch):
    world = World(SEQUENCES)
    for block in (1, 3, 7, 1000):
        monkeypatch.setattr(attention, "BLOCK", block)
        check(world, run(world, tree_of(SEQUENCES), 1000, sliding_window=6), window=6)


def test_it_is_told_which_windows_there_are():
    world, tree = World([[1, 2, 3]]), tree_of([[1, 2, 3]])
    (pack,) = packs_of(tree, 10)
    plan = Plan(pack, torch.tensor([0]), None, False)
    for window in (None, 7, 7, 9):
        pack[0].node.memory = []
        tree_attention(
            SimpleNamespace(layer_idx=0),
            *world.of_pack(pack, 0),
            None,
            plan=plan,
            sliding_window=window,
        )
    assert plan.windows == {7, 9}
