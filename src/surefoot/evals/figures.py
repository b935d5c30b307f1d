"""The figures of a scorer, kept as functions of how often each unit is drawn: so they have
intervals, and two scorers on the same units are compared in pairs.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from surefoot.errors import UsageError
from surefoot.stats import (
    Difference,
    Estimate,
    FloatArray,
    Statistic,
    difference_from,
    estimate_from,
    resamples,
)


@dataclass(frozen=True, eq=False)
class Figures:
    """Figures over U units.

    `units` names what is drawn, such as the traces by their ids or the questions; `statistics` are
    functions of how often each was drawn, by the names of the figures. A figure that the data do
    not define (NaN when every unit is drawn once) is None in what follows. A figure of one group
    of the data, such as a subset, is named `figure/group`.
    """

    units: tuple[str, ...]
    statistics: Mapping[str, Statistic]
    _drawn: dict[tuple[int, int], dict[str, FloatArray]] = field(
        default_factory=dict, init=False, repr=False
    )

    def exists(self, name: str) -> bool:
        """Whether the data define a figure."""
        return name in self.statistics and math.isfinite(self.value(name))

    def value(self, name: str) -> float:
        """A figure on the data as they are; NaN where they do not define it."""
        return float(self.statistics[name](np.ones((1, len(self.units))))[0])

    def estimates(self, *, seed: int, num_resamples: int) -> dict[str, Estimate | None]:
        """Every figure with its interval, in order."""
        drawn = self.drawn(seed, num_resamples)
        return {
            name: estimate_from(self.value(name), drawn[name]) if name in drawn else None
            for name in self.statistics
        }

    def drawn(self, seed: int, num_resamples: int) -> Mapping[str, FloatArray]:
        """The figures that the data define, on each of the resamples; they are drawn once."""
        key = (seed, num_resamples)
        if key not in self._drawn:
            names = [name for name in self.statistics if self.exists(name)]
            blocks: dict[str, list[FloatArray]] = {name: [] for name in names}
            for counts in resamples(len(self.units), seed, num_resamples):
                for name in names:
                    blocks[name].append(self.statistics[name](counts))
            self._drawn[key] = {name: np.concatenate(some) for name, some in blocks.items()}
        return self._drawn[key]


def differences(
    ours: Figures, theirs: Figures, *, seed: int, num_resamples: int
) -> dict[str, Difference]:
    """Ours less theirs, of the figures that both have, each resample drawn for both.

    Raises:
        UsageError: they are not over the same units.
    """
    if ours.units != theirs.units:
        shared = len(set(ours.units) & set(theirs.units))
        raise UsageError(
            f"figures over {len(ours.units)} units cannot be paired with those over "
            f"{len(theirs.units)}, of which {shared} are the same; measure both on the same traces"
        )
    first, second = ours.drawn(seed, num_resamples), theirs.drawn(seed, num_resamples)
    return {
        name: difference_from(ours.value(name) - theirs.value(name), first[name] - second[name])
        for name in first
        if name in second
    }
