"""What benchmarks ask of a trace's labels, and what a scorer's numbers say against them."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from surefoot.evals.benchmark import Options, Scores
from surefoot.models.contract import PROBABILITIES
from surefoot.scores.discrimination import LabelledSteps
from surefoot.scores.first_errors import BoolArray, Threshold, knows_first_error
from surefoot.scores.steps import kind_of
from surefoot.traces.types import Trace

UNSETTLED = "its labels do not settle where the first error is"
UNLABELLED = "no step has a label"


def without_first_error(trace: Trace, options: Options) -> str | None:
    """Why a trace cannot be measured by its first error."""
    return None if knows_first_error(trace, options.label_source) else UNSETTLED


def without_labels(trace: Trace, options: Options) -> str | None:
    """Why a trace cannot be measured by its steps."""
    labels = trace.labels_from(options.label_source)
    if labels is None or all(value is None for value in labels.values):
        return UNLABELLED
    return None


def subset_of(trace: Trace) -> str:
    """The subset a trace says it belongs to: meta "subset", else the last part of meta "domain",
    else its source."""
    subset, domain = trace.meta.get("subset"), trace.meta.get("domain")
    if isinstance(subset, str):
        return subset
    if isinstance(domain, str):
        return domain.rpartition("/")[2]
    return trace.source or "all"


def groups(traces: Sequence[Trace], name: Callable[[Trace], str]) -> dict[str, BoolArray]:
    """Which traces (T,) each group holds, in the order in which groups are met."""
    names = np.array([name(trace) for trace in traces], dtype=object)
    return {str(one): np.asarray(names == one) for one in dict.fromkeys(names.tolist())}


def flagged(steps: LabelledSteps, scores: Scores, threshold: Threshold) -> BoolArray:
    """Whether each labelled step (S,) is called wrong.

    A step without a score is not. In a trace that could not be scored at all, whatever the label
    says is missed: its right steps count as flagged and its wrong ones as passed.
    """
    calls = []
    for t, i, wrong in zip(steps.owner, steps.position, steps.wrong, strict=True):
        one = scores[t]
        if one is None:
            calls.append(not wrong)
        else:
            value = one.values[i]
            calls.append(value is not None and value < threshold.value)
    return np.array(calls, dtype=np.bool_)


def gives_probabilities(scores: Scores) -> bool:
    """Whether the scores are probabilities, for which one half means something.

    Raises:
        UsageError: they are of several kinds.
    """
    return kind_of(scores) in PROBABILITIES
