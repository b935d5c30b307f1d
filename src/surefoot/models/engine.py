"""The states of a model at some places of many token sequences, each token computed once.

Sequences go into a tree, so that what they share is one node. The tree is computed in packs of
whole nodes, parents first: a pack is one forward pass without padding, through the stock code of
the model and our attention (`attention`), with the last layer cut to the wanted rows (`pruning`).
Keys and values are kept only while nodes behind them wait, so memory follows the size of a pack and
the length of a sequence, not the number of sequences.

When an engine is made it runs a small tree both ways. If the numbers differ, or the model is of a
kind that packing would get wrong, `reason` says so and every sequence is computed plainly, by
itself, with the same results.
"""

from __future__ import annotations

import sys
import threading
import weakref
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from itertools import chain
from typing import Any

import torch
from torch import Tensor

from surefoot.errors import ContractError
from surefoot.fitness import rotary_kinds, unfit, window_of
from surefoot.models.attention import NAME, Plan, Segment, has_merged_kernel
from surefoot.models.pruning import LastLayer
from surefoot.token_tree import KeysAndValues, Node, TokenTree

PACK_TOKENS = {"cpu": 640}
"""Tokens of one forward pass, by kind of device: on a CPU wide enough for the matrix products and
small enough for its caches (measured), elsewhere `MANY_TOKENS`."""

MANY_TOKENS = 8192

LEARNING_TOKENS = {"cpu": 1000}
"""Tokens of one pass where gradients are wanted (measured); elsewhere a batch is one pass."""

NARROW = 128
SPARED = 48
"""In bodies narrower than that, gradients come from padded rows, with the same numbers, unless a
tree spares this many tokens for each of its nodes, whose calls cost more than fewer (measured)."""

_DROPOUTS = ("attention_dropout", "attn_pdrop", "attention_probs_dropout_prob")
"""How configurations call the share of attention that is dropped while a model learns."""

_PROBE_TOLERANCE = {torch.float32: 1e-4, torch.float16: 0.05, torch.bfloat16: 0.1}
"""Largest difference on the probe, relative to the largest state, by the coarsest numbers that a
model computes with."""

Row = tuple[Sequence[int], Sequence[int]]
"""Token ids, shape (T,), and places in them, shape (S,), ascending."""

_LOCKS: weakref.WeakKeyDictionary[Any, threading.Lock] = weakref.WeakKeyDictionary()
"""One for each body, since its attention is switched while it runs; engines may share a body."""


@dataclass(slots=True)
class Usage:
    """What an engine was asked for and what it computed since it was made, in tokens."""

    tokens: int = 0
    computed_tokens: int = 0
    passes: int = 0


