"""ProcessBench: a scorer beside its baselines, at a fixed and at a tuned threshold, in one table.

The traces are measured by subset (GSM8K, MATH, ...) and the F1s of the subsets averaged, as
published. Published figures mix two threshold rules, so both are here: the scorer's own threshold,
over all traces; and the one of highest F1 on a random development part of every subset, over the
rest. The baselines say what the numbers are worth: a scorer that does not beat the length of the
step has not been shown to read it.

Reference: Zheng et al. 2024, ProcessBench (arXiv:2412.06559).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from surefoot.errors import UsageError
from surefoot.models.base import RewardModel
from surefoot.models.baselines import RandomScores, StepLength
from surefoot.scores.discrimination import (
    LabelledSteps,
    StepDiscrimination,
    auroc_difference,
    step_discrimination,
)
from surefoot.scores.first_errors import (
    BoolArray,
    FirstErrorReport,
    Threshold,
    check_lengths,
    chosen_threshold,
    evaluate_first_errors,
    f1,
    first_error,
    knows_first_error,
    matches,
    tune_threshold,
)
from surefoot.stats import (
    Difference,
    Estimate,
    FloatArray,
    Statistic,
    bootstrap,
    bootstrap_difference,
)
from surefoot.traces.types import StepScores, Trace

SomeScores = Sequence[StepScores | None]


@dataclass(frozen=True)
class ThresholdResult:
    """First errors at one threshold, by subset, and the mean of the subsets' F1 (None where no
    subset has one)."""

    threshold: Threshold
    subsets: Mapping[str, FirstErrorReport]
    mean_f1: Estimate | None

    def to_json(self) -> dict[str, object]:
        """The threshold and its rule, the mean F1, every subset."""
        return {
            "threshold": self.threshold.value,
            "threshold_rule": self.threshold.rule,
            "mean_f1": self.mean_f1.to_json() if self.mean_f1 else None,
            "subsets": {name: one.to_json() for name, one in self.subsets.items()},
        }


@dataclass(frozen=True)
class ScorerResult:
    """One scorer: at its own threshold over all traces, at a tuned one over those not tuned on
    (None where it cannot be tuned), and how well it ranks the labelled steps of all subsets."""

    name: str
    fixed: ThresholdResult
    tuned: ThresholdResult | None
    steps: StepDiscrimination

    def to_json(self) -> dict[str, object]:
        """Every figure of the scorer."""
        return {
            "name": self.name,
            "fixed": self.fixed.to_json(),
            "tuned": self.tuned.to_json() if self.tuned else None,
            "steps": self.steps.to_json(),
        }


@dataclass(frozen=True)
class ProcessBenchReport:
    """The scorer (first) and the baselines, what they were measured on, and what a reader must be
    told.

    `over_length` is the scorer's lead over step length, paired over traces: "step_auroc" and
    "tuned_f1", each where it exists.
    """

    scorers: tuple[ScorerResult, ...]
    num_traces: int
    num_excluded: int
    num_development: int
    over_length: Mapping[str, Difference]
    warnings: tuple[str, ...]

    def to_json(self) -> dict[str, object]:
        """The whole report."""
        return {
            "scorers": [one.to_json() for one in self.scorers],
            "num_traces": self.num_traces,
            "num_excluded": self.num_excluded,
            "num_development": self.num_development,
            "over_length": {name: one.to_json() for name, one in self.over_length.items()},
            "warnings": list(self.warnings),
        }

    def table(self) -> str:
        """The figures as plain text, a line per scorer with 95 % intervals, and the warnings
        below."""
        rows: list[tuple[str, ...]] = [
            ("scorer", "F1 fixed", "F1 tuned", "step AUROC", "average precision")
        ]
        for one in self.scorers:
            tuned = one.tuned.mean_f1 if one.tuned else None
            figures = (one.fixed.mean_f1, tuned, one.steps.auroc, one.steps.average_precision)
            rows.append((one.name, *(_cell(figure) for figure in figures)))
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        lines = ["  ".join(c.ljust(w) for c, w in zip(row, widths, strict=True)) for row in rows]
        return "\n".join([*(line.rstrip() for line in lines), *self.warnings])


def evaluate_processbench(
    traces: Sequence[Trace],
    model: RewardModel | SomeScores,
    *,
    threshold: float | None = None,
    development: float = 0.5,
    label_source: str | None = None,
    seed: int = 0,
    num_resamples: int = 1000,
) -> ProcessBenchReport:
    """Score the traces (or take scores, None where scoring failed); compare with labels and
    baselines.

    `threshold` replaces the fixed threshold that the scores carry (the baselines keep theirs).
    `development` is the share of each subset, drawn by `seed`, that thresholds are tuned on. Traces
    whose labels do not settle the first error are left out and counted. A step on which a scorer
    abstains is never flagged and ranks as the least suspicious. Subsets are those of `subset_of`.

    Raises:
        UsageError: no trace has labels that settle the first error, the scores do not fit the
            traces or carry several thresholds, or `development` is not between 0 and 1.
    """
    if not 0 < development < 1:
        raise UsageError(f"development is {development}; it must lie between 0 and 1, such as 0.5")
    settled = [i for i, trace in enumerate(traces) if knows_first_error(trace, label_source)]
    if not settled:
        raise UsageError(
            f"none of {len(traces)} traces has labels that settle the first error; give labelled "
            "ones"
        )
    kept = [traces[i] for i in settled]
    if isinstance(model, Sequence):
        check_lengths(model, traces)
        scores = [model[i] for i in settled]
    else:
        scores = list(model.score(kept))
    length: SomeScores = StepLength().score(kept)
    columns: dict[str, SomeScores] = {
        next((one.model for one in scores if one is not None), "scorer"): scores,
        "baseline: random": RandomScores(seed=seed).score(kept),
        "baseline: never flags (majority class)": [_flags(one, None) for one in kept],
        "baseline: flags the last step": [_flags(one, len(one.steps) - 1) for one in kept],
        "baseline: step length": length,
    }
    bench = _Bench(kept, development, label_source, seed, num_resamples)
    results = tuple(
        bench.measure(name, column, threshold if column is scores else None)
        for name, column in columns.items()
    )
    over_length = bench.lead((results[0], scores), (results[-1], length))
    num_excluded = len(traces) - len(kept)
    return ProcessBenchReport(
        scorers=results,
        num_traces=len(kept),
        num_excluded=num_excluded,
        num_development=int(bench.development.sum()),
        over_length=over_length,
        warnings=tuple(_warnings(results[0], over_length, scores, num_excluded)),
    )


def subset_of(trace: Trace) -> str:
    """The subset a trace says it belongs to: meta "subset", else the last part of meta "domain",
    else its source."""
    subset, domain = trace.meta.get("subset"), trace.meta.get("domain")
    if isinstance(subset, str):
        return subset
    if isinstance(domain, str):
        return domain.rpartition("/")[2]
    return trace.source or "all"


class _Bench:
    """Traces whose labels settle the first error, cut into subsets and into a development part and
    the rest."""

    def __init__(
        self,
        traces: Sequence[Trace],
        development: float,
        label_source: str | None,
        seed: int,
        num_resamples: int,
    ) -> None:
        self.traces = traces
        self.label_source = label_source
        self.seed = seed
        self.num_resamples = num_resamples
        self.first_errors = [first_error(trace, label_source) for trace in traces]
        self.erroneous = np.array([one is not None for one in self.first_errors])
        self.steps = LabelledSteps.of(traces, label_source)
        names = np.array([subset_of(trace) for trace in traces])
        self.subsets = {str(name): names == name for name in dict.fromkeys(names.tolist())}
        self.development = np.zeros(len(traces), dtype=np.bool_)
        rng = np.random.default_rng(seed)
        for among in self.subsets.values():
            shuffled = rng.permutation(np.flatnonzero(among))
            self.development[shuffled[: int(development * len(shuffled))]] = True

    def measure(self, name: str, scores: SomeScores, threshold: float | None) -> ScorerResult:
        """All figures of one scorer."""
        everything = np.ones(len(scores), dtype=np.bool_)
        return ScorerResult(
            name=name,
            fixed=self._at(chosen_threshold(scores, threshold), scores, everything),
            tuned=self._at(self._tuned(scores), scores, ~self.development)
            if self._can_tune(scores)
            else None,
            steps=step_discrimination(
                self.steps, scores, seed=self.seed, num_resamples=self.num_resamples
            ),
        )

    def lead(
        self, ours: tuple[ScorerResult, SomeScores], theirs: tuple[ScorerResult, SomeScores]
    ) -> dict[str, Difference]:
        """By how much the first scorer beats the second on the same traces."""
        found: dict[str, Difference] = {}
        seed, num_resamples = self.seed, self.num_resamples
        if self.steps.of_both_kinds:
            found["step_auroc"] = auroc_difference(
                self.steps, ours[1], theirs[1], seed=seed, num_resamples=num_resamples
            )
        first, second = ours[0].tuned, theirs[0].tuned
        if first and second and first.mean_f1 and second.mean_f1:
            rest = _where(~self.development)
            a = self._mean_f1(first.threshold, ours[1], rest)
            b = self._mean_f1(second.threshold, theirs[1], rest)
            found["tuned_f1"] = bootstrap_difference(
                lambda counts: a(counts) - b(counts),
                len(rest),
                seed=seed,
                num_resamples=num_resamples,
            )
        return found

    def _can_tune(self, scores: SomeScores) -> bool:
        picked = _where(self.development)
        kinds = set(self.erroneous[picked].tolist())
        return len(kinds) == 2 and any((one := scores[i]) and one.scored for i in picked)

    def _tuned(self, scores: SomeScores) -> Threshold:
        picked = _where(self.development)
        return tune_threshold([scores[i] for i in picked], [self.first_errors[i] for i in picked])

    def _at(self, threshold: Threshold, scores: SomeScores, among: BoolArray) -> ThresholdResult:
        reports = {}
        for name, members in self.subsets.items():
            who = _where(members & among)
            reports[name] = evaluate_first_errors(
                [scores[i] for i in who],
                [self.traces[i] for i in who],
                threshold=threshold,
                label_source=self.label_source,
                seed=self.seed,
                num_resamples=self.num_resamples,
            )
        mean_f1 = None
        if any(report.f1 for report in reports.values()):
            who = _where(among)
            mean_f1 = bootstrap(
                self._mean_f1(threshold, scores, who),
                len(who),
                seed=self.seed,
                num_resamples=self.num_resamples,
            )
        return ThresholdResult(threshold, reports, mean_f1)

    def _mean_f1(self, threshold: Threshold, scores: SomeScores, who: list[int]) -> Statistic:
        """Mean F1 over the subsets that have one, as a function of how often each trace of `who`
        was drawn."""
        erroneous = self.erroneous[who]
        matched = matches(
            [scores[i] for i in who], [self.first_errors[i] for i in who], threshold.value
        )
        inside = [members[who] for members in self.subsets.values()]
        both = [one for one in inside if len(set(erroneous[one].tolist())) == 2]

        def mean_f1(counts: FloatArray) -> FloatArray:
            each = [f1(counts[:, one], erroneous[one], matched[one]) for one in both]
            mean: FloatArray = np.mean(each, axis=0)
            return mean

        return mean_f1


def _where(flags: BoolArray) -> list[int]:
    return [int(i) for i in np.flatnonzero(flags)]


def _flags(trace: Trace, step: int | None) -> StepScores:
    """The scores of a baseline that flags one step, or none."""
    return StepScores(tuple(float(i != step) for i in range(len(trace.steps))), model="baseline")


def _warnings(
    scorer: ScorerResult,
    over_length: Mapping[str, Difference],
    scores: SomeScores,
    num_excluded: int,
) -> list[str]:
    """What a reader must know before believing the first line of the table."""
    said = []
    for figure, lead in over_length.items():
        if lead.low <= 0:
            said.append(
                f"WARNING: {scorer.name} is not shown to beat step length in {figure}: "
                f"{lead.mean:+.3f} "
                f"[{lead.low:+.3f}, {lead.high:+.3f}], p = {lead.p_value:.3f}"
            )
    if scorer.tuned is None:
        said.append(
            "no tuned threshold: the development part needs scored traces with and without an error"
        )
    lacking = [name for name, one in scorer.fixed.subsets.items() if one.f1 is None]
    if lacking:
        said.append(
            f"no F1, and not in the mean: {', '.join(lacking)} (needs traces with and without an "
            "error)"
        )
    if num_excluded:
        said.append(f"{num_excluded} traces left out: their labels do not settle the first error")
    unscored = sum(one is None for one in scores)
    if unscored:
        said.append(f"{unscored} traces could not be scored; each counts as a wrong prediction")
    if scorer.steps.num_unscored:
        said.append(
            f"{scorer.name} gave no score on {scorer.steps.num_unscored} of "
            f"{scorer.steps.num_steps} labelled steps; "
            "those are never flagged"
        )
    return said


def _cell(figure: Estimate | None) -> str:
    if figure is None:
        return "-"
    return f"{figure.mean:.3f} [{figure.low:.3f}, {figure.high:.3f}]"
