"""Exact checkers as reward models: the built-in `"arithmetic"` needs no download."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from surefoot.labels.checkers import check_trace
from surefoot.labels.checkers.labelling import ratings
from surefoot.labels.equations import StepCheck
from surefoot.models.base import BatchScorer
from surefoot.traces.types import StepLabels, StepScores, Trace


class ArithmeticChecker(BatchScorer):
    """Scores a step by whether what it states can be checked and holds; abstains elsewhere.

    A step whose checkable statements all hold scores `HOLDS`, one with a false statement `FAILS`,
    any other None; what is checked, and in the light of which lines before it, is told at
    `surefoot.labels.checkers.check_trace`. The two numbers state a strong belief, not a measured
    probability: a step may hold true equations and still be wrong.
    """

    name = "arithmetic"
    reads_tokens = False

    HOLDS = 0.95
    FAILS = 0.05

    _SCORE: Mapping[str, float] = {"holds": HOLDS, "fails": FAILS}

    def score_batch(self, traces: Sequence[Trace]) -> list[StepScores]:
        """The scores of each trace, in order."""
        return [
            StepScores(
                tuple(self._SCORE.get(check.verdict) for check in self.check(trace)), self.name
            )
            for trace in traces
        ]

    def label(self, trace: Trace) -> StepLabels:
        """Ratings by a checker: 1 where everything holds, -1 where something fails, else None."""
        return ratings(self.check(trace), self.name)

    def check(self, trace: Trace) -> list[StepCheck]:
        """The evidence for each step: every statement that was found, and the verdict on it."""
        return check_trace(trace.problem, trace.texts)
