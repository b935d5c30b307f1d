"""Rows whose steps end in a tag inside one text: Math-Shepherd and OpenRLHF.

Math-Shepherd: `input` is the question and the steps with ``ки`` after each; `label` is the same
text with ``+`` or ``-`` in its place; `task` names the set. A ``ки`` that `label` repeats is
ordinary text. Tags are found by walking both texts at once, so no label can slip to another step.
A few published rows carry a tag inside the question; it rates no step, is not read as one, and is
kept in `meta["math-shepherd"]`.

OpenRLHF: the same `input`, and `value` with one ``"+"``, ``"-"`` or number in [0, 1] for each tag.

What comes back after either -> Trace -> the same: all fields, with one space before each tag and
one newline after it. Neither holds neutral or missing labels. Where the question ends is decided
by `surefoot.traces.formats.opening`.
"""

from __future__ import annotations

import re
from typing import Any

from surefoot.errors import RowError, TraceError
from surefoot.traces.formats import fields, labelling, opening
from surefoot.traces.formats.format import Format, LabelRule, Record, Written
from surefoot.traces.formats.trl import hard_or_soft
from surefoot.traces.types import StepLabels, Trace

TAG = "ки"
_HEADER = re.compile(r"Step \d+:")
_FIRST = re.compile(r"(?<!\S)Step 1:")
_ANSWER = re.compile(r"The answer is: ?(.+?)\s*\Z", re.DOTALL)


def looks_like_math_shepherd(record: Record) -> bool:
    """A record with texts `input` and `label`."""
    return (
        isinstance(record.get("input"), str)
        and isinstance(record.get("label"), str)
        and "steps" not in record
    )


def looks_like_openrlhf(record: Record) -> bool:
    """A record with `input` and a list `value`."""
    return "input" in record and isinstance(record.get("value"), list)


def read_math_shepherd(record: Record) -> list[Trace]:
    """The one trace of a Math-Shepherd row."""
    pieces, signs = _align(fields.text(record, "input"), fields.text(record, "label"))
    question_tags: list[list[Any]] = []
    for _ in range(_tags_in_question(pieces)):
        question_tags.append([len(pieces[0]), signs.pop(0)])
        pieces[:2] = [pieces[0] + pieces[1]]
    kept = {"question_tags": question_tags} if question_tags else {}
    meta = fields.others(record, ("input", "label"))
    labels = StepLabels(tuple(1 if sign == "+" else -1 for sign in signs), source="rollout")
    return [_trace(pieces, labels, "math-shepherd", meta, kept)]


def _tags_in_question(pieces: list[str]) -> int:
    """How many tags stand before "Step 1:", in a row whose next step is then "Step 2:"."""
    at = next((i for i, piece in enumerate(pieces) if _FIRST.search(piece)), 0)
    return (
        at if all(piece.lstrip().startswith("Step 2:") for piece in pieces[at + 1 : at + 2]) else 0
    )


def _align(text: str, label: str) -> tuple[list[str], list[str]]:
    """Cut `text` at the tags that `label` replaces by a sign."""
    pieces, signs, start, i, j = [], [], 0, 0, 0
    while i < len(text):
        tagged = text.startswith(TAG, i)
        if tagged and label[j : j + 1] in ("+", "-"):
            pieces.append(text[start:i])
            signs.append(label[j])
            i, j = i + len(TAG), j + 1
            start = i
        elif text[i] == label[j : j + 1]:
            i, j = i + 1, j + 1
        else:
            raise RowError(
                f"differs from input at character {j} other than by a sign for a tag", field="label"
            )
    if j != len(label):
        raise RowError(f"goes on after the end of input, at character {j}", field="label")
    return _whole(pieces, text[start:]), signs


def _whole(pieces: list[str], tail: str) -> list[str]:
    if not pieces:
        raise RowError(f"holds no tag {TAG!r}, so no step is labelled", field="input")
    if tail.strip():
        raise RowError("text stands after the last tag and has no label", field="input")
    return pieces


def read_openrlhf(record: Record) -> list[Trace]:
    """The one trace of an OpenRLHF row."""
    *pieces, tail = fields.text(record, "input").split(TAG)
    pieces = _whole(pieces, tail)
    values = fields.sequence(record, "value")
    if len(values) != len(pieces):
        raise RowError(
            f"{len(values)} values for {len(pieces)} tags {TAG!r} in input", field="value"
        )
    for i, value in enumerate(values):
        number = isinstance(value, (int, float)) and not isinstance(value, bool) and 0 <= value <= 1
        if not number and value not in ("+", "-"):
            raise RowError(f"{value!r} is not '+', '-' or a number in [0, 1]", field=f"value.{i}")
    if len({isinstance(value, str) for value in values}) > 1:
        raise RowError("mixes signs and numbers", field="value")
    if isinstance(values[0], str):
        labels = hard_or_soft([value == "+" for value in values])
    else:
        labels = hard_or_soft([float(value) for value in values])
    return [_trace(pieces, labels, "openrlhf", fields.others(record, ("input", "value")), {})]


