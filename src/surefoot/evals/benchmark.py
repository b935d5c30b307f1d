"""What every benchmark of step scores is: which traces count, and the figures of one scorer.

A benchmark is data and one function. `evaluate` measures a scorer and the plain baselines with it,
so that no figure stands without what chance and step length reach, and says what must be known
before any of it is believed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from surefoot.errors import UsageError
from surefoot.evals.figures import Figures, differences
from surefoot.models.baselines import RandomScores, StepLength
from surefoot.scores.first_errors import Threshold, check_lengths
from surefoot.stats import Difference, Estimate
from surefoot.traces.types import StepScores, Trace

Scores: TypeAlias = Sequence[StepScores | None]
"""One per trace; None where the scorer failed."""


@dataclass(frozen=True, kw_only=True)
class Options:
    """How to measure."""

    threshold: float | None = None
    """Below which a step counts as wrong; None takes the scorer's own."""
    development: float = 0.5
    """Share of the traces that thresholds are tuned on, in (0, 1)."""
    label_source: str | None = None
    """Whose step labels count: the first of each trace if None."""
    seed: int = 0
    num_resamples: int = 1000

    def __post_init__(self) -> None:
        if not 0 < self.development < 1:
            raise UsageError(
                f"development is {self.development}; it must lie between 0 and 1, such as 0.5"
            )


@dataclass(frozen=True, kw_only=True)
class Measured:
    """What one scorer reaches."""

    figures: Figures
    thresholds: Mapping[str, Threshold] = field(default_factory=dict)
    """Each by what it is for, such as `own` and `tuned`, with the rule that chose it."""
    counts: Mapping[str, int] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Benchmark:
    """A way of measuring step scores.

    `summary` is the question that it answers. `left_out` says why a trace does not count, None
    where it does. `headline` names the figures that a reader wants first, with their headings;
    `by_group` those that are shown of each group of the data (`figure/group`), likewise;
    `compared` those in which a scorer has to beat step length; `lower_is_better` names figures
    such as errors, `undirected` those of which neither high nor low is better.
    """

    title: str
    summary: str = ""
    reference: str
    left_out: Callable[[Trace, Options], str | None]
    measure: Callable[[Sequence[Trace], Scores, Options], Measured]
    headline: Mapping[str, str]
    compared: tuple[str, ...]
    by_group: Mapping[str, str] = field(default_factory=dict)
    undirected: tuple[str, ...] = ()
    lower_is_better: tuple[str, ...] = ()
    details: Callable[[Sequence[Trace], Scores, Options], Mapping[str, Any]] | None = None
    """Further findings about the scorer, in JSON."""


@dataclass(frozen=True, kw_only=True)
class Row:
    """One scorer of the table."""

    name: str
    is_baseline: bool
    figures: Mapping[str, Estimate | None]
    thresholds: Mapping[str, Threshold]

    def to_json(self) -> dict[str, Any]:
        """Every figure and how the thresholds were chosen."""
        return {
            "name": self.name,
            "is_baseline": self.is_baseline,
            "figures": {name: one and one.to_json() for name, one in self.figures.items()},
            "thresholds": {
                name: {"value": one.value, "rule": one.rule}
                for name, one in self.thresholds.items()
            },
        }


@dataclass(frozen=True, kw_only=True)
class Evaluation:
    """The scorer (first) and the baselines; by how much it beats each of these, paired over the
    same units; why traces were left out; and what a reader must be told."""

    rows: tuple[Row, ...]
    leads: Mapping[str, Mapping[str, Difference]]
    num_traces: int
    left_out: Mapping[str, int]
    counts: Mapping[str, int]
    warnings: tuple[str, ...]
    details: Mapping[str, Any]

    def to_json(self) -> dict[str, Any]:
        """The whole evaluation."""
        return {
            "num_traces": self.num_traces,
            "left_out": dict(self.left_out),
            "counts": dict(self.counts),
            "rows": [row.to_json() for row in self.rows],
            "leads": {
                baseline: {name: one.to_json() for name, one in leads.items()}
                for baseline, leads in self.leads.items()
            },
            "warnings": list(self.warnings),
            "details": dict(self.details),
        }


