"""How many steps are taught right, neutral and wrong: in all, by position and by domain."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from surefoot.training.guards.columns import CLASSES, NEUTRAL, RIGHT, WRONG, Columns, Flags

_EDGES = (0, 1, 2, 3, 4, 5, 8, 12, 20)
"""The first position of each bucket; the last one is open."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Balance:
    """The classes of some steps. Soft targets count for the class that they speak for, wrong below
    one half; `mean` keeps them as they are."""

    name: str
    right: int
    neutral: int
    wrong: int
    mean: float | None
    """Mean target: the share of right, soft targets as they are; None without steps."""

    @property
    def labelled(self) -> int:
        """Steps that are taught something."""
        return self.right + self.neutral + self.wrong

    @property
    def share_right(self) -> float | None:
        """The share of the right class; None without steps."""
        return self.right / self.labelled if self.labelled else None

    @property
    def majority(self) -> float | None:
        """The share of the commonest class: what always giving the same answer reaches; None
        without steps."""
        return max(self.right, self.neutral, self.wrong) / self.labelled if self.labelled else None

    @property
    def only(self) -> str | None:
        """The class that all are of, if they are all of one."""
        there = [name for name in CLASSES if getattr(self, name)]
        return there[0] if len(there) == 1 else None


def balance(columns: Columns) -> Balance:
    """All steps."""
    return _balance("all", columns, np.ones(len(columns.kind), dtype=np.bool_))


def by_position(columns: Columns) -> tuple[Balance, ...]:
    """The steps at each position, later ones in buckets; those that hold none are left out."""
    bucket = np.searchsorted(_EDGES, columns.position, side="right") - 1
    found = [_balance(_bucket_name(b), columns, bucket == b) for b in range(len(_EDGES))]
    return tuple(one for one in found if one.labelled)


def by_domain(columns: Columns, *, most: int = 20) -> tuple[Balance, ...]:
    """The steps of each domain, the largest first; beyond `most`, the others as one."""
    of_step = columns.domain[columns.owner]
    sizes = np.bincount(of_step, minlength=len(columns.domains))
    order = np.argsort(-sizes, kind="stable")
    found = [_balance(columns.domains[d], columns, of_step == d) for d in order[:most]]
    if len(order) > most:
        name = f"({len(order) - most:,} others)"
        found.append(_balance(name, columns, np.isin(of_step, order[most:])))
    return tuple(found)


def _balance(name: str, columns: Columns, chosen: Flags) -> Balance:
    counts = np.bincount(columns.kind[chosen], minlength=len(CLASSES))
    return Balance(
        name=name,
        right=int(counts[RIGHT]),
        neutral=int(counts[NEUTRAL]),
        wrong=int(counts[WRONG]),
        mean=float(columns.right[chosen].mean()) if counts.sum() else None,
    )


def _bucket_name(bucket: int) -> str:
    first = _EDGES[bucket]
    if bucket + 1 == len(_EDGES):
        return f"{first}+"
    last = _EDGES[bucket + 1] - 1
    return str(first) if first == last else f"{first}-{last}"