class Engine:
    """Runs the body of a transformers model.

    Args:
        body: A causal model without its head, such as `Qwen2Model`; its states have width H.
        pack_tokens: Tokens of one forward pass, where it is not to be the device's own number.
    """

    def __init__(self, body: Any, *, pack_tokens: int | None = None) -> None:
        self.body = body
        self.pack_tokens = pack_tokens or PACK_TOKENS.get(body.device.type, MANY_TOKENS)
        self.usage = Usage()
        self._lock = _LOCKS.setdefault(body, threading.Lock())
        self._windows: set[int] = set()
        self._last_layer = LastLayer(body)
        self._merged_kernel = has_merged_kernel(body.device)
        self._stock: str | None = None
        self.reason = unfit(body.config) or self._probe()

    def states(self, rows: Sequence[Row]) -> list[Tensor]:
        """The states at the places of each sequence.

        Args:
            rows: Sequences and the places in them.

        Returns:
            For each row a tensor of shape (S, H), on the model's device.
        """
        self.usage.tokens += sum(len(ids) for ids, _ in rows)
        if self.reason is not None:
            return [self._plain(ids, places) for ids, places in rows]
        tree = _tree_of(rows)
        tree.cut(self.pack_tokens)
        found, wanted = _places(tree, rows)
        self.compute(tree, wanted, keep=False)
        return [torch.stack([node.found[place] for node, place in one]) for one in found]

    def costs(self, sequences: Sequence[Sequence[int]]) -> list[int]:
        """The tokens that `states` computes for each sequence: where it packs, only those that no
        sequence before begins with."""
        if self.reason is not None:
            return [len(ids) for ids in sequences]
        tree = TokenTree()
        found = []
        for ids in sequences:
            end = tree.add(ids)
            is_new = not end.children and not end.holders
            found.append(len(end.ids) if is_new else 0)
            tree.hold(end)
        return found

    def differentiable(self, rows: Sequence[Row]) -> list[Tensor]:
        """As `states`, with gradients; only while `held`. All passes are parts of one graph."""
        if self.reason is not None:
            return [self._alone(ids, places) for ids, places in rows]
        assert self._stock is not None, "only while held"
        self._last_layer.rest()
        tree = _tree_of(rows)
        if self._takes_padded_rows(tree, rows):
            self.body.config._attn_implementation = self._stock
            return self._padded(rows)
        self.body.config._attn_implementation = NAME
        found, wanted = _places(tree, rows)
        packs = list(self._packs(tree, wanted, False, self._learning_tokens()))
        memories: dict[Node, KeysAndValues] = {}
        row_of: dict[tuple[Node, int], int] = {}
        states = []
        for pack, looked_up in zip(packs, self._embedded(packs), strict=True):
            marks = [(segment.node, place) for segment in pack for place in segment.marked]
            row_of |= {mark: len(row_of) + i for i, mark in enumerate(marks)}
            ids, positions, plan = self._laid(pack, merged_kernel=False)
            plan.memories = memories
            self._last_layer.work(plan)
            with looked_up:
                own = self.body(
                    input_ids=ids[None], position_ids=positions[None], use_cache=False, plan=plan
                ).last_hidden_state[0]
            states.append(own[plan.rows] if plan.last_layer is None else own[: len(marks)])
        joined = torch.cat(states)
        return [joined[[row_of[one] for one in own]] for own in found]

    def _padded(self, rows: Sequence[Row]) -> list[Tensor]:
        """One stock pass of rows filled up at their ends, which a causal model does not see."""
        device = self.body.device
        longest = max(len(ids) for ids, _ in rows)
        tokens = torch.tensor([[*ids, *[0] * (longest - len(ids))] for ids, _ in rows])
        states = self.body(input_ids=tokens.to(device), use_cache=False).last_hidden_state
        return [
            states[i, torch.tensor([*places], dtype=torch.long, device=device)]
            for i, (_, places) in enumerate(rows)
        ]

    def _takes_padded_rows(self, tree: TokenTree, rows: Sequence[Row]) -> bool:
        """Whether gradients come from padded rows: they do where that is faster, and in bodies that
        drop attention at random, which ours does not."""
        config = self.body.config
        if any(getattr(config, one, 0) for one in _DROPOUTS):
            return True
        lengths = [len(node.ids) for node in tree.nodes()]
        spared = len(rows) * max(len(ids) for ids, _ in rows) - sum(lengths)
        return config.hidden_size < NARROW and spared < SPARED * len(lengths)

    def _learning_tokens(self) -> int:
        """Tokens of one pass with gradients. Processes that gather a body's layers from each other
        must all take the same number of passes."""
        is_spread = False
        if torch.distributed.is_available() and torch.distributed.is_initialized():
            from torch.distributed.tensor import DTensor

            is_spread = any(isinstance(one, DTensor) for one in self.body.parameters())
        return sys.maxsize if is_spread else LEARNING_TOKENS.get(self.body.device.type, sys.maxsize)

    def _embedded(
        self, packs: Sequence[Sequence[Segment]]
    ) -> Iterator[AbstractContextManager[object]]:
        """For each pack a context in which the embedding gives its part of what was looked up for
        all: the gradient, which is as large as the vocabulary, is computed once then."""
        if len(packs) == 1:
            yield nullcontext()
            return
        embedding = self.body.get_input_embeddings()
        ids = torch.cat([torch.from_numpy(s.node.ids) for pack in packs for s in pack])
        looked_up = embedding(ids[None].to(self.body.device))
        for part in torch.split(looked_up, [pack[-1].end for pack in packs], 1):
            yield embedding.register_forward_hook(lambda *_, part=part: part)

    @contextmanager
    def held(self) -> Iterator[None]:
        """Keep the body for `differentiable` alone: our attention and the cut of the last layer
        stay in place until the gradients are computed, as gradient checkpointing needs."""
        config = self.body.config
        with self._lock:
            self._stock = config._attn_implementation
            try:
                yield
            finally:
                config._attn_implementation, self._stock = self._stock, None
                self._last_layer.rest()

    @torch.no_grad()
    def compute(self, tree: TokenTree, wanted: dict[Node, set[int]], *, keep: bool) -> None:
        """Compute the nodes of a tree that were not, and put the states at the wanted positions of
        them into `found`.

        Args:
            tree: What to compute; it is all read once.
            wanted: Positions in each node.
            keep: Keep the keys and values of every node for later calls.
        """
        with self._lock:
            for segments in self._packs(tree, wanted, keep, self.pack_tokens):
                self._forward(segments)
                if not keep:
                    _let_go(segments)

    def _packs(
        self, tree: TokenTree, wanted: dict[Node, set[int]], keep: bool, most: int
    ) -> Iterator[list[Segment]]:
        """Nodes in order, at most so many tokens together, or one longer one."""
        pack: list[Segment] = []
        size = 0
        for node in [node for node in tree.nodes() if not node.is_computed]:
            if pack and size + len(node.ids) > most:
                yield self._closed(pack, keep)
                pack, size = [], 0
            marked = sorted(wanted.get(node, ()))
            pack.append(Segment(node, size, size + len(node.ids), marked, keep))
            size += len(node.ids)
        if pack:
            yield self._closed(pack, keep)

    def _closed(self, pack: list[Segment], keep: bool) -> list[Segment]:
        """The pack, once it is known which nodes later packs stand on."""
        kept = {segment.node: False for segment in pack}
        for segment in reversed(pack):
            children = segment.node.children.values()
            segment.keep = keep or any(kept.get(child, True) for child in children)
            kept[segment.node] = segment.keep
        return pack

    def _forward(self, segments: list[Segment]) -> None:
        """One pass: states into `found`, keys and values into `memory` where they are kept."""
        ids, positions, plan = self._laid(segments, merged_kernel=self._merged_kernel)
        for segment in segments:
            segment.node.memory = [] if segment.keep else None
        states = self._run(ids, positions, plan)
        self._windows |= plan.windows
        if plan.last_layer is None:
            states = states[plan.rows]
        row = 0
        for segment in segments:
            segment.node.is_computed = True
            for place in segment.marked:
                segment.node.found[place] = states[row]
                row += 1
        self.usage.computed_tokens += len(ids)
        self.usage.passes += 1

    def _laid(
        self, segments: Sequence[Segment], *, merged_kernel: bool
    ) -> tuple[Tensor, Tensor, Plan]:
        """The ids and positions of a pack, each of shape (T,), and its plan."""
        device = self.body.device
        ids = torch.cat([torch.from_numpy(s.node.ids) for s in segments])
        positions = torch.cat([torch.arange(s.node.depth, s.node.end) for s in segments])
        rows = [s.begin + place for s in segments for place in s.marked]
        if (last := self._last_layer.number) is not None and not rows:
            rows = [0]
        marked = torch.tensor(rows, dtype=torch.long, device=device)
        return ids.to(device), positions.to(device), Plan(segments, marked, last, merged_kernel)

    def _run(self, ids: Tensor, positions: Tensor, plan: Plan) -> Tensor:
        config = self.body.config
        before = config._attn_implementation
        self._last_layer.work(plan)
        config._attn_implementation = NAME
        try:
            states: Tensor = self.body(
                input_ids=ids[None], position_ids=positions[None], use_cache=False, plan=plan
            ).last_hidden_state
        finally:
            config._attn_implementation = before
            self._last_layer.rest()
        return states[0]

    @torch.no_grad()
    def _plain(self, ids: Sequence[int], places: Sequence[int]) -> Tensor:
        """One sequence by itself, through the stock code alone."""
        with self._lock:
            states = self._alone(ids, places)
        self.usage.computed_tokens += len(ids)
        self.usage.passes += 1
        return states

    def _alone(self, ids: Sequence[int], places: Sequence[int]) -> Tensor:
        tokens = torch.tensor([list(ids)], device=self.body.device)
        if "dynamic" in rotary_kinds(self.body.config):
            # Frequencies stay those of the longest sequence so far until a short one comes.
            self.body(input_ids=tokens[:, :1], use_cache=False)
        states: Tensor = self.body(input_ids=tokens, use_cache=False).last_hidden_state
        return states[0, torch.tensor(list(places), dtype=torch.long, device=states.device)]

    def _probe(self) -> str | None:
        """Why packing does not give the model's own numbers, None if it does."""
        vocabulary = self.body.get_input_embeddings().num_embeddings
        generator = torch.Generator().manual_seed(0)
        stem, left, right, twig = (
            torch.randint(vocabulary, (length,), generator=generator).tolist()
            for length in (17, 11, 14, 9)
        )
        sequences = [stem + left, stem + right, stem + left + twig, stem + left + twig[::-1]]
        rows = [(ids, [3, len(stem) - 1, len(ids) - 4, len(ids) - 1]) for ids in sequences]
        plain = [self._plain(ids, places) for ids, places in rows]
        scale = max(float(one.abs().max()) for one in plain)
        limit = scale * max(
            _PROBE_TOLERANCE.get(one, 1e-4) for one in {p.dtype for p in self.body.parameters()}
        )
        seen_ahead = float((plain[0][:2] - plain[1][:2]).abs().max())
        if seen_ahead > max(limit, 1e-3 * scale):
            raise ContractError(
                f"a {type(self.body).__name__} lets a token see those behind it, so the score of a "
                "step would depend on later ones; use a causal model"
            )
        before, self.reason = self.pack_tokens, None
        self.pack_tokens = 30
        try:
            packed = self.states(rows)
        except (RuntimeError, TypeError, ValueError, AttributeError, IndexError) as error:
            return f"its code does not take our attention: {error}"
        finally:
            self.pack_tokens, self.usage = before, Usage()
        worst = max(
            float((one - other).abs().max()) for one, other in zip(packed, plain, strict=True)
        )
        if not worst <= limit:
            return f"packed states differ from its own by {worst:.2g} of {scale:.2g}"
        if (window := window_of(self.body.config)) and window not in self._windows:
            return f"its code does not tell our attention of its window of {window} tokens"
        return None


