"""AgentProcessBench: the messages of an agent, and a rating of each of its turns.

Fields: `messages` (`role`, `content`, and `tool_calls` of an assistant), `step_labels` (1, 0 or -1
by the position of an assistant's message, 0-based, as text), `final_label` (1, -1), `question`,
`answer_text`, and others. Each assistant message is a step: its content, and each tool call as
`<tool_call>{"arguments": ..., "name": ...}</tool_call>`; what follows it is the observation. The
problem is the user message before the first step, or else the question. An assistant message
without text and calls is no step.

What comes back after AgentProcessBench -> Trace -> AgentProcessBench: every field. A trace of
another origin gets messages of its own, each step as an assistant's.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from surefoot.errors import RowError
from surefoot.traces.formats import fields, labelling
from surefoot.traces.formats.format import Format, LabelRule, Record, Written
from surefoot.traces.types import Step, StepLabels, Trace, canonical_json

NAME = "agentprocessbench"
_USED = ("messages", "step_labels", "final_label", "answer_text")
_OUTCOMES: dict[int | None, bool | None] = {1: True, -1: False, 0: None, None: None}


def looks_like(record: Record) -> bool:
    """A record with `messages` and `step_labels`."""
    return isinstance(record.get("messages"), list) and isinstance(record.get("step_labels"), dict)


def read(record: Record) -> list[Trace]:
    """The one trajectory of a record."""
    messages = messages_of(record, "messages")
    texts = {i: text for i, one in enumerate(messages) if (text := said(one, i)) is not None}
    if not texts:
        raise RowError("no assistant message says or does anything", field="messages")
    at = list(texts)
    ends = [*at[1:], len(messages)]
    steps = [
        Step(texts[i], observation(messages[i + 1 : end])) for i, end in zip(at, ends, strict=True)
    ]
    final = record.get("final_label")
    if isinstance(final, bool) or final not in _OUTCOMES:
        raise RowError(f"{final!r} is not 1, 0, -1 or null", field="final_label")
    users = [one["content"] for one in messages[: at[0]] if one["role"] == "user"]
    kept = {"messages": messages, "at": at, "final_label": final}
    values = _labels(record, at)
    trace = fields.build(
        "messages",
        problem=users[-1] if users and users[-1] else fields.text(record, "question"),
        steps=steps,
        answer=fields.maybe_text(record, "answer_text"),
        outcome=_OUTCOMES[final],
        source=NAME,
        labels=[StepLabels(values)] if any(value is not None for value in values) else [],
        meta=fields.with_own(fields.others(record, _USED), NAME, kept),
    )
    return [trace]


def messages_of(record: Record, name: str) -> list[dict[str, Any]]:
    """The messages in a field of a record, each with a role and a content."""
    messages = fields.sequence(record, name)
    for i, one in enumerate(messages):
        if not isinstance(one, dict) or not isinstance(one.get("role"), str):
            raise RowError("must be an object with a role", field=f"{name}.{i}")
        if not isinstance(one.get("content"), (str, type(None))):
            raise RowError("must be text or null", field=f"{name}.{i}.content")
    return [{**one, "content": one.get("content")} for one in messages]


def said(message: dict[str, Any], i: int) -> str | None:
    """The text of a step; None for a message that is none."""
    if message["role"] != "assistant":
        return None
    parts = [message["content"]] if (message["content"] or "").strip() else []
    calls = message.get("tool_calls") or []
    for call in calls if isinstance(calls, list) else [None]:
        function = call.get("function") if isinstance(call, dict) else None
        if not isinstance(function, dict):
            raise RowError("must be a list of calls of functions", field=f"messages.{i}.tool_calls")
        done = {name: function.get(name) for name in ("name", "arguments")}
        parts.append(f"<tool_call>{canonical_json(done)}</tool_call>")
    return "\n".join(parts) or None


def said_at(messages: Sequence[dict[str, Any]], at: Sequence[int]) -> tuple[str | None, ...]:
    """The texts of the steps at some messages."""
    return tuple(said(messages[i], i) for i in at)


def observation(answers: Sequence[dict[str, Any]]) -> Any:
    """What a step was answered by the messages behind it."""
    if len(answers) == 1 and answers[0]["role"] == "user":
        return answers[0]["content"]
    return [{name: one[name] for name in ("role", "content")} for one in answers] or None


def _labels(record: Record, at: Sequence[int]) -> tuple[int | None, ...]:
    labels = record["step_labels"]
    for key, value in labels.items():
        if not (key.isdecimal() and int(key) in at):
            raise RowError(
                "is no step: no assistant says or does anything there", field=f"step_labels.{key}"
            )
        if isinstance(value, bool) or value not in (1, 0, -1, None):
            raise RowError(f"{value!r} is not 1, 0, -1 or null", field=f"step_labels.{key}")
    return tuple(labels.get(str(i)) for i in at)


def write(trace: Trace, rule: LabelRule) -> Written:
    """One record of the trajectory."""
    labels = labelling.needed_labels(trace)
    values, lost = labelling.ratings(labels, rule)
    kept = fields.own(trace, NAME)
    messages, at = kept.get("messages"), kept.get("at")
    final = {True: 1, False: -1, None: None}[trace.outcome]
    if isinstance(messages, list) and isinstance(at, list) and said_at(messages, at) == trace.texts:
        final = kept.get("final_label") if trace.outcome is None else final
    else:
        messages, at = as_messages(trace)
    row = {
        "question": trace.problem,
        "messages": messages,
        "step_labels": {
            str(i): value for i, value in zip(at, values, strict=True) if value is not None
        },
        "final_label": final,
        "answer_text": trace.answer,
        **{name: value for name, value in trace.meta.items() if name != NAME},
    }
    lost |= labelling.field_losses(
        trace,
        NAME,
        holds=("answer", "outcome", "observations", "meta"),
        labels=labels,
        label_source="human",
    )
    return Written((row,), tuple(sorted(lost)))


def as_messages(trace: Trace) -> tuple[list[dict[str, Any]], list[int]]:
    """Messages for a trace of another origin, and where its steps are among them."""
    messages: list[dict[str, Any]] = [{"role": "user", "content": trace.problem}]
    at = []
    for step in trace.steps:
        at.append(len(messages))
        messages.append({"role": "assistant", "content": step.text})
        seen = step.observation
        if isinstance(seen, str):
            messages.append({"role": "user", "content": seen})
        elif isinstance(seen, list) and all(
            isinstance(one, dict) and one.keys() == {"role", "content"} for one in seen
        ):
            messages += seen
        elif seen is not None:
            messages.append({"role": "tool", "content": canonical_json(seen)})
    return messages, at


AGENT_PROCESS_BENCH = Format(NAME, "AgentProcessBench", looks_like, read, write)
