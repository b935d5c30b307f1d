"""How a problem and its steps stand one after the other in text, and as token ids.

The one place where pieces are joined: policies continue, and reward models score, what `encode`
gives. Pieces are encoded one by one and laid end to end, so where a step ends is known by
construction and never searched for: text that happens to hold a separator or a special token's name
changes nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from surefoot.errors import ContractError


class Tokenizer(Protocol):
    """What is asked of a tokenizer: transformers' tokenizers have it."""

    def __call__(self, text: Any, **options: Any) -> Any:
        """Encode one text or a list of texts."""

    def decode(self, token_ids: Any, **options: Any) -> Any:
        """Text of token ids."""


@dataclass(frozen=True, slots=True)
class Layout:
    """What follows the problem and what follows every step."""

    problem_end: str = "\n"
    step_end: str = "\n"

    def __post_init__(self) -> None:
        for name in ("problem_end", "step_end"):
            if not isinstance(getattr(self, name), str):
                raise ContractError(f"{name} is {getattr(self, name)!r}; it must be text")
        if not self.step_end:
            raise ContractError("step_end is empty; a step needs an end at which it can be scored")

    def encode(
        self, items: Sequence[tuple[str, Sequence[str]]], tokenizer: Tokenizer
    ) -> list[Encoded]:
        """Token ids of (problem, step texts) pairs, and where each step ends.

        Raises:
            ContractError: the tokenizer writes the step end with no token at all.
        """
        problem_end, step_end = encode_texts([self.problem_end, self.step_end], tokenizer)
        if not step_end:
            raise ContractError(
                f"the tokenizer writes the step end {self.step_end!r} with no token; choose another"
            )
        texts = list(dict.fromkeys(text for problem, steps in items for text in (problem, *steps)))
        pieces = dict(zip(texts, encode_texts(texts, tokenizer), strict=True))
        encoded = []
        for problem, steps in items:
            ids = [*pieces[problem], *problem_end]
            start = len(ids)
            ends = []
            for step in steps:
                ids += pieces[step]
                ids += step_end
                ends.append(len(ids) - 1)
            encoded.append(Encoded(ids, ends, start))
        return encoded


@dataclass(frozen=True, slots=True)
class Encoded:
    """Token ids of one trace.

    `ends[k]` is the position of the last token of step k's end, `start` that of the first token
    after the problem's end.
    """

    ids: list[int]
    ends: list[int]
    start: int


def encode_texts(texts: Sequence[str], tokenizer: Tokenizer) -> list[list[int]]:
    """Token ids of each text, with nothing added and no special token recognised inside it."""
    if not texts:
        return []
    ids: list[list[int]] = tokenizer(
        list(texts), add_special_tokens=False, split_special_tokens=True
    )["input_ids"]
    return ids
