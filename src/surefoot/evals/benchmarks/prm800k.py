"""PRM800K: steps that people rated right, neutral or wrong.

A scorer gives one number, people one of three ratings, so a rule for neutral steps is needed and
named in each figure: they count as right (the rule of the paper's own models; `step_auroc`,
`step_ap`, `step_acc`, `f1_wrong`), as wrong (`..._neutral_wrong`), or stand apart: the chance that
a right step scores above a wrong one, a right above a neutral one, and a neutral above a wrong one
(`right_over_wrong` and so on, equal scores counting half). At a threshold, `step_acc` is the share
of steps on the right side and `f1_wrong` the F1 of wrong steps.

A record reads to its chosen path and a trace for every other completion, which repeats the path
before it: of those only the last step counts, so each rating counts once. Figures are of all and
of each phase of the data set; intervals draw questions.

Reference: Lightman et al. 2023, Let's verify step by step (arXiv:2305.20050, section 2 and
appendix F).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from surefoot.evals.benchmark import Benchmark, Measured, Options, Scores
from surefoot.evals.benchmarks.labelled import UNLABELLED, flagged
from surefoot.evals.benchmarks.ranking import step_ap, step_auroc
from surefoot.evals.benchmarks.shares import f1, ratio, summed
from surefoot.evals.figures import Figures
from surefoot.scores.discrimination import LabelledSteps
from surefoot.scores.first_errors import BoolArray, Threshold, chosen_threshold
from surefoot.scores.steps import IntArray, questions_of
from surefoot.stats import Statistic
from surefoot.traces.types import StepLabels, Trace

PAIRS: Mapping[str, tuple[int, int]] = {
    "right_over_wrong": (1, -1),
    "right_over_neutral": (1, 0),
    "neutral_over_wrong": (0, -1),
}


def left_out(trace: Trace, options: Options) -> str | None:
    """Why a trace does not count."""
    labels = _own_labels(trace, options)
    if labels is None or all(value is None for value in labels.values):
        return UNLABELLED
    return None if labels.scale == "rating" else "its labels are no ratings"


def measure(traces: Sequence[Trace], scores: Scores, options: Options) -> Measured:
    """Every figure of one scorer, over all steps and by phase."""
    threshold = chosen_threshold(scores, options.threshold)
    labels = [one for trace in traces if (one := _own_labels(trace, options)) is not None]
    rated = [replace(trace, labels=(own,)) for trace, own in zip(traces, labels, strict=True)]
    questions = questions_of(traces)
    found = np.unique(questions, return_index=True)[1]
    phases = phases_of(traces)
    everywhere = _figures(rated, scores, threshold, questions)
    by_phase: dict[str, Statistic] = {}
    for phase in sorted(set(phases)):
        among = np.array([one == phase for one in phases])
        own = _figures(rated, scores, threshold, questions, among)
        by_phase |= {f"{figure}/{phase}": one for figure, one in own.items()}
    counts = {
        word: sum(value == rating for one in labels for value in one.values)
        for word, rating in (("right", 1), ("neutral", 0), ("wrong", -1))
    }
    return Measured(
        figures=Figures(tuple(traces[i].problem for i in found), everywhere | by_phase),
        thresholds={"own": threshold},
        counts={**counts, **{one: phases.count(one) for one in sorted(set(phases))}},
    )


def phases_of(traces: Sequence[Trace]) -> list[str]:
    """`phase 1`, `phase 2` or `phase not known` of each trace.

    Told by meta "phase"; else by "generation" of the published records, null in phase 1, which the
    first trace of a record carries for the others; else by the ids of the public flat files.
    """
    of_record = {
        str(own["record"]): trace.meta.get("generation") is None
        for trace in traces
        if isinstance(own := trace.meta.get("prm800k"), dict) and {"record", "shape"} <= own.keys()
    }
    return [_phase(trace, of_record) for trace in traces]


def _phase(trace: Trace, is_first: Mapping[str, bool]) -> str:
    given, own, name = (trace.meta.get(key) for key in ("phase", "prm800k", "id"))
    if given in (1, 2):
        return f"phase {given}"
    if isinstance(own, dict) and str(own.get("record")) in is_first:
        return "phase 1" if is_first[str(own["record"])] else "phase 2"
    if isinstance(name, str) and name.startswith("prm800k-"):
        return "phase 1" if name.startswith("prm800k-p1") else "phase 2"
    return "phase not known"


def _own_labels(trace: Trace, options: Options) -> StepLabels | None:
    """The ratings that count: of an alternative to the chosen path that of its last step alone."""
    labels = trace.labels_from(options.label_source)
    own = trace.meta.get("prm800k")
    if labels is None or not isinstance(own, dict) or own.get("path") != "alternative":
        return labels
    values = (None,) * (len(labels.values) - 1) + labels.values[-1:]
    return replace(labels, values=values, counts=None)


def _figures(
    traces: Sequence[Trace],
    scores: Scores,
    threshold: Threshold,
    questions: IntArray,
    among: BoolArray | None = None,
) -> dict[str, Statistic]:
    num = int(questions.max()) + 1
    found: dict[str, Statistic] = {}
    for ending, neutral in (("", True), ("_neutral_wrong", False)):
        steps = _inside(LabelledSteps.of(traces, neutral=neutral), among)
        own = questions[steps.owner]
        called = flagged(steps, scores, threshold)
        hit = summed(steps.wrong & called, own, num)
        missed = summed(steps.wrong != called, own, num)
        total = summed(np.ones(len(own)), own, num)
        figures = {
            "step_auroc": step_auroc(steps, scores, own, num),
            "step_acc": ratio(total - missed, total),
            "f1_wrong": f1(hit, missed),
        }
        if among is None:
            figures["step_ap"] = step_ap(steps, scores, own, num)
        found |= {f"{figure}{ending}": one for figure, one in figures.items()}
    for figure, (high, low) in PAIRS.items():
        steps = _inside(_pair(traces, high, low), among)
        found[figure] = step_auroc(steps, scores, questions[steps.owner], num)
    return found


def _pair(traces: Sequence[Trace], high: int, low: int) -> LabelledSteps:
    """The steps of two ratings; the lower one counts as wrong."""
    rows = [
        (t, i, value == low)
        for t, trace in enumerate(traces)
        for i, value in enumerate(trace.labels[0].values)
        if value in (high, low)
    ]
    owner, position, wrong = np.array(rows, dtype=np.int64).reshape(-1, 3).T
    return LabelledSteps(owner, position, wrong.astype(np.bool_), len(traces))


def _inside(steps: LabelledSteps, among: BoolArray | None) -> LabelledSteps:
    if among is None:
        return steps
    kept = among[steps.owner]
    return LabelledSteps(
        steps.owner[kept], steps.position[kept], steps.wrong[kept], steps.num_traces
    )


PRM800K = Benchmark(
    title="PRM800K",
    summary="Do scores rank steps as people rated them: right, neutral or wrong?",
    reference="Lightman et al. 2023, arXiv:2305.20050",
    left_out=left_out,
    measure=measure,
    headline={
        "step_auroc": "step AUROC",
        "step_ap": "AP",
        "f1_wrong": "F1 of wrong",
        "right_over_wrong": "right over wrong",
    },
    compared=("step_auroc",),
    by_group={
        "step_auroc": "step AUROC",
        "step_auroc_neutral_wrong": "neutral as wrong",
        "right_over_neutral": "right over neutral",
        "neutral_over_wrong": "neutral over wrong",
    },
)
