"""Plain chat: a list `messages` of `{role, content}`; the first user message is the problem.

One assistant message is a solution and is cut into steps at blank lines, or else at line ends, or
else by sentences (`meta["chat"]` says which, if not blank lines). Of several, each is one step,
and what the others say after it is the observation it got: text for one user message, else the
list of messages. System messages before the problem are kept in `meta["chat"]`, and so are
further fields of messages.

What comes back after chat -> Trace -> chat: the messages, and whatever stands beside them as
`Trace.meta`. It holds no labels, scores, answer or origin; steps that a reader would cut otherwise
count as lost "step boundaries".
"""

from __future__ import annotations

from typing import Any

from surefoot.errors import RowError, TraceError
from surefoot.traces.formats import fields, labelling
from surefoot.traces.formats.format import Format, LabelRule, Record, Written
from surefoot.traces.split import SplitStrategy, join_steps, split_steps
from surefoot.traces.types import Step, Trace, canonical_json

_STRATEGIES: tuple[SplitStrategy, ...] = ("paragraphs", "lines", "sentences")


def looks_like(record: Record) -> bool:
    """A record with a list `messages`, and no steps marked as such."""
    return isinstance(record.get("messages"), list) and "steps" not in record


def read(record: Record) -> list[Trace]:
    """The one trace of a chat."""
    messages = fields.sequence(record, "messages")
    for i, message in enumerate(messages):
        if not isinstance(message, dict) or not isinstance(message.get("content"), str):
            raise RowError("must be an object with text content", field=f"messages.{i}")
        if message.get("role") not in ("system", "user", "assistant", "tool"):
            raise RowError(
                f"{message.get('role')!r} is not system, user, assistant or tool",
                field=f"messages.{i}.role",
            )
    meta = fields.others(record, ("messages",))
    kept: dict[str, Any] = {}
    start = 0
    while start < len(messages) and messages[start]["role"] == "system":
        start += 1
    if start:
        kept["system"] = messages[:start]
    if start == len(messages) or messages[start]["role"] != "user":
        raise RowError("no user message holds the problem", field="messages")
    turns = messages[start + 1 :]
    if not turns or turns[0]["role"] != "assistant":
        raise RowError("no assistant message follows the problem", field="messages")
    own = [set(m) - {"role", "content"} for m in messages]
    if any(own):
        kept["messages"] = [
            {k: m[k] for k in sorted(keys)} for m, keys in zip(messages, own, strict=True)
        ]
    steps: list[str] | list[Step]
    if len(turns) == 1:
        steps, strategy = _cut(turns[0]["content"])
        if strategy != "paragraphs":
            kept["split"] = strategy
    else:
        steps = _turn_steps(turns)
    trace = fields.build(
        "messages",
        problem=messages[start]["content"],
        steps=steps,
        source="chat",
        meta=fields.with_own(meta, "chat", kept),
    )
    return [trace]


def _cut(text: str) -> tuple[list[str], SplitStrategy]:
    """The steps of a solution, and the first strategy that finds more than one (paragraphs if
    none does)."""
    if not text.strip():
        raise RowError("the assistant's message is empty", field="messages")
    for strategy in _STRATEGIES:
        if len(steps := split_steps(text, strategy)) > 1:
            return steps, strategy
    return split_steps(text, "paragraphs"), "paragraphs"


def _turn_steps(turns: list[dict[str, Any]]) -> list[Step]:
    steps = []
    i = 0
    while i < len(turns):
        end = i + 1
        while end < len(turns) and turns[end]["role"] != "assistant":
            end += 1
        try:
            steps.append(Step(turns[i]["content"], _observation(turns[i + 1 : end])))
        except TraceError as error:
            raise RowError(str(error), field="messages") from None
        i = end
    return steps


def _observation(answers: list[dict[str, Any]]) -> Any:
    if not answers:
        return None
    if len(answers) == 1 and answers[0]["role"] == "user":
        return answers[0]["content"]
    return [{"role": one["role"], "content": one["content"]} for one in answers]


def write(trace: Trace, rule: LabelRule) -> Written:
    """One chat; `rule` has no part in it."""
    kept = fields.own(trace, "chat")
    messages = [*kept.get("system", []), {"role": "user", "content": trace.problem}]
    lost = labelling.field_losses(trace, "chat", holds=("observations",), meta=("chat",))
    if any(step.observation is not None for step in trace.steps):
        for step in trace.steps:
            messages.append({"role": "assistant", "content": step.text})
            messages.extend(_answers(step.observation))
    else:
        text, same = _joined(trace)
        messages.append({"role": "assistant", "content": text})
        if not same:
            lost.add("step boundaries")
    own = kept.get("messages")
    if isinstance(own, list) and len(own) == len(messages):
        messages = [{**message, **more} for message, more in zip(messages, own, strict=True)]
    return Written(({"messages": messages},), tuple(sorted(lost)))


def _joined(trace: Trace) -> tuple[str, bool]:
    """The steps as one text, and whether a reader cuts it into the same steps."""
    given = fields.own(trace, "chat").get("split")
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


CHAT = Format("chat", "plain chat", looks_like, read, write)
