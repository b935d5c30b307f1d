"""The labelled steps of traces, laid end to end with what a scorer says of each."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from surefoot.errors import UsageError
from surefoot.models.contract import PROBABILITIES
from surefoot.scores.first_errors import check_lengths
from surefoot.stats import FloatArray
from surefoot.traces.questions import question_key
from surefoot.traces.types import ScoreKind, StepLabels, StepScores, Trace

IntArray: TypeAlias = NDArray[np.int64]
BoolArray: TypeAlias = NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class ScoredSteps:
    """S labelled steps, each array of shape (S,).

    `right` is the label in [0, 1]: 1 right, 0 wrong, between them what a soft label says. Where
    `scored` is false the scorer gave no score, and `score` and `log_odds` are 0. `log_odds` are
    the scorer's own where it gives them and otherwise those of the score, infinite for 0 and 1;
    None where scores are no probabilities.
    """

    trace: IntArray
    question: IntArray
    position: IntArray
    right: FloatArray
    score: FloatArray
    log_odds: FloatArray | None
    scored: BoolArray

    @classmethod
    def of(
        cls,
        traces: Sequence[Trace],
        scores: Sequence[StepScores | None],
        questions: IntArray,
        *,
        label_source: str | None = None,
        neutral: bool = True,
    ) -> ScoredSteps:
        """Every step that the first labels of a source (of any if None) speak of.

        A rating of 0 is right if `neutral`; `questions` are those of `questions_of`.

        Raises:
            UsageError: scores are of several kinds, or not one per trace with one value per step.
        """
        labels = [trace.labels_from(label_source) for trace in traces]
        rights = [None if one is None else _rights(one, neutral) for one in labels]
        return _laid(traces, rights, scores, questions)

    @classmethod
    def of_outcomes(
        cls,
        traces: Sequence[Trace],
        scores: Sequence[StepScores | None],
        questions: IntArray,
    ) -> ScoredSteps:
        """Every step of the traces whose outcome is known, labelled with it.

        Raises:
            UsageError: as `of`.
        """
        rights = [
            None if trace.outcome is None else [float(trace.outcome)] * len(trace.steps)
            for trace in traces
        ]
        return _laid(traces, rights, scores, questions)

    def __len__(self) -> int:
        return len(self.right)

    @property
    def wrong(self) -> BoolArray:
        """Whether each step counts as wrong; a soft label does below one half."""
        return self.right < 0.5

    @property
    def suspicion(self) -> FloatArray:
        """Minus the score; the least, minus infinity, where there is none."""
        return np.where(self.scored, -self.score, -np.inf)

    def among(self, kept: BoolArray) -> ScoredSteps:
        """Those for which `kept`, shape (S,), is true."""
        return ScoredSteps(
            self.trace[kept],
            self.question[kept],
            self.position[kept],
            self.right[kept],
            self.score[kept],
            None if self.log_odds is None else self.log_odds[kept],
            self.scored[kept],
        )


def questions_of(traces: Sequence[Trace]) -> IntArray:
    """The number of each trace's question, shape (T,).

    They are numbered from 0 in an order drawn from their words, the same for the same questions;
    so those with an even and those with an odd number are fair halves.
    """
    keys = {text: question_key(text) for text in {trace.problem for trace in traces}}
    drawn = sorted({*keys.values()}, key=lambda key: hashlib.sha256(key.encode()).digest())
    numbers = {key: i for i, key in enumerate(drawn)}
    return np.array([numbers[keys[trace.problem]] for trace in traces], dtype=np.int64)


def kind_of(scores: Sequence[StepScores | None]) -> ScoreKind | None:
    """The one kind that all scores are of; None where there are none.

    Raises:
        UsageError: they are of several.
    """
    kinds = sorted({one.kind for one in scores if one is not None})
    if len(kinds) > 1:
        raise UsageError(f"the scores are of {len(kinds)} kinds, {', '.join(kinds)}; give one")
    return kinds[0] if kinds else None


def _rights(labels: StepLabels, neutral: bool) -> list[float | None]:
    """Each label in [0, 1]."""
    if labels.scale == "value":
        return list(labels.values)
    return [
        None if one is None else float(neutral) if one == 0 else float(one > 0)
        for one in labels.values
    ]


def _laid(
    traces: Sequence[Trace],
    rights: Sequence[Sequence[float | None] | None],
    scores: Sequence[StepScores | None],
    questions: IntArray,
) -> ScoredSteps:
    """The steps that have a label."""
    check_lengths(scores, traces)
    rows: list[tuple[int, int, float, float | None, float | None]] = []
    for t, (labels, one) in enumerate(zip(rights, scores, strict=True)):
        if labels is None:
            continue
        nothing = (None,) * len(labels)
        values = nothing if one is None else one.values
        odds = nothing if one is None or one.log_odds is None else one.log_odds
        rows += [
            (t, i, right, values[i], odds[i]) for i, right in enumerate(labels) if right is not None
        ]
    trace, position, right, score, log_odds = (
        np.array(rows, dtype=np.float64).reshape(-1, 5).T  # None becomes NaN
    )
    scored = ~np.isnan(score)
    owner = trace.astype(np.int64)
    return ScoredSteps(
        trace=owner,
        question=questions[owner],
        position=position.astype(np.int64),
        right=right,
        score=np.where(scored, score, 0.0),
        log_odds=_log_odds(score, log_odds) if kind_of(scores) in (None, *PROBABILITIES) else None,
        scored=scored,
    )


def _log_odds(score: FloatArray, given: FloatArray) -> FloatArray | None:
    """The log-odds given, or those of the scores; None where a score is no probability."""
    if (score < 0).any() or (score > 1).any():
        return None
    with np.errstate(divide="ignore"):
        own = np.log(score) - np.log1p(-score)
    return np.nan_to_num(
        np.where(np.isnan(given), own, given), nan=0.0, posinf=np.inf, neginf=-np.inf
    )
