"""A policy on this machine: any transformers causal language model, sampled with a key-value cache.

Covers models that continue plain text in a `Layout`; those that answer in a chat are writers.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from transformers import AutoModelForCausalLM

from surefoot.errors import ModelError, UnscorableError, UsageError
from surefoot.policies.base import NO_TURNS, Continuation, Prefix, Sampling, Usage, sample_seeds
from surefoot.policies.checkpoints import read_checkpoint, whole_folder
from surefoot.policies.prefix_cache import PrefixCache
from surefoot.policies.sampling import Row, end_tokens, own_spots, sample_rows
from surefoot.traces.layout import Layout

LAYOUT_FILE = "layout.json"


class LocalPolicy:
    """A causal language model that writes steps.

    `batch_size` is how many rows are sampled together; the `n` rows of a prefix always are. A row
    stops with its prefix and all it wrote at the model's last position, if not before, and is then
    not finished.

    `cache_tokens` is how many tokens, at most, are remembered from call to call with their keys and
    values (see `PrefixCache`), so that a prefix of which a beginning is known is read from there
    on; 0 remembers none. What is written does not depend on it, but for rounding.
    """

    def __init__(
        self,
        model: Any,
        tokenizer: Any,
        layout: Layout | None = None,
        *,
        name: str = "local",
        batch_size: int = 256,
        cache_tokens: int = 0,
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
        self.cache = PrefixCache(model, cache_tokens) if cache_tokens else None
        self._lock = threading.Lock()
        self._ends = end_tokens(model, tokenizer)
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
        """`n` independent continuations of each prefix. Every row has its own random numbers, so
        they do not depend on what else is asked or on the batch size, but for rounding.

        Raises:
            UsageError: `n` is less than 1.
            UnscorableError: a prefix leaves the model no position to write at.
        """
        if n < 1:
            raise UsageError(f"n is {n}; ask for at least one continuation")
        sampling = sampling or Sampling()
        if any(prefix.turns for prefix in prefixes):
            raise UnscorableError(f"{self.name} {NO_TURNS}")
        seeds = sample_seeds(prefixes, n, seed)
        encoded = self.layout.encode([(p.problem, p.steps) for p in prefixes], self.tokenizer)
        prompts = [one.ids for one in encoded]
        room = [self._room(i, ids, sampling.max_new_tokens) for i, ids in enumerate(prompts)]
        per_batch = max(1, self.batch_size // n)
        order = sorted(range(len(prompts)), key=lambda i: len(prompts[i]))
        found: list[list[Continuation]] = [[] for _ in prompts]
        for start in range(0, len(order), per_batch):
            chosen = order[start : start + per_batch]
            with self._lock:
                rows = sample_rows(
                    self.model,
                    [prompts[i] for i in chosen],
                    [room[i] for i in chosen],
                    n,
                    ends=self._ends,
                    sampling=sampling,
                    spots=own_spots([one for i in chosen for one in seeds[i]]),
                    goes_on=lambda row: self._goes_on(row, sampling.max_new_steps),
                    usage=self.usage,
                    kept=self.cache,
                )
            for row in rows:
                found[chosen[row.prompt]].append(self._continuation(row, sampling.max_new_steps))
        return found

    def _room(self, i: int, prompt: Sequence[int], max_new_tokens: int) -> int:
        """How many tokens may follow a prompt."""
        positions: int | None = getattr(self.model.config, "max_position_embeddings", None)
        if positions is None:
            return max_new_tokens
        if len(prompt) >= positions:
            raise UnscorableError(
                f"prefix {i} has {len(prompt)} tokens, {self.name} has {positions} positions; "
                "shorten it or use a model with more room"
            )
        return min(max_new_tokens, positions - len(prompt))

    def _goes_on(self, row: Row, max_steps: int | None) -> bool:
        """Whether the steps asked for are not there yet."""
        if max_steps is None or not self._may_end_step(row.tokens[-1]):
            return True
        *whole, _ = self._decode(row.tokens).split(self.layout.step_end)
        return len(_without_blanks(whole)) < max_steps

    def _may_end_step(self, token: int) -> bool:
        """Whether a step's end may be complete after this token: if it holds the last character of
        one, or part of a character."""
        if token not in self._may_end:
            text = self._decode([token])
            self._may_end[token] = self.layout.step_end[-1] in text or "\ufffd" in text
        return self._may_end[token]

    def _continuation(self, row: Row, max_steps: int | None) -> Continuation:
        steps = _without_blanks(self._decode(row.tokens).split(self.layout.step_end))[:max_steps]
        return Continuation(
            tuple(steps), row.logprob, row.num_sampled, row.finished, num_read=row.num_read
        )

    def _decode(self, tokens: Sequence[int]) -> str:
        text: str = self.tokenizer.decode(
            tokens, skip_special_tokens=False, clean_up_tokenization_spaces=False
        )
        return text


def _without_blanks(texts: Sequence[str]) -> list[str]:
    return [text for text in texts if text.strip()]


def _read_layout(folder: Path) -> Layout | None:
    """The layout saved in a checkpoint folder, None if there is none."""
    path = folder / LAYOUT_FILE
    if not path.is_file():
        return None
    try:
        return Layout(**json.loads(path.read_text()))
    except (OSError, ValueError, TypeError) as error:
        raise ModelError(f"{path} cannot be read: {error}; write it anew") from None
