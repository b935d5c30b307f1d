"""The same thing taught twice: traces that repeat earlier ones, and steps that are called right in
one place and wrong in another.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from surefoot.models.findings import MOST_PLACES, Place
from surefoot.training.guards.columns import Columns, Whole

APART = 0.5
"""Targets of one step that lie further apart than this contradict each other: right and wrong do,
neutral and either do not, nor do shares of rollouts that differ by half or less."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Repeats:
    """What is there more than once. A step is the same where the problem, the steps before it and
    its own text are."""

    duplicates: int
    """Traces that have the problem and the steps of an earlier one."""
    duplicate_places: tuple[Place, ...]
    repeated_steps: int
    """Different steps that are taught in more than one trace."""
    conflicting_steps: int
    """Those of them that are taught contradictory things."""
    conflicting_labels: int
    """How often these steps are taught."""
    conflict_places: tuple[Place, ...]


def repeats(columns: Columns) -> Repeats:
    """The repeats among all traces."""
    later, earlier = _later(columns)
    order, starts = _groups(columns)
    sizes = np.diff(np.r_[starts, len(order)])
    conflicts = np.zeros(len(starts), dtype=np.bool_)
    if len(order):
        values = columns.middle[order]
        spread = np.maximum.reduceat(values, starts) - np.minimum.reduceat(values, starts)
        conflicts = spread > APART
    groups = [order[starts[g] : starts[g] + sizes[g]] for g in np.flatnonzero(conflicts)]
    sides = sorted((_two_sides(columns, group) for group in groups), key=max)
    return Repeats(
        duplicates=len(later),
        duplicate_places=tuple(
            Place(int(columns.row[t]), columns.id(t), None, int(columns.row[first]))
            for t, first in zip(later[:MOST_PLACES], earlier[:MOST_PLACES], strict=True)
        ),
        repeated_steps=int((sizes > 1).sum()),
        conflicting_steps=int(conflicts.sum()),
        conflicting_labels=int(sizes[conflicts].sum()),
        conflict_places=tuple(columns.place(later, first) for first, later in sides[:MOST_PLACES]),
    )


def _later(columns: Columns) -> tuple[list[int], list[int]]:
    """The traces that repeat an earlier one, and that one."""
    ids = np.stack([columns.head, columns.tail.astype(np.uint64)], axis=1)
    _, firsts, numbers = np.unique(ids, axis=0, return_index=True, return_inverse=True)
    earliest = firsts[numbers.ravel()]
    later = np.flatnonzero(earliest != np.arange(len(earliest)))
    return later.tolist(), earliest[later].tolist()


def _groups(columns: Columns) -> tuple[Whole, Whole]:
    """The taught steps ordered so that equal ones are neighbours, and where each group begins."""
    order = np.argsort(columns.content, kind="stable")
    ranked = columns.content[order]
    starts = np.flatnonzero(np.r_[True, ranked[1:] != ranked[:-1]]) if len(order) else order
    return order, starts


def _two_sides(columns: Columns, group: Whole) -> tuple[int, int]:
    """The least and the most right of a group of equal steps, the earlier one first."""
    values = columns.middle[group]
    a, b = int(group[np.argmin(values)]), int(group[np.argmax(values)])
    return min(a, b), max(a, b)
