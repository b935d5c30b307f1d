"""Tokens drawn from a causal language model with a key-value cache, many rows at a time.

Each prompt is read once and its cache copied to its rows. Rows that have ended leave the batch.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from transformers import DynamicCache

from surefoot.policies.base import Sampling, Usage

_AHEAD = 32
"""How many random numbers of a row are drawn at once."""


@dataclass(slots=True)
class Row:
    """What has been sampled so far in one row, and how many tokens may be.

    `logprob` is the sum over the sampled tokens, the end of the text among them, at temperature 1;
    `tokens` holds all of them but that end.
    """

    prompt: int
    """Which prompt it follows."""
    room: int
    tokens: list[int] = field(default_factory=list)
    logprob: float = 0.0
    num_sampled: int = 0
    finished: bool = False


@torch.inference_mode()
def sample_rows(
    model: Any,
    prompts: Sequence[Sequence[int]],
    room: Sequence[int],
    n: int,
    *,
    ends: frozenset[int],
    sampling: Sampling,
    spots: Callable[[Sequence[int]], torch.Tensor],
    goes_on: Callable[[Row], bool],
    usage: Usage,
) -> list[Row]:
    """`n` rows for each prompt, in order.

    Args:
        model: A transformers causal language model.
        prompts: Token ids, at least one each.
        room: How many tokens may follow each prompt, at least one.
        n: Rows for each prompt.
        ends: Tokens that end a row.
        sampling: Temperature, top_p and top_k.
        spots: Where in [0, 1) the next token of each of the given rows is drawn, shape (B, 1).
        goes_on: Whether a row that has taken one more token and did not end wants another.
        usage: Where what is spent is counted.
    """
    ids, mask, positions = _padded(prompts, model.device)
    rows = [Row(i, room[i]) for i in range(len(prompts)) for _ in range(n)]
    cache = DynamicCache()
    usage.calls += 1
    usage.prompt_tokens += sum(map(len, prompts))
    logits = _forward(model, ids, mask, positions, cache)
    cache.batch_repeat_interleave(n)
    logits = logits.repeat_interleave(n, 0)
    mask = mask.repeat_interleave(n, 0)
    positions = positions[:, -1].repeat_interleave(n, 0)
    alive = list(range(len(rows)))
    while True:
        tokens, logprobs = draw(logits, sampling, spots(alive))
        going = []
        for place, (token, logprob) in enumerate(
            zip(tokens.tolist(), logprobs.tolist(), strict=True)
        ):
            row = rows[alive[place]]
            row.logprob += logprob
            row.num_sampled += 1
            if token in ends:
                row.finished = True
                continue
            row.tokens.append(token)
            if goes_on(row) and row.num_sampled < row.room:
                going.append(place)
        if not going:
            break
        if len(going) < len(alive):
            keep = torch.tensor(going, device=mask.device)
            cache.batch_select_indices(keep)
            tokens, mask, positions = tokens[keep], mask[keep], positions[keep]
            alive = [alive[place] for place in going]
        mask = torch.cat([mask, mask.new_ones(len(alive), 1)], 1)
        positions = positions + 1
        logits = _forward(model, tokens[:, None], mask, positions[:, None], cache)
    usage.new_tokens += sum(row.num_sampled for row in rows)
    return rows


def own_spots(seeds: Sequence[int]) -> Callable[[Sequence[int]], torch.Tensor]:
    """Random numbers for rows that are drawn side by side, each row's from its own seed."""
    generators = [torch.Generator().manual_seed(seed) for seed in seeds]
    ahead = torch.empty(len(seeds), _AHEAD)
    step = 0

    def spots(rows: Sequence[int]) -> torch.Tensor:
        nonlocal step
        place = step % _AHEAD
        if place == 0:
            for i in rows:
                ahead[i] = torch.rand(_AHEAD, generator=generators[i])
        step += 1
        return ahead[list(rows), place : place + 1]

    return spots


@torch.inference_mode()
def next_logprobs(model: Any, prompts: Sequence[Sequence[int]], usage: Usage) -> torch.Tensor:
    """Log-probabilities of every token to follow each prompt, shape (B, V), in fp32."""
    usage.calls += 1
    usage.prompt_tokens += sum(map(len, prompts))
    logits = _forward(model, *_padded(prompts, model.device), None)
    return torch.log_softmax(logits.float(), -1)


def draw(
    logits: torch.Tensor, sampling: Sampling, spots: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """One token for each row of logits (B, V), and its log-probability at temperature 1.

    `spots`, shape (B, 1), says where in [0, 1) each is drawn.
    """
    logprobs = torch.log_softmax(logits.float(), -1)
    if sampling.temperature == 0:
        tokens = logprobs.argmax(-1)
    else:
        weights = logprobs
        if sampling.temperature != 1:
            weights = torch.log_softmax(logits.float() / sampling.temperature, -1)
        cumulative = _narrowed(weights, sampling).exp().cumsum(-1)
        total = cumulative[:, -1:]
        spots = spots.to(total.device) * total
        # below the total and right of every spot: no token of probability 0 is ever drawn
        spots = torch.minimum(spots, torch.nextafter(total, torch.zeros_like(total)))
        tokens = torch.searchsorted(cumulative, spots, right=True).squeeze(1)
    return tokens, logprobs.gather(1, tokens[:, None]).squeeze(1)


def end_tokens(model: Any, tokenizer: Any) -> frozenset[int]:
    """The tokenizer's end of text, and every other that the model's generation settings name."""
    named = getattr(getattr(model, "generation_config", None), "eos_token_id", None)
    further = named if isinstance(named, list) else [] if named is None else [named]
    return frozenset([tokenizer.eos_token_id, *further])


def _narrowed(weights: torch.Tensor, sampling: Sampling) -> torch.Tensor:
    """Log-probabilities (B, V), minus infinity for the tokens that top_k and top_p leave out."""
    if sampling.top_k is not None and sampling.top_k < weights.shape[-1]:
        least = weights.topk(sampling.top_k).values[:, -1:]
        weights = weights.masked_fill(weights < least, -math.inf)
    if sampling.top_p < 1:
        ordered, order = weights.sort(dim=-1, descending=True, stable=True)
        share = ordered.softmax(-1)
        beyond = share.cumsum(-1) - share >= sampling.top_p
        weights = weights.masked_fill(beyond.scatter(-1, order, beyond), -math.inf)
    return weights


def _padded(
    prompts: Sequence[Sequence[int]], device: Any
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Left-padded ids, mask and positions, each of shape (B, T)."""
    width = max(map(len, prompts))
    ids = torch.zeros(len(prompts), width, dtype=torch.long)
    mask = torch.zeros(len(prompts), width, dtype=torch.long)
    for i, prompt in enumerate(prompts):
        ids[i, width - len(prompt) :] = torch.tensor(prompt)
        mask[i, width - len(prompt) :] = 1
    positions = (mask.cumsum(1) - 1).clamp(min=0)
    return ids.to(device), mask.to(device), positions.to(device)


def _forward(
    model: Any, ids: torch.Tensor, mask: torch.Tensor, positions: torch.Tensor, cache: Any
) -> torch.Tensor:
    """Logits of the last position, shape (B, V)."""
    out = model(
        input_ids=ids,
        attention_mask=mask,
        position_ids=positions,
        past_key_values=cache,
        use_cache=cache is not None,
        logits_to_keep=1,
    )
    last: torch.Tensor = out.logits[:, -1]
    return last
