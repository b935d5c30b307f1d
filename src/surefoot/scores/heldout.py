"""First errors at three thresholds: a given one, the best one, and one tuned on other questions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from surefoot.scores.first_errors import (
    Threshold,
    chosen_threshold,
    first_error,
    knows_first_error,
    matches,
    tune_threshold,
)
from surefoot.scores.steps import BoolArray, IntArray
from surefoot.traces.types import StepScores, Trace


@dataclass(frozen=True, eq=False)
class FirstErrors:
    """The T traces whose labels settle the first error, each array of shape (T,): which they are,
    of which question, whether they hold an error, and whether it is found (or none is, where there
    is none).

    `matched` is at the given threshold, `matched_best` at the one of highest F1 on these traces,
    `matched_heldout` at the one of highest F1 on the other half of the questions than a trace's
    own. None where there is nothing to tune on: traces of both kinds and a score are needed.
    """

    trace: IntArray
    question: IntArray
    erroneous: BoolArray
    threshold: Threshold
    best: Threshold | None
    matched: BoolArray
    matched_best: BoolArray | None
    matched_heldout: BoolArray | None

    @classmethod
    def of(
        cls,
        traces: Sequence[Trace],
        scores: Sequence[StepScores | None],
        questions: IntArray,
        *,
        label_source: str | None = None,
        neutral: bool = True,
        threshold: float | Threshold | None = None,
    ) -> FirstErrors:
        """Those of some traces; arguments are those of `evaluate_first_errors`.

        Raises:
            UsageError: as `chosen_threshold`.
        """
        given = chosen_threshold(scores, threshold)
        known = [t for t, one in enumerate(traces) if knows_first_error(one, label_source, neutral)]
        labels = [first_error(traces[t], label_source, neutral) for t in known]
        own = [scores[t] for t in known]
        best = _tuned(own, labels)
        return cls(
            trace=np.array(known, dtype=np.int64),
            question=questions[known],
            erroneous=np.array([label is not None for label in labels], dtype=np.bool_),
            threshold=given,
            best=best,
            matched=matches(own, labels, given.value),
            matched_best=None if best is None else matches(own, labels, best.value),
            matched_heldout=_crossed(own, labels, questions[known] % 2 == 0),
        )

    def accuracy(self, matched: BoolArray | None, kind: bool, kept: BoolArray) -> float | None:
        """The share matched of the traces with an error (or without, if not `kind`) for which
        `kept`, shape (T,), is true."""
        among = kept & (self.erroneous == kind)
        if matched is None or not among.any():
            return None
        return float(matched[among].mean())

    def f1(self, matched: BoolArray | None, kept: BoolArray) -> float | None:
        """The harmonic mean of both accuracies."""
        found, cleared = (self.accuracy(matched, kind, kept) for kind in (True, False))
        if found is None or cleared is None:
            return None
        return 2 * found * cleared / (found + cleared) if found + cleared else 0.0


def _tuned(scores: Sequence[StepScores | None], labels: Sequence[int | None]) -> Threshold | None:
    kinds = {label is None for label in labels}
    if len(kinds) < 2 or not any(one is not None and one.scored for one in scores):
        return None
    return tune_threshold(scores, labels)


def _crossed(
    scores: Sequence[StepScores | None], labels: Sequence[int | None], first: BoolArray
) -> BoolArray | None:
    """Which traces are matched at the threshold tuned on the half they are not in."""
    matched = np.zeros(len(labels), dtype=np.bool_)
    for half in (first, ~first):
        inside, outside = np.flatnonzero(half).tolist(), np.flatnonzero(~half).tolist()
        tuned = _tuned([scores[t] for t in outside], [labels[t] for t in outside])
        if tuned is None:
            return None
        matched[inside] = matches(
            [scores[t] for t in inside], [labels[t] for t in inside], tuned.value
        )
    return matched
