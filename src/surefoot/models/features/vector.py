"""The features of every step of a trace, from the question, the steps before it and itself alone.

A walk is told one step after another and never sees a later one, so a score that is made of these
features can steer a search: what comes later cannot change it.
"""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from surefoot.models.features.algebra import Algebra
from surefoot.models.features.arithmetic import Arithmetic
from surefoot.models.features.quantities import Quantities
from surefoot.models.features.surface import Surface
from surefoot.traces.types import Trace

Features: TypeAlias = NDArray[np.float32]


class Walk:
    """A question, and the steps so far."""

    def __init__(self, problem: str) -> None:
        self._parts = (Surface(problem), Quantities(problem), Arithmetic(), Algebra(problem))

    def step(self, text: str) -> dict[str, float]:
        """Every feature of the next step, by name; NaN where there is nothing to tell by."""
        values: dict[str, float] = {}
        for part in self._parts:
            values |= part.step(text)
        return values


FEATURES: tuple[str, ...] = tuple(Walk("").step(""))
"""The names, in order."""


def features_of(trace: Trace) -> Features:
    """Shape (steps, features), in the order of `FEATURES`. Observations and labels are not read."""
    walk = Walk(trace.problem)
    rows = [list(walk.step(text).values()) for text in trace.texts]
    return np.array(rows, dtype=np.float32)
