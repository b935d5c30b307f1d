"""Any traces with step labels: are wrong steps told from right ones?

Over all labelled steps: `step_auroc` and `step_ap` whatever the threshold; at the scorer's own,
precision, recall and F1 of the steps called wrong and the share of steps on the right side; and
over the traces whose labels settle it, `first_error_acc`, the share of which the first wrong step
is named, or rightly none. A neutral step counts as right, a soft label below one half as wrong. In
a trace that could not be scored every step is missed.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from surefoot.evals.benchmark import Benchmark, Measured, Options, Scores
from surefoot.evals.benchmarks.labelled import flagged, groups, subset_of, without_labels
from surefoot.evals.benchmarks.ranking import step_ap, step_auroc
from surefoot.evals.benchmarks.shares import f1, ratio, summed
from surefoot.evals.figures import Figures
from surefoot.scores.discrimination import LabelledSteps
from surefoot.scores.first_errors import (
    BoolArray,
    chosen_threshold,
    first_error,
    knows_first_error,
    matches,
)
from surefoot.stats import FloatArray, Statistic
from surefoot.traces.types import Trace


def measure(traces: Sequence[Trace], scores: Scores, options: Options) -> Measured:
    """Every figure of one scorer, over all traces and by subset."""
    threshold = chosen_threshold(scores, options.threshold)
    steps = LabelledSteps.of(traces, options.label_source)
    called = flagged(steps, scores, threshold)
    settled = np.array([knows_first_error(trace, options.label_source) for trace in traces])
    named = np.zeros(len(traces))
    at = np.flatnonzero(settled).tolist()
    labels = [first_error(traces[t], options.label_source) for t in at]
    named[at] = matches([scores[t] for t in at], labels, threshold.value)

    def figures(among: BoolArray) -> dict[str, Statistic]:
        def number(which: BoolArray) -> FloatArray:
            return summed(which & among[steps.owner], steps.owner, len(traces))

        hit, missed = number(steps.wrong & called), number(steps.wrong != called)
        total = number(np.ones_like(called))
        return {
            "f1_wrong": f1(hit, missed),
            "precision": ratio(hit, number(called)),
            "recall": ratio(hit, number(steps.wrong)),
            "step_acc": ratio(total - missed, total),
            "first_error_acc": ratio(named * among, (settled & among).astype(np.float64)),
        }

    statistics = _ranking(steps, scores) | figures(np.ones(len(traces), dtype=np.bool_))
    for name, among in groups(traces, subset_of).items():
        kept = among[steps.owner]
        inside = LabelledSteps(
            steps.owner[kept], steps.position[kept], steps.wrong[kept], steps.num_traces
        )
        own = _ranking(inside, scores) | figures(among)
        statistics |= {f"{figure}/{name}": one for figure, one in own.items()}
    return Measured(
        figures=Figures(tuple(trace.id for trace in traces), statistics),
        thresholds={"own": threshold},
        counts={
            "steps": len(steps.wrong),
            "wrong": int(steps.wrong.sum()),
            "settled_traces": int(settled.sum()),
        },
    )


def _ranking(steps: LabelledSteps, scores: Scores) -> dict[str, Statistic]:
    return {"step_auroc": step_auroc(steps, scores), "step_ap": step_ap(steps, scores)}


STEPS = Benchmark(
    title="Labelled steps",
    summary="Are wrong steps told from right ones?",
    reference="",
    left_out=without_labels,
    measure=measure,
    headline={
        "step_auroc": "step AUROC",
        "step_ap": "AP",
        "f1_wrong": "F1 of wrong",
        "first_error_acc": "first error",
    },
    compared=("step_auroc",),
    by_group={
        "step_auroc": "step AUROC",
        "step_ap": "AP",
        "f1_wrong": "F1 of wrong",
        "first_error_acc": "first error",
    },
)
