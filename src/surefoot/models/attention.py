"""Attention over a pack of tree nodes, inside any transformers model.

transformers lets a model's attention be any function with a name. Ours gets the queries, keys and
values of one pack of tokens, shape (1, heads, T, D), and a `Plan` that says which node each
stretch belongs to: a token sees the tokens of its own node up to itself and those of the nodes
before it, whether they are in this pack or were computed earlier. Nothing is padded and no T x T
mask is built.

Two kernels give the same numbers: one masked call for each node, or one unmasked call for the
prefix of all siblings and one causal call for each node, merged by their log-sum-exp (as in
FlashAttention, arXiv:2205.14135, and FlashDecoding). The second is faster for long prefixes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import scaled_dot_product_attention
from transformers import AttentionInterface

from surefoot.token_tree import KeysAndValues, Node

NAME = "surefoot_tree"

BLOCK = 64
"""Queries of one masked call: no call sees keys behind its last query, which saves up to half of
the work on a node's own tokens."""

LONG_PREFIX = 500
LONG_NODE = 700
"""From these lengths on the merged kernel is the faster one (measured on a CPU)."""


@dataclass(slots=True)
class Segment:
    """The tokens of one node in a pack, from row `begin` to row `end`.

    `marked` are the positions in the node, ascending, whose state is wanted; `keep` says that its
    keys and values will be needed by later packs.
    """

    node: Node
    begin: int
    end: int
    marked: list[int]
    keep: bool


@dataclass(slots=True)
class Siblings:
    """Segments with the same nodes before them."""

    chain: list[Node]
    segments: list[Segment]


class Plan:
    """What one pass computes. (Training in pieces looks into every dataclass that a layer is given,
    and would not come out of a tree again: so this is none.)

    Args:
        segments: The nodes of the pack, in order.
        rows: The marked rows of the pack, shape (R,), in order.
        last_layer: The number of the layer which computes only them, None if every layer computes
            all.
        merged_kernel: Whether the merged kernel may be used.
    """

    def __init__(
        self,
        segments: Sequence[Segment],
        rows: Tensor,
        last_layer: int | None,
        merged_kernel: bool,
    ) -> None:
        self.segments = segments
        self.rows = rows
        self.last_layer = last_layer
        self.merged_kernel = merged_kernel
        self.masks: dict[tuple[int, int, int | None], Tensor] = {}
        self.siblings: list[Siblings] = []
        self.place_of: dict[Node, int] = {}
        """Which segment holds a node."""
        self.windows: set[int] = set()
        """The sliding windows that the model told of."""
        self.memories: dict[Node, KeysAndValues] | None = None
        """While gradients are wanted: the keys and values of kept nodes, for all packs of a batch.
        They are parts of its graph, which the nodes would keep alive."""
        for i, segment in enumerate(segments):
            self.place_of[segment.node] = i
            last = self.siblings[-1] if self.siblings else None
            if last is not None and last.segments[0].node.parent is segment.node.parent:
                last.segments.append(segment)
            else:
                self.siblings.append(Siblings(segment.node.chain(), [segment]))

    @property
    def lengths(self) -> list[int]:
        """The number of tokens of each segment."""
        return [segment.end - segment.begin for segment in self.segments]

    def keep(self, node: Node, layer: int, keys: Tensor, values: Tensor) -> None:
        """Remember the keys and values of a node in a layer. That gradient checkpointing computes a
        layer again changes nothing."""
        if self.memories is None:
            assert node.memory is not None
            node.memory.append((keys.clone(), values.clone()))
        elif len(own := self.memories.setdefault(node, [])) == layer:
            own.append((keys, values))

    def remembered(self, node: Node, layer: int) -> tuple[Tensor, Tensor]:
        """The keys and values of a node of an earlier pack."""
        memory = node.memory if self.memories is None else self.memories[node]
        assert memory is not None
        return memory[layer]

    def mask(self, first: int, last: int, window: int | None) -> Tensor:
        """What queries at the places from `first` to before `last` see of the keys up to there."""
        found = self.masks.get((first, last, window))
        if found is None:
            found = _mask(torch.arange(first, last, device=self.rows.device), window)
            self.masks[first, last, window] = found
        return found


