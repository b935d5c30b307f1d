"""Tokens drawn from a causal language model with a key-value cache, many rows at a time.

Each prompt is read once, equal ones together, and its cache copied to its rows. Rows that have
ended leave the batch.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch

from surefoot.policies.base import Sampling, Usage
from surefoot.policies.passes import Laid, last_logits, lay, new_cache
from surefoot.policies.prefix_cache import PrefixCache

_AHEAD = 32
"""How many random numbers of a row are drawn at once."""


@dataclass(slots=True)
class Row:
    """What has been sampled so far in one row, and how many tokens may be.

    `logprob` is the sum over the sampled tokens, the end of the text among them, at temperature 1;
    `tokens` holds all of them but that end. The first row of a prompt has in `num_read` how many of
    its tokens were read.
    """

    prompt: int
    """Which prompt it follows."""
    room: int
    tokens: list[int] = field(default_factory=list)
    logprob: float = 0.0
    num_sampled: int = 0
    finished: bool = False
    num_read: int = 0


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
    kept: PrefixCache | None = None,
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
        kept: What is known of the prompts; it keeps the rows too.
    """
    rows = [Row(i, room[i]) for i in range(len(prompts)) for _ in range(n)]
    places: dict[tuple[int, ...], int] = {}
    owners = [places.setdefault(tuple(prompt), len(places)) for prompt in prompts]
    distinct = list(places)
    cache, known = (new_cache(model), [0] * len(distinct)) if kept is None else kept.open(distinct)
    laid = lay(distinct, known, model.device)
    logits = last_logits(model, laid, cache)
    usage.calls += 1
    for i, (prompt, k) in enumerate(zip(distinct, known, strict=True)):
        rows[owners.index(i) * n].num_read = len(prompt) - k
        if kept is not None:
            kept.keep(prompt, cache, i)
    read = sum(row.num_read for row in rows)
    usage.prompt_tokens += read
    usage.cached_tokens += sum(map(len, prompts)) - read
    chosen = torch.tensor(owners, device=model.device).repeat_interleave(n)
    cache.reorder_cache(chosen)
    logits, mask, positions = logits[chosen], laid.mask[chosen], laid.positions[chosen, -1]
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
        if kept is not None:
            for place in sorted({*range(len(alive))} - {*going}):
                row = rows[alive[place]]
                # the last one that was sampled has not been fed
                fed = row.tokens[: row.num_sampled - 1]
                kept.keep([*prompts[row.prompt], *fed], cache, place)
        if not going:
            break
        if len(going) < len(alive):
            left = torch.tensor(going, device=mask.device)
            cache.reorder_cache(left)
            tokens, mask, positions = tokens[left], mask[left], positions[left]
            alive = [alive[place] for place in going]
        mask = torch.cat([mask, mask.new_ones(len(alive), 1)], 1)
        positions = positions + 1
        logits = last_logits(model, Laid(tokens[:, None], mask, positions[:, None]), cache)
    if kept is not None:
        kept.trim()
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
    logits = last_logits(model, lay(prompts, [0] * len(prompts), model.device), None)
    return torch.log_softmax(logits.float(), -1)


def draw(
    logits: torch.Tensor, sampling: Sampling, spots: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """One token for each row of logits (B, V), and its log-probability at temperature 1.

    `spots`, shape (B, 1), says where in [0, 1) each is drawn.
    """
    logits = logits.float()
    shares = logits.softmax(-1)
    if sampling.temperature == 0:
        tokens = logits.argmax(-1, keepdim=True)
    else:
        warm = logits if sampling.temperature == 1 else logits / sampling.temperature
        narrow = _narrowed(warm, sampling)
        cumulative = (shares if narrow is logits else narrow.softmax(-1)).cumsum(-1)
        total = cumulative[:, -1:]
        spots = spots.to(total.device) * total
        # below the total and right of every spot: no token of probability 0 is ever drawn
        spots = torch.minimum(spots, torch.nextafter(total, torch.zeros_like(total)))
        tokens = torch.searchsorted(cumulative, spots, right=True)
    # by the most probable token, whose share never vanishes as that of the drawn one may
    norm = logits.amax(-1) - shares.amax(-1).log()
    return tokens.squeeze(1), logits.gather(1, tokens).squeeze(1) - norm


def end_tokens(model: Any, tokenizer: Any) -> frozenset[int]:
    """The tokenizer's end of text, and every other that the model's generation settings name."""
    named = getattr(getattr(model, "generation_config", None), "eos_token_id", None)
    further = named if isinstance(named, list) else [] if named is None else [named]
    return frozenset([tokenizer.eos_token_id, *further])


def _narrowed(logits: torch.Tensor, sampling: Sampling) -> torch.Tensor:
    """Logits (B, V), minus infinity for the tokens that top_k and top_p leave out."""
    if sampling.top_k is not None and sampling.top_k < logits.shape[-1]:
        least = logits.topk(sampling.top_k).values[:, -1:]
        logits = logits.masked_fill(logits < least, -math.inf)
    if sampling.top_p < 1:
        ordered, order = logits.sort(dim=-1, descending=True, stable=True)
        share = ordered.softmax(-1)
        beyond = share.cumsum(-1) - share >= sampling.top_p
        logits = logits.masked_fill(beyond.scatter(-1, order, beyond), -math.inf)
    return logits
