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

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import scaled_dot_product_attention
from transformers import AttentionInterface

from surefoot.models.tree import Node

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


@dataclass(slots=True)
class Plan:
    """What one pass computes.

    `rows` are the marked rows of the pack, shape (R,), in order; `last_layer` is the number of the
    layer which computes only them, None if every layer computes all.
    """

    segments: Sequence[Segment]
    rows: Tensor
    last_layer: int | None
    merged_kernel: bool
    masks: dict[tuple[int, int, int | None], Tensor] = field(default_factory=dict)
    siblings: list[Siblings] = field(default_factory=list)
    rows_of: dict[Node, tuple[int, int]] = field(default_factory=dict)
    windows: set[int] = field(default_factory=set)
    """The sliding windows that the model told of."""

    def __post_init__(self) -> None:
        for segment in self.segments:
            self.rows_of[segment.node] = segment.begin, segment.end
            last = self.siblings[-1] if self.siblings else None
            if last is not None and last.segments[0].node.parent is segment.node.parent:
                last.segments.append(segment)
            else:
                self.siblings.append(Siblings(segment.node.chain(), [segment]))


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
    num_heads, length, width = queries.shape
    scale = width**-0.5 if scaling is None else scaling
    only_marked = layer == plan.last_layer
    if sliding_window is not None:
        plan.windows.add(sliding_window)
    out = queries.new_empty(length, num_heads, values.shape[-1])
    for segment in plan.segments:
        if segment.keep:
            own = slice(segment.begin, segment.end)
            memory = segment.node.memory
            assert memory is not None
            memory.append((keys[:, own].clone(), values[:, own].clone()))
    for siblings in plan.siblings:
        wanted = [s for s in siblings.segments if s.marked] if only_marked else siblings.segments
        if not wanted:
            continue
        prefix = _prefix(plan, siblings.chain, layer, keys, values)
        plain = sliding_window is None and softcap is None and s_aux is None
        plain &= plan.merged_kernel and values.shape[-1] == width
        if plain and not only_marked and _is_long(prefix, wanted):
            _merged(queries, keys, values, prefix, wanted, scale, out)
            continue
        for segment in wanted:
            own = slice(segment.begin, segment.end)
            seen = keys[:, own], values[:, own]
            if prefix is not None:
                cut = _seen_prefix(prefix, sliding_window)
                seen = torch.cat([cut[0], seen[0]], 1), torch.cat([cut[1], seen[1]], 1)
            ask = _Asker(*seen, scale, softcap, s_aux)
            if only_marked:
                rows = torch.tensor(segment.marked, device=queries.device)
                mask = _mask(rows + seen[0].shape[1] - (own.stop - own.start), sliding_window)
                out[rows + segment.begin] = ask(queries[:, rows + segment.begin], mask)
                continue
            for begin, end, mask in _blocks(plan, seen[0].shape[1], segment, sliding_window):
                out[begin:end] = ask(queries[:, begin:end], mask)
    return out[None], None


def _prefix(
    plan: Plan, chain: Sequence[Node], layer: int, keys: Tensor, values: Tensor
) -> tuple[Tensor, Tensor] | None:
    """Keys and values of the nodes before some siblings, in order."""
    found = []
    for node in chain:
        if node in plan.rows_of:
            begin, end = plan.rows_of[node]
            found.append((keys[:, begin:end], values[:, begin:end]))
        else:
            assert node.memory is not None
            found.append(node.memory[layer])
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


def _blocks(
    plan: Plan, seen: int, segment: Segment, window: int | None
) -> Iterator[tuple[int, int, Tensor]]:
    """The rows of a node in blocks, each with the mask of the keys up to its last."""
    before = seen - (segment.end - segment.begin)
    for begin in range(segment.begin, segment.end, BLOCK):
        end = min(begin + BLOCK, segment.end)
        first, last = (row - segment.begin + before for row in (begin, end))
        mask = plan.masks.get((first, last, window))
        if mask is None:
            mask = _mask(torch.arange(first, last, device=plan.rows.device), window)
            plan.masks[first, last, window] = mask
        yield begin, end, mask


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
    queries: Tensor,
    keys: Tensor,
    values: Tensor,
    prefix: tuple[Tensor, Tensor] | None,
    segments: Sequence[Segment],
    scale: float,
    out: Tensor,
) -> None:
    """Siblings that lie behind each other in the pack: their prefix in one call, their own tokens
    in one causal call each."""
    begin, end = segments[0].begin, segments[-1].end
    num_heads, num_keys = queries.shape[0], keys.shape[0]
    group = num_heads // num_keys
    if prefix is not None:
        asking = queries[:, begin:end].reshape(num_keys, -1, queries.shape[-1])
        before, before_lse = _flash(asking[None], prefix[0][None], prefix[1][None], False, scale)
        before = before[0].reshape(num_heads, end - begin, -1)
        before_lse = before_lse[0].reshape(num_heads, end - begin)
    for segment in segments:
        own = slice(segment.begin, segment.end)
        length = segment.end - segment.begin
        asking = queries[:, own].reshape(num_keys, group, length, -1)
        own_keys, own_values = (
            one[:, None, own].expand(-1, group, -1, -1) for one in (keys, values)
        )
        answer, lse = _flash(asking, own_keys, own_values, True, scale)
        answer, lse = answer.reshape(num_heads, length, -1), lse.reshape(num_heads, length)
        if prefix is not None:
            rows = slice(segment.begin - begin, segment.end - begin)
            share = torch.sigmoid(before_lse[:, rows] - lse)[..., None].to(answer.dtype)
            answer = torch.lerp(answer, before[:, rows], share)
        out[own] = answer.transpose(0, 1)


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
