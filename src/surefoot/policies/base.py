"""What every writer of steps has in common: read this before any other file on this floor."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

from surefoot.errors import UsageError
from surefoot.traces.types import canonical_json

NO_TURNS = "goes on with plain text and holds no conversations; put all in the problem"
"""What a policy says that is given turns and has no place for them."""


@dataclass(frozen=True, slots=True)
class Prefix:
    """A problem and the steps taken so far, none at the beginning.

    `turns` are what was said before the problem, (role, text) of each, the role being system, user
    or assistant: for policies that hold conversations. `drawn` is how many continuations are known
    already: those that follow are the next ones of the same seed, so that 2 and then 3 more are the
    5 that would have come at once.
    """

    problem: str
    steps: tuple[str, ...] = ()
    drawn: int = 0
    turns: tuple[tuple[str, str], ...] = ()

    def __post_init__(self) -> None:
        if not self.problem.strip():
            raise UsageError("the problem is empty; give the policy something to work on")
        for i, step in enumerate(self.steps):
            if not step.strip():
                raise UsageError(f"step {i} is blank; leave it out")
        if self.drawn < 0:
            raise UsageError(f"drawn is {self.drawn}; it must be 0 or more")

    def seed(self, seed: int, sample: int) -> int:
        """The seed of one continuation, counted from the first of all, from 0 to 2**31 - 1: it
        depends on nothing but what is asked."""
        asked = [seed, sample, self.problem, self.steps, *([self.turns] if self.turns else [])]
        content = canonical_json(asked)
        return int.from_bytes(hashlib.sha256(content.encode()).digest()[:4]) >> 1


@dataclass(frozen=True, slots=True)
class Continuation:
    """New steps for a prefix, blank ones left out.

    `logprob` is the sum of the log-probabilities (natural log, at temperature 1) of the sampled
    tokens, the end of the text among them, None where a server does not say; `num_tokens` is their
    number. `finished` is false where the length limit or a step limit cut the text; a last step
    that the length limit cut short is kept. `failed` says why there is no text at all, where a
    server gave none.

    `num_read` is the number of tokens that were read for it alone: the first of those that were
    drawn together carries what was read for all, so that the sum over all is what was read. It
    depends on what was asked before and beside it, so it does not make two of them differ.
    """

    steps: tuple[str, ...]
    logprob: float | None
    num_tokens: int
    finished: bool
    failed: str | None = None
    num_read: int = field(default=0, compare=False)


@dataclass(frozen=True, kw_only=True, slots=True)
class Sampling:
    """How to continue."""

    temperature: float = 1.0
    """0 takes the most probable token; otherwise logits are divided by it."""
    max_new_tokens: int = 512
    max_new_steps: int | None = None
    """Stop after this many new steps, not counting blank ones; None goes on to the end."""
    top_p: float = 1.0
    """Keep the most probable tokens that together reach this probability; 1 keeps all."""
    top_k: int | None = None
    """Keep this many of the most probable tokens, before `top_p`; None keeps all."""

    def __post_init__(self) -> None:
        if not 0 <= self.temperature < math.inf:
            raise UsageError(f"temperature is {self.temperature}; it must be 0 or more, and finite")
        if self.max_new_tokens < 1:
            raise UsageError(f"max_new_tokens is {self.max_new_tokens}; it must be at least 1")
        if self.max_new_steps is not None and self.max_new_steps < 1:
            raise UsageError(
                f"max_new_steps is {self.max_new_steps}; it must be at least 1, or None"
            )
        if not 0 < self.top_p <= 1:
            raise UsageError(f"top_p is {self.top_p}; it must be above 0 and at most 1")
        if self.top_k is not None and self.top_k < 1:
            raise UsageError(f"top_k is {self.top_k}; it must be at least 1, or None")


@dataclass(slots=True)
class Usage:
    """What a policy has spent since it was made.

    Tokens that were computed by reading, those written, and batches sampled or requests answered;
    `cached_tokens` stood before what was to be written too, but were known and not computed again.
    """

    prompt_tokens: int = 0
    new_tokens: int = 0
    calls: int = 0
    cached_tokens: int = 0


class Policy(Protocol):
    """Anything that continues prefixes of traces."""

    @property
    def name(self) -> str:
        """What its traces give as their source."""

    @property
    def usage(self) -> Usage:
        """Tokens spent so far."""

    def continue_prefixes(
        self, prefixes: Sequence[Prefix], n: int, *, seed: int, sampling: Sampling | None = None
    ) -> list[list[Continuation]]:
        """`n` independent continuations of each prefix, the same for the same seed, whatever else
        is asked with it. An equal prefix that comes again goes on where the one before stopped.

        Raises:
            UnscorableError: a prefix is not for this policy, such as one that is too long.
        """


def sample_seeds(prefixes: Sequence[Prefix], n: int, seed: int) -> list[list[int]]:
    """The seeds of the `n` continuations of each prefix."""
    drawn: dict[Prefix, int] = {}
    seeds = []
    for prefix in prefixes:
        first = drawn.get(prefix, prefix.drawn)
        seeds.append([prefix.seed(seed, first + j) for j in range(n)])
        drawn[prefix] = first + n
    return seeds
