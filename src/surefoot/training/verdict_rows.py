"""What judges wrote about traces as rows of tokens, in the very prompts by which a critic is asked
later.

A row is one stretch that the model will have to write by itself: the prompt and all that stands
before the stretch are read, the stretch and its end are learned. What the critic puts into an
answer (the fixed beginnings of its stages) is never learned. A verdict that the critic's own parser
cannot read is refused.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

from surefoot.errors import TraceError, UnscorableError
from surefoot.models.critic import Critic
from surefoot.models.prompts import Prompts
from surefoot.models.render import text_of
from surefoot.models.verdicts import (
    VERDICTS,
    Answer,
    Stretch,
    Verdict,
    place_of_choice,
    votes,
)
from surefoot.policies.chat import ChatEncoder
from surefoot.policies.writer import Message, Request
from surefoot.traces.types import LabelSource, StepLabels, Trace

Refusal = Literal["unreadable", "other step", "too long", "against the labels", "without labels"]
"""Why a verdict is not learned from: the critic's parser reads nothing in it; it is about one step
where the critic asks about all, or the other way round, or a turn before it is missing; a row is
longer than allowed; it contradicts the labels that it is held against; there are none."""


@dataclass(frozen=True, slots=True)
class VerdictRow:
    """Token ids, of which those from `first` on are learned, and the problem they belong to."""

    ids: tuple[int, ...]
    first: int
    problem: str


@dataclass(frozen=True, slots=True)
class VerdictRows:
    """Rows, how many traces and verdicts they are of, and why other verdicts were refused."""

    rows: tuple[VerdictRow, ...]
    num_traces: int
    num_verdicts: int
    refused: Mapping[Refusal, int]


def verdict_rows(
    traces: Sequence[Trace],
    critic: Critic,
    chat: ChatEncoder,
    *,
    end: int,
    max_tokens: int,
    agree_with: LabelSource | None = None,
) -> VerdictRows:
    """The rows of all verdicts in the `meta` of traces (`GenerativeModel.annotate`).

    Args:
        traces: With `meta["verdicts"]`; others give no rows.
        critic: How steps are asked about.
        chat: Writes conversations as the model's tokenizer does.
        end: The token that ends an answer.
        max_tokens: Longest row.
        agree_with: Refuse verdicts that contradict the labels of this source, as those do who keep
            only chains with the right verdict (ThinkPRM, arXiv:2504.16828).

    Raises:
        TraceError: what stands there is no verdict.
        UnscorableError: a step has an observation.
    """
    rows: list[VerdictRow] = []
    refused: Counter[Refusal] = Counter()
    num_traces = num_verdicts = 0
    for trace in traces:
        learned = 0
        own = _verdicts(trace)
        prompts = Prompts(critic, *_texts(trace))
        labels = None if agree_with is None else trace.labels_from(agree_with)
        for verdict in own:
            read = _read(critic, prompts, own, verdict)
            found = read if isinstance(read, str) else _rows(critic, chat, prompts, read, end)
            if not isinstance(found, str) and any(len(row.ids) > max_tokens for row in found):
                found = "too long"
            if not isinstance(read, str) and agree_with is not None:
                found = _against(critic, read, labels) or found
            if isinstance(found, str):
                refused[found] += 1
            else:
                rows += found
                learned += 1
        num_verdicts += learned
        num_traces += learned > 0
    return VerdictRows(tuple(rows), num_traces, num_verdicts, dict(refused))


def _verdicts(trace: Trace) -> list[Verdict]:
    given = trace.meta.get(VERDICTS, [])
    if not isinstance(given, list):
        raise TraceError(f"meta.{VERDICTS} of trace {trace.id} is {given!r}; it must be a list")
    try:
        found = [Verdict.from_json(one) for one in given]
    except TraceError as error:
        raise TraceError(f"meta.{VERDICTS} of trace {trace.id}: {error}") from None
    if any(one.step is not None and one.step >= len(trace.steps) for one in found):
        raise TraceError(f"meta.{VERDICTS} of trace {trace.id} is about steps that it has not")
    return found


def _texts(trace: Trace) -> tuple[str, tuple[str, ...]]:
    try:
        text = text_of(trace)
    except UnscorableError as error:
        raise UnscorableError(f"trace {trace.id}: {error}") from None
    return text.problem, text.steps


class _Read(NamedTuple):
    """A verdict that can be read: about step `k`, or with the last one about all; what was written
    about the steps before; the answer by stages; what it says."""

    k: int
    before: Sequence[str]
    answer: Answer
    said: Mapping[int, float]


def _read(
    critic: Critic, prompts: Prompts, all_verdicts: Sequence[Verdict], verdict: Verdict
) -> _Read | Refusal:
    if (verdict.step is None) is not (critic.unit == "trace"):
        return "other step"
    k = len(prompts.steps) - 1 if verdict.step is None else verdict.step
    before = _answers_before(all_verdicts, k) if critic.unit == "turn" else []
    if before is None:
        return "other step"
    answer = _answer(critic, prompts, k, verdict.text)
    if answer is None or not (said := _said(critic, prompts, verdict, answer)):
        return "unreadable"
    return _Read(k, before, answer, said)


def _rows(
    critic: Critic, chat: ChatEncoder, prompts: Prompts, read: _Read, end: int
) -> list[VerdictRow] | Refusal:
    """The rows of one verdict."""
    messages = prompts.messages(read.k, read.before)
    rows: list[VerdictRow] = []

    def add(request: Request, learned: Sequence[int]) -> None:
        ids = chat.encode(request)
        rows.append(VerdictRow((*ids, *learned), len(ids), prompts.problem))

    text = ""
    for stage, (fixed, written, close) in zip(critic.stages, read.answer.stretches, strict=True):
        request = _request(critic, messages, text + fixed)
        learned = chat.encode_answer(request, written + (close or "".join(stage.stop[:1])))
        if end in learned:
            return "unreadable"
        add(request, learned if close or stage.stop else [*learned, end])
        text += fixed + written + close
    if critic.reading.kind == "choose":
        place = place_of_choice(critic.reading, read.answer)
        assert place is not None
        bad, good = chat.first_tokens((critic.reading.bad, critic.reading.good))
        word = good if read.said[read.k] >= 0.5 else bad
        add(_request(critic, messages, place.text), [word])
    return rows


def _request(critic: Critic, messages: tuple[Message, ...], prefill: str) -> Request:
    return Request(messages, prefill, (), critic.opens_turn)


def _answers_before(verdicts: Sequence[Verdict], k: int) -> list[str] | None:
    """What was first written about each step before `k`, which the conversation holds."""
    first = {one.step: one.text for one in reversed(verdicts)}
    return [first[j] for j in range(k)] if {*range(k)} <= {*first} else None


def _answer(critic: Critic, prompts: Prompts, k: int, text: str) -> Answer | None:
    """A text cut into the stages of a critic, None where it has not the form of its answers."""
    fixed = [prompts.prefill(stage, k) for stage in critic.stages]
    stretches = []
    for number, stage in enumerate(critic.stages):
        if not text.startswith(fixed[number]):
            return None
        text = text[len(fixed[number]) :]
        following = fixed[number + 1] if number + 1 < len(critic.stages) else None
        stop = len(text.removesuffix(stage.close))
        if following is not None:
            stop = text.find(stage.close + following) if following else -1
        if stop < 0 or not text.startswith(stage.close, stop):
            return None
        stretches.append(Stretch(fixed[number], text[:stop], stage.close))
        text = text[stop + len(stage.close) :]
    return None if text else Answer(tuple(stretches))


def _said(
    critic: Critic, prompts: Prompts, verdict: Verdict, answer: Answer
) -> Mapping[int, float]:
    """What a verdict says of steps, by the critic's own parser; empty where it reads nothing."""
    if critic.reading.kind != "choose":
        return votes(critic, answer, verdict.step, len(prompts.steps))
    place = place_of_choice(critic.reading, answer)
    k = verdict.step
    if place is None or place.forced or k is None:
        return {}
    if critic.reading.behind is None:
        return {k: verdict.good[k]} if k in verdict.good else {}
    rest = answer.text[len(place.text.removesuffix(critic.reading.then)) :]
    words = {critic.reading.good: 1.0, critic.reading.bad: 0.0}
    return next(({k: p} for word, p in words.items() if rest.startswith(word)), {})


def _against(critic: Critic, read: _Read, labels: StepLabels | None) -> Refusal | None:
    """Whether a verdict contradicts labels; None if it does not."""
    pairs = [
        (right, p >= 0.5)
        for step, p in read.said.items()
        if (right := _is_right(critic, labels, step)) is not None
    ]
    if not pairs:
        return "without labels"
    return None if all(one == other for one, other in pairs) else "against the labels"


def _is_right(critic: Critic, labels: StepLabels | None, step: int) -> bool | None:
    """What the labels say of what the critic is asked about a step."""
    if labels is None:
        return None
    if critic.meaning != "prefix-correct":
        return labels.is_right(step)
    known = [labels.is_right(j) for j in range(step + 1)]
    if False in known:
        return False
    return None if None in known else True
