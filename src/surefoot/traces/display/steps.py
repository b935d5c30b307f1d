"""What there is to say of each step of a trace: by every scorer, and by every source of labels."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass

from surefoot import aggregate
from surefoot.errors import UsageError
from surefoot.traces.types import StepLabels, StepScores, Trace

WORDS: Mapping[bool | None, tuple[str, str]] = {
    True: ("right", "✓ right"),
    False: ("wrong", "✗ wrong"),
    None: ("unknown", "· no label"),
}
"""The tone and the words of a label."""


@dataclass(frozen=True)
class ShownLabel:
    """What one source says of one step; `votes` is `3/8` where it counted."""

    source: str
    right: bool | None
    is_neutral: bool
    votes: str | None


@dataclass(frozen=True)
class ShownScore:
    """What one scorer says of one step, and the aggregate of its scores up to there."""

    model: str
    value: float | None
    flagged: bool
    rule: str
    so_far: float | None


@dataclass(frozen=True)
class ShownStep:
    """One step, whether it is right by the labels that count, and who sees the first error in it:
    sources of labels, and scorers."""

    position: int
    text: str
    right: bool | None
    labels: tuple[ShownLabel, ...]
    scores: tuple[ShownScore, ...]
    first_error_of: tuple[str, ...]


def shown_steps(
    trace: Trace,
    *,
    labels: StepLabels | None = None,
    threshold: float | None = None,
    most: int | None = None,
) -> list[ShownStep]:
    """The steps of a trace in order, the first `most` of them.

    `labels` are those that decide whether a step is right, the first of the trace if None; a step
    is flagged below `threshold`, below the scorer's own if None.
    """
    decisive = labels or (trace.labels[0] if trace.labels else None)
    running = [running_aggregates(one, most) for one in trace.scores]
    found = [
        (signed(one), one.first_error() if one.knows_first_error() else None)
        for one in trace.labels
    ]
    found += [(one.model, one.first_error(threshold)) for one in trace.scores]
    return [
        ShownStep(
            position=i,
            text=step_text(trace, i),
            right=None if decisive is None else decisive.is_right(i),
            labels=tuple(_label(one, i) for one in trace.labels),
            scores=tuple(
                _score(one, i, so_far[i], threshold)
                for one, so_far in zip(trace.scores, running, strict=True)
            ),
            first_error_of=tuple(name for name, place in found if place == i),
        )
        for i in range(len(trace.steps[:most]))
    ]


def step_text(trace: Trace, i: int) -> str:
    """A step's text, and what the world answered as JSON below it."""
    step = trace.steps[i]
    answered = "" if step.observation is None else json.dumps(step.observation, ensure_ascii=False)
    return "\n".join(part for part in (step.text, answered) if part)


def running_aggregates(scores: StepScores, most: int | None = None) -> list[float | None]:
    """The aggregate, by the scores' own rule, of the steps up to each.

    None until a step is scored, and from a score on that the rule is not for, such as the product
    of a negative one.
    """
    rule = aggregate.rule(scores.default_aggregate)
    seen: list[float] = []
    found: list[float | None] = []
    for value in scores.values[:most]:
        if value is not None:
            seen.append(value)
        try:
            found.append(rule(seen) if seen else None)
        except UsageError:
            found.append(None)
    return found


def whole_aggregate(scores: StepScores) -> float | None:
    """The aggregate of all the scores; None where there is none, as for `running_aggregates`."""
    try:
        return scores.aggregate() if scores.scored else None
    except UsageError:
        return None


def signed(labels: StepLabels) -> str:
    """Whose labels these are: the source, and the annotator where there is one."""
    return labels.source if labels.annotator is None else f"{labels.source} {labels.annotator}"


def _label(labels: StepLabels, i: int) -> ShownLabel:
    counted = labels.counts[i] if labels.counts is not None else None
    is_neutral = labels.scale == "rating" and labels.values[i] == 0
    votes = None if counted is None else f"{counted[0]}/{counted[1]}"
    return ShownLabel(signed(labels), labels.is_right(i), is_neutral, votes)


def _score(scores: StepScores, i: int, so_far: float | None, threshold: float | None) -> ShownScore:
    value = scores.values[i]
    limit = scores.threshold if threshold is None else threshold
    flagged = value is not None and value < limit
    return ShownScore(scores.model, value, flagged, scores.default_aggregate, so_far)
