"""What a world offers: problems, and the exact truth about every step taken on them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from surefoot.traces.types import StepLabels, Trace


@dataclass(frozen=True, slots=True)
class Problem:
    """A question in words and its right answer."""

    text: str
    answer: str


class World(Protocol):
    """A source of problems with an exact checker."""

    @property
    def name(self) -> str:
        """What traces of this world give as their source."""

    def problems(self, num_problems: int, *, seed: int) -> list[Problem]:
        """Problems without repetition, the same for the same seed."""

    def trace(self, problem: Problem, steps: Sequence[str]) -> Trace:
        """The steps as a trace with their answer, its outcome and the exact label of each step."""

    def label(self, trace: Trace) -> StepLabels:
        """The exact label of every step: 1 right, -1 wrong."""
