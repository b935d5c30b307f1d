"""AgentProcessBench: steps of agents rated effective, neutral or wrong.

`step_micro_acc` is the share of all labelled steps whose rating is given exactly. A step score says
right or wrong (below the threshold) and never neutral, so neutral steps are missed by every
scorer; `step_acc` counts them as right. `first_error_acc` is the share of trajectories of which the
first step rated wrong is named, or rightly none; `exact_acc` the share with every rating given.
Only labelled steps count, also for the first error that is labelled or named. A trajectory that
could not be scored is wrong in all of them; the official code takes a missing answer as "no error".

Reference: Fan et al. 2026, AgentProcessBench (arXiv:2603.14465).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from surefoot.evals.benchmark import Benchmark, Measured, Options, Scores
from surefoot.evals.benchmarks.labelled import flagged, groups, subset_of, without_labels
from surefoot.evals.benchmarks.ranking import step_auroc
from surefoot.evals.benchmarks.shares import ratio, summed
from surefoot.evals.figures import Figures
from surefoot.scores.discrimination import LabelledSteps
from surefoot.scores.first_errors import BoolArray, chosen_threshold
from surefoot.stats import FloatArray, Statistic
from surefoot.traces.types import Trace


def measure(traces: Sequence[Trace], scores: Scores, options: Options) -> Measured:
    """Every figure of one scorer, over all trajectories and by their source."""
    threshold = chosen_threshold(scores, options.threshold)
    steps = LabelledSteps.of(traces, options.label_source)
    called = flagged(steps, scores, threshold)
    neutral = _neutral(traces, steps, options)
    missed = steps.wrong != called
    failed = np.array([one is None for one in scores])
    named = _first(called, steps) == _first(steps.wrong, steps)

    def of_steps(values: BoolArray) -> FloatArray:
        return summed(values, steps.owner, len(traces))

    total = of_steps(np.ones_like(missed))
    inexact = of_steps(missed | neutral)
    each = np.ones(len(traces))
    parts = {
        "step_micro_acc": (total - inexact, total),
        "step_acc": (total - of_steps(missed), total),
        "first_error_acc": ((named & ~failed).astype(np.float64), each),
        "exact_acc": ((inexact == 0).astype(np.float64), each),
    }
    statistics: dict[str, Statistic] = {
        figure: ratio(above, below) for figure, (above, below) in parts.items()
    }
    statistics["step_auroc"] = step_auroc(steps, scores)
    for name, among in groups(traces, source_of).items():
        statistics |= {
            f"{figure}/{name}": ratio(above * among, below * among)
            for figure, (above, below) in parts.items()
        }
    return Measured(
        figures=Figures(tuple(trace.id for trace in traces), statistics),
        thresholds={"own": threshold},
        counts={
            "steps": len(steps.wrong),
            "neutral": int(neutral.sum()),
            "wrong": int(steps.wrong.sum()),
        },
    )


def source_of(trace: Trace) -> str:
    """Where a trajectory comes from: `data_source` of the published file, else its subset."""
    source = trace.meta.get("data_source")
    return source if isinstance(source, str) else subset_of(trace)


def _neutral(traces: Sequence[Trace], steps: LabelledSteps, options: Options) -> BoolArray:
    labels = [trace.labels_from(options.label_source) for trace in traces]
    return np.array(
        [
            (one := labels[t]) is not None and one.scale == "rating" and one.values[i] == 0
            for t, i in zip(steps.owner, steps.position, strict=True)
        ],
        dtype=np.bool_,
    )


def _first(which: BoolArray, steps: LabelledSteps) -> FloatArray:
    """The first position of each trajectory (T,) at which something holds; infinite for none."""
    first = np.full(steps.num_traces, np.inf)
    np.minimum.at(first, steps.owner[which], steps.position[which].astype(np.float64))
    return first


AGENT_PROCESS_BENCH = Benchmark(
    title="AgentProcessBench",
    summary="Are the steps of agents told right from wrong, and their first errors named?",
    reference="Fan et al. 2026, arXiv:2603.14465",
    left_out=without_labels,
    measure=measure,
    headline={
        "step_micro_acc": "step micro accuracy",
        "step_acc": "neutral as right",
        "first_error_acc": "first error",
        "step_auroc": "step AUROC",
    },
    compared=("step_micro_acc", "step_auroc"),
    by_group={
        "step_micro_acc": "step micro accuracy",
        "step_acc": "neutral as right",
        "first_error_acc": "first error",
    },
)