def _tree_of(rows: Sequence[Row]) -> TokenTree:
    tree = TokenTree()
    for ids, _ in rows:
        tree.add(ids)
    return tree


def _places(
    tree: TokenTree, rows: Sequence[Row]
) -> tuple[list[list[tuple[Node, int]]], dict[Node, set[int]]]:
    """Where the places of each row are in a tree, and all that are wanted in each node."""
    found = [places_in(tree, ids, places) for ids, places in rows]
    wanted: dict[Node, set[int]] = {}
    for node, place in chain.from_iterable(found):
        wanted.setdefault(node, set()).add(place)
    return found, wanted


def places_in(tree: TokenTree, ids: Sequence[int], places: Sequence[int]) -> list[tuple[Node, int]]:
    """The node and the position in it of each place, ascending, of a sequence of the tree."""
    nodes = iter(tree.path(ids))
    node = next(nodes)
    found = []
    for place in places:
        while place >= node.end:
            node = next(nodes)
        found.append((node, place - node.depth))
    return found


def _let_go(segments: Sequence[Segment]) -> None:
    """Forget keys and values that no later pack needs."""
    for segment in reversed(segments):
        node: Node | None = segment.node
        while node is not None and all(map(_is_done, node.children.values())):
            node.memory = None
            node = node.parent


def _is_done(node: Node) -> bool:
    return node.is_computed and node.memory is None
