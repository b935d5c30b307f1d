"""The figures of a scorer, kept as functions of how often each unit is drawn: so they have
intervals, and two scorers on the same units are compared in pairs.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from surefoot.errors import UsageError
from surefoot.stats import Difference, Estimate, Statistic, bootstrap, bootstrap_difference


@dataclass(frozen=True, eq=False)
class Figures:
    """Figures over U units.

    `units` names what is drawn, such as the traces by their ids or the questions; `statistics` are
    functions of how often each was drawn, by the names of the figures. A figure that the data do
    not define (NaN when every unit is drawn once) is None in what follows.
    """

    units: tuple[str, ...]
    statistics: Mapping[str, Statistic]

    def exists(self, name: str) -> bool:
        """Whether the data define a figure."""
        once = np.ones((1, len(self.units)))
        return name in self.statistics and bool(np.isfinite(self.statistics[name](once)[0]))

    def estimates(self, *, seed: int, num_resamples: int) -> dict[str, Estimate | None]:
        """Every figure with its interval, in order."""
        return {
            name: bootstrap(statistic, len(self.units), seed=seed, num_resamples=num_resamples)
            if self.exists(name)
            else None
            for name, statistic in self.statistics.items()
        }


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
    return {
        name: bootstrap_difference(
            _less(ours.statistics[name], theirs.statistics[name]),
            len(ours.units),
            seed=seed,
            num_resamples=num_resamples,
        )
        for name in ours.statistics
        if ours.exists(name) and theirs.exists(name)
    }


def _less(ours: Statistic, theirs: Statistic) -> Statistic:
    return lambda counts: ours(counts) - theirs(counts)
