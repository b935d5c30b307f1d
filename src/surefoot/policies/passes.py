"""One pass of a causal language model over rows of different lengths, with a key-value cache.

A row is laid [padding | known | padding | new]: `known` are tokens whose keys and values the cache
holds already, `new` those that are computed. Padding is masked, and positions are given.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import repeat
from typing import Any

import torch
from torch.nn import Linear
from torch.nn.functional import linear
from transformers import DynamicCache

SLICE = 1024
"""Rows of a head that one product takes on a CPU: for 4 to 64 states that is a quarter faster than
all of a vocabulary at once, as a slice stays in the cache (measured)."""


@dataclass(frozen=True, slots=True)
class Laid:
    """New tokens of B rows and their positions, shape (B, N), and the mask of all, (B, K + N)."""

    ids: torch.Tensor
    mask: torch.Tensor
    positions: torch.Tensor


def lay(rows: Sequence[Sequence[int]], known: Sequence[int], device: Any) -> Laid:
    """Rows of which so many first tokens are known, fewer than all."""
    before = max(known)
    width = max(len(row) - k for row, k in zip(rows, known, strict=True))
    ids = torch.zeros(len(rows), width, dtype=torch.long)
    mask = torch.zeros(len(rows), before + width, dtype=torch.long)
    positions = torch.zeros(len(rows), width, dtype=torch.long)
    for i, (row, k) in enumerate(zip(rows, known, strict=True)):
        start = width - len(row) + k
        ids[i, start:] = torch.tensor(row[k:])
        positions[i, start:] = torch.arange(k, len(row))
        mask[i, before - k : before] = 1
        mask[i, before + start :] = 1
    return Laid(ids.to(device), mask.to(device), positions.to(device))


def new_cache(model: Any) -> DynamicCache:
    """An empty cache with the kinds of layers that a model has."""
    return DynamicCache(config=model.config)


def last_logits(model: Any, laid: Laid, cache: DynamicCache | None) -> torch.Tensor:
    """Logits of the last position, shape (B, V); keys and values of the new tokens go into the
    cache."""
    own: dict[str, Any] = {
        "past_key_values": cache,
        "attention_mask": laid.mask,
        "position_ids": laid.positions,
    }
    if _is_recurrent(type(model).forward):
        # its mask is that of the new tokens, and single ones are none of them padding
        own = {
            "cache_params": cache,
            "attention_mask": laid.mask if laid.ids.shape[1] > 1 else None,
        }
    with _sliced(model.get_output_embeddings()):
        out = model(input_ids=laid.ids, use_cache=cache is not None, logits_to_keep=1, **own)
    last: torch.Tensor = out.logits[:, -1]
    return last


@contextmanager
def _sliced(head: Any) -> Iterator[None]:
    """Let a head on a CPU compute its logits in slices, unless somebody changed how it does."""
    is_wide = type(head) is Linear and head.out_features > SLICE
    if not is_wide or head.weight.device.type != "cpu" or "forward" in vars(head):
        yield
        return
    head.forward = functools.partial(_by_slices, head.weight, head.bias)
    try:
        yield
    finally:
        vars(head).pop("forward")


def _by_slices(
    weight: torch.Tensor, bias: torch.Tensor | None, states: torch.Tensor
) -> torch.Tensor:
    """The logits (..., V) of states (..., H) by a head's weight (V, H) and bias (V,)."""
    biases = repeat(None) if bias is None else torch.split(bias, SLICE)
    parts = zip(torch.split(weight, SLICE), biases, strict=False)
    return torch.cat([linear(states, *part) for part in parts], -1)


@functools.cache
def _is_recurrent(forward: Any) -> bool:
    """Whether a model has no attention at all, as Mamba: its cache has another name, and what is
    given under the usual one would be passed over."""
    names = inspect.signature(forward).parameters
    return "cache_params" in names and "past_key_values" not in names
