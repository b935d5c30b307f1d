"""Labels on their way into a format that holds less than a trace does, and the losses on that
way."""

from __future__ import annotations

from collections.abc import Collection

from surefoot.errors import TraceError
from surefoot.traces.formats.format import LabelRule
from surefoot.traces.types import LabelSource, StepLabels, Trace

NEUTRAL = "neutral labels"
SOFT = "soft labels"
SCALE = "label scale"
AFTER = "labels after the first error"
UNLABELLED = "steps after the last label"


def first_error_values(n: int, first: int | None) -> tuple[float | None, ...]:
    """Ratings of `n` steps of which only the first error (0-based, None for none) is known.

    1 before it, -1 at it, None after it; all 1 where there is none.
    """
    if first is None:
        return (1,) * n
    return (*(1,) * first, -1, *(None,) * (n - first - 1))


def needed_labels(trace: Trace) -> StepLabels:
    """The first labels of a trace that say anything.

    Raises:
        TraceError: there are none.
    """
    for labels in trace.labels:
        if any(value is not None for value in labels.values):
            return labels
    raise TraceError(
        "the trace has no step labels and this format needs them; label it first, or write "
        "surefoot, flat or chat"
    )


def ratings(labels: StepLabels, rule: LabelRule) -> tuple[list[int | None], set[str]]:
    """Labels as 1, 0, -1 or None, and what that lost."""
    if labels.scale == "rating":
        return [None if v is None else int(v) for v in labels.values], set()
    values = [None if v is None else 1 if v >= rule.threshold else -1 for v in labels.values]
    return values, _scale_loss(labels)


def verdicts(labels: StepLabels, rule: LabelRule) -> tuple[list[bool | None], set[str]]:
    """Labels as right (true), wrong (false) or None, and what that lost."""
    right = [
        labels.is_right(i, neutral=rule.neutral, threshold=rule.threshold)
        for i in range(len(labels.values))
    ]
    if labels.scale == "value":
        return right, _scale_loss(labels)
    return right, {NEUTRAL} if 0 in labels.values else set()


def soft(labels: StepLabels, rule: LabelRule) -> tuple[list[float | None], set[str]]:
    """Labels as numbers in [0, 1] or None, and what that lost."""
    if labels.scale == "value":
        return list(labels.values), set()
    right, lost = verdicts(labels, rule)
    return [None if r is None else float(r) for r in right], lost | {SCALE}


def _scale_loss(labels: StepLabels) -> set[str]:
    return {SCALE} if set(labels.values) <= {0, 1, None} else {SOFT}


def labelled_steps(labels: StepLabels) -> tuple[int, set[str]]:
    """How many steps have a label when each written step needs one: those up to the last label.

    Raises:
        TraceError: an unlabelled step stands before a labelled one.
    """
    known = [i for i, value in enumerate(labels.values) if value is not None]
    n = known[-1] + 1 if known else 0
    if n != len(known):
        gap = labels.values.index(None)
        raise TraceError(
            f"step {gap} is unlabelled and a later one is labelled; this format needs a label for "
            "every step"
        )
    return n, {UNLABELLED} if n < len(labels.values) else set()


def first_error(labels: StepLabels, rule: LabelRule) -> tuple[int | None, set[str]]:
    """The first error (0-based, None for none), and what a format that holds only that loses.

    Raises:
        TraceError: the labels do not settle it.
    """
    first = labels.first_error(neutral=rule.neutral, threshold=rule.threshold)
    right, lost = verdicts(labels, rule)
    until = len(right) if first is None else first + 1
    if labels.scale == "rating" and 0 not in labels.values[:until]:
        lost = set()
    if any(value is not None for value in right[until:]):
        lost = lost | {AFTER}
    return first, lost


def field_losses(
    trace: Trace,
    format_name: str,
    *,
    holds: Collection[str] = (),
    meta: Collection[str] = (),
    labels: StepLabels | None = None,
    label_source: LabelSource | None = None,
) -> set[str]:
    """The parts of a trace that a format does not hold although the trace has them.

    Args: trace: What is being written. format_name: The target; a trace whose `source` is just
        that name loses nothing by dropping it. holds: Names of the parts the target keeps: answer,
        reference, outcome, source, observations, scores, meta, more labels, annotator, counts.
        meta: The `meta` keys it keeps. labels: The labels it writes, None where it writes none.
        label_source: The source that its reader gives labels, None where it keeps the source.
    """
    given = {
        "answer": trace.answer is not None,
        "reference": trace.reference is not None,
        "outcome": trace.outcome is not None,
        "source": trace.source not in (None, format_name),
        "observations": any(step.observation is not None for step in trace.steps),
        "scores": bool(trace.scores),
        "meta": any(key not in meta for key in trace.meta),
        "labels": labels is None and bool(trace.labels),
        "more labels": labels is not None and len(trace.labels) > 1,
        "annotator": labels is not None and labels.annotator is not None,
        "k of n counts": labels is not None and any(labels.counts or ()),
        "label source": labels is not None and label_source not in (None, labels.source),
    }
    return {name for name, there in given.items() if there and name not in holds}