LENGTH = "step length"
BASELINES: Mapping[str, Callable[[Sequence[Trace], int], Scores]] = {
    "random": lambda traces, seed: RandomScores(seed=seed).score(traces),
    "never flags": lambda traces, _: [flags(one, None) for one in traces],
    "flags the last step": lambda traces, _: [flags(one, len(one.steps) - 1) for one in traces],
    LENGTH: lambda traces, _: StepLength().score(traces),
}
"""What needs no reading. `never flags` is the majority class."""


def evaluate(
    benchmark: Benchmark, traces: Sequence[Trace], scores: Scores, options: Options | None = None
) -> Evaluation:
    """Measure scores, one `StepScores` per trace or None, beside the baselines.

    Raises:
        UsageError: no trace counts, or the scores do not fit the traces.
    """
    options = options or Options()
    check_lengths(scores, traces)
    reasons = [benchmark.left_out(trace, options) for trace in traces]
    kept = [trace for trace, reason in zip(traces, reasons, strict=True) if reason is None]
    left_out: dict[str, int] = {}
    for reason in reasons:
        if reason is not None:
            left_out[reason] = left_out.get(reason, 0) + 1
    if not kept:
        told = "; ".join(f"{num}: {reason}" for reason, num in left_out.items())
        raise UsageError(f"none of {len(traces)} traces can be measured ({told})")
    own = [one for one, reason in zip(scores, reasons, strict=True) if reason is None]
    ours = benchmark.measure(kept, own, options)
    name = next((one.model for one in own if one is not None), "scorer")
    rows = [_row(name, ours, options, is_baseline=False)]
    leads = {}
    plain = Options(
        development=options.development,
        label_source=options.label_source,
        seed=options.seed,
        num_resamples=options.num_resamples,
    )
    for baseline, make in BASELINES.items():
        theirs = benchmark.measure(kept, make(kept, options.seed), plain)
        rows.append(_row(baseline, theirs, options, is_baseline=True))
        leads[baseline] = differences(
            ours.figures,
            theirs.figures,
            seed=options.seed,
            num_resamples=options.num_resamples,
        )
    details = benchmark.details(kept, own, options) if benchmark.details else {}
    return Evaluation(
        rows=tuple(rows),
        leads=leads,
        num_traces=len(kept),
        left_out=left_out,
        counts=ours.counts,
        warnings=(*_warnings(benchmark, name, own, leads), *ours.warnings),
        details=details,
    )


def flags(trace: Trace, step: int | None) -> StepScores:
    """The scores of what flags one step, or none."""
    return StepScores(tuple(float(i != step) for i in range(len(trace.steps))), model="baseline")


def _row(name: str, measured: Measured, options: Options, *, is_baseline: bool) -> Row:
    return Row(
        name=name,
        is_baseline=is_baseline,
        figures=measured.figures.estimates(seed=options.seed, num_resamples=options.num_resamples),
        thresholds=measured.thresholds,
    )


def _warnings(
    benchmark: Benchmark,
    name: str,
    scores: Scores,
    leads: Mapping[str, Mapping[str, Difference]],
) -> list[str]:
    """What must be known before the first line of the table is believed."""
    said = [
        f"{name} is not shown to beat step length in {benchmark.headline.get(figure, figure)}: "
        f"{lead.mean:+.3f} [{lead.low:+.3f}, {lead.high:+.3f}], p = {lead.p_value:.3f}"
        for figure in benchmark.compared
        if (lead := leads[LENGTH].get(figure)) is not None and lead.low <= 0
    ]
    failed = sum(one is None for one in scores)
    if failed:
        said.append(f"{failed} of {len(scores)} traces could not be scored; each counts as wrong")
    silent = sum(value is None for one in scores if one is not None for value in one.values)
    if silent:
        said.append(f"{name} gave no score on {silent} steps; those are never flagged")
    return said
