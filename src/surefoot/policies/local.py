"""A policy on this machine: any transformers causal language model, sampled with a key-value cache.

Covers models that continue plain text in a `Layout`. Chat templates and remote servers are not
covered here.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from transformers import AutoModelForCausalLM, DynamicCache

from surefoot.errors import ModelError, UsageError
from surefoot.policies.base import Continuation, Prefix, Sampling, Usage
from surefoot.policies.checkpoints import read_checkpoint, whole_folder
from surefoot.traces.layout import Layout

LAYOUT_FILE = "layout.json"


class LocalPolicy:
    """A causal language model that writes steps.

    Each prefix is read once and its cache copied to its `n` continuations. Rows that have ended
    leave the batch. `batch_size` is how many rows are sampled together; the `n` rows of a prefix
    always are. A row stops with its prefix and all it wrote at the model's last position, if not
    before, and is then not finished.
    """

    def __init__(
        self,
        model: Any,
        tokenizer: Any,
        layout: Layout | None = None,
        *,
        name: str = "local",
        batch_size: int = 256,
    ) -> None:
        if tokenizer.eos_token_id is None:
            raise ModelError(
                "the tokenizer has no end-of-text token, so the policy could never stop; "
                "set its eos_token"
            )
        self.model = model.eval()
        self.tokenizer = tokenizer
        self.layout = layout or Layout()
        self.name = name
        self.batch_size = batch_size
        self.usage = Usage()
        self._ends = _end_tokens(model, tokenizer)
        self._may_end: dict[int, bool] = {}

    @classmethod
    def load(cls, folder: str | Path, **options: Any) -> LocalPolicy:
        """A policy from a checkpoint folder, with the layout saved beside it where there is one.

        Raises:
            ModelError: the folder is not a readable checkpoint of a causal language model.
        """
        folder = Path(folder)
        model, tokenizer = read_checkpoint(folder, AutoModelForCausalLM)
        return cls(model, tokenizer, _read_layout(folder), **options)

    def save(self, folder: str | Path) -> None:
        """Write the model, its tokenizer and its layout, as `whole_folder` does.

        Raises:
            StorageError: the folder cannot be written.
        """
        with whole_folder(folder, last=LAYOUT_FILE) as partial:
            self.model.save_pretrained(partial)
            self.tokenizer.save_pretrained(partial)
            (partial / LAYOUT_FILE).write_text(json.dumps(asdict(self.layout)) + "\n")

    def continue_prefixes(
        self, prefixes: Sequence[Prefix], n: int, *, seed: int, sampling: Sampling | None = None
    ) -> list[list[Continuation]]:
        """`n` independent continuations of each prefix, the same for the same seed and batch size.

        Raises:
            UsageError: `n` is less than 1.
            ModelError: a prefix leaves the model no position to write at.
        """
        if n < 1:
            raise UsageError(f"n is {n}; ask for at least one continuation")
        sampling = sampling or Sampling()
        generator = torch.Generator().manual_seed(seed)
        encoded = self.layout.encode([(p.problem, p.steps) for p in prefixes], self.tokenizer)
        prompts = [one.ids for one in encoded]
        room = [self._room(i, ids, sampling.max_new_tokens) for i, ids in enumerate(prompts)]
        per_batch = max(1, self.batch_size // n)
        order = sorted(range(len(prompts)), key=lambda i: len(prompts[i]))
        found: list[list[Continuation]] = [[] for _ in prompts]
        for start in range(0, len(order), per_batch):
            chosen = order[start : start + per_batch]
            batch = _Batch([prompts[i] for i in chosen], [room[i] for i in chosen], n)
            rows = self._sample(batch, generator, sampling)
            for position, i in enumerate(chosen):
                found[i] = rows[position * n : (position + 1) * n]
        return found

    def _room(self, i: int, prompt: Sequence[int], max_new_tokens: int) -> int:
        """How many tokens may follow a prompt."""
        positions: int | None = getattr(self.model.config, "max_position_embeddings", None)
        if positions is None:
            return max_new_tokens
        if len(prompt) >= positions:
            raise ModelError(
                f"prefix {i} has {len(prompt)} tokens, {self.name} has {positions} positions; "
                "shorten it or use a model with more room"
            )
        return min(max_new_tokens, positions - len(prompt))

    @torch.inference_mode()
    def _sample(
        self, batch: _Batch, generator: torch.Generator, sampling: Sampling
    ) -> list[Continuation]:
        """Continuations of left-padded prompts, `n` rows each, row by row."""
        device = self.model.device
        mask, positions = batch.prompt_mask.to(device), batch.prompt_positions.to(device)
        cache = DynamicCache()
        logits = self._forward(batch.prompt_ids.to(device), mask, positions, cache)
        self.usage.calls += 1
        self.usage.prompt_tokens += int(batch.prompt_mask.sum())
        cache.batch_repeat_interleave(batch.n)
        logits = logits.repeat_interleave(batch.n, 0)
        mask = mask.repeat_interleave(batch.n, 0)
        positions = positions[:, -1].repeat_interleave(batch.n, 0)
        alive = list(range(len(batch.rows)))
        while True:
            tokens, logprobs = _draw(logits, sampling.temperature, generator)
            going = [
                place
                for place, (row, token, logprob) in enumerate(
                    zip(alive, tokens.tolist(), logprobs.tolist(), strict=True)
                )
                if self._goes_on(batch.rows[row], token, logprob, sampling.max_new_steps)
            ]
            if not going:
                break
            if len(going) < len(alive):
                keep = torch.tensor(going, device=device)
                cache.batch_select_indices(keep)
                tokens, mask, positions = tokens[keep], mask[keep], positions[keep]
                alive = [alive[place] for place in going]
            mask = torch.cat([mask, mask.new_ones(len(alive), 1)], 1)
            positions = positions + 1
            logits = self._forward(tokens[:, None], mask, positions[:, None], cache)
        self.usage.new_tokens += sum(row.num_sampled for row in batch.rows)
        return [self._continuation(row, sampling.max_new_steps) for row in batch.rows]

    def _forward(
        self, ids: torch.Tensor, mask: torch.Tensor, positions: torch.Tensor, cache: Any
    ) -> torch.Tensor:
        """Logits of the last position, shape (B, V)."""
        out = self.model(
            input_ids=ids,
            attention_mask=mask,
            position_ids=positions,
            past_key_values=cache,
            use_cache=True,
            logits_to_keep=1,
        )
        last: torch.Tensor = out.logits[:, -1]
        return last

    def _goes_on(self, row: _Row, token: int, logprob: float, max_steps: int | None) -> bool:
        """Take one more token into a row; whether it goes on after it."""
        row.logprob += logprob
        row.num_sampled += 1
        if token in self._ends:
            row.finished = True
            return False
        row.tokens.append(token)
        if max_steps is not None and self._may_end_step(token):
            *whole, _ = self._decode(row.tokens).split(self.layout.step_end)
            if len(_without_blanks(whole)) >= max_steps:
                return False
        return row.num_sampled < row.room

    def _may_end_step(self, token: int) -> bool:
        """Whether a step's end may be complete after this token: if it holds the last character of
        one, or part of a character."""
        if token not in self._may_end:
            text = self._decode([token])
            self._may_end[token] = self.layout.step_end[-1] in text or "\ufffd" in text
        return self._may_end[token]

    def _continuation(self, row: _Row, max_steps: int | None) -> Continuation:
        steps = _without_blanks(self._decode(row.tokens).split(self.layout.step_end))[:max_steps]
        return Continuation(tuple(steps), row.logprob, row.num_sampled, row.finished)

    def _decode(self, tokens: Sequence[int]) -> str:
        text: str = self.tokenizer.decode(
            tokens, skip_special_tokens=False, clean_up_tokenization_spaces=False
        )
        return text


@dataclass(slots=True)
class _Row:
    """What has been sampled so far in one row, and how many tokens may be."""

    room: int
    tokens: list[int] = field(default_factory=list)
    logprob: float = 0.0
    num_sampled: int = 0
    finished: bool = False


class _Batch:
    """P left-padded prompts, and `n` rows for each, row-major."""

    def __init__(self, prompts: list[list[int]], room: list[int], n: int) -> None:
        width = max(map(len, prompts))
        self.prompt_ids = torch.zeros(len(prompts), width, dtype=torch.long)
        self.prompt_mask = torch.zeros(len(prompts), width, dtype=torch.long)
        for i, ids in enumerate(prompts):
            self.prompt_ids[i, width - len(ids) :] = torch.tensor(ids)
            self.prompt_mask[i, width - len(ids) :] = 1
        self.prompt_positions = (self.prompt_mask.cumsum(1) - 1).clamp(min=0)
        self.n = n
        self.rows = [_Row(tokens) for tokens in room for _ in range(n)]


def _draw(
    logits: torch.Tensor, temperature: float, generator: torch.Generator
) -> tuple[torch.Tensor, torch.Tensor]:
    """One token for each row of logits (B, V), and its log-probability at temperature 1."""
    logprobs = torch.log_softmax(logits.float(), -1)
    if temperature == 0:
        tokens = logprobs.argmax(-1)
    else:
        weights = logprobs
        if temperature != 1:
            weights = torch.log_softmax(logits.float() / temperature, -1)
        cumulative = weights.exp().cumsum(-1)
        total = cumulative[:, -1:]
        spots = torch.rand(len(logits), 1, generator=generator).to(total.device) * total
        # below the total and right of every spot: no token of probability 0 is ever drawn
        spots = torch.minimum(spots, torch.nextafter(total, torch.zeros_like(total)))
        tokens = torch.searchsorted(cumulative, spots, right=True).squeeze(1)
    return tokens, logprobs.gather(1, tokens[:, None]).squeeze(1)


def _without_blanks(texts: Sequence[str]) -> list[str]:
    return [text for text in texts if text.strip()]


def _end_tokens(model: Any, tokenizer: Any) -> frozenset[int]:
    """The tokenizer's end of text, and every other that the model's generation settings name."""
    named = getattr(getattr(model, "generation_config", None), "eos_token_id", None)
    further = named if isinstance(named, list) else [] if named is None else [named]
    return frozenset([tokenizer.eos_token_id, *further])


def _read_layout(folder: Path) -> Layout | None:
    """The layout saved in a checkpoint folder, None if there is none."""
    path = folder / LAYOUT_FILE
    if not path.is_file():
        return None
    try:
        return Layout(**json.loads(path.read_text()))
    except (OSError, ValueError, TypeError) as error:
        raise ModelError(f"{path} cannot be read: {error}; write it anew") from None
