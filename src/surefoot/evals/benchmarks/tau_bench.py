"""τ-bench: do the scores of an agent's steps tell how its attempt at a task ends?

Each attempt gets one number, the aggregate of its step scores by the scorer's own rule.
`within_auroc` is the chance that of two attempts at the same task, one that succeeds and one that
fails, the first has the higher number (equal ones count half), averaged over the tasks that have
both; it is what choosing between attempts needs. `outcome_auroc` is the same over all attempts,
which telling easy tasks from hard ones is enough for. `chosen` is the success of the attempt with
the highest number of each task (ties shared), `success` that of any attempt. `outcome_acc` calls
an attempt successful where the aggregate is at least the threshold; it is there where the aggregate
is on the scale of the scores. Intervals draw tasks; an attempt without a score has the lowest
number and counts as wrong.

Reference: Yao et al. 2024, τ-bench (arXiv:2406.12045).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from surefoot.evals.benchmark import Benchmark, Measured, Options, Scores
from surefoot.evals.benchmarks.shares import ratio, summed, undefined
from surefoot.evals.figures import Figures
from surefoot.scores.discrimination import weighted_auroc
from surefoot.scores.first_errors import Threshold, chosen_threshold
from surefoot.scores.outcomes import Outcomes
from surefoot.scores.steps import BoolArray, questions_of
from surefoot.stats import FloatArray, Statistic
from surefoot.traces.types import Trace

ON_THE_SCALE = ("min", "product", "last", "mean", "geometric")
"""Aggregates that a threshold of steps can be held against."""


def left_out(trace: Trace, options: Options) -> str | None:
    """Why an attempt does not count."""
    return "its outcome is not known" if trace.outcome is None else None


def measure(traces: Sequence[Trace], scores: Scores, options: Options) -> Measured:
    """Every figure of one scorer, over tasks."""
    threshold = chosen_threshold(scores, options.threshold)
    tasks = questions_of(traces)
    found = np.unique(tasks, return_index=True)[1]
    num = len(found)
    ends = Outcomes.of(traces, scores, tasks)
    mixed, within = ends.within()
    each = summed(np.ones(len(traces)), tasks, num)
    right = summed(ends.right, tasks, num)
    statistics: dict[str, Statistic] = {
        "within_auroc": ratio(summed(within, mixed, num), summed(np.ones(len(mixed)), mixed, num)),
        "outcome_auroc": _pooled(ends),
        "chosen": ratio(_chosen(ends, num), np.ones(num)),
        "success": ratio(right / each, np.ones(num)),
        "outcome_acc": undefined,
    }
    if all(one is None or one.default_aggregate in ON_THE_SCALE for one in scores):
        said = _said(ends, scores, threshold)
        statistics["outcome_acc"] = ratio(summed(said == ends.right, tasks, num), each)
    return Measured(
        figures=Figures(tuple(traces[i].problem for i in found), statistics),
        thresholds={"own": threshold},
        counts={
            "tasks": num,
            "tasks_with_both": len(mixed),
            "succeeded": int(ends.right.sum()),
            "failed": int((~ends.right).sum()),
        },
        warnings=()
        if len(mixed)
        else ("no task has attempts that succeed and attempts that fail",),
    )


def _pooled(ends: Outcomes) -> Statistic:
    if ends.right.all() or not ends.right.any():
        return undefined
    return lambda counts: weighted_auroc(ends.right, ends.reward, counts[:, ends.question])


def _chosen(ends: Outcomes, num_tasks: int) -> FloatArray:
    """The success of the attempt of the highest reward of each task, ties shared."""
    best = np.full(num_tasks, -np.inf)
    np.maximum.at(best, ends.question, ends.reward)
    tied = ends.reward == best[ends.question]
    return summed(tied & ends.right, ends.question, num_tasks) / summed(
        tied, ends.question, num_tasks
    )


def _said(ends: Outcomes, scores: Scores, threshold: Threshold) -> BoolArray:
    """What is said of each attempt's end; of one without a score, the wrong thing."""
    said = ends.reward >= threshold.value
    silent = np.array([(one := scores[t]) is None or not one.scored for t in ends.trace])
    return np.where(silent, ~ends.right, said)


TAU_BENCH = Benchmark(
    title="τ-bench outcomes",
    summary="Do the scores of an agent's steps tell how its attempt at a task ends?",
    reference="Yao et al. 2024, arXiv:2406.12045",
    left_out=left_out,
    measure=measure,
    headline={
        "within_auroc": "AUROC within task",
        "outcome_auroc": "AUROC of all",
        "chosen": "chosen succeeds",
        "outcome_acc": "accuracy",
    },
    compared=("within_auroc",),
)
