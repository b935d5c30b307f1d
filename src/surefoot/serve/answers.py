"""What a search found as an answer of the OpenAI chat API, whole or as a stream of chunks.

Where the protocol has no place for it, it stands in the field `surefoot`.
"""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from typing import Any

from surefoot.search.losses import POLICY_FAILED
from surefoot.search.results import SearchResult, Solution
from surefoot.serve.engine import Found
from surefoot.serve.orders import Order
from surefoot.serve.refusals import Refusal

STEP_END = "\n\n"
"""What stands between two steps of an answer."""


@dataclass(frozen=True, slots=True)
class Reply:
    """The name and time that all parts of one answer share."""

    order: Order
    id: str = field(default_factory=lambda: f"chatcmpl-{secrets.token_hex(16)}")
    created: int = field(default_factory=lambda: int(time.time()))

    def head(self, kind: str) -> dict[str, Any]:
        """What every part begins with."""
        return {
            "id": self.id,
            "object": kind,
            "created": self.created,
            "model": self.order.name,
        }


def completion(reply: Reply, found: Found) -> dict[str, Any]:
    """A whole answer.

    Raises:
        Refusal: nothing was written.
    """
    chosen = _chosen(reply.order, found.result)
    choices = []
    for i, one in enumerate(chosen):
        message = {"role": "assistant", "content": STEP_END.join(one.trace.texts), "refusal": None}
        choice = {"index": i, "message": message, "logprobs": None, "finish_reason": _end(one)}
        choices.append({**choice, "surefoot": _solution(one)})
    return {
        **reply.head("chat.completion"),
        "choices": choices,
        "usage": _usage(found.result),
        "surefoot": extension(reply.order, found),
    }


def chunks(reply: Reply, found: Found, sent: int, *, usage: bool) -> Iterator[dict[str, Any]]:
    """The rest of an answer after its first chunks, each of its choices after the other.

    Args:
        reply: Whose answer it is.
        found: What the search found.
        sent: How many steps of the first choice have been sent.
        usage: Whether a chunk of the usage is wanted.

    Raises:
        Refusal: nothing was written.
    """
    chosen = _chosen(reply.order, found.result)
    for i, one in enumerate(chosen):
        if i:
            yield opening(reply, i)
        for k in range(sent if i == 0 else 0, len(one.trace.texts)):
            yield step_chunk(reply, i, k, one.trace.texts[k])
        last = _chunk(reply, i, {}, _end(one))
        last["choices"][0]["surefoot"] = _solution(one)
        if i == len(chosen) - 1:
            last["surefoot"] = extension(reply.order, found)
        yield last
    if usage:
        head = reply.head("chat.completion.chunk")
        yield {**head, "choices": [], "usage": _usage(found.result)}


def opening(reply: Reply, i: int = 0) -> dict[str, Any]:
    """The first chunk of a choice."""
    return _chunk(reply, i, {"role": "assistant", "content": ""}, None)


def step_chunk(reply: Reply, i: int, k: int, step: str) -> dict[str, Any]:
    """Step `k` of choice `i`."""
    return _chunk(reply, i, {"content": (STEP_END if k else "") + step}, None)


def extension(order: Order, found: Found) -> dict[str, Any]:
    """What the protocol has no place for."""
    result = found.result
    first, *others = result.solutions
    return {
        "method": order.name,
        "seed": order.settings.seed,
        "ended": result.ended,
        "why": result.why,
        "chosen_by": result.chosen_by,
        **_solution(first),
        "scorer": _scorer(first),
        "alternatives": [
            {
                "answer": one.trace.answer,
                "reward": one.reward,
                "votes": one.votes,
                "num_tokens": num_tokens,
            }
            for one, num_tokens in zip(others, found.num_tokens[1:], strict=True)
        ],
        "losses": dict(result.losses),
        "usage": {**asdict(result.usage), "answer_tokens": found.num_tokens[0]},
        "notes": [*order.notes],
    }


def event(data: dict[str, Any]) -> bytes:
    """A server-sent event."""
    text = json.dumps(data, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return f"data: {text}\n\n".encode()


def _chosen(order: Order, result: SearchResult) -> tuple[Solution, ...]:
    """The solutions that are given, best first.

    Raises:
        Refusal: there is none, and not even a beginning.
    """
    if result.solutions:
        return result.solutions[: order.choices]
    losses = "; ".join(f"{why} ({num} times)" for why, num in result.losses.items())
    said = f"the search came to nothing ({result.ended}): {result.why}"
    message = f"{said}; {losses}" if losses and losses not in said else said
    failed = all(why.startswith(POLICY_FAILED) for why in result.losses)
    if result.ended == "failed" or (order.remote and result.losses and failed):
        raise Refusal(503, message, code="search_failed", retry_s=1)
    raise Refusal(422, message, code="no_solution")


def _solution(one: Solution) -> dict[str, Any]:
    """A solution and its steps, each with its score; None where the scorer gave none."""
    scores = one.trace.scores[0].values if one.trace.scores else (None,) * len(one.trace.steps)
    return {
        "answer": one.trace.answer,
        "reward": one.reward,
        "votes": one.votes,
        "finished": one.finished,
        "steps": [
            {"text": text, "score": score}
            for text, score in zip(one.trace.texts, scores, strict=True)
        ],
    }


def _scorer(one: Solution) -> dict[str, Any] | None:
    if not one.trace.scores:
        return None
    scores = one.trace.scores[0]
    return {
        "model": scores.model,
        "kind": scores.kind,
        "aggregate": scores.default_aggregate,
        "threshold": scores.threshold,
    }


def _end(one: Solution) -> str:
    return "stop" if one.finished else "length"


def _usage(result: SearchResult) -> dict[str, int]:
    """What the whole search took of the policy."""
    read, written = result.usage.read_tokens, result.usage.new_tokens
    return {
        "prompt_tokens": read,
        "completion_tokens": written,
        "total_tokens": read + written,
    }


def _chunk(reply: Reply, i: int, delta: dict[str, Any], reason: str | None) -> dict[str, Any]:
    choice = {"index": i, "delta": delta, "logprobs": None, "finish_reason": reason}
    return {**reply.head("chat.completion.chunk"), "choices": [choice]}
