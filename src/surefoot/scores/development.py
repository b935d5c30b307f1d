"""What a scorer is worth on development traces: every figure that training may watch.

Three figures are the F1 of first errors (`first_errors`); they differ in where the threshold is
from:

    f1           the scorer's own, or the one that is given
    f1_best      tuned on these same traces, so that it flatters, and the more the fewer they are
    f1_heldout   questions are put into two halves, each is measured with the threshold tuned on
                 the other, and the two are taken together: nothing is tuned on what it is measured
                 on

A figure that these traces do not define is None: there is no AUROC where all steps are right.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from types import MappingProxyType
from typing import Any, Literal

import numpy as np

from surefoot.errors import UsageError
from surefoot.scores.calibration import brier, ece
from surefoot.scores.discrimination import auroc, average_precision
from surefoot.scores.first_errors import Threshold, check_lengths
from surefoot.scores.heldout import FirstErrors
from surefoot.scores.intervals import differences, intervals, statistics
from surefoot.scores.outcomes import Outcomes
from surefoot.scores.steps import BoolArray, ScoredSteps, questions_of
from surefoot.stats import Difference, Estimate, Statistic
from surefoot.traces.types import StepScores, Trace

METRICS: Mapping[str, Literal["maximize", "minimize"]] = MappingProxyType(
    {
        "f1_heldout": "maximize",
        "f1_best": "maximize",
        "f1": "maximize",
        "acc_error": "maximize",
        "acc_correct": "maximize",
        "step_auroc": "maximize",
        "step_average_precision": "maximize",
        "brier": "minimize",
        "ece": "minimize",
        "ece_mass": "minimize",
        "outcome_auroc": "maximize",
        "outcome_auroc_within": "maximize",
    }
)
"""The figures by which weights may be chosen, and which way is better."""

NO_SOURCE = "no source"
"""The domain of traces that name no source."""


@dataclass(frozen=True, kw_only=True)
class StepFigures:
    """Of labelled steps. The two rankings are of the wrong ones, among which a step without a score
    is the least suspicious; the rest is of the steps that have one."""

    num_steps: int
    num_wrong: int
    num_unscored: int
    step_auroc: float | None
    step_average_precision: float | None
    brier: float | None
    ece: float | None
    """With bins of equal width."""
    ece_mass: float | None
    """With bins of equally many steps."""


@dataclass(frozen=True, kw_only=True)
class Figures(StepFigures):
    """Of traces. `acc_error` and `acc_correct` belong to `f1`: the shares found of traces with an
    error, and cleared of those without."""

    num_traces: int
    num_error: int
    num_correct: int
    num_outcomes: int
    f1: float | None
    f1_best: float | None
    f1_heldout: float | None
    acc_error: float | None
    acc_correct: float | None
    outcome_auroc: float | None
    """Of the aggregate, right traces above wrong ones."""
    outcome_auroc_within: float | None
    """The mean of the AUROCs within the questions that have right and wrong traces."""


@dataclass(frozen=True, kw_only=True)
class Development:
    """All figures, also of steps by their position and of traces by their source.

    The thresholds of `by_domain` are those of all traces: a contract has one.
    """

    overall: Figures
    threshold: Threshold
    best_threshold: Threshold | None
    by_position: Mapping[str, StepFigures]
    by_domain: Mapping[str, Figures]
    intervals: Mapping[str, Estimate]
    """Of figures of `overall`, where they were asked for."""

    def flat(self) -> dict[str, float]:
        """Every figure and count that there is, by one name, as loggers want them:
        `step_auroc`, `position/2-3/step_auroc`, `domain/gsm8k/f1`."""
        best = self.best_threshold
        found: dict[str, float | None] = {
            **asdict(self.overall),
            "threshold": self.threshold.value,
            "threshold_best": None if best is None else best.value,
        }
        for part, by in (("position", self.by_position), ("domain", self.by_domain)):
            for name, figures in by.items():
                found |= {f"{part}/{name}/{k}": v for k, v in asdict(figures).items()}
        return {name: value for name, value in found.items() if value is not None}

    def to_json(self) -> dict[str, Any]:
        """Every field; what is not defined is null."""
        best = self.best_threshold
        return {
            **asdict(self.overall),
            "threshold": asdict(self.threshold),
            "best_threshold": None if best is None else asdict(best),
            "intervals": {name: one.to_json() for name, one in self.intervals.items()},
            "by_position": {name: asdict(one) for name, one in self.by_position.items()},
            "by_domain": {name: asdict(one) for name, one in self.by_domain.items()},
        }


def measure(
    traces: Sequence[Trace],
    scores: Sequence[StepScores | None],
    *,
    label_source: str | None = None,
    neutral: bool = True,
    threshold: float | Threshold | None = None,
    seed: int = 0,
    num_resamples: int = 0,
) -> Development:
    """Measure scores, one `StepScores` per trace or None, against labels and outcomes.

    Args:
        traces: What nothing was learned from.
        scores: Of the traces, in order, all of one kind.
        label_source: Whose step labels count: the first of each trace if None.
        neutral: Whether a rating of 0 counts as right.
        threshold: That of `f1`; None takes the one that the scores carry. One that was tuned on
            other traces makes `f1` a figure of these alone.
        seed: Of the resamples.
        num_resamples: For intervals, by a bootstrap over questions; 0 gives none.

    Raises:
        UsageError: there are no traces, scores are not one per trace with one value per step, or of
            several kinds or thresholds.
    """
    if not traces:
        raise UsageError("there are no development traces to measure on")
    check_lengths(scores, traces)
    questions = questions_of(traces)
    steps = ScoredSteps.of(traces, scores, questions, label_source=label_source, neutral=neutral)
    errors = FirstErrors.of(
        traces,
        scores,
        questions,
        label_source=label_source,
        neutral=neutral,
        threshold=threshold,
    )
    ends = Outcomes.of(traces, scores, questions)
    sources = np.array([trace.source or NO_SOURCE for trace in traces])
    whole = np.ones(len(traces), dtype=np.bool_)
    found: Mapping[str, Estimate] = {}
    if num_resamples:
        found = intervals(
            steps,
            errors,
            ends,
            num_questions=int(questions.max()) + 1,
            seed=seed,
            num_resamples=num_resamples,
        )
    return Development(
        overall=_figures(whole, steps, errors, ends),
        threshold=errors.threshold,
        best_threshold=errors.best,
        by_position=_by_position(steps),
        by_domain={
            str(name): _figures(sources == name, steps, errors, ends) for name in np.unique(sources)
        },
        intervals=found,
    )


def compare(
    traces: Sequence[Trace],
    ours: Sequence[StepScores | None],
    theirs: Sequence[StepScores | None],
    *,
    label_source: str | None = None,
    neutral: bool = True,
    seed: int = 0,
    num_resamples: int = 1000,
) -> dict[str, Difference]:
    """Our figures less theirs on the same traces, of every figure that both have, with intervals
    by a paired bootstrap over questions; arguments are those of `measure`.

    Raises:
        UsageError: as `measure`.
    """
    questions = questions_of(traces)
    number = int(questions.max()) + 1

    def figures(scores: Sequence[StepScores | None]) -> dict[str, Statistic]:
        labels: Any = {"label_source": label_source, "neutral": neutral}
        return statistics(
            ScoredSteps.of(traces, scores, questions, **labels),
            FirstErrors.of(traces, scores, questions, **labels),
            Outcomes.of(traces, scores, questions),
            num_questions=number,
        )

    return differences(
        figures(ours),
        figures(theirs),
        num_questions=number,
        seed=seed,
        num_resamples=num_resamples,
    )


def step_figures(steps: ScoredSteps) -> StepFigures:
    """The figures of some steps."""
    wrong, suspicion, scored = steps.wrong, steps.suspicion, steps.among(steps.scored)
    has_wrong, has_right = bool(wrong.any()), not bool(wrong.all())
    right, p = scored.right, scored.score
    known = scored.log_odds is not None and len(scored) > 0
    return StepFigures(
        num_steps=len(steps),
        num_wrong=int(wrong.sum()),
        num_unscored=len(steps) - len(scored),
        step_auroc=auroc(wrong, suspicion) if has_wrong and has_right else None,
        step_average_precision=average_precision(wrong, suspicion) if has_wrong else None,
        brier=brier(right, p) if known else None,
        ece=ece(right, p) if known else None,
        ece_mass=ece(right, p, binning="mass") if known else None,
    )


def _figures(kept: BoolArray, steps: ScoredSteps, errors: FirstErrors, ends: Outcomes) -> Figures:
    """The figures of the traces for which `kept`, shape (T,), is true."""
    own, ended = kept[errors.trace], ends.among(kept[ends.trace])
    _, aurocs = ended.within()
    return Figures(
        **asdict(step_figures(steps.among(kept[steps.trace]))),
        num_traces=int(kept.sum()),
        num_error=int((own & errors.erroneous).sum()),
        num_correct=int((own & ~errors.erroneous).sum()),
        num_outcomes=len(ended.right),
        f1=errors.f1(errors.matched, own),
        f1_best=errors.f1(errors.matched_best, own),
        f1_heldout=errors.f1(errors.matched_heldout, own),
        acc_error=errors.accuracy(errors.matched, True, own),
        acc_correct=errors.accuracy(errors.matched, False, own),
        outcome_auroc=ended.auroc(),
        outcome_auroc_within=float(aurocs.mean()) if len(aurocs) else None,
    )


def _by_position(steps: ScoredSteps) -> dict[str, StepFigures]:
    """The figures of the steps at positions 0, 1, 2-3, 4-7, 8-15 and so on."""
    bits = np.frexp(steps.position)[1]
    names = {k: f"{2 ** (k - 1)}-{2**k - 1}" if k > 1 else str(k) for k in np.unique(bits).tolist()}
    return {name: step_figures(steps.among(bits == k)) for k, name in names.items()}
