"""Whether a scorer's numbers can be trusted: what they mean, whether they drift, how much hangs on
the threshold, how far it falls in another domain, and whether it has seen the questions before.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from typing import Any

import numpy as np

from surefoot.evals.benchmark import Benchmark, Options, Scores
from surefoot.evals.benchmarks.labelled import without_labels
from surefoot.evals.trust.contamination import contamination
from surefoot.evals.trust.figures import CALIBRATION, FIGURES, LOWER_IS_BETTER, Data, measure
from surefoot.evals.trust.thresholds import NEAR, Sensitivity, sensitivity
from surefoot.scores.calibration import Bin, reliability
from surefoot.scores.first_errors import BoolArray
from surefoot.stats import Difference, Statistic, bootstrap_difference
from surefoot.traces.types import Trace
from surefoot.training.guards.overlap import Overlap

FEWEST_TRACES = 20
"""A domain with fewer traces has no part in the gap between domains."""

NUM_BINS = 10


@dataclass(frozen=True, kw_only=True)
class Gap:
    """The best and the worst domain in one figure, and by how much the one is better. They are
    chosen on these same traces, so of many domains of one quality some gap is always seen."""

    figure: str
    best: str
    worst: str
    gap: Difference

    def to_json(self) -> dict[str, Any]:
        """Every field."""
        return {**asdict(self), "gap": self.gap.to_json()}


@dataclass(frozen=True, kw_only=True)
class Trust:
    """Everything but the figures with intervals, which the benchmark `TRUST` has."""

    reliability: Mapping[str, tuple[Bin, ...]]
    """Of all steps, and by group; empty where scores are no probabilities."""
    sensitivity: Sensitivity | None
    gaps: tuple[Gap, ...]
    small_domains: Mapping[str, int]
    """Those with too few traces for the gap, with their numbers."""
    contamination: tuple[Overlap, ...]
    num_seen: int | None
    """Traces whose question is in a training file; None where there was no file."""
    seen_less_unseen: Mapping[str, Difference]
    """How much better the figures are on those."""
    said: tuple[str, ...]
    """All of it in sentences."""

    def to_json(self) -> dict[str, Any]:
        """Every field."""
        return {
            "said": list(self.said),
            "sensitivity": self.sensitivity and self.sensitivity.to_json(),
            "gaps": [one.to_json() for one in self.gaps],
            "small_domains": dict(self.small_domains),
            "contamination": [asdict(one) for one in self.contamination],
            "num_seen": self.num_seen,
            "seen_less_unseen": {
                name: one.to_json() for name, one in self.seen_less_unseen.items()
            },
            "reliability": {
                name: [one.to_json() for one in bins] for name, bins in self.reliability.items()
            },
        }


def trust(
    traces: Sequence[Trace],
    scores: Scores,
    options: Options | None = None,
    *,
    train: Mapping[str, Iterable[Trace]] | None = None,
) -> Trust:
    """What there is to know of a scorer beside the figures.

    Args:
        traces: With step labels.
        scores: One `StepScores` per trace, or None.
        options: Threshold, whose labels count, seed and resamples.
        train: What the scorer was trained on, by the names of the files.

    Raises:
        UsageError: scores do not fit the traces, or nothing was scored.
    """
    data = Data.of(traces, scores, options or Options())
    found = contamination(traces, train) if train else None
    domains = data.domains()
    small = {
        name: int(among.sum()) for name, among in domains.items() if among.sum() < FEWEST_TRACES
    }
    large = {name: among for name, among in domains.items() if name not in small}
    curve = sensitivity(traces, scores, data.threshold, data.options.label_source)
    gaps = tuple(_gaps(data, large))
    lead = {} if found is None else _lead(data, found.seen)
    return Trust(
        reliability=_reliability(data, domains),
        sensitivity=curve,
        gaps=gaps,
        small_domains=small if len(domains) > 1 else {},
        contamination=() if found is None else found.files,
        num_seen=None if found is None else int(found.seen.sum()),
        seen_less_unseen=lead,
        said=tuple(_said(curve, gaps, None if found is None else found.seen, lead)),
    )


def _reliability(data: Data, domains: Mapping[str, BoolArray]) -> dict[str, tuple[Bin, ...]]:
    if data.steps.log_odds is None or not data.steps.scored.any():
        return {}
    parts = {"all": np.ones(len(data.steps), np.bool_)}
    if len(domains) > 1:
        parts |= {name: among[data.steps.trace] for name, among in domains.items()}
    parts |= data.positions()
    return {
        name: reliability(
            data.steps.among(among),
            num_bins=NUM_BINS,
            seed=data.options.seed,
            num_resamples=data.options.num_resamples,
        )
        for name, among in parts.items()
        if data.steps.scored[among].any()
    }


def _gaps(data: Data, domains: Mapping[str, BoolArray]) -> Iterable[Gap]:
    """The gap in every figure that two domains have."""
    own = {name: data.statistics(among[data.steps.trace], among) for name, among in domains.items()}
    once = np.ones((1, data.num_questions))
    for figure in FIGURES:
        sign = -1.0 if figure in LOWER_IS_BETTER else 1.0
        values = {
            name: sign * float(some[figure](once)[0])
            for name, some in own.items()
            if figure in some
        }
        if len(values) < 2:
            continue
        best, worst = max(values, key=values.__getitem__), min(values, key=values.__getitem__)
        if best == worst:
            continue
        gap = _difference(data, own[best][figure], own[worst][figure], sign)
        yield Gap(figure=figure, best=best, worst=worst, gap=gap)


def _lead(data: Data, seen: BoolArray) -> dict[str, Difference]:
    """How much better each figure is on the traces whose questions were trained on."""
    if not seen.any() or seen.all():
        return {}
    first = data.statistics(seen[data.steps.trace], seen)
    second = data.statistics(~seen[data.steps.trace], ~seen)
    return {
        name: _difference(data, first[name], second[name], -1.0 if name in LOWER_IS_BETTER else 1.0)
        for name in FIGURES
        if name in first and name in second
    }


def _difference(data: Data, one: Statistic, other: Statistic, sign: float) -> Difference:
    """By how much one figure is better than the other, on the same resamples of questions."""
    return bootstrap_difference(
        lambda counts: sign * (one(counts) - other(counts)),
        data.num_questions,
        seed=data.options.seed,
        num_resamples=data.options.num_resamples,
    )


def _said(
    curve: Sensitivity | None,
    gaps: Sequence[Gap],
    seen: BoolArray | None,
    lead: Mapping[str, Difference],
) -> Iterable[str]:
    if curve is not None:
        yield (
            f"F1 is {curve.own_f1:.3f} at the threshold {curve.own:g} and {curve.best_f1:.3f} at "
            f"the best, {curve.best:g}; it stays within {NEAR} of that from "
            f"{curve.plateau_low:g} to {curve.plateau_high:g}"
            + ("" if curve.own_inside else ", where the own threshold does not lie")
        )
    for one in gaps:
        if one.gap.low > 0:
            yield (
                f"{one.figure} is better in {one.best} than in {one.worst} by {one.gap.mean:.3f} "
                f"[{one.gap.low:.3f}, {one.gap.high:.3f}]"
            )
    if seen is not None:
        share = f"{int(seen.sum()):,} of {len(seen):,} traces have a question of a training file"
        better = lead.get("f1")
        told = (
            "" if better is None else f"; F1 on those less F1 on the others is {better.mean:+.3f}"
        )
        ends = "" if better is None else f" [{better.low:+.3f}, {better.high:+.3f}]"
        yield share + told + ends


def _details(
    train: Mapping[str, Iterable[Trace]], traces: Sequence[Trace], scores: Scores, options: Options
) -> Mapping[str, Any]:
    return trust(traces, scores, options, train=train).to_json()


def trust_benchmark(train: Mapping[str, Iterable[Trace]]) -> Benchmark:
    """`TRUST`, with what the scorer was trained on."""
    return replace(TRUST, details=partial(_details, train))


TRUST = Benchmark(
    title="Trust",
    summary="Do the numbers of a scorer mean what they say?",
    reference="",
    left_out=without_labels,
    measure=measure,
    headline={
        "ece": "ECE",
        "brier": "Brier",
        "drift_position_within": "drift per step",
        "f1": "F1",
    },
    compared=("f1",),
    by_group={"ece": "ECE", "brier": "Brier", "f1": "F1", "step_auroc": "step AUROC"},
    undirected=("drift_position", "drift_position_within", "drift_length"),
    lower_is_better=CALIBRATION,
    details=partial(_details, {}),
)
