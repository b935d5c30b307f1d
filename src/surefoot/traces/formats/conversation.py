"""A trace as chat messages, both ways: which message is the problem, and what is a step.

The first user message is the problem; system messages before it are kept apart. One assistant
message behind it is a solution and is cut into steps at blank lines, or else at line ends, or else
by sentences. Of several, each is one step, and what the others say after it is the observation it
got: text for one user message, else the list of messages.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from surefoot.errors import RowError, TraceError
from surefoot.traces.split import SplitStrategy, join_steps, split_steps
from surefoot.traces.types import Step, Trace, canonical_json

_STRATEGIES: tuple[SplitStrategy, ...] = ("paragraphs", "lines", "sentences")


def read_messages(
    messages: Sequence[Any], names: Sequence[str], field: str
) -> tuple[str, list[str] | list[Step], dict[str, Any]]:
    """The problem, the steps, and what `messages_of` needs besides them to write the messages back.

    Args:
        messages: In order.
        names: The field of each, for errors.
        field: The field of all, for errors.

    Raises:
        RowError: they are no messages, or none of them is a problem or an answer.
    """
    for message, name in zip(messages, names, strict=True):
        if not isinstance(message, dict) or not isinstance(message.get("content"), str):
            raise RowError("must be an object with text content", field=name)
        if message.get("role") not in ("system", "user", "assistant", "tool"):
            raise RowError(
                f"{message.get('role')!r} is not system, user, assistant or tool",
                field=f"{name}.role",
            )
    kept: dict[str, Any] = {}
    start = 0
    while start < len(messages) and messages[start]["role"] == "system":
        start += 1
    if start:
        kept["system"] = list(messages[:start])
    if start == len(messages) or messages[start]["role"] != "user":
        raise RowError("no user message holds the problem", field=field)
    turns = messages[start + 1 :]
    if not turns or turns[0]["role"] != "assistant":
        raise RowError("no assistant message follows the problem", field=field)
    own = [set(m) - {"role", "content"} for m in messages]
    if any(own):
        kept["messages"] = [
            {k: m[k] for k in sorted(keys)} for m, keys in zip(messages, own, strict=True)
        ]
    problem = messages[start]["content"]
    if len(turns) > 1:
        return problem, _turn_steps(turns, field), kept
    if not turns[0]["content"].strip():
        raise RowError("the assistant's message is empty", field=field)
    steps, strategy = _cut(turns[0]["content"])
    if strategy != "paragraphs":
        kept["split"] = strategy
    return problem, steps, kept


def messages_of(trace: Trace, kept: dict[str, Any]) -> tuple[list[dict[str, Any]], set[str]]:
    """The messages of a trace, and what is lost of it.

    Args:
        trace: What to write.
        kept: As `read_messages` gave it; empty for a trace of another origin.
    """
    lost = set()
    messages = [*kept.get("system", []), {"role": "user", "content": trace.problem}]
    if any(step.observation is not None for step in trace.steps):
        for step in trace.steps:
            messages.append({"role": "assistant", "content": step.text})
            messages.extend(_answers(step.observation))
    else:
        text, same = _joined(trace, kept.get("split"))
        messages.append({"role": "assistant", "content": text})
        if not same:
            lost.add("step boundaries")
    own = kept.get("messages")
    if isinstance(own, list) and len(own) == len(messages):
        messages = [{**message, **more} for message, more in zip(messages, own, strict=True)]
    return messages, lost


def _cut(text: str) -> tuple[list[str], SplitStrategy]:
    """The steps of a solution, and the first strategy that finds more than one (paragraphs if
    none does)."""
    for strategy in _STRATEGIES:
        if len(steps := split_steps(text, strategy)) > 1:
            return steps, strategy
    return split_steps(text, "paragraphs"), "paragraphs"


def _turn_steps(turns: Sequence[dict[str, Any]], field: str) -> list[Step]:
    steps = []
    i = 0
    while i < len(turns):
        end = i + 1
        while end < len(turns) and turns[end]["role"] != "assistant":
            end += 1
        try:
            steps.append(Step(turns[i]["content"], _observation(turns[i + 1 : end])))
        except TraceError as error:
            raise RowError(str(error), field=field) from None
        i = end
    return steps


def _observation(answers: Sequence[dict[str, Any]]) -> Any:
    if not answers:
        return None
    if len(answers) == 1 and answers[0]["role"] == "user":
        return answers[0]["content"]
    return [{"role": one["role"], "content": one["content"]} for one in answers]


def _joined(trace: Trace, given: Any) -> tuple[str, bool]:
    """The steps as one text, and whether a reader cuts it into the same steps."""
    strategy = next((one for one in _STRATEGIES if one == given), _STRATEGIES[0])
    try:
        text = join_steps(trace.texts, strategy)
    except TraceError:
        return "\n\n".join(trace.texts), False
    return text, _cut(text)[0] == list(trace.texts)


def _answers(observation: Any) -> list[dict[str, Any]]:
    if observation is None:
        return []
    if isinstance(observation, str):
        return [{"role": "user", "content": observation}]
    if isinstance(observation, list) and all(
        isinstance(one, dict) and {"role", "content"} == one.keys() for one in observation
    ):
        return observation
    return [{"role": "tool", "content": canonical_json(observation)}]
