"""Look through training traces once, and through those they must not share questions with."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType

import numpy as np

from surefoot.errors import DataError, TraceError, UsageError
from surefoot.models.findings import Place, Tally
from surefoot.traces.types import StepLabels, Trace
from surefoot.training.guards.balance import balance, by_domain, by_position
from surefoot.training.guards.columns import Columns, Gatherer
from surefoot.training.guards.leak import LIMIT, Leak, leak
from surefoot.training.guards.lengths import Fits, TooLongTally
from surefoot.training.guards.overlap import OverlapTally
from surefoot.training.guards.repeats import repeats
from surefoot.training.guards.report import DataReport, Some
from surefoot.training.guards.warnings import warnings_of
from surefoot.training.targets import LabelRule, StepTarget, TraceTargets, targets_of

_ROUNDED = 0.01
"""How far a written share may be from k of n for having been rounded."""


def measure(
    traces: Iterable[Trace],
    rule: LabelRule,
    *,
    development: Iterable[Trace] | None = None,
    excluded: Iterable[Trace] | None = None,
    left_out: Mapping[str, int] = MappingProxyType({}),
    fits: Fits | Sequence[bool] | None = None,
    leak_limit: float = LIMIT,
    seed: int = 0,
) -> DataReport:
    """What is to be known of traces that a model is to learn from.

    Every trace is looked at once and not kept: memory grows by some hundred bytes for each
    labelled step and each trace, and with the text of the different questions of `development` and
    `excluded`.

    Args:
        traces: What is to be learned from.
        rule: How their labels become targets.
        development: Traces that thresholds, calibration and the best checkpoint are chosen on.
        excluded: Traces of evaluations, whose questions must not be learned.
        left_out: By the names `development` and `excluded`: training traces that are not among
            `traces` for having a question of those.
        fits: Whether each trace is short enough, as a function or one after the other.
        leak_limit: AUROC above which a label is said to be given away by something that takes no
            reading.
        seed: For the intervals.

    Raises:
        DataError: a target is no number that can be learned.
        UsageError: `fits` is not one for each trace.
    """
    others = {"development": development, "excluded": excluded}
    overlaps = [
        OverlapTally(name, own, left_out.get(name, 0))
        for name, own in others.items()
        if own is not None
    ]
    gatherer = Gatherer(outcomes=rule.target == "outcome")
    unlabelled, masked, miscounted, too_long = Tally(), Tally(), Tally(), TooLongTally()
    sources: Counter[str] = Counter()
    plain = replace(rule, wrong_weight=1.0)
    read = steps = 0
    for trace in traces:
        read += 1
        try:
            targets = targets_of(trace, rule)
        except TraceError:
            (masked if _has_empty_labels(trace, rule) else unlabelled).add(Place(read, trace.id))
            continue
        _check(trace, targets)
        if rule.wrong_weight != 1:
            targets = targets_of(trace, plain)
        if targets.is_empty:
            masked.add(Place(read, trace.id))
            continue
        if fits is not None and not _fits(fits, read, trace):
            too_long.add(read, trace, targets)
            continue
        steps += len(trace.steps)
        if (step := _miscounted(trace)) is not None:
            miscounted.add(Place(read, trace.id, step))
        for labels in trace.labels:
            sources[labels.source] += sum(value is not None for value in labels.values)
        question = gatherer.add(read, trace, targets)
        for tally in overlaps:
            tally.add(read, trace, question)
    if isinstance(fits, Sequence) and len(fits) != read:
        raise UsageError(f"fits says of {len(fits):,} traces whether they fit; {read:,} were read")
    columns = gatherer.columns()
    report = DataReport(
        target=rule.target,
        read=read,
        unlabelled=_some(unlabelled),
        masked=_some(masked),
        too_long=None if fits is None else too_long.too_long(),
        traces=len(columns.row),
        steps=steps,
        questions=len(np.unique(columns.question)),
        sources=dict(sorted(sources.items())),
        miscounted=_some(miscounted),
        balance=balance(columns),
        by_position=() if rule.target == "outcome" else by_position(columns),
        by_domain=by_domain(columns),
        repeats=repeats(columns),
        overlaps=tuple(tally.overlap() for tally in overlaps),
        leak=_leak(columns, rule, leak_limit, seed),
        warnings=(),
    )
    return replace(report, warnings=warnings_of(report))


def _fits(fits: Fits | Sequence[bool], row: int, trace: Trace) -> bool:
    if not isinstance(fits, Sequence):
        return fits(trace)
    return row > len(fits) or fits[row - 1]


def _has_empty_labels(trace: Trace, rule: LabelRule) -> bool:
    """Whether a trace without a label that is learned has some of which none says anything."""
    return rule.target == "steps" and rule.sources is None and bool(trace.labels)


def _some(tally: Tally) -> Some:
    return Some(tally.count, tuple(tally.places))


def _leak(columns: Columns, rule: LabelRule, limit: float, seed: int) -> Leak | None:
    if columns.wrong.all() or not columns.wrong.any():
        return None
    return leak(columns, outcomes=rule.target == "outcome", limit=limit, seed=seed)


def _check(trace: Trace, targets: TraceTargets) -> None:
    for i, target in enumerate(targets.steps):
        if target is not None and not _is_sound(target):
            raise DataError(
                f"step {i} of trace {trace.id} would be taught {target}, which is no target; use "
                "weights of sources and of wrong steps that are neither huge nor tiny"
            )


def _is_sound(target: StepTarget) -> bool:
    """Whether shares are shares, the weight is a positive number and the counts go together."""
    return (
        0 <= target.good <= 1
        and 0 <= target.neutral <= 1
        and target.good + target.neutral <= 1 + 1e-9
        and 0 < target.weight < math.inf
        and 0 <= target.successes <= target.trials * (1 + 1e-9) < math.inf
    )


def _miscounted(trace: Trace) -> int | None:
    """The first step with counts that do not go with its label."""
    for labels in trace.labels:
        for i, pair in enumerate(labels.counts or ()):
            if pair is not None and not _agree(labels, i, *pair):
                return i
    return None


def _agree(labels: StepLabels, i: int, successes: int, trials: int) -> bool:
    value = labels.values[i]
    if value is None or trials == 0:
        return value is None and trials == 0
    if labels.scale == "value":
        return abs(value - successes / trials) <= _ROUNDED
    return value == 0 or (2 * successes - trials) * value >= 0
