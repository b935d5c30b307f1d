"""MR-Ben and MR-GSM8K: is a solution right, and if not, where does it first go wrong?

A solution is called wrong where any step scores below the threshold. MR-Score = 0.2 max(0, MCC) +
0.3 (share of wrong solutions called wrong at the right step) + 0.5 (share of wrong solutions of
which the reason is explained rightly). No step score explains a reason, and judging one needs a
judge of reasons, so the last part is left out: `two_parts` is the rest of the sum over 0.5. It is
no MR-Score and must not be set beside published ones; the two parts may.

As published, figures are of each subject and then averaged over subjects, and MCC is 0 where all
solutions, or all verdicts, are of one kind. Where we differ: in coding the official code lets the
judge of reasons decide whether the step is found; here it must be the very step. A solution that
could not be scored counts as the wrong verdict.

Reference: Zeng et al. 2024, MR-Ben (arXiv:2406.13975, section 4) and MR-GSM8K (arXiv:2312.17080).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from surefoot.evals.benchmark import Benchmark, Measured, Options, Scores
from surefoot.evals.benchmarks.labelled import groups, subset_of, without_first_error
from surefoot.evals.benchmarks.ranking import step_auroc
from surefoot.evals.benchmarks.shares import correlation, mean_of_defined, ratio
from surefoot.evals.figures import Figures
from surefoot.scores.discrimination import LabelledSteps
from surefoot.scores.first_errors import BoolArray, chosen_threshold, first_error, matches
from surefoot.stats import FloatArray, Statistic
from surefoot.traces.types import Trace

CORRECTNESS, STEP = 0.2, 0.3
"""Weights of the two parts in MR-Score; the third has 0.5."""


def measure(traces: Sequence[Trace], scores: Scores, options: Options) -> Measured:
    """Both parts of one scorer, by subject and averaged."""
    threshold = chosen_threshold(scores, options.threshold)
    labels = [first_error(trace, options.label_source) for trace in traces]
    wrong = np.array([one is not None for one in labels])
    called = np.array(
        [
            (one.first_error(threshold.value) is not None) if one else label is None
            for one, label in zip(scores, labels, strict=True)
        ]
    )
    located = wrong & matches(scores, labels, threshold.value)
    subjects = groups(traces, subject_of)
    by_subject: dict[str, list[Statistic]] = {}
    statistics: dict[str, Statistic] = {}
    for name, among in subjects.items():
        for figure, one in _figures(among, wrong, called, located).items():
            by_subject.setdefault(figure, []).append(one)
            statistics[f"{figure}/{name}"] = one
    averages = {figure: mean_of_defined(each) for figure, each in by_subject.items()}
    one_kind = [name for name, among in subjects.items() if len(set(wrong[among])) < 2]
    warnings = []
    if one_kind:
        warnings.append(
            f"all solutions of {', '.join(one_kind)} are right, or all wrong: MCC is 0 there"
        )
    steps = LabelledSteps.of(traces, options.label_source)
    return Measured(
        figures=Figures(
            tuple(trace.id for trace in traces),
            averages | {"step_auroc": step_auroc(steps, scores)} | statistics,
        ),
        thresholds={"own": threshold},
        counts={"wrong_solutions": int(wrong.sum()), "right_solutions": int((~wrong).sum())},
        warnings=tuple(warnings),
    )


def subject_of(trace: Trace) -> str:
    """The subject of a solution: of MR-Ben `Subject` without its level (`college_biology` is
    biology), of MR-GSM8K the kind of question; else the subset."""
    subject, kind = trace.meta.get("Subject"), trace.meta.get("question_type")
    if isinstance(subject, str):
        return subject.rpartition("_")[2]
    return kind if isinstance(kind, str) else subset_of(trace)


def _figures(
    among: BoolArray, wrong: BoolArray, called: BoolArray, located: BoolArray
) -> dict[str, Statistic]:
    def number(which: BoolArray) -> FloatArray:
        return (which & among).astype(np.float64)

    plain = correlation(
        number(~wrong & ~called),
        number(wrong & called),
        number(wrong & ~called),
        number(~wrong & called),
    )
    step = ratio(number(located), number(wrong))

    def clipped(counts: FloatArray) -> FloatArray:
        return np.maximum(plain(counts), 0.0)

    return {
        "mcc": clipped,
        "step_acc": step,
        "two_parts": lambda counts: (
            (CORRECTNESS * clipped(counts) + STEP * step(counts)) / (CORRECTNESS + STEP)
        ),
        "mcc_signed": plain,
    }


MR_BEN = Benchmark(
    title="MR-Ben and MR-GSM8K, without judging reasons",
    summary="Is a solution right, and if not, where does it first go wrong?",
    reference="Zeng et al. 2024, arXiv:2406.13975 and arXiv:2312.17080",
    left_out=without_first_error,
    measure=measure,
    headline={
        "mcc": "MCC (≥ 0)",
        "step_acc": "first error",
        "two_parts": "2 of 3 parts",
        "step_auroc": "step AUROC",
    },
    compared=("two_parts", "step_auroc"),
    by_group={"mcc": "MCC (≥ 0)", "step_acc": "first error", "two_parts": "2 of 3 parts"},
)
