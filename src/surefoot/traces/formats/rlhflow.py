"""RLHFlow conversations: each step a user turn, its verdict ("+" or "-") the assistant's answer.

Field: `conversations`, turns `{role, content}` (or ShareGPT's `{from, value}`). The first user
turn is the question and the first step, joined by one space; where one ends and the other begins
is decided by `surefoot.traces.formats.opening`, and a row in which it cannot be told is a bad row,
not a guess.

What comes back after RLHFlow -> Trace -> RLHFlow: the conversation. It holds no neutral and no
missing labels, no answer and no origin; writing counts as lost "end of the question" wherever a
reader could not find it again.
"""

from __future__ import annotations

from surefoot.errors import RowError
from surefoot.traces.formats import fields, labelling, opening
from surefoot.traces.formats.format import Format, LabelRule, Record, Written
from surefoot.traces.types import StepLabels, Trace

_ROLES = {"user": "user", "human": "user", "assistant": "assistant", "gpt": "assistant"}


def looks_like(record: Record) -> bool:
    """A record whose `conversations` answer the first user turn with "+" or "-"."""
    turns = record.get("conversations")
    if not isinstance(turns, list) or len(turns) < 2 or not isinstance(turns[1], dict):
        return False
    return turns[1].get("content", turns[1].get("value")) in ("+", "-")


def read(record: Record) -> list[Trace]:
    """The one trace of a conversation."""
    turns = fields.sequence(record, "conversations")
    said = []
    for i, turn in enumerate(turns):
        place = f"conversations.{i}"
        role = turn.get("role", turn.get("from")) if isinstance(turn, dict) else None
        content = turn.get("content", turn.get("value")) if isinstance(turn, dict) else None
        expected = "assistant" if i % 2 else "user"
        if _ROLES.get(str(role)) != expected or not isinstance(content, str):
            raise RowError(f"must be a turn of the {expected}, with text", field=place)
        if expected == "assistant" and content not in ("+", "-"):
            raise RowError(f"{content!r} is not '+' or '-'", field=place)
        said.append(content)
    if len(said) % 2:
        raise RowError("the last step has no verdict", field=f"conversations.{len(said) - 1}")
    question, separator, first = opening.cut_opening(said[0], "conversations.0")
    meta = fields.others(record, ("conversations",))
    kept = {"opening": separator} if separator != " " else {}
    if "from" in turns[0]:
        kept["turns"] = "sharegpt"
    labels = StepLabels(tuple(1 if sign == "+" else -1 for sign in said[1::2]), source="rollout")
    trace = fields.build(
        "conversations",
        problem=question,
        steps=[first, *said[2::2]],
        source="rlhflow",
        labels=[labels],
        meta=fields.with_own(meta, "rlhflow", kept),
    )
    return [trace]


def write(trace: Trace, rule: LabelRule) -> Written:
    """One conversation."""
    labels = labelling.needed_labels(trace)
    n, lost = labelling.labelled_steps(labels)
    right, more = labelling.verdicts(labels, rule)
    own = fields.own(trace, "rlhflow")
    separator = opening.separator_of(own)
    steps = list(trace.texts[:n])
    lost |= more | opening.opening_loss(trace.problem, separator, steps[0])
    lost |= labelling.field_losses(
        trace, "rlhflow", meta=("rlhflow",), labels=labels, label_source="rollout"
    )
    steps[0] = trace.problem + separator + steps[0]
    names = ("role", "content", "user", "assistant")
    if own.get("turns") == "sharegpt":
        names = ("from", "value", "human", "gpt")
    role, content, user, assistant = names
    turns = []
    for step, good in zip(steps, right, strict=False):
        turns.append({role: user, content: step})
        turns.append({role: assistant, content: "+" if good else "-"})
    return Written(({"conversations": turns},), tuple(sorted(lost)))


RLHFLOW = Format("rlhflow", "RLHFlow conversations", looks_like, read, write)
