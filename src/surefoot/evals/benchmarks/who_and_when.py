"""Who&When: which step decided that a run of several agents failed?

Every trajectory failed, so a step is always named: the one of the lowest score, wherever the
threshold lies. `step_acc` is the share of trajectories of which that is the decisive step,
`within_k` that at most k steps off. Of several steps with the lowest score any one may be named;
the expectation over them is taken. `flagged_acc` names the first step below the threshold instead,
and may name none. A trajectory without any score is wrong in all of them. Which agent is to blame
is not measured: scores do not say.

Reference: Zhang et al. 2025, Which agent causes task failures and when? (arXiv:2505.00212, section
4).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from surefoot.evals.benchmark import Benchmark, Measured, Options, Scores
from surefoot.evals.benchmarks.labelled import (
    UNSETTLED,
    groups,
    subset_of,
    without_first_error,
)
from surefoot.evals.benchmarks.ranking import step_auroc
from surefoot.evals.benchmarks.shares import ratio
from surefoot.evals.figures import Figures
from surefoot.scores.discrimination import LabelledSteps
from surefoot.scores.first_errors import chosen_threshold, first_error, matches
from surefoot.stats import FloatArray, Statistic
from surefoot.traces.types import StepScores, Trace

TOLERANCES = (1, 2, 3, 4, 5)


def left_out(trace: Trace, options: Options) -> str | None:
    """Why a trajectory does not count."""
    if without_first_error(trace, options):
        return UNSETTLED
    if first_error(trace, options.label_source) is None:
        return "no step is labelled decisive"
    return None


def measure(traces: Sequence[Trace], scores: Scores, options: Options) -> Measured:
    """Every figure of one scorer, over all trajectories and by their kind."""
    threshold = chosen_threshold(scores, options.threshold)
    decisive = [first_error(trace, options.label_source) for trace in traces]
    chances = {
        f"within_{k}" if k else "step_acc": _chances(scores, decisive, k) for k in (0, *TOLERANCES)
    }
    chances["flagged_acc"] = matches(scores, decisive, threshold.value).astype(np.float64)
    each = np.ones(len(traces))
    statistics: dict[str, Statistic] = {name: ratio(one, each) for name, one in chances.items()}
    steps = LabelledSteps.of(traces, options.label_source)
    statistics["step_auroc"] = step_auroc(steps, scores)
    for kind, among in groups(traces, subset_of).items():
        statistics |= {
            f"{name}/{kind}": ratio(one * among, each * among) for name, one in chances.items()
        }
    lengths = [len(trace.steps) for trace in traces]
    return Measured(
        figures=Figures(tuple(trace.id for trace in traces), statistics),
        thresholds={"own": threshold},
        counts={"steps": sum(lengths), "longest": max(lengths)},
    )


def _chances(scores: Scores, decisive: Sequence[int | None], tolerance: int) -> FloatArray:
    return np.array(
        [_chance(one, step, tolerance) for one, step in zip(scores, decisive, strict=True)]
    )


def _chance(scores: StepScores | None, decisive: int | None, tolerance: int) -> float:
    """The chance that one of the steps of the lowest score is near enough."""
    if scores is None or not scores.scored or decisive is None:
        return 0.0
    lowest = min(scores.scored)
    named = [i for i, value in enumerate(scores.values) if value == lowest]
    return sum(abs(i - decisive) <= tolerance for i in named) / len(named)


WHO_AND_WHEN = Benchmark(
    title="Who&When",
    summary="Is the step named that decided the failure of several agents?",
    reference="Zhang et al. 2025, arXiv:2505.00212",
    left_out=left_out,
    measure=measure,
    headline={
        "step_acc": "exact step",
        "within_1": "within 1",
        "within_3": "within 3",
        "within_5": "within 5",
    },
    compared=("step_acc",),
    by_group={"step_acc": "exact step", "within_1": "within 1", "within_5": "within 5"},
)
