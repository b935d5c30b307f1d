"""Whether a scorer was trained on the questions it is measured on."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from surefoot.scores.steps import BoolArray
from surefoot.traces.types import Trace
from surefoot.training.guards.columns import question_of
from surefoot.training.guards.overlap import Overlap, OverlapTally


@dataclass(frozen=True, eq=False)
class Contamination:
    """What each training file shares with the evaluation traces, and which of these, shape (T,),
    have a question of one of them, in the same words but for typesetting."""

    files: tuple[Overlap, ...]
    seen: BoolArray


def contamination(traces: Sequence[Trace], train: Mapping[str, Iterable[Trace]]) -> Contamination:
    """Look through training traces, by the names of their files; they are read once, one by one."""
    overlaps = []
    trained: set[int] = set()
    for name, others in train.items():
        tally = OverlapTally(name, traces)
        for row, trace in enumerate(others, 1):
            question = question_of(trace.problem)
            trained.add(question)
            tally.add(row, trace, question)
        overlaps.append(tally.overlap())
    seen = np.array([question_of(trace.problem) in trained for trace in traces], dtype=np.bool_)
    return Contamination(tuple(overlaps), seen)
