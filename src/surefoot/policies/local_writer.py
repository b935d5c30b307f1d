"""A writer on this machine: any transformers causal language model with a chat template."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from transformers import AutoModelForCausalLM

from surefoot.errors import ModelError, UnscorableError
from surefoot.policies.base import Sampling, Usage
from surefoot.policies.chat import ChatEncoder
from surefoot.policies.checkpoints import read_checkpoint
from surefoot.policies.sampling import Row, end_tokens, next_logprobs, own_spots, sample_rows
from surefoot.policies.writer import Odds, Request, Written, before_stop, check_asked

_TAIL = 4
"""How many tokens of the prompt are decoded with an answer, so that its first space is not lost."""


class LocalWriter:
    """A causal language model that answers in its own chat template.

    What it wrote is shown without special tokens, and ends at the model's last position if not
    before, and is then not finished. Every row has its own random numbers, so an answer does not
    depend on what else is asked, but for rounding; `batch_size` is how many rows are sampled
    together.

    Raises:
        ModelError: the tokenizer has no end-of-text token.
        ContractError: the tokenizer has no chat template, or is not a fast one.
    """

    def __init__(
        self, model: Any, tokenizer: Any, *, name: str = "local", batch_size: int = 64
    ) -> None:
        if tokenizer.eos_token_id is None:
            raise ModelError(
                "the tokenizer has no end-of-text token, so an answer could never end; "
                "set its eos_token"
            )
        self.model = model.eval()
        self.tokenizer = tokenizer
        self.name = name
        self.batch_size = batch_size
        self.usage = Usage()
        self._chat = ChatEncoder(tokenizer)
        self._ends = end_tokens(model, tokenizer)

    @classmethod
    def load(cls, folder: str | Path, **options: Any) -> LocalWriter:
        """A writer from a checkpoint folder, named after it.

        Raises:
            ModelError: the folder is not a readable checkpoint of a causal language model.
            ContractError: its tokenizer has no chat template.
        """
        folder = Path(folder)
        model, tokenizer = read_checkpoint(folder, AutoModelForCausalLM)
        return cls(model, tokenizer, **{"name": folder.resolve().name, **options})

    def write(
        self, requests: Sequence[Request], n: int, *, seed: int, sampling: Sampling | None = None
    ) -> list[list[Written]]:
        """`n` answers to each request. The same request and seed give the same answers.

        Raises:
            UsageError: `n` is less than 1, or a number of steps is asked for.
            UnscorableError: a request leaves the model no position to write at.
        """
        sampling = check_asked(n, sampling)
        prompts = self._prompts(requests, 1)
        found: list[list[Written]] = [[] for _ in requests]
        for chosen in _by_length(prompts, self.batch_size // n):
            asked = [requests[i] for i in chosen]
            answers = self._write_batch(asked, [prompts[i] for i in chosen], n, seed, sampling)
            for i, own in zip(chosen, answers, strict=True):
                found[i] = own
        return found

    def choose(self, requests: Sequence[Request], choices: Sequence[str]) -> list[Odds | None]:
        """How likely the first token of each choice is to come next.

        Raises:
            ContractError: two choices begin with the same token.
            UnscorableError: a request is longer than the model has positions.
        """
        tokens = self._chat.first_tokens(choices)
        prompts = self._prompts(requests, 0)
        found: list[Odds | None] = [None] * len(requests)
        for chosen in _by_length(prompts, self.batch_size):
            logprobs = next_logprobs(self.model, [prompts[i] for i in chosen], self.usage)
            for i, row in zip(chosen, logprobs[:, tokens].tolist(), strict=True):
                found[i] = Odds(tuple(row))
        return found

    def _write_batch(
        self,
        requests: Sequence[Request],
        prompts: Sequence[Sequence[int]],
        n: int,
        seed: int,
        sampling: Sampling,
    ) -> list[list[Written]]:
        rows = sample_rows(
            self.model,
            prompts,
            [self._room(len(ids), sampling.max_new_tokens) for ids in prompts],
            n,
            ends=self._ends,
            sampling=sampling,
            spots=own_spots([one.seed(seed, j) for one in requests for j in range(n)]),
            goes_on=lambda row: not self._stops(row.tokens, requests[row.prompt].stop),
            usage=self.usage,
        )
        answers = [self._written(r, prompts[r.prompt], requests[r.prompt].stop) for r in rows]
        return [answers[i * n : (i + 1) * n] for i in range(len(requests))]

    def _prompts(self, requests: Sequence[Request], room: int) -> list[list[int]]:
        """Ids of the requests, each of which leaves so many positions."""
        prompts = [self._chat.encode(request) for request in requests]
        positions: int | None = getattr(self.model.config, "max_position_embeddings", None)
        longest = max(map(len, prompts), default=0)
        if positions is not None and longest + room > positions:
            raise UnscorableError(
                f"what {self.name} is to answer has {longest} tokens, and it has {positions} "
                "positions; shorten the problem or the steps, or use a model with more room"
            )
        return prompts

    def _room(self, num_tokens: int, max_new_tokens: int) -> int:
        positions: int | None = getattr(self.model.config, "max_position_embeddings", None)
        return max_new_tokens if positions is None else min(max_new_tokens, positions - num_tokens)

    def _stops(self, tokens: Sequence[int], stop: Sequence[str]) -> bool:
        """Whether a stop text is complete with the last token, or may be: every token of text has
        a byte of its own, so no more of them are looked at than the longest has bytes."""
        if not stop:
            return False
        reach = max(len(one.encode()) for one in stop) + 1
        return before_stop(self._decode(tokens[-reach:]), stop) is not None

    def _written(self, row: Row, prompt: Sequence[int], stop: Sequence[str]) -> Written:
        tail = list(prompt[-_TAIL:])
        text = self._decode(tail + row.tokens)[len(self._decode(tail)) :]
        kept = before_stop(text, stop)
        if kept is not None:
            return Written(kept, row.num_sampled, True)
        return Written(text, row.num_sampled, row.finished)

    def _decode(self, tokens: Sequence[int]) -> str:
        text: str = self.tokenizer.decode(
            tokens, skip_special_tokens=True, clean_up_tokenization_spaces=False
        )
        return text


def _by_length(prompts: Sequence[Sequence[int]], size: int) -> Iterator[list[int]]:
    """Positions of the prompts, those of similar length together, at least one at a time."""
    order = sorted(range(len(prompts)), key=lambda i: len(prompts[i]))
    for start in range(0, len(order), max(1, size)):
        yield order[start : start + max(1, size)]
