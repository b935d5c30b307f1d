"""ProcessBench: is the first wrong step found, at a fixed and at a tuned threshold?

For each trace the prediction is the first step that scores below the threshold, or none; it is
right when it equals the label. F1 is the harmonic mean of the share found among traces with an
error and the share cleared among those without (0 when both are 0, where the official code divides
by zero); the F1s of the subsets (GSM8K, MATH, ...) are averaged.

Published figures mix threshold rules, so each stands apart: `f1` at the scorer's own threshold,
`f1_at_half` at one half where scores are probabilities, `tuned_f1` at the threshold of highest F1
on a random development part of every subset, measured on the rest. Tuning pools the subsets, and
so takes the F1 of all traces rather than the mean.

Reference: Zheng et al. 2024, ProcessBench (arXiv:2412.06559, section 3.1).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from surefoot.evals.benchmark import Benchmark, Measured, Options, Scores
from surefoot.evals.benchmarks.labelled import (
    gives_probabilities,
    groups,
    subset_of,
    without_first_error,
)
from surefoot.evals.benchmarks.ranking import step_ap, step_auroc
from surefoot.evals.benchmarks.shares import mean
from surefoot.evals.figures import Figures
from surefoot.scores.discrimination import LabelledSteps
from surefoot.scores.first_errors import (
    BoolArray,
    Threshold,
    accuracy,
    chosen_threshold,
    f1,
    first_error,
    matches,
    tune_threshold,
)
from surefoot.scores.steps import IntArray
from surefoot.stats import Statistic
from surefoot.traces.types import Trace


def measure(traces: Sequence[Trace], scores: Scores, options: Options) -> Measured:
    """Every figure of one scorer on traces whose first error is settled."""
    labels = [first_error(trace, options.label_source) for trace in traces]
    erroneous = np.array([one is not None for one in labels])
    subsets = groups(traces, subset_of)
    thresholds = {"own": chosen_threshold(scores, options.threshold)}
    everywhere = np.ones(len(traces), dtype=np.bool_)
    own = matches(scores, labels, thresholds["own"].value)
    statistics = _figures("", subsets, everywhere, erroneous, own)
    if gives_probabilities(scores):
        half = matches(scores, labels, 0.5)
        statistics |= _figures("_at_half", subsets, everywhere, erroneous, half)
    development = development_part(subsets, options)
    warnings = []
    if tuned := _tuned(scores, labels, development):
        thresholds["tuned"] = tuned
        found = matches(scores, labels, tuned.value)
        ours = _figures("", subsets, ~development, erroneous, found)
        statistics |= {f"tuned_{name}": one for name, one in ours.items()}
    else:
        warnings.append(
            "no tuned threshold: the development part needs scored traces with and without an error"
        )
    lacking = [name for name, among in subsets.items() if not _both(erroneous, among)]
    if lacking:
        warnings.append(
            f"no F1, and not in the mean: {', '.join(lacking)} (needs traces with and without an "
            "error)"
        )
    steps = LabelledSteps.of(traces, options.label_source)
    ranking = {"step_auroc": step_auroc(steps, scores), "step_ap": step_ap(steps, scores)}
    return Measured(
        figures=Figures(tuple(trace.id for trace in traces), statistics | ranking),
        thresholds=thresholds,
        counts=_counts(subsets, erroneous, development),
        warnings=tuple(warnings),
    )


def development_part(subsets: Mapping[str, BoolArray], options: Options) -> BoolArray:
    """The traces (T,) that thresholds are tuned on: a random share of each subset."""
    part = np.zeros_like(next(iter(subsets.values())))
    rng = np.random.default_rng(options.seed)
    for among in subsets.values():
        shuffled = rng.permutation(np.flatnonzero(among))
        part[shuffled[: int(options.development * len(shuffled))]] = True
    return part


def _tuned(
    scores: Scores, labels: Sequence[int | None], development: BoolArray
) -> Threshold | None:
    """The threshold of highest F1 there; None where it cannot be told."""
    picked = [int(i) for i in np.flatnonzero(development)]
    own = [scores[i] for i in picked]
    first = [labels[i] for i in picked]
    scored = any(one is not None and one.scored for one in own)
    if not scored or len({one is None for one in first}) < 2:
        return None
    return tune_threshold(own, first)


def _figures(
    ending: str,
    subsets: Mapping[str, BoolArray],
    among: BoolArray,
    erroneous: BoolArray,
    matched: BoolArray,
) -> dict[str, Statistic]:
    """F1 and both accuracies, as means over subsets and of each, over the traces in `among`."""
    found: dict[str, Statistic] = {}
    each: dict[str, list[Statistic]] = {"f1": [], "acc_error": [], "acc_correct": []}
    for name, members in subsets.items():
        inside = np.flatnonzero(members & among)
        wrong, hit = erroneous[inside], matched[inside]
        for figure, one in _of(inside, wrong, hit).items():
            found[f"{figure}{ending}/{name}"] = one
            if _both(erroneous, members & among):
                each[figure].append(one)
    return {f"{figure}{ending}": mean(some) for figure, some in each.items()} | found


def _of(inside: IntArray, wrong: BoolArray, hit: BoolArray) -> dict[str, Statistic]:
    return {
        "f1": lambda counts: f1(counts[:, inside], wrong, hit),
        "acc_error": lambda counts: accuracy(counts[:, inside], wrong, hit),
        "acc_correct": lambda counts: accuracy(counts[:, inside], ~wrong, hit),
    }


def _both(erroneous: BoolArray, among: BoolArray) -> bool:
    return len(set(erroneous[among].tolist())) == 2


def _counts(
    subsets: Mapping[str, BoolArray], erroneous: BoolArray, development: BoolArray
) -> dict[str, int]:
    counts = {
        "with_error": int(erroneous.sum()),
        "without_error": int((~erroneous).sum()),
        "development": int(development.sum()),
    }
    for name, among in subsets.items():
        counts[f"with_error/{name}"] = int((erroneous & among).sum())
        counts[f"without_error/{name}"] = int((~erroneous & among).sum())
    return counts


PROCESSBENCH = Benchmark(
    title="ProcessBench",
    summary="Is the first wrong step found? At its own, a fixed and a tuned threshold.",
    reference="Zheng et al. 2024, arXiv:2412.06559",
    left_out=without_first_error,
    measure=measure,
    headline={
        "f1": "F1",
        "f1_at_half": "F1 at 0.5",
        "tuned_f1": "F1, tuned",
        "step_auroc": "step AUROC",
    },
    compared=("step_auroc", "tuned_f1"),
    by_group={
        "f1": "F1",
        "acc_error": "with an error",
        "acc_correct": "without",
        "tuned_f1": "F1, tuned",
    },
)
