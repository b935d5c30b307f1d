"""What a server's answer says: its text, where it stopped, how probable it was, and its tokens."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import accumulate
from typing import Any

from surefoot.policies.openai_server import at, text_of


@dataclass(frozen=True, slots=True)
class Answer:
    """The first choice of an answer, and what it took.

    `stop` is the text at which it says that it stopped, None where it ended by itself; `says_stop`
    whether it says so at all.
    """

    text: str
    reason: str | None
    num_read: int
    num_written: int
    says_stop: bool
    stop: str | None
    tokens: tuple[tuple[str, float], ...] | None
    """Each token with its log-probability, None where they are not given."""

    def logprob(self, end: int | None = None) -> float | None:
        """How probable the text is up to a place, or as a whole: the sum over its tokens, None if
        they are not all there. A token that reaches beyond the place counts."""
        tokens = self.tokens
        # some count the end of the text among the tokens and give no number for it
        least = self.num_written - (self.reason == "stop")
        if tokens is None or not least <= len(tokens) <= self.num_written:
            return None
        if end is not None:
            if not "".join(token for token, _ in tokens).startswith(self.text[:end]):
                return None
            ends = accumulate(len(token) for token, _ in tokens)
            tokens = tokens[: 1 + sum(one < end for one in ends)]
        total = math.fsum(logprob for _, logprob in tokens)
        return total if math.isfinite(total) else None


def answer_of(answer: Any, where: str) -> Answer:
    """What an answer of the OpenAI protocol says, of a chat or not.

    Raises:
        ModelError: it is not of the protocol.
    """
    text, reason = text_of(answer, where)
    read, written = (
        at(answer, where, int, "usage", name) for name in ("prompt_tokens", "completion_tokens")
    )
    choice = answer["choices"][0]
    # vLLM and SGLang say at what they stopped; at the end of the text that is None or a token
    said = [choice[name] for name in ("stop_reason", "matched_stop") if name in choice]
    stop = said[0] if said and isinstance(said[0], str) else None
    return Answer(text, reason, read, written, bool(said), stop, _tokens(choice))


def end_of(text: str, step_end: str, num_steps: int) -> int:
    """Where in a text so many of its steps that are not blank have ended."""
    pieces = text.split(step_end)
    ends = accumulate(len(piece) + len(step_end) for piece in pieces)
    found = [end for piece, end in zip(pieces, ends, strict=True) if piece.strip()]
    return found[num_steps - 1]


def _tokens(choice: Any) -> tuple[tuple[str, float], ...] | None:
    said = choice.get("logprobs")
    try:
        if "message" in choice:
            pairs = [(token["token"], token["logprob"]) for token in said["content"]]
        else:
            pairs = [*zip(said["tokens"], said["token_logprobs"], strict=True)]
        return tuple((str(token), float(logprob)) for token, logprob in pairs)
    except (TypeError, KeyError, ValueError):
        return None
