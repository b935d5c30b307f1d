"""Keys and values of what a policy has read and written, kept between calls.

Token sequences stand in a tree, so that depths and siblings of a search share what they have in
common. What is known is what has the same token ids: text that the tokenizer writes in another way
than it was sampled is computed from where it differs.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from transformers import DynamicCache
from transformers.cache_utils import DynamicLayer

from surefoot.errors import UsageError
from surefoot.fitness import unfit
from surefoot.policies.passes import last_logits, lay, new_cache
from surefoot.token_tree import Node, TokenTree

_PROBE_TOLERANCE = {torch.float32: 1e-4, torch.float16: 0.05, torch.bfloat16: 0.1}
"""Largest difference on the probe, relative to the largest logit."""


class PrefixCache:
    """At most `max_tokens` tokens of the sequences that were used last, for one model.

    When it is made it reads short rows both ways. If the numbers differ, or the model has layers
    whose memory cannot be cut at a token (windows, linear attention), `reason` says so and nothing
    is kept. The limit holds between calls: a batch that is under way adds its own. The weights must
    not change while something is kept; `clear` forgets it.

    Raises:
        UsageError: `max_tokens` is below 1.
    """

    def __init__(self, model: Any, max_tokens: int) -> None:
        if max_tokens < 1:
            raise UsageError(f"the cache is to keep {max_tokens} tokens; it must be at least 1")
        self.max_tokens = max_tokens
        self.model = model
        self.clear()
        self.reason: str | None = None
        self.reason = _unfit(model) or self._probe()

    def clear(self) -> None:
        """Forget everything."""
        self.num_tokens = 0
        self._tree = TokenTree()
        self._held: dict[Node, None] = {}

    def open(self, prompts: Sequence[Sequence[int]]) -> tuple[DynamicCache, list[int]]:
        """A cache that holds the known beginning of each prompt, right-aligned, and the lengths of
        these beginnings. The last token of a prompt is never known: its logits are wanted."""
        cache = new_cache(self.model)
        if self.reason is not None:
            return cache, [0] * len(prompts)
        paths = [self._tree.computed(ids[:-1]) for ids in prompts]
        known = [sum(shared for _, shared in path) for path in paths]
        if not any(known):
            return cache, known
        nodes = list(dict.fromkeys(node for path in paths for node, _ in path))
        starts, end = {}, 0
        for node in nodes:
            starts[node] = end
            end += len(node.ids)
        columns = torch.zeros(len(prompts), max(known), dtype=torch.long)
        for row, path, k in zip(columns, paths, known, strict=True):
            own = [torch.arange(starts[node], starts[node] + shared) for node, shared in path]
            row[max(known) - k :] = torch.cat(own) if own else 0
        columns = columns.to(self.model.device)
        memories = [node.memory or [] for node in nodes]
        for i, layer in enumerate(zip(*memories, strict=True)):
            keys, values = (torch.cat(parts, 1) for parts in zip(*layer, strict=True))
            cache.update(keys[:, columns].transpose(0, 1), values[:, columns].transpose(0, 1), i)
        return cache, known

    def keep(self, ids: Sequence[int], cache: DynamicCache, row: int) -> None:
        """Keep a sequence, or note that it is used, once the cache holds in that row all of it.

        Only what was not known when the cache was opened is taken from it: those columns lie
        together at its end.
        """
        if self.reason is not None:
            return
        last = self._tree.add(ids)
        if last in self._held:
            del self._held[last]
        else:
            self._tree.hold(last)
        self._held[last] = None
        shift = cache.get_seq_length() - len(ids)
        for node in (*last.chain(), last):
            if not node.is_computed:
                own = slice(node.depth + shift, node.end + shift)
                node.memory = [
                    (layer.keys[row, :, own].clone(), layer.values[row, :, own].clone())
                    for layer in cache.layers
                ]
                node.is_computed = True
                self.num_tokens += len(node.ids)

    def trim(self) -> None:
        """Let go of the sequences that were used longest ago, down to the limit."""
        while self.num_tokens > self.max_tokens:
            oldest = next(iter(self._held))
            del self._held[oldest]
            gone = self._tree.release(oldest)
            self.num_tokens -= sum(len(node.ids) for node in gone if node.is_computed)

    @torch.inference_mode()
    def _probe(self) -> str | None:
        """What is wrong with numbers that stand on kept keys and values, if anything is."""
        model = self.model
        size = model.get_input_embeddings().num_embeddings
        tokens = [(7 * i + 1) % size for i in range(14)]
        first, rows = [tokens[:5], tokens[:8]], [tokens[:7], tokens, tokens[4:8]]
        expected = torch.cat([last_logits(model, lay([r], [0], model.device), None) for r in rows])
        cache, known = self.open(first)
        last_logits(model, lay(first, known, model.device), cache)
        for i, ids in enumerate(first):
            self.keep(ids, cache, i)
        cache, known = self.open(rows)
        found = last_logits(model, lay(rows, known, model.device), cache)
        self.clear()
        # some models rule tokens out, with minus infinity
        ruled_out = expected.isinf() & (expected == found)
        differences = (found - expected).float().masked_fill(ruled_out, 0)
        scale = float(expected.float().masked_fill(ruled_out, 0).abs().max()) or 1.0
        difference = float(differences.abs().max()) / scale
        if not difference <= _PROBE_TOLERANCE.get(model.dtype, 0.1):
            return f"on a probe, numbers with kept keys and values differ by {difference:.2g}"
        return None


def _unfit(model: Any) -> str | None:
    """What in a model keeps its keys and values from being cut and used again."""
    if reason := unfit(model.config.get_text_config(decoder=True)):
        return reason
    other = {type(one).__name__ for one in new_cache(model).layers if type(one) is not DynamicLayer}
    return f"its layers keep something else ({', '.join(sorted(other))})" if other else None
