"""A policy on this machine: any transformers causal language model, sampled in batches with a key-value cache.

Covers models that continue plain text in a `Layout`. Chat templates and remote servers are not covered here.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer, DynamicCache

from surefoot.errors import ModelError, UsageError
from surefoot.policies.base import Continuation, Prefix, Sampling, Usage
from surefoot.traces.layout import Layout, encode_texts

LAYOUT_FILE = "layout.json"


class LocalPolicy:
    """A causal language model that writes steps.

    Rows of a batch share the prompt's computation: each distinct prefix is read once and its cache copied to its `n`
    continuations. Rows that have ended leave the batch.
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
            raise ModelError("the tokenizer has no end-of-text token, so the policy could never stop")
        self.model = model.eval()
        self.tokenizer = tokenizer
        self.layout = layout or Layout()
        self.name = name
        self.batch_size = batch_size
        self.usage = Usage()

    @classmethod
    def load(cls, folder: str | Path, **options: Any) -> LocalPolicy:
        """A policy from a checkpoint folder, with the layout saved beside it where there is one."""
        folder = Path(folder)
        if not (folder / "config.json").is_file():
            raise ModelError(f"{folder} is not a model checkpoint: it has no config.json")
        layout_file = folder / LAYOUT_FILE
        layout = Layout(**json.loads(layout_file.read_text())) if layout_file.is_file() else None
        model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
        return cls(model, AutoTokenizer.from_pretrained(folder), layout, **options)

    def save(self, folder: str | Path) -> None:
        """Write the model, its tokenizer and its layout."""
        self.model.save_pretrained(folder)
        self.tokenizer.save_pretrained(folder)
        (Path(folder) / LAYOUT_FILE).write_text(json.dumps(asdict(self.layout)))

    def continue_prefixes(
        self, prefixes: Sequence[Prefix], n: int, *, seed: int, sampling: Sampling | None = None
    ) -> list[list[Continuation]]:
        """`n` independent continuations of each prefix, the same for the same seed and batch size."""
        if n < 1:
            raise UsageError(f"n is {n}; ask for at least one continuation")
        sampling = sampling or Sampling()
        generator = torch.Generator().manual_seed(seed)
        encoded = self.layout.encode([(p.problem, p.steps) for p in prefixes], self.tokenizer)
        per_batch = max(1, self.batch_size // n)
        order = sorted(range(len(prefixes)), key=lambda i: len(encoded[i].ids))
        found: list[list[Continuation]] = [[] for _ in prefixes]
        for start in range(0, len(order), per_batch):
            chosen = order[start : start + per_batch]
            rows = self._sample([encoded[i].ids for i in chosen], n, generator, sampling)
            for position, i in enumerate(chosen):
                found[i] = rows[position * n : (position + 1) * n]
        return found

    @torch.inference_mode()
    def _sample(
        self, prompts: list[list[int]], n: int, generator: torch.Generator, sampling: Sampling
    ) -> list[Continuation]:
        """Continuations of left-padded prompts, `n` rows each, row by row."""
        (step_end,) = encode_texts([self.layout.step_end], self.tokenizer)
        batch = _Batch(prompts, n)
        cache = DynamicCache()
        hidden = self._forward(batch.prompt_ids, batch.prompt_mask, batch.prompt_positions, cache)
        self.usage.calls += 1
        self.usage.prompt_tokens += sum(map(len, prompts))
        cache.batch_repeat_interleave(n)
        hidden = hidden.repeat_interleave(n, 0)
        mask = batch.prompt_mask.repeat_interleave(n, 0)
        positions = batch.prompt_positions[:, -1].repeat_interleave(n, 0)
        alive = list(range(len(prompts) * n))
        for _ in range(sampling.max_new_tokens):
            tokens, logprobs = _draw(self.model.lm_head(hidden), sampling.temperature, generator)
            going = batch.record(
                alive,
                tokens.tolist(),
                logprobs.tolist(),
                self.tokenizer.eos_token_id,
                step_end,
                sampling.max_new_steps,
            )
            if not going:
                break
            if len(going) < len(alive):
                keep = torch.tensor(going)
                cache.batch_select_indices(keep)
                tokens, mask, positions = tokens[keep], mask[keep], positions[keep]
                alive = [alive[i] for i in going]
            mask = torch.cat([mask, mask.new_ones(len(alive), 1)], 1)
            positions = positions + 1
            hidden = self._forward(tokens[:, None], mask, positions[:, None], cache)
        self.usage.new_tokens += sum(map(len, batch.tokens))
        return [self._continuation(batch, row) for row in range(len(prompts) * n)]

    def _forward(
        self, ids: torch.Tensor, mask: torch.Tensor, positions: torch.Tensor, cache: Any
    ) -> torch.Tensor:
        """Hidden state of the last position, shape (B, H)."""
        out = self.model.base_model(
            input_ids=ids,
            attention_mask=mask,
            position_ids=positions,
            past_key_values=cache,
            use_cache=True,
        )
        last: torch.Tensor = out.last_hidden_state[:, -1]
        return last

    def _continuation(self, batch: _Batch, row: int) -> Continuation:
        text = self.tokenizer.decode(batch.tokens[row], skip_special_tokens=False)
        steps = tuple(step for step in text.split(self.layout.step_end) if step.strip())
        return Continuation(
            steps, batch.logprobs[row], batch.num_sampled[row], batch.finished[row]
        )


class _Batch:
    """What has been sampled so far in each row; P prompts, n rows each, row-major."""

    def __init__(self, prompts: list[list[int]], n: int) -> None:
        width = max(map(len, prompts))
        self.prompt_ids = torch.zeros(len(prompts), width, dtype=torch.long)
        self.prompt_mask = torch.zeros(len(prompts), width, dtype=torch.long)
        for i, ids in enumerate(prompts):
            self.prompt_ids[i, width - len(ids) :] = torch.tensor(ids)
            self.prompt_mask[i, width - len(ids) :] = 1
        self.prompt_positions = (self.prompt_mask.cumsum(1) - 1).clamp(min=0)
        num_rows = len(prompts) * n
        self.tokens: list[list[int]] = [[] for _ in range(num_rows)]
        self.logprobs = [0.0] * num_rows
        self.num_sampled = [0] * num_rows
        self.finished = [False] * num_rows
        self.num_steps = [0] * num_rows

    def record(
        self,
        rows: Sequence[int],
        tokens: Sequence[int],
        logprobs: Sequence[float],
        end_of_text: int,
        step_end: Sequence[int],
        max_steps: int | None,
    ) -> list[int]:
        """Take one more token for each of `rows`; gives the places in `rows` that go on."""
        going = []
        for place, (row, token, logprob) in enumerate(zip(rows, tokens, logprobs, strict=True)):
            self.logprobs[row] += logprob
            self.num_sampled[row] += 1
            if token == end_of_text:
                self.finished[row] = True
                continue
            written = self.tokens[row]
            written.append(token)
            if token == step_end[-1] and written[-len(step_end) :] == list(step_end):
                self.num_steps[row] += 1
                if self.num_steps[row] == max_steps:
                    continue
            going.append(place)
        return going


def _draw(
    logits: torch.Tensor, temperature: float, generator: torch.Generator
) -> tuple[torch.Tensor, torch.Tensor]:
    """One token for each row of logits (B, V), and its log-probability at temperature 1."""
    logprobs = torch.log_softmax(logits.float(), -1)
    if temperature == 0:
        tokens = logprobs.argmax(-1)
    else:
        weights = logprobs if temperature == 1 else torch.log_softmax(logits.float() / temperature, -1)
        cumulative = weights.exp().cumsum(-1)
        spots = torch.rand(len(logits), 1, generator=generator) * cumulative[:, -1:]
        tokens = torch.searchsorted(cumulative, spots).squeeze(1).clamp(max=logits.shape[-1] - 1)
    return tokens, logprobs.gather(1, tokens[:, None]).squeeze(1)
