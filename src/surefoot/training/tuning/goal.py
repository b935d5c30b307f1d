"""What the best trial is best at: a figure of the scores that its saved model gives to traces.

A goal is the same in every trial, whatever the trial's own settings say of labels and lengths: a
trace that is too long for a trial's model is one that it has no scores for, and counts against it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal, TypeAlias

from surefoot.errors import UnscorableError, UsageError
from surefoot.models.base import RewardModel
from surefoot.models.baselines import RandomScores, StepLength
from surefoot.scores.development import METRICS, measure
from surefoot.scores.steps import questions_of
from surefoot.traces.types import StepScores, Trace
from surefoot.training.config import RewardConfig
from surefoot.training.watch import label_source

Direction = Literal["maximize", "minimize"]
Scores: TypeAlias = "Sequence[StepScores | None]"

_OF_AGGREGATE = ("outcome_auroc", "outcome_auroc_within")
"""Figures of development traces that depend on the contract's aggregate."""


@dataclass(frozen=True)
class Found:
    """A figure, and the ends of its interval where it was asked for and there is one."""

    value: float
    low: float | None = None
    high: float | None = None


Measure: TypeAlias = Callable[[Sequence[Trace], Scores, int], "Found | None"]
"""From traces, their scores and a number of resamples (0: no interval) to a figure; None where
these traces do not define it."""


@dataclass(frozen=True)
class Goal:
    """A figure to make as large, or as small, as can be."""

    name: str
    direction: Direction
    traces: Sequence[Trace]
    """What is scored."""
    measure: Measure
    depends_on_aggregate: bool
    watch: str | None = None
    """Which figure of the development traces chooses the best weights of a trial, and says which
    trials are hopeless; None where there are no development traces."""
    baselines: Mapping[str, float] = field(default_factory=dict)
    """What is reached without any model of ours."""

    def better(self, one: float, other: float) -> bool:
        """Whether the first value is the better one."""
        return one > other if self.direction == "maximize" else one < other

    def best(self, values: Sequence[float | None]) -> int | None:
        """Which value is the best, the first of equal ones; None where there is none."""
        found: int | None = None
        for i, value in enumerate(values):
            if value is None:
                continue
            held = None if found is None else values[found]
            if held is None or self.better(value, held):
                found = i
        return found

    def watched(self, figure: float) -> float:
        """The watched figure as a number that goes the way of the goal."""
        assert self.watch is not None
        return figure if METRICS[self.watch] == self.direction else -figure

    def halves(self) -> tuple[list[int], list[int]]:
        """The traces of either half of the questions."""
        even = questions_of(self.traces) % 2 == 0
        first = [i for i, one in enumerate(even.tolist()) if one]
        return first, [i for i, one in enumerate(even.tolist()) if not one]


def development_goal(metric: str, development: Sequence[Trace], config: RewardConfig) -> Goal:
    """A figure of `scores.development` on development traces, by the label rule of a config.

    Raises:
        UsageError: there is no such figure, or these traces do not define it.
    """
    if metric not in METRICS:
        raise UsageError(f"no metric {metric!r}; choose one of {', '.join(METRICS)}")
    if not development:
        raise UsageError(f"{metric} is measured on development traces; give some")
    source, neutral = label_source(config.labels), config.labels.neutral != "wrong"

    def figure(traces: Sequence[Trace], scores: Scores, num_resamples: int) -> Found | None:
        figures = measure(
            traces,
            scores,
            label_source=source,
            neutral=neutral,
            num_resamples=num_resamples,
        )
        value: float | None = getattr(figures.overall, metric)
        if value is None:
            return None
        interval = figures.intervals.get(metric)
        return Found(value) if interval is None else Found(value, interval.low, interval.high)

    baselines = {}
    for name, model in (("random", RandomScores(seed=0)), ("step length", StepLength())):
        found = figure(development, model.score(list(development)), 0)
        if found is not None:
            baselines[name] = found.value
    if not baselines:
        raise UsageError(
            f"the development traces do not define {metric}: figures of steps need labelled steps "
            "of both kinds, f1 needs traces with and without an error (of two questions or more if "
            "held out), and those of outcomes traces of both"
        )
    return Goal(
        name=metric,
        direction=METRICS[metric],
        traces=development,
        measure=figure,
        depends_on_aggregate=metric in _OF_AGGREGATE,
        watch=metric,
        baselines=baselines,
    )


def scores_of(model: RewardModel, traces: Sequence[Trace]) -> list[StepScores | None]:
    """The scores of each trace; None for one that the model cannot score."""
    try:
        return list(model.score(traces))
    except UnscorableError:
        return [_score(model, trace) for trace in traces]


def read_as(scores: Scores, rule: str, threshold: float) -> list[StepScores | None]:
    """Scores under another aggregate and threshold."""
    return [
        None if one is None else replace(one, default_aggregate=rule, threshold=threshold)
        for one in scores
    ]


def _score(model: RewardModel, trace: Trace) -> StepScores | None:
    try:
        return model.score(trace)
    except UnscorableError:
        return None
