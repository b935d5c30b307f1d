"""Traces with step labels from rollouts, by any of the methods."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal, get_args

from surefoot.errors import UsageError
from surefoot.labels.rollouts.binary import binary
from surefoot.labels.rollouts.brute import brute
from surefoot.labels.rollouts.budget import BudgetRule, spend
from surefoot.labels.rollouts.draws import Drawing, Plan, run
from surefoot.labels.rollouts.ends import Chain, Ending
from surefoot.labels.rollouts.evidence import Unfinished
from surefoot.labels.rollouts.positions import (
    Positions,
    Rate,
    cost_of,
    hard,
    labels_of,
    positions_of,
    soft,
)
from surefoot.labels.rollouts.sequential import SequentialTest, sequential, verdicts
from surefoot.labels.rollouts.tree import TreeRule, grow, reuse
from surefoot.traces.types import StepLabels, Trace

META = "rollout"
"""Where a trace keeps what its rollouts took."""

Method = Literal["brute", "reuse", "sequential", "binary", "tree", "budget"]


@dataclass(frozen=True, kw_only=True, slots=True)
class RolloutRule:
    """How traces are rolled out and what becomes of the counts."""

    method: Method = "brute"
    """`brute` rolls out every prefix n times; `reuse` counts a rollout of one prefix for those
    behind it that it passes through; `sequential` stops where a prefix is clear; `binary` searches
    for the first error of chains that end wrong; `tree` is OmegaPRM's; `budget` spends so many
    tokens on all traces together where they tell most."""
    n: int = 8
    unfinished: Unfinished = "wrong"
    hard: bool = False
    """Label 1 or -1 instead of k / n: 1 where k / n is above `threshold`. `sequential` and `binary`
    always do, by their test."""
    threshold: float = 0.0
    start: bool = False
    """Whether the empty prefix is rolled out too; its counts go to the trace's meta."""
    test: SequentialTest = field(default_factory=SequentialTest)
    tree: TreeRule = field(default_factory=TreeRule)
    budget: BudgetRule | None = None

    def __post_init__(self) -> None:
        if self.method not in get_args(Method):
            names = ", ".join(get_args(Method))
            raise UsageError(f"there is no method {self.method!r}; choose one of {names}")
        if self.n < 1:
            raise UsageError(f"n is {self.n}; ask for at least one rollout")
        if self.unfinished not in get_args(Unfinished):
            raise UsageError(f"unfinished is {self.unfinished!r}; it must be wrong or apart")
        if not 0 <= self.threshold < 1:
            raise UsageError(f"threshold is {self.threshold}; it must be in [0, 1)")
        if (self.method == "budget") != (self.budget is not None):
            raise UsageError("the method budget needs a BudgetRule, and no other takes one")


def label_rollouts(traces: Sequence[Trace], rule: RolloutRule, drawing: Drawing) -> list[Trace]:
    """The traces, each with one more `StepLabels` of source `rollout`, and with what that took in
    `meta["rollout"]`.

    But for the method `budget`, what a trace gets depends on that trace alone. A step without a
    label is None, and `causes` there says why.
    """
    founds = [
        positions_of(trace, own, rule.unfinished)
        for trace, own in zip(traces, _own_endings(traces, drawing), strict=True)
    ]
    if rule.budget is not None:
        spend(founds, rule.budget, drawing)
        labels: list[list[float | None] | None] = [None] * len(founds)
    else:
        plans = [(found.trace, _plan(found, rule)) for found in founds]
        labels = run(plans, drawing)
    return [
        _labelled(found, values, rule, drawing)
        for found, values in zip(founds, labels, strict=True)
    ]


def chains_of(trace: Trace, source: str | None = None) -> list[Trace]:
    """The chains that a tree kept in `meta["rollout"]["chains"]`, as traces of their own with the
    values of their states."""
    kept = trace.meta.get(META, {}).get("chains", [])
    return [
        Trace(
            trace.problem,
            one["steps"],
            reference=trace.reference,
            outcome=one["right"],
            source=source,
            labels=[_kept_labels(one["counts"], trace.labels[-1].annotator)],
        )
        for one in kept
    ]


def _kept_labels(counts: Sequence[Sequence[int] | None], annotator: str | None) -> StepLabels:
    pairs = [None if one is None else (one[0], one[1]) for one in counts]
    values = tuple(None if one is None else one[0] / one[1] for one in pairs)
    return StepLabels(
        values, source="rollout", scale="value", annotator=annotator, counts=tuple(pairs)
    )


def _own_endings(traces: Sequence[Trace], drawing: Drawing) -> list[Ending]:
    """How each trace ends: by its outcome, or else by the judge."""
    unknown = [Chain(trace, trace.texts) for trace in traces if trace.outcome is None]
    judged = iter(drawing.ends(unknown))
    return [next(judged) if trace.outcome is None else Ending(trace.outcome) for trace in traces]


def _plan(found: Positions, rule: RolloutRule) -> Plan[list[float | None] | None]:
    """What a method asks for; returns labels only where they are not read off the counts."""
    if rule.method == "binary":
        return (yield from binary(found, rule.test))
    if rule.method == "sequential":
        yield from sequential(found, rule.test, start=rule.start)
    elif rule.method == "tree":
        yield from grow(found, rule.n, rule.tree)
    elif rule.method == "reuse":
        yield from reuse(found, rule.n, rule.tree)
    else:
        yield from brute(found, rule.n, start=rule.start)
    return None


def _labelled(
    found: Positions, values: Sequence[float | None] | None, rule: RolloutRule, drawing: Drawing
) -> Trace:
    annotator = f"{drawing.policy.name} {rule.method}"
    if values is not None:
        counts = tuple(None if one is None else one.counts for one in found.steps)
        labels = StepLabels(tuple(values), source="rollout", annotator=annotator, counts=counts)
    else:
        rate, scale = _rate(rule)
        labels = labels_of(found, rate, annotator, scale=scale)
    meta: dict[str, Any] = {"method": rule.method, **cost_of(found)}
    return _with_meta(found.trace.with_labels(labels), meta)


def _rate(rule: RolloutRule) -> tuple[Rate, str]:
    if rule.method == "sequential":
        return verdicts(rule.test), "rating"
    return (hard(rule.threshold), "rating") if rule.hard else (soft, "value")


def _with_meta(trace: Trace, meta: dict[str, Any]) -> Trace:
    return replace(trace, meta={**trace.meta, META: meta})
