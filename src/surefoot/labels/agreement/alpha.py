"""Krippendorff's alpha: agreement of any number of coders, any of whom may be silent.

A unit is what coders rate, here a step. Of a unit that m coders rated, m >= 2, each ordered pair of
their values counts 1 / (m - 1) in the coincidence matrix o; n_c are its row sums, n its total, and

    alpha = 1 - (n - 1) sum_{c<k} o_ck d_ck^2 / sum_{c<k} n_c n_k d_ck^2

Units lie in clusters, here traces, and the bootstrap draws clusters. The ordinal difference depends
on how often each value was given, so each resample has its own: d_ck is the distance of the
mid-ranks of c and k, which equals Krippendorff's sum_{g=c..k} n_g - (n_c + n_k) / 2.

Reference: Krippendorff 2011, Computing Krippendorff's Alpha-Reliability, sections C and D.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Literal, TypeAlias, get_args

import numpy as np
from numpy.typing import NDArray

from surefoot.errors import UsageError
from surefoot.stats import FloatArray

Metric = Literal["nominal", "ordinal", "interval"]

Unit: TypeAlias = "Sequence[float | None]"
"""What each coder gave one step; None where a coder gave nothing."""

_MOST_CELLS = 50_000_000


def krippendorff_alpha(units: Iterable[Unit], metric: Metric = "ordinal") -> float | None:
    """Alpha of some units, each with one value per coder or None.

    None where it does not exist: no unit has two values, or all values are the same.

    Raises:
        UsageError: there is no such metric.
    """
    return Coincidences.of([list(units)]).alpha(metric)


@dataclass(frozen=True)
class Coincidences:
    """The pairable values of T clusters of units: V distinct values, P pairs of different ones."""

    values: FloatArray
    """In ascending order, (V,)."""
    marginals: FloatArray
    """How often each cluster holds each value in units of two values or more, (T, V)."""
    cluster: NDArray[np.int64]
    """Whose a pair is, (P,)."""
    low: NDArray[np.int64]
    high: NDArray[np.int64]
    """The places, in `values`, of the two of a pair, low < high, (P,)."""
    weight: FloatArray
    """What a pair adds to o_ck, (P,)."""

    @classmethod
    def of(cls, clusters: Iterable[Iterable[Unit]]) -> Coincidences:
        """Count the values of clusters of units.

        Raises:
            UsageError: too many distinct values to hold them by cluster.
        """
        given: list[Counter[float]] = []
        weights: dict[tuple[int, float, float], float] = {}
        for number, units in enumerate(clusters):
            held: Counter[float] = Counter()
            for unit in units:
                counts = Counter(value for value in unit if value is not None)
                size = counts.total()
                if size < 2:
                    continue
                held.update(counts)
                for c, k in combinations(sorted(counts), 2):
                    key = (number, c, k)
                    weights[key] = weights.get(key, 0.0) + counts[c] * counts[k] / (size - 1)
            given.append(held)
        values = sorted(set().union(*given))
        if len(given) * len(values) > _MOST_CELLS:
            raise UsageError(
                f"{len(values):,} distinct values in {len(given):,} traces are too many for alpha; "
                "round them first"
            )
        place = {value: i for i, value in enumerate(values)}
        marginals = np.zeros((len(given), len(values)))
        for number, held in enumerate(given):
            for value, times in held.items():
                marginals[number, place[value]] = times
        keys = list(weights)
        return cls(
            np.array(values, dtype=np.float64),
            marginals,
            np.array([number for number, _, _ in keys], dtype=np.int64),
            np.array([place[c] for _, c, _ in keys], dtype=np.int64),
            np.array([place[k] for _, _, k in keys], dtype=np.int64),
            np.array([weights[key] for key in keys], dtype=np.float64),
        )

    def statistic(self, counts: FloatArray, metric: Metric) -> FloatArray:
        """Alpha for each row of counts of the clusters, (R, T) to (R,); NaN where it does not
        exist.

        Raises:
            UsageError: there is no such metric.
        """
        if metric not in get_args(Metric):
            raise UsageError(
                f"{metric!r} is no metric of alpha; there are {', '.join(get_args(Metric))}"
            )
        given = counts @ self.marginals
        total = given.sum(axis=1)
        drawn = counts[:, self.cluster] * self.weight
        if metric == "nominal":
            observed = drawn.sum(axis=1)
            expected = (total**2 - (given**2).sum(axis=1)) / 2
        else:
            place = np.broadcast_to(self.values - self.values[:1], given.shape)
            if metric == "ordinal":
                place = given.cumsum(axis=1) - given / 2
            gaps = place[:, self.high] - place[:, self.low]
            observed = (drawn * gaps**2).sum(axis=1)
            middle = (given * place).sum(axis=1) / np.maximum(total, 1)
            expected = total * (given * (place - middle[:, None]) ** 2).sum(axis=1)
        ratio = np.divide(
            (total - 1) * observed, expected, out=np.full(len(counts), np.nan), where=expected > 0
        )
        alpha: FloatArray = 1 - ratio
        return alpha

    def alpha(self, metric: Metric) -> float | None:
        """Alpha of all clusters; None where it does not exist."""
        if len(self.marginals) == 0:
            return None
        found = float(self.statistic(np.ones((1, len(self.marginals))), metric)[0])
        return None if np.isnan(found) else found