def _trace(
    pieces: list[str],
    labels: StepLabels,
    source: str,
    meta: dict[str, Any],
    kept: dict[str, Any],
) -> Trace:
    question, separator, first = opening.cut_opening(pieces[0].removesuffix(" "), "input")
    if separator != " ":
        kept["opening"] = separator
    steps = [first, *(piece.removeprefix("\n").removesuffix(" ") for piece in pieces[1:])]
    answer = _ANSWER.search(steps[-1])
    return fields.build(
        "input",
        problem=question,
        steps=steps,
        answer=answer[1] if answer else None,
        source=source,
        labels=[labels],
        meta=fields.with_own(meta, source, kept),
    )


def write_math_shepherd(trace: Trace, rule: LabelRule) -> Written:
    """One Math-Shepherd row; steps without a "Step k:" header get one, which is said."""
    labels = labelling.needed_labels(trace)
    n, lost = labelling.labelled_steps(labels)
    right, more = labelling.verdicts(labels, rule)
    lost |= more
    steps = list(trace.texts[:n])
    if not _HEADER.match(steps[0]):
        steps = [f"Step {i}: {step}" for i, step in enumerate(steps, start=1)]
        lost.add("steps without numbers")
    question = trace.problem
    own = fields.own(trace, "math-shepherd")
    separator = opening.separator_of(own)
    opened = opening.opening_loss(question, separator, steps[0])
    if "end of the question" in opened:
        raise TraceError(
            "the question or the first step holds another 'Step 1:'; a reader could not part them"
        )
    lost |= opened | _losses(trace, "math-shepherd", labels, n, ("task", "math-shepherd"))
    signs = ["+" if r else "-" for r in right[:n]]
    tags = own.get("question_tags", [])
    row: dict[str, Any] = {
        "input": _text(question, separator, steps, [TAG] * n, [(at, TAG) for at, _ in tags]),
        "label": _text(question, separator, steps, signs, tags),
    }
    if "task" in trace.meta:
        row["task"] = trace.meta["task"]
    return Written((row,), tuple(sorted(lost)))


def write_openrlhf(trace: Trace, rule: LabelRule) -> Written:
    """One OpenRLHF row: signs for ratings, numbers for values."""
    labels = labelling.needed_labels(trace)
    n, lost = labelling.labelled_steps(labels)
    steps = list(trace.texts[:n])
    if TAG in trace.problem or any(TAG in step for step in steps):
        raise TraceError(
            f"the text holds {TAG!r} itself, which this format could not tell from a tag"
        )
    values: list[Any]
    if labels.scale == "value":
        values = [float(v) for v in labels.values[:n] if v is not None]
    else:
        right, more = labelling.verdicts(labels, rule)
        lost |= more
        values = ["+" if r else "-" for r in right[:n]]
    separator = opening.separator_of(fields.own(trace, "openrlhf"))
    lost |= opening.opening_loss(trace.problem, separator, steps[0])
    lost |= _losses(trace, "openrlhf", labels, n, ("openrlhf",))
    row = {"input": _text(trace.problem, separator, steps, [TAG] * n, []), "value": values}
    return Written((row,), tuple(sorted(lost)))


def _text(
    question: str, separator: str, steps: list[str], marks: list[str], inside: list[Any]
) -> str:
    text = question + separator + steps[0]
    for at, mark in reversed(inside):
        text = text[:at] + mark + text[at:]
    lines = [text, *steps[1:]]
    return "\n".join(f"{line} {mark}" for line, mark in zip(lines, marks, strict=True))


def _losses(trace: Trace, name: str, labels: StepLabels, n: int, meta: tuple[str, ...]) -> set[str]:
    found = _ANSWER.search(trace.texts[n - 1])
    return labelling.field_losses(
        trace,
        name,
        holds=("answer",) if found and found[1] == trace.answer else (),
        meta=meta,
        labels=labels,
        label_source="rollout" if name == "math-shepherd" else "other",
    )


MATH_SHEPHERD = Format(
    "math-shepherd",
    "Math-Shepherd",
    looks_like_math_shepherd,
    read_math_shepherd,
    write_math_shepherd,
)
OPENRLHF = Format("openrlhf", "OpenRLHF PRM", looks_like_openrlhf, read_openrlhf, write_openrlhf)
