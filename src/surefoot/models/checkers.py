"""Exact checkers as reward models: the built-in `"arithmetic"` needs no download."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from surefoot.labels.equations import StepCheck, check_step
from surefoot.models.base import BatchScorer
from surefoot.traces.types import StepLabels, StepScores, Trace


class ArithmeticChecker(BatchScorer):
    """Scores a step by whether the equations in its text hold; abstains where there are none.

    A step whose checkable equations all hold scores `HOLDS`, one with a false equation `FAILS`, any
    other None. The two numbers state a strong belief, not a measured probability: a step may hold
    true equations and still be wrong.
    """

    name = "arithmetic"

    HOLDS = 0.95
    FAILS = 0.05

    _SCORE: Mapping[str, float] = {"holds": HOLDS, "fails": FAILS}
    _LABEL: Mapping[str, float] = {"holds": 1, "fails": -1}

    def score_batch(self, traces: Sequence[Trace]) -> list[StepScores]:
        """The scores of each trace, in order."""
        return [
            StepScores(
                tuple(self._SCORE.get(check.verdict) for check in self.check(trace)), self.name
            )
            for trace in traces
        ]

    def label(self, trace: Trace) -> StepLabels:
        """Ratings by a checker: 1 where all equations hold, -1 where one fails, None elsewhere."""
        values = tuple(self._LABEL.get(check.verdict) for check in self.check(trace))
        return StepLabels(values, source="checker")

    def check(self, trace: Trace) -> list[StepCheck]:
        """The evidence for each step: every equation that was found, and the verdict on it."""
        return [check_step(text) for text in trace.texts]
