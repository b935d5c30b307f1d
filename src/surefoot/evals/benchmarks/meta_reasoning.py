"""MR-Ben and MR-GSM8K: is a solution right, and if not, where does it first go wrong?

A solution is called wrong where any step scores below the threshold. MR-Score = 0.2 max(0, MCC) +
0.3 (share of wrong solutions called wrong at the right step) + 0.5 (share of wrong solutions of
which the reason is explained rightly too). No step score explains a reason. Where a judge of
reasons has spoken, `meta.judged_reasons` of a trace holds what it said of each scorer by name, such
as `{"my-critic": true}`; a solution that is placed rightly and has no verdict counts as not
explained. Without any verdict on a scorer `reason_acc` and `mr_score` are not there: `two_parts` is
the rest of the sum over 0.5, is no MR-Score and must not be set beside published ones.

As published, figures are of each subject and then averaged over subjects, and MCC is 0 where all
solutions, or all verdicts, are of one kind. Where we differ: in coding the official code lets the
judge of reasons decide whether the step is found; here it must be the very step. The official code
also takes "incorrect" for "correct", since it looks for the one word in the other. A solution that
could not be scored counts as the wrong verdict.

Reference: Zeng et al. 2024, MR-Ben (arXiv:2406.13975, section 4) and MR-GSM8K (arXiv:2312.17080).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from surefoot.errors import UsageError
from surefoot.evals.benchmark import Benchmark, Measured, Options, Scores
from surefoot.evals.benchmarks.labelled import groups, subset_of, without_first_error
from surefoot.evals.benchmarks.ranking import step_auroc
from surefoot.evals.benchmarks.shares import correlation, mean_of_defined, ratio, undefined
from surefoot.evals.figures import Figures
from surefoot.scores.discrimination import LabelledSteps
from surefoot.scores.first_errors import BoolArray, chosen_threshold, first_error, matches
from surefoot.stats import FloatArray, Statistic
from surefoot.traces.types import StepScores, Trace

CORRECTNESS, STEP, REASON = 0.2, 0.3, 0.5
"""Weights of the parts of MR-Score."""

JUDGED = "judged_reasons"
"""The key of `meta` that says of each scorer, by name, whether its reason is right."""


def measure(traces: Sequence[Trace], scores: Scores, options: Options) -> Measured:
    """The parts of one scorer, by subject and averaged."""
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
    judged = [_judged(trace, one) for trace, one in zip(traces, scores, strict=True)]
    explained = None
    if any(one is not None for one in judged):
        explained = located & np.array([one is True for one in judged])
    subjects = groups(traces, subject_of)
    by_subject: dict[str, list[Statistic]] = {}
    statistics: dict[str, Statistic] = {}
    for name, among in subjects.items():
        for figure, one in _figures(among, wrong, called, located, explained).items():
            by_subject.setdefault(figure, []).append(one)
            statistics[f"{figure}/{name}"] = one
    averages = {figure: mean_of_defined(each) for figure, each in by_subject.items()}
    one_kind = [name for name, among in subjects.items() if len(set(wrong[among])) < 2]
    warnings = []
    if one_kind:
        warnings.append(
            f"all solutions of {', '.join(one_kind)} are right, or all wrong: MCC is 0 there"
        )
    counts = {"wrong_solutions": int(wrong.sum()), "right_solutions": int((~wrong).sum())}
    if explained is None:
        warnings.append("no reasons are judged, so the reason part and MR-Score are not there")
    else:
        counts["reasons_judged"] = sum(one is not None for one in judged)
        lacking = int((located & np.array([one is None for one in judged])).sum())
        if lacking:
            warnings.append(
                f"of {lacking} wrong solutions placed rightly no reason is judged; each counts as "
                "not explained"
            )
    steps = LabelledSteps.of(traces, options.label_source)
    return Measured(
        figures=Figures(
            tuple(trace.id for trace in traces),
            averages | {"step_auroc": step_auroc(steps, scores)} | statistics,
        ),
        thresholds={"own": threshold},
        counts=counts,
        warnings=tuple(warnings),
    )


def subject_of(trace: Trace) -> str:
    """The subject of a solution: of MR-Ben `Subject` without its level (`college_biology` is
    biology), of MR-GSM8K the kind of question; else the subset."""
    subject, kind = trace.meta.get("Subject"), trace.meta.get("question_type")
    if isinstance(subject, str):
        return subject.rpartition("_")[2]
    return kind if isinstance(kind, str) else subset_of(trace)


def _judged(trace: Trace, scores: StepScores | None) -> bool | None:
    """What the judge of reasons said of a scorer; None where it did not.

    Raises:
        UsageError: it said something else than true, false or null.
    """
    found = trace.meta.get(JUDGED, {})
    said = found.get(scores.model if scores else None) if isinstance(found, dict) else found
    if not isinstance(found, dict) or not isinstance(said, (bool, type(None))):
        raise UsageError(
            f"trace {trace.id} has {said!r} in meta.{JUDGED}; it must be an object of names of "
            "scorers with true, false or null each"
        )
    return said


def _figures(
    among: BoolArray,
    wrong: BoolArray,
    called: BoolArray,
    located: BoolArray,
    explained: BoolArray | None,
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

    reason = undefined if explained is None else ratio(number(explained), number(wrong))
    return {
        "mcc": clipped,
        "step_acc": step,
        "reason_acc": reason,
        "mr_score": lambda counts: (
            CORRECTNESS * clipped(counts) + STEP * step(counts) + REASON * reason(counts)
        ),
        "two_parts": lambda counts: (
            (CORRECTNESS * clipped(counts) + STEP * step(counts)) / (CORRECTNESS + STEP)
        ),
        "mcc_signed": plain,
    }


MR_BEN = Benchmark(
    title="MR-Ben and MR-GSM8K",
    summary="Is a solution right, and if not, where does it first go wrong?",
    reference="Zeng et al. 2024, arXiv:2406.13975 and arXiv:2312.17080",
    left_out=without_first_error,
    measure=measure,
    headline={
        "mcc": "MCC (≥ 0)",
        "step_acc": "first error",
        "reason_acc": "reason",
        "two_parts": "2 of 3 parts",
        "mr_score": "MR-Score",
        "step_auroc": "step AUROC",
    },
    compared=("two_parts", "step_auroc"),
    by_group={"mcc": "MCC (≥ 0)", "step_acc": "first error", "two_parts": "2 of 3 parts"},
)
