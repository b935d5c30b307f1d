"""The ways of scoring in use elsewhere, written anew from what they do."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from surefoot import Trace
from surefoot.models.discriminative import DiscriminativeModel, token_ids
from surefoot.models.render import Rendered

Scores = list[list[float]]


def ours(scorer: DiscriminativeModel, traces: Sequence[Trace]) -> Scores:
    """From text to scores."""
    return [list(one.values) for one in scorer.score(traces)]


@torch.no_grad()
def full_vocabulary(
    scorer: DiscriminativeModel, rows: Sequence[Rendered], batch: int = 8
) -> Scores:
    """Padded batches and all logits, two of which are read at the slots: search-and-learn's scoring
    of RLHFlow models (batches of 8) and of Math-Shepherd (of 4)."""
    two = token_ids(scorer.contract, scorer.renderer)
    scores: Scores = []
    for start in range(0, len(rows), batch):
        some = rows[start : start + batch]
        ids, mask = _padded(some)
        logits = scorer.model(input_ids=ids, attention_mask=mask, use_cache=False).logits
        for i, row in enumerate(some):
            scores.append(_good(logits[i, row.slots][:, two]))
    return scores


@torch.no_grad()
def each_prefix(scorer: DiscriminativeModel, rows: Sequence[Rendered]) -> Scores:
    """One pass over the text up to every step, all logits: RLHFlow's own script, reward_hub."""
    two = token_ids(scorer.contract, scorer.renderer)
    scores: Scores = []
    for row in rows:
        last = [
            scorer.model(torch.tensor([row.ids[: slot + 1]]), use_cache=False).logits[0, -1]
            for slot in row.slots
        ]
        scores.append(_good(torch.stack(last)[:, two]))
    return scores


@torch.no_grad()
def padded(scorer: DiscriminativeModel, rows: Sequence[Rendered]) -> Scores:
    """One padded batch, the head of two classes on all its positions: search-and-learn's scoring of
    Qwen PRMs."""
    ids, mask = _padded(rows)
    states = scorer.model(input_ids=ids, attention_mask=mask, use_cache=False).last_hidden_state
    logits = scorer.head(states.flatten(0, 1))[0].view(*ids.shape, 2)
    return [_good(logits[i, row.slots]) for i, row in enumerate(rows)]


def one_by_one(scorer: DiscriminativeModel, rows: Sequence[Rendered]) -> Scores:
    """Each candidate alone: reward_hub's scoring of Qwen PRMs, with gradients off."""
    return [padded(scorer, [row])[0] for row in rows]


def _good(logits: torch.Tensor) -> list[float]:
    values: list[float] = torch.softmax(logits.float(), -1)[:, 1].tolist()
    return values


def _padded(rows: Sequence[Rendered]) -> tuple[torch.Tensor, torch.Tensor]:
    width = max(len(row.ids) for row in rows)
    ids, mask = torch.zeros(2, len(rows), width, dtype=torch.long)
    for i, row in enumerate(rows):
        ids[i, : len(row.ids)] = torch.tensor(row.ids)
        mask[i, : len(row.ids)] = 1
    return ids, mask


def worst(one: Any, other: Any) -> float:
    """The largest difference of two methods' scores."""
    return max(
        abs(a - b) for x, y in zip(one, other, strict=True) for a, b in zip(x, y, strict=True)
    )
