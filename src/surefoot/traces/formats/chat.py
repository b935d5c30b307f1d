"""Plain chat: a list `messages` of `{role, content}`, read as `conversation` says: the first user
message is the problem, one assistant message a solution, several of them steps.

System messages before the problem are kept in `meta["chat"]`, and so are further fields of
messages, and how the solution was cut if not at blank lines.

What comes back after chat -> Trace -> chat: the messages, and whatever stands beside them as
`Trace.meta`. It holds no labels, scores, answer or origin; steps that a reader would cut otherwise
count as lost "step boundaries".
"""

from __future__ import annotations

from surefoot.traces.formats import fields, labelling
from surefoot.traces.formats.conversation import messages_of, read_messages
from surefoot.traces.formats.format import Format, LabelRule, Record, Written
from surefoot.traces.types import Trace


def looks_like(record: Record) -> bool:
    """A record with a list `messages`, with neither steps marked as such nor a preference."""
    others = {"steps", "step_labels", "chosen"} & record.keys()
    return isinstance(record.get("messages"), list) and not others


def read(record: Record) -> list[Trace]:
    """The one trace of a chat."""
    messages = fields.sequence(record, "messages")
    meta = fields.others(record, ("messages",))
    names = [f"messages.{i}" for i in range(len(messages))]
    problem, steps, kept = read_messages(messages, names, "messages")
    trace = fields.build(
        "messages",
        problem=problem,
        steps=steps,
        source="chat",
        meta=fields.with_own(meta, "chat", kept),
    )
    return [trace]


def write(trace: Trace, rule: LabelRule) -> Written:
    """One chat; `rule` has no part in it."""
    messages, lost = messages_of(trace, fields.own(trace, "chat"))
    lost |= labelling.field_losses(trace, "chat", holds=("observations",), meta=("chat",))
    return Written(({"messages": messages},), tuple(sorted(lost)))


CHAT = Format("chat", "plain chat", looks_like, read, write)