def tree_attention(
    module: Any,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    *,
    plan: Plan,
    scaling: float | None = None,
    sliding_window: int | None = None,
    softcap: float | None = None,
    s_aux: Tensor | None = None,
    **_: Any,
) -> tuple[Tensor, None]:
    """The attention function: query (1, H, T, D), key and value (1, KV, T, D) give (1, T, H, D)."""
    layer = module.layer_idx
    queries, keys, values = query[0], key[0], value[0]
    width = queries.shape[-1]
    scale = width**-0.5 if scaling is None else scaling
    only_marked = layer == plan.last_layer
    if sliding_window is not None:
        plan.windows.add(sliding_window)
    own = _Own(*(torch.split(one, plan.lengths, 1) for one in (queries, keys, values)))
    for i, segment in enumerate(plan.segments):
        if segment.keep:
            plan.keep(segment.node, layer, own.keys[i], own.values[i])
    plain = sliding_window is None and softcap is None and s_aux is None
    plain &= plan.merged_kernel and values.shape[-1] == width and not only_marked
    answers: list[Tensor] = []
    for siblings in plan.siblings:
        wanted = [s for s in siblings.segments if s.marked] if only_marked else siblings.segments
        if not wanted:
            continue
        prefix = _prefix(plan, siblings.chain, layer, own)
        if plain and _is_long(prefix, wanted):
            answers += _merged([own.at(plan, segment) for segment in wanted], prefix, scale)
            continue
        for segment in wanted:
            asking, seen_keys, seen_values = own.at(plan, segment)
            if prefix is not None:
                cut = _seen_prefix(prefix, sliding_window)
                seen_keys = torch.cat([cut[0], seen_keys], 1)
                seen_values = torch.cat([cut[1], seen_values], 1)
            ask = _Asker(seen_keys, seen_values, scale, softcap, s_aux)
            before = seen_keys.shape[1] - asking.shape[1]
            if only_marked:
                rows = torch.tensor(segment.marked, device=queries.device)
                answers.append(ask(asking[:, rows], _mask(rows + before, sliding_window)))
                continue
            for start, block in zip(
                range(0, asking.shape[1], BLOCK), torch.split(asking, BLOCK, 1), strict=True
            ):
                places = before + start, before + start + block.shape[1]
                answers.append(ask(block, plan.mask(*places, sliding_window)))
    if not only_marked:
        return torch.cat(answers)[None], None
    # The rows between are cut from what the output projection is given. A pack without marked rows
    # keeps one, which nobody reads, but a NaN there would reach its gradients.
    kind = answers[0].dtype if answers else queries.dtype
    shape = queries.shape[1], queries.shape[0], values.shape[-1]
    every = torch.zeros(shape, dtype=kind, device=queries.device)
    if answers:
        every.index_copy_(0, plan.rows, torch.cat(answers))
    return every[None], None


class _Own(NamedTuple):
    """The queries (H, L, D), keys and values (KV, L, D) of each segment, in order."""

    queries: Sequence[Tensor]
    keys: Sequence[Tensor]
    values: Sequence[Tensor]

    def at(self, plan: Plan, segment: Segment) -> tuple[Tensor, Tensor, Tensor]:
        """Those of one segment."""
        i = plan.place_of[segment.node]
        return self.queries[i], self.keys[i], self.values[i]


def _prefix(
    plan: Plan, chain: Sequence[Node], layer: int, own: _Own
) -> tuple[Tensor, Tensor] | None:
    """Keys and values of the nodes before some siblings, in order."""
    found = []
    for node in chain:
        if (i := plan.place_of.get(node)) is not None:
            found.append((own.keys[i], own.values[i]))
        else:
            found.append(plan.remembered(node, layer))
    if not found:
        return None
    if len(found) == 1:
        return found[0]
    return torch.cat([k for k, _ in found], 1), torch.cat([v for _, v in found], 1)


def _is_long(prefix: tuple[Tensor, Tensor] | None, segments: Sequence[Segment]) -> bool:
    before = 0 if prefix is None else prefix[0].shape[1]
    return before >= LONG_PREFIX or max(s.end - s.begin for s in segments) >= LONG_NODE


def _seen_prefix(prefix: tuple[Tensor, Tensor], window: int | None) -> tuple[Tensor, Tensor]:
    """The part of a prefix that the first token behind it still sees."""
    if window is None:
        return prefix
    length = prefix[0].shape[1]
    first = max(0, length - (window - 1))
    return prefix[0][:, first:], prefix[1][:, first:]


def _mask(places: Tensor, window: int | None) -> Tensor:
    """0 for each key that a query at one of the places sees, minus infinity for the others, shape
    (L, K); K is as far as the last place sees."""
    distance = places[:, None] - torch.arange(int(places[-1]) + 1, device=places.device)
    hidden = distance < 0
    if window is not None:
        hidden |= distance >= window
    return torch.zeros(hidden.shape, device=places.device).masked_fill_(hidden, float("-inf"))


