"""How well one number per trace tells traces that end right from those that end wrong."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from surefoot.scores.discrimination import auroc
from surefoot.scores.steps import BoolArray, IntArray
from surefoot.stats import FloatArray
from surefoot.traces.types import StepScores, Trace


@dataclass(frozen=True, eq=False)
class Outcomes:
    """The T traces whose outcome is known, each array of shape (T,): which they are, of which
    question, how they ended, and the aggregate of their scores by its own rule, higher for better;
    minus infinity where there are none."""

    trace: IntArray
    question: IntArray
    right: BoolArray
    reward: FloatArray

    @classmethod
    def of(
        cls, traces: Sequence[Trace], scores: Sequence[StepScores | None], questions: IntArray
    ) -> Outcomes:
        """Those of some traces."""
        known = [t for t, trace in enumerate(traces) if trace.outcome is not None]
        return cls(
            np.array(known, dtype=np.int64),
            questions[known],
            np.array([traces[t].outcome for t in known], dtype=np.bool_),
            np.array([reward_of(scores[t]) for t in known], dtype=np.float64),
        )

    def among(self, kept: BoolArray) -> Outcomes:
        """Those for which `kept`, shape (T,), is true."""
        return Outcomes(self.trace[kept], self.question[kept], self.right[kept], self.reward[kept])

    def auroc(self) -> float | None:
        """Over all of them; None where they all ended alike."""
        if not self.right.any() or self.right.all():
            return None
        return auroc(self.right, self.reward)

    def within(self) -> tuple[IntArray, FloatArray]:
        """The questions, shape (G,), of which some traces end right and some wrong, and the AUROC
        of each.

        A scorer that only tells hard questions from easy ones has a high AUROC over all traces and
        one of a half within questions, which is where best-of-N chooses.
        """
        order = np.lexsort((self.reward, self.question))
        group, right, reward = self.question[order], self.right[order], self.reward[order]
        groups, start, size = np.unique(group, return_index=True, return_counts=True)
        own = np.repeat(np.arange(len(groups)), size)
        rank = np.arange(len(group)) - start[own] + 1.0
        new = np.ones(len(group), dtype=np.bool_)
        new[1:] = (group[1:] != group[:-1]) | (reward[1:] != reward[:-1])
        tie = np.cumsum(new) - 1
        rank = (np.bincount(tie, weights=rank) / np.bincount(tie))[tie]
        ups = np.bincount(own, weights=right)
        downs = size - ups
        wins = np.bincount(own, weights=rank * right) - ups * (ups + 1) / 2
        mixed = (ups > 0) & (downs > 0)
        return groups[mixed], wins[mixed] / (ups * downs)[mixed]


def reward_of(scores: StepScores | None) -> float:
    """The aggregate of a trace by its own rule, higher for better; minus infinity where there is
    none."""
    if scores is None or not scores.scored:
        return -np.inf
    number = scores.aggregate()
    return -number if scores.default_aggregate == "nll" else number
