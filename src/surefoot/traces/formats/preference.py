"""Preferences: two answers to one question, the `chosen` one better than the `rejected`.

Fields: `prompt`, `chosen`, `rejected`, as TRL and OpenRLHF take them. Each answer is a text, a list
of the texts of its steps, or a list of chat messages; the prompt is a text or a list of messages,
or is missing where both answers begin with it. Messages and running text become steps as
`conversation` says. With `initial_reason_steps`, as in Step-DPO (Lai et al. 2024,
arXiv:2406.18629), an answer is one step behind the lines of that text, of which the last is its own
beginning. `chosen_outcome` and `rejected_outcome`, booleans, say whether an answer is right; to be
preferred is not to be right, so without them the outcome is not known.

A row reads to two traces, the chosen one first, with the same `meta["pair"]`, and
`meta["preferred"]`, which is what `surefoot.training.pairs.given_pairs` looks for. What comes back
after preference -> Trace -> preference: every field, in its layout, if the two traces are written
one after the other. One alone cannot be written. It holds no labels, scores, answer or origin.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from surefoot.errors import RowError, TraceError
from surefoot.traces.formats import fields, labelling
from surefoot.traces.formats.conversation import messages_of, read_messages
from surefoot.traces.formats.format import Format, LabelRule, Record, Written
from surefoot.traces.split import split_steps
from surefoot.traces.types import Step, Trace

_OWN = "preference"
_MARKS = ("pair", "preferred")
_INITIAL = "initial_reason_steps"
_USED = ("prompt", "chosen", "rejected", _INITIAL, "chosen_outcome", "rejected_outcome")
_Parts = tuple[str, list[str] | list[Step], dict[str, Any]]
"""The problem, the steps, and what is kept of how they were written."""


def looks_like(record: Record) -> bool:
    """A record with `chosen` and `rejected`."""
    return {"chosen", "rejected"} <= record.keys()


def read(record: Record) -> list[Trace]:
    """The chosen and the rejected trace."""
    for name in _MARKS:
        if name in record:
            raise RowError("this name is kept for the format itself", field=name)
    extra = fields.others(record, _USED)
    key = fields.record_key(record)
    traces = []
    for side in ("chosen", "rejected"):
        problem, steps, kept = _parts(record, side)
        marked = {**extra, "pair": key, "preferred": side == "chosen"}
        trace = fields.build(
            side,
            problem=problem,
            steps=steps,
            outcome=fields.maybe_bool(record, f"{side}_outcome"),
            source=_OWN,
            meta=fields.with_own(marked, _OWN, {"record": key, **kept}),
        )
        traces.append(trace)
    if traces[0].problem != traces[1].problem:
        raise RowError("its question is not that of the chosen answer", field="rejected")
    return traces


def _parts(record: Record, side: str) -> _Parts:
    given = record.get(side)
    if isinstance(record.get(_INITIAL), str):
        return _next_step(record, side)
    if isinstance(given, list) and all(isinstance(one, str) for one in given):
        return fields.text(record, "prompt"), fields.texts(record, side), {"form": "steps"}
    if isinstance(given, str):
        form, answer = "text", [{"role": "assistant", "content": fields.text(record, side)}]
    elif isinstance(given, list):
        form, answer = "messages", given
    else:
        raise RowError(
            f"must be text, a list of steps or of messages, not {fields.kind(given)}", field=side
        )
    before, layout = _prompt(record, side, form)
    names = [f"prompt.{i}" for i in range(len(before))]
    names += [f"{side}.{i}" for i in range(len(answer))]
    problem, steps, chat = read_messages([*before, *answer], names, side)
    if layout == "repeated" and problem != record["prompt"]:
        raise RowError("its first user message is not the prompt", field=side)
    kept = {"form": form, "prompt": layout}
    return problem, steps, {**kept, "chat": chat} if chat else kept


def _prompt(record: Record, side: str, form: str) -> tuple[list[Any], str | int]:
    """The messages before the answer, and how they were given: as text, as so many messages, within
    the answer, or both as text and within it."""
    prompt, answer = record.get("prompt"), record.get(side)
    if isinstance(prompt, list):
        return prompt, len(prompt)
    if prompt is None and form == "text":
        raise RowError(
            "is missing, and a text does not show where the question ends", field="prompt"
        )
    if prompt is None:
        return [], "within"
    text = fields.text(record, "prompt")
    roles = [one.get("role") for one in answer or () if isinstance(one, dict)]
    if next((role for role in roles if role != "system"), None) == "user":
        return [], "repeated"
    return [{"role": "user", "content": text}], "text"


def _next_step(record: Record, side: str) -> _Parts:
    """A step behind the steps that a text holds, one on each line."""
    initial = record[_INITIAL]
    before, beginning = _cut_last_line(initial)
    steps = split_steps(before, "lines") if before.strip() else []
    step = beginning + fields.text(record, side)
    return fields.text(record, "prompt"), [*steps, step], {"form": "step", "initial": initial}


def _cut_last_line(text: str) -> tuple[str, str]:
    start = text.rfind("\n") + 1
    return text[:start], text[start:]


def write(trace: Trace, rule: LabelRule) -> Written:
    """Nothing: a preference is of two traces."""
    raise TraceError(
        "a preference is of two traces, and the other one of this pair is not beside it; write the "
        "traces of one record one after the other"
    )


def join(traces: Sequence[Trace], rule: LabelRule) -> Written:
    """The row of a preferred trace and another one of the same problem; `rule` has no part in it.

    Raises:
        TraceError: they are no such two.
    """
    ranked = sorted(traces, key=lambda trace: trace.meta.get("preferred") is not True)
    marks = [trace.meta.get("preferred") for trace in ranked]
    if marks != [True, False] or ranked[0].problem != ranked[1].problem:
        raise TraceError(
            "a preference is of two traces of one problem, of which meta.preferred is true for one "
            "and false for the other"
        )
    row: dict[str, Any] = {}
    lost: set[str] = set()
    has_answers = any(step.observation is not None for one in traces for step in one.steps)
    for side, trace in zip(("chosen", "rejected"), ranked, strict=True):
        own = fields.own(trace, _OWN)
        shared, answer, more = _answer(trace, own or _default(has_answers))
        row |= {**shared, side: answer}
        if trace.outcome is not None:
            row[f"{side}_outcome"] = trace.outcome
        if trace.source == _OWN:
            row |= {k: v for k, v in trace.meta.items() if k not in (*_MARKS, _OWN)}
        holds = {"outcome"}
        if isinstance(answer, list) and own.get("form") != "steps":
            holds.add("observations")
        kept = tuple(trace.meta) if trace.source == _OWN else _MARKS
        lost |= more | labelling.field_losses(trace, _OWN, holds=holds, meta=kept)
    return Written((row,), tuple(sorted(lost)))


def _default(has_answers: bool) -> dict[str, Any]:
    """The layout of traces of other origin."""
    return {"form": "messages", "prompt": 1} if has_answers else {"form": "text", "prompt": "text"}


def _answer(trace: Trace, own: dict[str, Any]) -> tuple[dict[str, Any], Any, set[str]]:
    """What the row says once for both, the answer, and what is lost of the trace."""
    form, layout = own.get("form"), own.get("prompt")
    if form == "steps":
        return {"prompt": trace.problem}, list(trace.texts), set()
    if form == "step":
        initial = str(own.get("initial"))
        _, beginning = _cut_last_line(initial)
        shared = {"prompt": trace.problem, _INITIAL: initial}
        return shared, trace.texts[-1].removeprefix(beginning), set()
    messages, lost = messages_of(trace, own.get("chat", {}))
    if layout == "within":
        return {}, messages, lost
    if layout == "repeated":
        return {"prompt": trace.problem}, messages, lost
    number = layout if isinstance(layout, int) else 1
    before, answer = messages[:number], messages[number:]
    prompt = before if isinstance(layout, int) else trace.problem
    is_text = form == "text" and len(answer) == 1
    return {"prompt": prompt}, answer[0]["content"] if is_text else answer, lost


PREFERENCE = Format(_OWN, "preferences", looks_like, read, write, join)
