"""Whether a scorer finds the first wrong step, by ProcessBench's definition.

For each trace the prediction is the first step flagged wrong, or none; it is right when it equals
the label exactly. `acc_error` is the share of right predictions over traces that hold an error,
`acc_correct` over traces that hold none, F1 their harmonic mean (0 when both are 0, where the
official code divides by zero). Everything is a share in [0, 1].

Reference: Zheng et al. 2024, ProcessBench (arXiv:2412.06559, section 3.1).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from surefoot.errors import UsageError
from surefoot.stats import Estimate, FloatArray, Statistic, bootstrap
from surefoot.traces.types import StepScores, Trace

BoolArray: TypeAlias = NDArray[np.bool_]


@dataclass(frozen=True)
class Threshold:
    """The score below which a step is flagged, and the rule by which it was chosen."""

    value: float
    rule: str


@dataclass(frozen=True)
class FirstErrorReport:
    """How well first errors were found; a figure is None where there is no trace to measure it on.

    `num_error` and `num_correct` count the traces measured, `num_excluded` those whose labels do
    not settle where the first error is, `num_unscored` those measured without scores (each counts
    as a wrong prediction).
    """

    f1: Estimate | None
    acc_error: Estimate | None
    acc_correct: Estimate | None
    num_error: int
    num_correct: int
    num_excluded: int
    num_unscored: int
    threshold: Threshold

    def to_json(self) -> dict[str, object]:
        """Every figure with its interval, the counts and how the threshold was chosen."""
        figures = {"f1": self.f1, "acc_error": self.acc_error, "acc_correct": self.acc_correct}
        return {
            **{name: one.to_json() if one else None for name, one in figures.items()},
            "num_error": self.num_error,
            "num_correct": self.num_correct,
            "num_excluded": self.num_excluded,
            "num_unscored": self.num_unscored,
            "threshold": self.threshold.value,
            "threshold_rule": self.threshold.rule,
        }


def evaluate_first_errors(
    scores: Sequence[StepScores | None],
    traces: Sequence[Trace],
    *,
    threshold: float | Threshold | None = None,
    label_source: str | None = None,
    neutral: bool = True,
    seed: int = 0,
    num_resamples: int = 1000,
) -> FirstErrorReport:
    """Compare the first step that scores below the threshold with the labelled first error, trace
    by trace.

    `scores` holds one `StepScores` per trace, or None where scoring failed: that counts as a wrong
    prediction. A step on which the scorer abstains is never flagged. Without a threshold, the one
    in the scores (from the model's contract) is used. Intervals come from a bootstrap over traces.
    Labels are the first of `label_source` (any source if None); a rating of 0 counts as right if
    `neutral`.

    Raises:
        UsageError: scores and traces differ in number or length, or no trace has labels that settle
        the first error.
    """
    settled = [knows_first_error(trace, label_source, neutral) for trace in traces]
    check_lengths(scores, traces)
    if not any(settled):
        raise UsageError(
            f"none of {len(traces)} traces has labels that settle where the first error is; "
            "nothing to compare with"
        )
    kept = [one for one, known in zip(scores, settled, strict=True) if known]
    labels = [
        first_error(trace, label_source, neutral)
        for trace, known in zip(traces, settled, strict=True)
        if known
    ]
    chosen = chosen_threshold(kept, threshold)
    erroneous = np.array([label is not None for label in labels])
    matched = matches(kept, labels, chosen.value)

    def estimate(statistic: Statistic, exists: bool) -> Estimate | None:
        if not exists:
            return None
        return bootstrap(statistic, len(labels), seed=seed, num_resamples=num_resamples)

    num_error = int(erroneous.sum())
    num_correct = len(labels) - num_error
    return FirstErrorReport(
        f1=estimate(lambda c: f1(c, erroneous, matched), num_error > 0 and num_correct > 0),
        acc_error=estimate(lambda c: accuracy(c, erroneous, matched), num_error > 0),
        acc_correct=estimate(lambda c: accuracy(c, ~erroneous, matched), num_correct > 0),
        num_error=num_error,
        num_correct=num_correct,
        num_excluded=len(traces) - len(labels),
        num_unscored=sum(one is None for one in kept),
        threshold=chosen,
    )


def tune_threshold(scores: Sequence[StepScores | None], labels: Sequence[int | None]) -> Threshold:
    """The threshold of highest F1 on development traces: exact, over every threshold that predicts
    differently.

    `labels` are first errors (None: no error), one per trace. Of all thresholds between two
    neighbouring scores, which predict alike, the middle one is given; of equally good ones the
    lowest, which flags least.

    Raises:
        UsageError: lengths differ, nothing was scored, or the traces are all with or all without an
        error.
    """
    if len(scores) != len(labels):
        raise UsageError(
            f"{len(scores)} scores for {len(labels)} labels; give one of each per trace"
        )
    num_error = sum(label is not None for label in labels)
    num_correct = len(labels) - num_error
    if num_error == 0 or num_correct == 0:
        raise UsageError(
            f"{num_error} development traces with and {num_correct} without an error; tuning needs "
            "both kinds"
        )
    # Flagging below t, a trace is right for every t in (low, high]: a label at step i needs
    # score i < t <= every score before it; no error needs t <= every score.
    ranges: dict[bool, list[tuple[float, float]]] = {True: [], False: []}
    seen: set[float] = set()
    for one, label in zip(scores, labels, strict=True):
        if one is None:
            continue
        values = [math.inf if value is None else float(value) for value in one.values]
        seen.update(value for value in values if value < math.inf)
        low = -math.inf if label is None else values[label]
        high = min(values[:label], default=math.inf)
        if low < high:
            ranges[label is not None].append((low, high))
    if not seen:
        raise UsageError(
            "the scorer gave no score on any development trace; there is no threshold to tune"
        )
    edges = np.sort(np.fromiter(seen, np.float64))
    tops = np.append(edges, math.inf)
    found = _num_covering(ranges[True], tops) / num_error
    cleared = _num_covering(ranges[False], tops) / num_correct
    best = int(np.argmax(_harmonic_mean(found, cleared)))
    return Threshold(_inside(edges, best), f"tuned on {len(labels)} development traces")


def matches(
    scores: Sequence[StepScores | None], labels: Sequence[int | None], threshold: float
) -> BoolArray:
    """Whether each trace's predicted first error equals its label, shape (T,); never where scores
    are None."""
    return np.array(
        [
            one is not None and one.first_error(threshold) == label
            for one, label in zip(scores, labels, strict=True)
        ],
        dtype=np.bool_,
    )


def accuracy(counts: FloatArray, among: BoolArray, matched: BoolArray) -> FloatArray:
    """Share of matched traces of those in `among` (T,), for each row of counts (R, T); NaN where
    there is none."""
    total = counts @ among
    share: FloatArray = np.full(len(counts), np.nan)
    return np.divide(counts @ (among & matched), total, out=share, where=total > 0)


def f1(counts: FloatArray, erroneous: BoolArray, matched: BoolArray) -> FloatArray:
    """ProcessBench F1 for each row of counts (R, T); NaN where one kind of trace is missing."""
    return _harmonic_mean(
        accuracy(counts, erroneous, matched), accuracy(counts, ~erroneous, matched)
    )


def knows_first_error(trace: Trace, label_source: str | None = None, neutral: bool = True) -> bool:
    """Whether a trace has labels (of the source) that settle where its first error is."""
    labels = trace.labels_from(label_source)
    return labels is not None and labels.knows_first_error(neutral=neutral)


def first_error(trace: Trace, label_source: str | None = None, neutral: bool = True) -> int | None:
    """The labelled first error of a trace, or None where every step is right.

    Raises:
        UsageError: the trace has no labels of that source.
        TraceError: its labels do not settle the first error.
    """
    labels = trace.labels_from(label_source)
    if labels is None:
        raise UsageError(f"trace {trace.id} has no labels from {label_source or 'any source'}")
    return labels.first_error(neutral=neutral)


def chosen_threshold(
    scores: Sequence[StepScores | None], threshold: float | Threshold | None
) -> Threshold:
    """The threshold asked for, or the one all the scores carry.

    Raises:
        UsageError: it is NaN, or none was asked for and the scores carry several, or there are no
        scores to carry one.
    """
    if isinstance(threshold, Threshold):
        return threshold
    if threshold is not None:
        if math.isnan(threshold):
            raise UsageError("the threshold is NaN; give a number")
        return Threshold(threshold, f"fixed at {threshold:g}")
    carried = {one.threshold for one in scores if one is not None}
    if not carried:
        raise UsageError("no trace was scored, so no threshold comes with the scores; pass one")
    if len(carried) != 1:
        raise UsageError(
            f"the scores carry {len(carried)} different thresholds {sorted(carried)}; pass the one "
            "to use"
        )
    value = carried.pop()
    return Threshold(value, f"fixed at {value:g}, the model's own")


def check_lengths(scores: Sequence[StepScores | None], traces: Sequence[Trace]) -> None:
    """Refuse scores that are not one per trace with one value per step.

    Raises:
        UsageError: they are not.
    """
    if len(scores) != len(traces):
        raise UsageError(
            f"{len(scores)} scores for {len(traces)} traces; give one per trace, or None"
        )
    for one, trace in zip(scores, traces, strict=True):
        if one is not None and len(one.values) != len(trace.steps):
            raise UsageError(
                f"{len(one.values)} scores for the {len(trace.steps)} steps of trace {trace.id}; "
                "give one per step"
            )


def _num_covering(ranges: Sequence[tuple[float, float]], points: FloatArray) -> FloatArray:
    """How many of the half-open ranges (low, high] hold each point."""
    ends = np.array(ranges, dtype=np.float64).reshape(-1, 2)
    lows, highs = np.sort(ends[:, 0]), np.sort(ends[:, 1])
    opened = np.searchsorted(lows, points, side="left")
    closed = np.searchsorted(highs, points, side="left")
    return (opened - closed).astype(np.float64)


def _harmonic_mean(a: FloatArray, b: FloatArray) -> FloatArray:
    total = a + b
    return np.divide(2 * a * b, total, out=total * 0.0, where=total != 0)


def _inside(edges: FloatArray, piece: int) -> float:
    """A threshold in piece k = (edges[k - 1], edges[k]]: its middle, or the finite end of the outer
    pieces."""
    if piece == 0:
        return float(edges[0])
    below = float(edges[piece - 1])
    if piece == len(edges):
        return math.nextafter(below, math.inf)
    middle = below + (float(edges[piece]) - below) / 2
    return middle if middle > below else float(edges[piece])
