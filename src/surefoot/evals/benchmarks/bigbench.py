"""BIG-Bench Mistake: is there a mistake in a chain of thought, and which step is the first?

`accuracy` is the share of traces of which the very first mistake is named, or rightly none: the
figure of the benchmark, averaged over its tasks. `location_acc` is that among traces with a
mistake, `no_mistake_acc` among those without. `detection_acc` asks only whether there is one. A
trace that could not be scored counts as wrong in all of them.

Reference: Tyen et al. 2024, LLMs cannot find reasoning errors (arXiv:2311.08516, section 3).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from surefoot.evals.benchmark import Benchmark, Measured, Options, Scores
from surefoot.evals.benchmarks.labelled import groups, subset_of, without_first_error
from surefoot.evals.benchmarks.ranking import step_auroc
from surefoot.evals.benchmarks.shares import mean_of_defined, ratio
from surefoot.evals.figures import Figures
from surefoot.scores.discrimination import LabelledSteps
from surefoot.scores.first_errors import BoolArray, chosen_threshold, first_error, matches
from surefoot.stats import FloatArray, Statistic
from surefoot.traces.types import Trace


def measure(traces: Sequence[Trace], scores: Scores, options: Options) -> Measured:
    """Every figure of one scorer, by task and averaged."""
    threshold = chosen_threshold(scores, options.threshold)
    labels = [first_error(trace, options.label_source) for trace in traces]
    mistaken = np.array([one is not None for one in labels])
    named = matches(scores, labels, threshold.value)
    told = np.array(
        [
            one is not None and (one.first_error(threshold.value) is None) == (label is None)
            for one, label in zip(scores, labels, strict=True)
        ]
    )
    each: dict[str, list[Statistic]] = {}
    by_task: dict[str, Statistic] = {}
    for task, among in groups(traces, subset_of).items():
        for figure, (hits, of) in {
            "accuracy": (named, among),
            "location_acc": (named, among & mistaken),
            "no_mistake_acc": (named, among & ~mistaken),
            "detection_acc": (told, among),
        }.items():
            one = ratio(_number(hits & of), _number(of))
            each.setdefault(figure, []).append(one)
            by_task[f"{figure}/{task}"] = one
    averages = {figure: mean_of_defined(some) for figure, some in each.items()}
    steps = LabelledSteps.of(traces, options.label_source)
    return Measured(
        figures=Figures(
            tuple(trace.id for trace in traces),
            averages | {"step_auroc": step_auroc(steps, scores)} | by_task,
        ),
        thresholds={"own": threshold},
        counts={"with_mistake": int(mistaken.sum()), "without_mistake": int((~mistaken).sum())},
    )


def _number(which: BoolArray) -> FloatArray:
    return which.astype(np.float64)


BIGBENCH_MISTAKE = Benchmark(
    title="BIG-Bench Mistake",
    summary="Is the first mistake in a chain of thought named exactly?",
    reference="Tyen et al. 2024, arXiv:2311.08516",
    left_out=without_first_error,
    measure=measure,
    headline={
        "accuracy": "accuracy",
        "location_acc": "with a mistake",
        "no_mistake_acc": "without",
        "step_auroc": "step AUROC",
    },
    compared=("accuracy", "step_auroc"),
    by_group={
        "accuracy": "accuracy",
        "location_acc": "with a mistake",
        "no_mistake_acc": "without",
        "detection_acc": "detected",
    },
)
