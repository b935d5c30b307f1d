"""What every writer of free text has in common: messages in, an answer or a choice out.

A writer is a chat model that is asked for a verdict, a rewrite or an explanation; one that goes on
with the steps of a trace is a `Policy`. Nothing that a model writes is ever run.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Literal, NamedTuple, Protocol, get_args

from surefoot.errors import UsageError
from surefoot.policies.base import Sampling, Usage
from surefoot.traces.types import canonical_json

Role = Literal["system", "user", "assistant"]


class Message(NamedTuple):
    """One message of a conversation."""

    role: Role
    text: str


@dataclass(frozen=True, slots=True)
class Request:
    """A conversation that ends with the user, and how the answer to it begins.

    Whatever stands in a user's message is plain text, the names of special tokens too. In other
    messages and in `prefill` they are those tokens, except names that a user's message holds as
    well: what looks like one there may be a quotation.
    """

    messages: tuple[Message, ...]
    prefill: str = ""
    """The beginning of the answer; what is written follows it, and does not hold it again."""
    stop: tuple[str, ...] = ()
    """Texts before which the answer ends."""
    opens_turn: bool = True
    """Whether the answer is a turn of its own, as the chat template opens one; if not, it goes on
    right behind the user's text."""
    draw: int = 0
    """Tells apart requests that are otherwise equal; equal ones get equal answers."""

    def __post_init__(self) -> None:
        for message in self.messages:
            if message.role not in get_args(Role):
                roles = ", ".join(get_args(Role))
                raise UsageError(f"a message has the role {message.role!r}; choose one of {roles}")
        if not self.messages or self.messages[-1].role != "user":
            raise UsageError("the messages must end with the user's, which is to be answered")
        if not all(self.stop):
            raise UsageError("a stop text is empty; leave it out")

    def seed(self, seed: int, sample: int) -> int:
        """The seed of one answer, from 0 to 2**31 - 1: it depends on nothing but what is asked."""
        content = canonical_json([seed, sample, asdict(self)])
        return int.from_bytes(hashlib.sha256(content.encode()).digest()[:4]) >> 1


@dataclass(frozen=True, slots=True)
class Written:
    """An answer, from behind the prefill to before the stop text or the end.

    `finished` is false where the length limit cut it, or the server held something back.
    """

    text: str
    num_tokens: int
    finished: bool


@dataclass(frozen=True, slots=True)
class Odds:
    """Log-probabilities (natural log) of some choices as the next token, in their order.

    `num_estimated` of them are not the choice's own, which the server did not give, but the least
    that it gave, which is not below it.
    """

    logprobs: tuple[float, ...]
    num_estimated: int = 0


class Writer(Protocol):
    """Anything that answers conversations."""

    @property
    def name(self) -> str:
        """What its answers are signed with."""

    @property
    def usage(self) -> Usage:
        """Tokens spent so far."""

    def write(
        self, requests: Sequence[Request], n: int, *, seed: int, sampling: Sampling | None = None
    ) -> list[list[Written]]:
        """`n` answers to each request. The same request and seed give the same answers."""

    def choose(self, requests: Sequence[Request], choices: Sequence[str]) -> list[Odds | None]:
        """How likely the first token of each choice is to come next, at temperature 1; None where
        the server named none of them."""


def check_asked(n: int, sampling: Sampling | None) -> Sampling:
    """The sampling, if a writer can do it.

    Raises:
        UsageError: `n` is less than 1, or a number of steps is asked for.
    """
    if n < 1:
        raise UsageError(f"n is {n}; ask for at least one answer")
    if sampling is not None and sampling.max_new_steps is not None:
        raise UsageError("max_new_steps is for policies; a writer does not know what a step is")
    return sampling or Sampling()


def before_stop(text: str, stop: Sequence[str]) -> str | None:
    """What stands before the first stop text, None where there is none."""
    places = [place for one in stop if (place := text.find(one)) >= 0]
    return text[: min(places)] if places else None
