"""Traces that are too long for a model, which are never cut: how many labels of each class go with
them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from surefoot.models.contract import Contract
from surefoot.models.findings import MOST_PLACES, Place
from surefoot.models.render import Renderer, fits, render, text_of
from surefoot.traces.types import Trace
from surefoot.training.guards.columns import CLASSES, class_of
from surefoot.training.targets import TraceTargets

Fits = Callable[[Trace], bool]
"""Whether a trace is short enough."""


@dataclass(frozen=True, kw_only=True, slots=True)
class TooLong:
    """Traces that are too long, and the labelled steps of each class in them."""

    traces: int
    right: int
    neutral: int
    wrong: int
    places: tuple[Place, ...]


class TooLongTally:
    """What was too long so far."""

    def __init__(self) -> None:
        self._traces = 0
        self._counts = [0] * len(CLASSES)
        self._places: list[Place] = []

    def add(self, row: int, trace: Trace, targets: TraceTargets) -> None:
        """Count one trace."""
        self._traces += 1
        for target in targets.steps:
            if target is not None:
                self._counts[class_of(target)] += 1
        if len(self._places) < MOST_PLACES:
            self._places.append(Place(row, trace.id))

    def too_long(self) -> TooLong:
        """What was counted."""
        right, neutral, wrong = self._counts
        return TooLong(
            traces=self._traces,
            right=right,
            neutral=neutral,
            wrong=wrong,
            places=tuple(self._places),
        )


def fits_contract(contract: Contract, renderer: Renderer) -> Fits:
    """Whether a trace, written as the contract says, is within its `max_tokens`.

    The function raises UnscorableError for a trace that cannot be written at all.
    """

    def fit(trace: Trace) -> bool:
        (rows,) = render([text_of(trace)], contract, renderer)
        return fits(rows, contract.max_tokens)

    return fit
