"""Scorers that know nothing, to hold every model against: step length and chance."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence

from surefoot.models.base import BatchScorer
from surefoot.traces.types import StepScores, Trace


class StepLength(BatchScorer):
    """The longer a step, the more suspect: exp(-characters / 400).

    Long steps hold more errors, so this alone finds wrong steps with an AUC near 0.7 on some public
    sets; a model that does not beat it has learnt little.
    """

    name = "length"
    reads_tokens = False

    CHARACTERS = 400
    """A step of this length scores 1/e."""

    def score_batch(self, traces: Sequence[Trace]) -> list[StepScores]:
        """The scores of each trace, in order."""
        return [
            StepScores(
                tuple(math.exp(-len(text) / self.CHARACTERS) for text in trace.texts), self.name
            )
            for trace in traces
        ]


class RandomScores(BatchScorer):
    """Uniform scores in [0, 1) that depend on the seed, the trace and the step alone.

    The same trace gets the same scores in any batch, in any order, on any machine.
    """

    name = "random"
    reads_tokens = False

    def __init__(self, seed: int = 0) -> None:
        self.seed = seed

    def score_batch(self, traces: Sequence[Trace]) -> list[StepScores]:
        """The scores of each trace, in order."""
        return [StepScores(self._draw(trace.id, len(trace.steps)), self.name) for trace in traces]

    def _draw(self, trace_id: str, num_steps: int) -> tuple[float, ...]:
        digests = (
            hashlib.sha256(f"{self.seed}:{trace_id}:{step}".encode()).digest()
            for step in range(num_steps)
        )
        return tuple((int.from_bytes(digest[:8]) >> 11) / 2**53 for digest in digests)
