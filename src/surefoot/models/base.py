"""What every scorer of steps has in common: read this before any other file on this floor.

A `RewardModel` gives each step of a trace one number. PRMs, ORMs, checkers, baselines, judges,
ensembles and remote servers all are one. `BatchScorer` is the shared frame of ours: it accepts one
trace or many and enforces that exactly one score per step comes back, in order.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Protocol, overload

from surefoot.errors import ModelError
from surefoot.traces.types import StepScores, Trace


class RewardModel(Protocol):
    """Anything with a name that scores the steps of traces."""

    @property
    def name(self) -> str:
        """What the scores are signed with."""

    @overload
    def score(self, traces: Trace) -> StepScores: ...
    @overload
    def score(self, traces: Sequence[Trace]) -> list[StepScores]: ...
    def score(self, traces: Trace | Sequence[Trace]) -> StepScores | list[StepScores]:
        """One `StepScores` for a trace, a list of them for a list; each has one value per step."""


class BatchScorer(ABC):
    """A reward model that is written as one function over a list of traces."""

    name: str

    @overload
    def score(self, traces: Trace) -> StepScores: ...
    @overload
    def score(self, traces: Sequence[Trace]) -> list[StepScores]: ...
    def score(self, traces: Trace | Sequence[Trace]) -> StepScores | list[StepScores]:
        """One `StepScores` for a trace, or a list of them for a list.

        Raises:
            ModelError: the model did not give exactly one value per step.
        """
        if isinstance(traces, Trace):
            return self._checked([traces])[0]
        return self._checked(traces)

    @abstractmethod
    def score_batch(self, traces: Sequence[Trace]) -> list[StepScores]:
        """The scores of each trace, in order."""

    def _checked(self, traces: Sequence[Trace]) -> list[StepScores]:
        scores = self.score_batch(traces)
        if len(scores) != len(traces):
            raise ModelError(f"{self.name} scored {len(scores)} of {len(traces)} traces")
        for trace, one in zip(traces, scores, strict=True):
            if len(one.values) != len(trace.steps):
                raise ModelError(
                    f"{self.name} gave {len(one.values)} scores for the {len(trace.steps)} steps "
                    f"of trace {trace.id}"
                )
        return scores
