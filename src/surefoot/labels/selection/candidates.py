"""What is kept of a trace to decide whether people should label it: a few numbers, no text."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from surefoot.errors import UsageError
from surefoot.labels.selection.spread import text_features
from surefoot.labels.selection.strategies import STRATEGIES
from surefoot.labels.votes import VoteRule, labels_by_source
from surefoot.traces.questions import question_key
from surefoot.traces.types import StepScores, Trace


@dataclass(frozen=True, eq=False)
class Candidate:
    """A trace that may be chosen.

    `priority` is what the strategy gives it, None where it is not for the strategy. `features` are
    those of its text, None where nobody needs them.
    """

    id: str
    question: str
    priority: float | None
    labelled: bool
    features: NDArray[np.float32] | None = None


def candidate_of(
    trace: Trace,
    strategy: str,
    *,
    model: str | None = None,
    labelled_by: Sequence[str] = ("human",),
    rule: VoteRule | None = None,
    with_features: bool = False,
) -> Candidate:
    """What is kept of a trace.

    Args:
        trace: With the scores of the current model, and any labels.
        strategy: A name of `STRATEGIES`.
        model: Whose scores count; those added last if None.
        labelled_by: Patterns of sources whose labels make it one that needs none.
        rule: How labels become votes.
        with_features: Whether those of the text are needed.

    Raises:
        UsageError: there is no such strategy.
    """
    if strategy not in STRATEGIES:
        raise UsageError(
            f"there is no strategy {strategy!r}; choose one of {', '.join(STRATEGIES)}"
        )
    done = labels_by_source(trace, labelled_by).values()
    return Candidate(
        id=trace.id,
        question=question_key(trace.problem),
        priority=STRATEGIES[strategy].priority(trace, scores_of(trace, model), rule or VoteRule()),
        labelled=any(value is not None for labels in done for value in labels.values),
        features=text_features(trace) if with_features else None,
    )


def scores_of(trace: Trace, model: str | None) -> StepScores | None:
    """The scores of a model, or those added last; None where there are none."""
    held = [one for one in trace.scores if model in (None, one.model)]
    return held[-1] if held else None
