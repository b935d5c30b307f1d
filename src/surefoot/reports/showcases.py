"""A trace worth opening in a report, laid out step by step: label, scores, where the errors are."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass

from surefoot.traces.display.text import visible
from surefoot.traces.types import StepLabels, StepScores, Trace

LABEL_WORDS: Mapping[bool | None, tuple[str, str]] = {
    True: ("right", "✓ right"),
    False: ("wrong", "✗ wrong"),
    None: ("unknown", "· not labelled"),
}
"""The class and the words of a label."""


@dataclass(frozen=True)
class Showcase:
    """One trace to show, what it is an example of, and why; `trace` is None where there is none."""

    title: str
    why: str
    trace: Trace | None


@dataclass(frozen=True)
class Chip:
    """A small coloured word beside a step; `tone` is "right", "wrong", "unknown" or "mark"."""

    tone: str
    text: str


@dataclass(frozen=True)
class StepRow:
    """One step as the page shows it; `number` counts from 1."""

    number: int
    tone: str
    text: str
    chips: tuple[Chip, ...]


def step_rows(trace: Trace) -> list[StepRow]:
    """The steps of a trace with its first labels and all its scores."""
    labels = trace.labels[0] if trace.labels else StepLabels((None,) * len(trace.steps))
    first_error = labels.first_error() if labels.knows_first_error() else None
    rows = []
    for i, step in enumerate(trace.steps):
        tone, word = LABEL_WORDS[labels.is_right(i)]
        chips = [Chip(tone, word)]
        chips += [_score(scores, i) for scores in trace.scores]
        if i == first_error:
            chips.append(Chip("mark", "← first error"))
        chips += [
            Chip("mark", f"← first error by the {name_of(scores)}")
            for scores in trace.scores
            if i == scores.first_error()
        ]
        answered = "" if step.observation is None else json.dumps(step.observation)
        text = "\n".join(part for part in (step.text, answered) if part)
        rows.append(StepRow(i + 1, tone, visible(text), tuple(chips)))
    return rows


def verdict(trace: Trace) -> list[Chip]:
    """What is known of the whole trace: its answer, its outcome, whether it is sound."""
    answer = "gives no answer" if trace.answer is None else f"answers {visible(trace.answer)}"
    word = {True: "right", False: "wrong", None: "outcome not known"}[trace.outcome]
    chips = [Chip(LABEL_WORDS[trace.outcome][0], f"{answer}: {word}")]
    if trace.outcome is False and trace.reference is not None:
        chips.append(Chip("mark", f"the answer is {visible(trace.reference)}"))
    if trace.labels and trace.labels[0].knows_first_error():
        sound = trace.labels[0].first_error() is None
        chips.append(Chip("right", "✓ sound") if sound else Chip("wrong", "✗ flawed"))
    return chips


def name_of(scores: StepScores) -> str:
    """The model of some scores as people call it."""
    names = {"prm": "PRM", "prm-control": "PRM control", "orm": "ORM"}
    return names.get(scores.model) or visible(scores.model)


def _score(scores: StepScores, i: int) -> Chip:
    value = scores.values[i]
    if value is None:
        return Chip("unknown", f"{name_of(scores)} –")
    tone, sign = ("wrong", "✗") if value < scores.threshold else ("right", "✓")
    return Chip(tone, f"{name_of(scores)} {sign} {value:.2f}")
