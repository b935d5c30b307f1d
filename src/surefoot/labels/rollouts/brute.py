"""Every prefix by itself: n independent continuations of each (Math-Shepherd, 2312.08935, 3.3)."""

from __future__ import annotations

from surefoot.labels.rollouts.draws import Plan
from surefoot.labels.rollouts.positions import Positions


def brute(found: Positions, n: int, *, start: bool = False) -> Plan[None]:
    """Draw n rollouts of every prefix, and of the empty one if `start`."""
    wanted = [*([found.start] if start else []), *found.asked]
    for evidence, rollouts in zip(
        wanted, (yield [evidence.ask(n) for evidence in wanted]), strict=True
    ):
        evidence.add(rollouts)
