"""Which questions of the training traces are also those of development or evaluation traces, in the
same words or nearly.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from surefoot.models.findings import MOST_PLACES, Place
from surefoot.traces.types import Trace
from surefoot.training.guards.columns import question_of
from surefoot.training.guards.near import NearQuestions


@dataclass(frozen=True, kw_only=True, slots=True)
class Overlap:
    """What training traces share with others, called `name`. A place names a training trace and, as
    `other`, the first of the others that has its question."""

    name: str
    traces: int
    """The others."""
    questions: int
    """Their different questions."""
    same_questions: int
    """Those that are questions of training traces too."""
    same_training_traces: int
    """Training traces that have one of those."""
    same_traces: int
    """The others that have one of those."""
    same_places: tuple[Place, ...]
    near_questions: int
    """Questions of the others that are nearly, but not quite, that of some training trace."""
    near_training_traces: int
    """Training traces whose question is near, and not the same as, one of the others."""
    near_places: tuple[Place, ...]
    left_out: int = 0
    """Training traces that were left out beforehand for having one of the questions."""


class OverlapTally:
    """An overlap in the making: reads the others at once, then is told the training traces.

    Memory grows with the different questions on either side, not with traces.
    """

    def __init__(self, name: str, others: Iterable[Trace], left_out: int = 0) -> None:
        self.name = name
        self._left_out = left_out
        self._traces = 0
        self._number_of: dict[int, int] = {}
        """By the hash of a question, its number."""
        self._rows: list[int] = []
        self._counts: list[int] = []
        texts: list[str] = []
        for row, trace in enumerate(others, 1):
            self._traces += 1
            key = question_of(trace.problem)
            number = self._number_of.setdefault(key, len(texts))
            if number == len(texts):
                texts.append(trace.problem)
                self._rows.append(row)
                self._counts.append(0)
            self._counts[number] += 1
        self._near = NearQuestions(texts)
        self._near_of: dict[int, int | None] = {}
        """By the hash of a training trace's question, the number of the one that is near it."""
        self._same: set[int] = set()
        self._num_same = self._num_near = 0
        self._same_places: list[Place] = []
        self._near_places: list[Place] = []

    def add(self, row: int, trace: Trace, question: int) -> None:
        """Look at one training trace; `question` is the hash of its question."""
        number = self._number_of.get(question)
        if number is not None:
            self._same.add(number)
            self._num_same += 1
            if len(self._same_places) < MOST_PLACES:
                self._same_places.append(Place(row, trace.id, None, self._rows[number]))
            return
        if question not in self._near_of:
            self._near_of[question] = self._near.find(trace.problem)
        near = self._near_of[question]
        if near is not None:
            self._num_near += 1
            if len(self._near_places) < MOST_PLACES:
                self._near_places.append(Place(row, trace.id, None, self._rows[near]))

    def overlap(self) -> Overlap:
        """What was counted."""
        near = {number for number in self._near_of.values() if number is not None}
        return Overlap(
            name=self.name,
            traces=self._traces,
            questions=len(self._counts),
            same_questions=len(self._same),
            same_training_traces=self._num_same,
            same_traces=sum(self._counts[number] for number in self._same),
            same_places=tuple(self._same_places),
            near_questions=len(near),
            near_training_traces=self._num_near,
            near_places=tuple(self._near_places),
            left_out=self._left_out,
        )
