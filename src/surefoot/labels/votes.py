"""What every source says of every step in one language: right, wrong, or nothing.

A source is named `source:annotator`, or `source` alone where no annotator is given, such as `human`
or `judge:qwen`; a second set of the same name in a trace is `human#2`. A pattern names sources:
`judge` is every judge, `judge:qwen` that one.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias, get_args

from surefoot.errors import UsageError
from surefoot.traces.types import StepLabels, Trace

Neutral = Literal["right", "wrong", "silent"]
ValueRule = Literal["hard", "threshold", "fractional"]
AfterError = Literal["silent", "as-labelled"]

Share: TypeAlias = "float | None"
"""How far a vote is for right, in [0, 1]; None for no vote."""

MERGED = "merge "
"""How the annotator of merged labels begins; they never vote unless they are named."""


@dataclass(frozen=True, kw_only=True, slots=True)
class VoteRule:
    """How labels become votes."""

    neutral: Neutral = "right"
    """Whether a neutral rating is a vote for right, for wrong, or none."""
    values: ValueRule = "hard"
    """What a value label is a vote for. `hard`: of rollouts, right where any succeeded (the hard
    estimation of Math-Shepherd, arXiv:2312.08935, eq. 3), else as `threshold`. `threshold`: right
    from the threshold on. `fractional`: its value for right and the rest for wrong."""
    threshold: float = 0.5
    after_error: AfterError = "silent"
    """Whether a source says anything behind its own first wrong step: there some judge the step,
    some the prefix, and some have stopped."""

    def __post_init__(self) -> None:
        for name, choices in (
            ("neutral", get_args(Neutral)),
            ("values", get_args(ValueRule)),
            ("after_error", get_args(AfterError)),
        ):
            if getattr(self, name) not in choices:
                raise UsageError(
                    f"{name} is {getattr(self, name)!r}; it must be one of {', '.join(choices)}"
                )
        if not 0 < self.threshold <= 1:
            raise UsageError(f"threshold is {self.threshold}; it must lie in (0, 1]")


def name_of(labels: StepLabels) -> str:
    """The name of a source."""
    return labels.source if labels.annotator is None else f"{labels.source}:{labels.annotator}"


def is_named(name: str, patterns: Iterable[str]) -> bool:
    """Whether a source is one of those that patterns name."""
    return any(name == one or name.startswith((f"{one}:", f"{one}#")) for one in patterns)


def labels_by_source(trace: Trace, patterns: Sequence[str] | None = None) -> dict[str, StepLabels]:
    """The label sets of a trace by name, in order; without patterns, all that were not merged."""
    found: dict[str, StepLabels] = {}
    for labels in trace.labels:
        name = base = name_of(labels)
        number = 1
        while name in found:
            number += 1
            name = f"{base}#{number}"
        found[name] = labels
    if patterns is not None:
        return {name: labels for name, labels in found.items() if is_named(name, patterns)}
    return {name: labels for name, labels in found.items() if not is_merged(labels)}


def is_merged(labels: StepLabels) -> bool:
    """Whether labels were merged of others."""
    return labels.source == "other" and (labels.annotator or "").startswith(MERGED)


def ratings(labels: StepLabels, rule: VoteRule) -> tuple[int | None, ...]:
    """Labels as 1 right, 0 neutral, -1 wrong, or None; a value counts by the rule, a fractional one
    by the threshold."""
    values = [_rating(labels, value, rule) for value in labels.values]
    if rule.after_error == "as-labelled":
        return tuple(values)
    wrong = first_wrong(values, rule)
    return tuple(value if wrong is None or i <= wrong else None for i, value in enumerate(values))


def shares(labels: StepLabels, rule: VoteRule) -> tuple[Share, ...]:
    """Labels as votes: how far each is for right, 1 or 0 unless the rule is fractional."""
    rated = ratings(labels, rule)
    if rule.values == "fractional" and labels.scale == "value":
        return tuple(
            None if rating is None else value
            for rating, value in zip(rated, labels.values, strict=True)
        )
    right = [is_right(rating, rule) for rating in rated]
    return tuple(None if one is None else float(one) for one in right)


def is_right(rating: int | None, rule: VoteRule) -> bool | None:
    """What a rating is a vote for; None for nothing."""
    if rating == 0:
        return {"right": True, "wrong": False, "silent": None}[rule.neutral]
    return None if rating is None else rating > 0


def first_wrong(values: Sequence[int | None], rule: VoteRule) -> int | None:
    """The first step rated wrong, or None."""
    return next((i for i, one in enumerate(values) if is_right(one, rule) is False), None)


def settles(values: Sequence[int | None], rule: VoteRule) -> bool:
    """Whether ratings say where the first error is, or that there is none: nothing is missing
    before it."""
    wrong = first_wrong(values, rule)
    needed = values if wrong is None else values[:wrong]
    return all(is_right(one, rule) is not None for one in needed)


def ratings_by_source(
    trace: Trace, rule: VoteRule, patterns: Sequence[str] | None = None
) -> Mapping[str, tuple[int | None, ...]]:
    """The ratings of every source of a trace."""
    found = labels_by_source(trace, patterns)
    return {name: ratings(labels, rule) for name, labels in found.items()}


def _rating(labels: StepLabels, value: float | None, rule: VoteRule) -> int | None:
    if value is None:
        return None
    if labels.scale == "rating":
        return int(value)
    if rule.values == "hard" and labels.source == "rollout":
        return 1 if value > 0 else -1
    return 1 if value >= rule.threshold else -1