class _Asker(NamedTuple):
    """Keys (KV, K, D) and values (KV, K, D) of one node and all before it, and how they are asked.

    The heads that share a key are laid behind each other as further queries, so nothing is
    repeated.
    """

    keys: Tensor
    values: Tensor
    scale: float
    softcap: float | None
    sinks: Tensor | None

    def __call__(self, queries: Tensor, mask: Tensor) -> Tensor:
        """Queries (H, L, D) and a mask (L, K) of the first K keys give (L, H, D)."""
        num_heads, length, width = queries.shape
        seen = mask.shape[1]
        keys, values = self.keys[:, :seen], self.values[:, :seen]
        group = num_heads // keys.shape[0]
        folded = queries.reshape(keys.shape[0], group * length, width)
        mask = mask.expand(group, length, seen).reshape(group * length, seen)
        if self.softcap is None and self.sinks is None:
            answer = scaled_dot_product_attention(
                folded[None],
                keys[None],
                values[None],
                attn_mask=mask.to(queries.dtype),
                scale=self.scale,
            )[0]
        else:
            logits = (folded @ keys.transpose(1, 2)).float() * self.scale
            if self.softcap is not None:
                logits = self.softcap * torch.tanh(logits / self.softcap)
            answer = self._weights(logits + mask, group).to(values.dtype) @ values
        return answer.reshape(num_heads, length, -1).transpose(0, 1)

    def _weights(self, logits: Tensor, group: int) -> Tensor:
        """The softmax of logits (KV, group x L, K); a sink takes its share and gives nothing."""
        if self.sinks is None:
            return torch.softmax(logits, -1)
        sinks = self.sinks.float().view(logits.shape[0], group, 1)
        sinks = sinks.repeat_interleave(logits.shape[1] // group, 1)
        return torch.softmax(torch.cat([logits, sinks], -1), -1)[..., :-1]


def _merged(
    own: Sequence[tuple[Tensor, Tensor, Tensor]], prefix: tuple[Tensor, Tensor] | None, scale: float
) -> list[Tensor]:
    """Siblings behind each other: their prefix in one call, their own tokens in one causal call
    each. The log-sum-exp has no gradient, so this is for scoring alone."""
    num_heads, _, width = own[0][0].shape
    num_keys = own[0][1].shape[0]
    group = num_heads // num_keys
    lengths = [queries.shape[1] for queries, _, _ in own]
    if prefix is not None:
        asking = torch.cat([queries for queries, _, _ in own], 1).reshape(num_keys, -1, width)
        found, found_lse = _flash(asking[None], prefix[0][None], prefix[1][None], False, scale)
        before = torch.split(found[0].reshape(num_heads, sum(lengths), -1), lengths, 1)
        before_lse = torch.split(found_lse[0].reshape(num_heads, -1), lengths, 1)
    answers = []
    for i, (queries, keys, values) in enumerate(own):
        asking = queries.reshape(num_keys, group, lengths[i], -1)
        own_keys, own_values = (one[:, None].expand(-1, group, -1, -1) for one in (keys, values))
        answer, lse = _flash(asking, own_keys, own_values, True, scale)
        answer = answer.reshape(num_heads, lengths[i], -1)
        if prefix is not None:
            share = torch.sigmoid(before_lse[i] - lse.reshape(num_heads, lengths[i]))[..., None]
            answer = torch.lerp(answer, before[i], share.to(answer.dtype))
        answers.append(answer.transpose(0, 1))
    return answers


def _flash(
    queries: Tensor, keys: Tensor, values: Tensor, causal: bool, scale: float
) -> tuple[Tensor, Tensor]:
    """Attention and the log-sum-exp of its logits, shapes (B, H, L, D) and (B, H, L)."""
    answer, lse = torch.ops.aten._scaled_dot_product_flash_attention_for_cpu(
        queries, keys, values, 0.0, causal, attn_mask=None, scale=scale
    )
    return answer, lse


def has_merged_kernel(device: torch.device) -> bool:
    """Whether the merged kernel is at hand: on a CPU, with the operation it is made of."""
    if device.type != "cpu":
        return False
    try:
        one = torch.ones(1, 1, 1, 8)
        _flash(one, one, one, False, 1.0)
    except (AttributeError, RuntimeError, TypeError):
        return False
    return True


AttentionInterface.register(NAME, tree_attention)
