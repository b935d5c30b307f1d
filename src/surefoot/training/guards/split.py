"""Training and development traces that share no question, always split in the same way."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import blake2b

from surefoot.errors import DataError, UsageError
from surefoot.traces.questions import question_key
from surefoot.traces.types import Trace


@dataclass(frozen=True, slots=True)
class QuestionSplit:
    """Two sets of traces, each in the order it had, and how many questions each has."""

    train: tuple[Trace, ...]
    development: tuple[Trace, ...]
    train_questions: int
    development_questions: int

    def to_json(self) -> dict[str, int]:
        """The counts."""
        return {
            "train_traces": len(self.train),
            "development_traces": len(self.development),
            "train_questions": self.train_questions,
            "development_questions": self.development_questions,
        }


def split_by_question(traces: Sequence[Trace], share: float, seed: int) -> QuestionSplit:
    """Put about `share` of the questions, each with all of its traces, aside for development.

    On which side a question is depends on its words and the seed alone, so it stays there whatever
    traces come or go; but each side gets at least one. The shares of traces differ from those of
    questions where some questions have more traces.

    Raises:
        UsageError: the share is not between 0 and 1.
        DataError: there are fewer than two questions.
    """
    if not 0 < share < 1:
        raise UsageError(
            f"the share of development questions is {share}; it must lie between 0 and 1"
        )
    keys = [question_key(trace.problem) for trace in traces]
    draws = {key: _draw(key, seed) for key in keys}
    if len(draws) < 2:
        raise DataError(
            f"{len(traces)} traces of {len(draws)} questions cannot be split so that no question "
            "is on both sides; give traces of two questions or more, or a development file"
        )
    aside = {key for key, draw in draws.items() if draw < share}
    in_order = sorted(draws, key=lambda key: (draws[key], key))
    aside = (aside | {in_order[0]}) - {in_order[-1]}
    return QuestionSplit(
        tuple(t for t, key in zip(traces, keys, strict=True) if key not in aside),
        tuple(t for t, key in zip(traces, keys, strict=True) if key in aside),
        len(draws) - len(aside),
        len(aside),
    )


def _draw(key: str, seed: int) -> float:
    """A number in [0, 1) for a question."""
    digest = blake2b(key.encode(), digest_size=8, salt=seed.to_bytes(16, "big", signed=True))
    return int.from_bytes(digest.digest()) / 2**64
