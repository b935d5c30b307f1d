"""The figures of trust as functions of how often each question is drawn.

Figures are over questions, each with all of its traces:

    brier, ece, ece_mass    of all labelled steps that have a score (`scores.calibration`)
    f1                      of first errors, at the scorer's own threshold
    step_auroc              of wrong steps
    drift_...               slopes of the scores of right steps (`trust.drift`)

The first five also stand as `figure/group` for each domain, the calibration for each range of
positions (`step 0`, `step 1`, `step 2-3`, `step 4-7` and so on).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from surefoot.evals.benchmark import Measured, Options, Scores
from surefoot.evals.benchmarks.labelled import groups, subset_of
from surefoot.evals.benchmarks.shares import undefined
from surefoot.evals.figures import Figures
from surefoot.evals.trust.drift import slopes
from surefoot.scores import intervals
from surefoot.scores.first_errors import BoolArray, Threshold, chosen_threshold
from surefoot.scores.heldout import FirstErrors
from surefoot.scores.outcomes import Outcomes
from surefoot.scores.steps import IntArray, ScoredSteps, questions_of
from surefoot.stats import Statistic
from surefoot.traces.types import Trace

CALIBRATION = ("brier", "ece", "ece_mass")
FIGURES = (*CALIBRATION, "f1", "step_auroc")
LOWER_IS_BETTER = frozenset(CALIBRATION)


@dataclass(frozen=True, eq=False)
class Data:
    """Traces, their scores and what is made of both once."""

    traces: Sequence[Trace]
    scores: Scores
    options: Options
    questions: IntArray
    threshold: Threshold
    steps: ScoredSteps

    @classmethod
    def of(cls, traces: Sequence[Trace], scores: Scores, options: Options) -> Data:
        """That of some traces.

        Raises:
            UsageError: scores do not fit the traces, or nothing was scored.
        """
        questions = questions_of(traces)
        return cls(
            traces,
            scores,
            options,
            questions,
            chosen_threshold(scores, options.threshold),
            ScoredSteps.of(traces, scores, questions, label_source=options.label_source),
        )

    @property
    def num_questions(self) -> int:
        """How many different questions there are."""
        return int(self.questions.max()) + 1

    def domains(self) -> dict[str, BoolArray]:
        """Which traces (T,) each domain holds."""
        return groups(self.traces, subset_of)

    def positions(self) -> dict[str, BoolArray]:
        """Which steps (S,) stand in each range of positions."""
        bits = np.frexp(self.steps.position)[1]
        names = {
            k: f"step {2 ** (k - 1)}-{2**k - 1}" if k > 1 else f"step {k}"
            for k in np.unique(bits).tolist()
        }
        return {name: np.asarray(bits == k) for k, name in names.items()}

    def statistics(self, steps: BoolArray, traces: BoolArray) -> dict[str, Statistic]:
        """The figures that exist of some steps (S,) and some traces (T,)."""
        at = np.flatnonzero(traces).tolist()
        some, own = [self.traces[t] for t in at], [self.scores[t] for t in at]
        question = self.questions[traces]
        errors = FirstErrors.of(
            some,
            own,
            question,
            label_source=self.options.label_source,
            threshold=self.threshold,
        )
        found = intervals.statistics(
            self.steps.among(steps),
            errors,
            Outcomes.of(some, own, question),
            num_questions=self.num_questions,
        )
        return {name: found[name] for name in FIGURES if name in found}


def measure(traces: Sequence[Trace], scores: Scores, options: Options) -> Measured:
    """The figures of one scorer."""
    data = Data.of(traces, scores, options)
    everything = np.ones(len(data.steps), np.bool_), np.ones(len(traces), np.bool_)
    statistics = dict.fromkeys(FIGURES, undefined) | data.statistics(*everything)
    statistics |= slopes(traces, data.steps, data.num_questions)
    domains = data.domains()
    for name, among in domains.items() if len(domains) > 1 else ():
        own = data.statistics(among[data.steps.trace], among)
        statistics |= {f"{figure}/{name}": one for figure, one in own.items()}
    for name, among in data.positions().items():
        own = data.statistics(among, everything[1])
        statistics |= {
            f"{figure}/{name}": one for figure, one in own.items() if figure in CALIBRATION
        }
    return Measured(
        figures=Figures(tuple(str(i) for i in range(data.num_questions)), statistics),
        thresholds={"own": data.threshold},
        counts={"steps": len(data.steps), "wrong": int(data.steps.wrong.sum())},
    )
