"""What merging the labels of a trace gives: labels, and why they say nothing where they do not."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from surefoot.traces.types import StepLabels, Trace

MERGE = "merge"
"""Where a trace's `meta` keeps, by the annotator of the merged labels, how they came about."""


@dataclass(frozen=True, slots=True)
class Merged:
    """Merged labels, None where no step has one.

    `annotator` names the rule, `parts` the sources that were asked. `causes` says why a step is
    silent, by its position, or, under "trace", why all are.
    """

    annotator: str
    parts: tuple[str, ...]
    labels: StepLabels | None
    causes: Mapping[str, str] = field(default_factory=dict)


def with_merged(trace: Trace, merged: Merged) -> Trace:
    """The trace with its merged labels behind their parts, and how they came about in its meta.

    Labels that an earlier merge by the same rule left are replaced.
    """
    kept = trace.meta.get(MERGE)
    told = dict(kept) if isinstance(kept, dict) else {}
    told[merged.annotator] = {"parts": list(merged.parts), "causes": dict(merged.causes)}
    labels = tuple(
        one
        for one in trace.labels
        if not (one.source == "other" and one.annotator == merged.annotator)
    )
    if merged.labels is not None:
        labels = (*labels, merged.labels)
    return replace(trace, labels=labels, meta={**trace.meta, MERGE: told})


def merged_labels(
    annotator: str,
    parts: tuple[str, ...],
    labels: StepLabels,
    causes: Mapping[str, str],
) -> Merged:
    """A merge of these labels, or of none if they say nothing of any step."""
    silent = all(value is None for value in labels.values)
    return Merged(annotator, parts, None if silent else labels, causes)
