"""Cohen's kappa: agreement of two sources beyond what their shares of each value give by chance.

    kappa = 1 - sum w_ij o_ij / sum w_ij e_ij,   e_ij = r_i c_j / n

with o the table of pairs, r and c its row and column sums, and w_ij what a disagreement of the i-th
and the j-th value costs: 1 unless they are the same, |i - j|, or (i - j)^2.

References: Cohen 1960 (Educational and Psychological Measurement 20); Cohen 1968 (Psychological
Bulletin 70), eq. 3, for weights.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np

from surefoot.errors import UsageError
from surefoot.stats import FloatArray

Weights = Literal["unweighted", "linear", "quadratic"]


def cohen_kappa(
    first: Sequence[float | None],
    second: Sequence[float | None],
    weights: Weights = "unweighted",
    *,
    values: Sequence[float] | None = None,
) -> float | None:
    """Kappa of the units that both rated, in the same order; None where it does not exist.

    `values` are all values there are, in order, where the weights need one that nobody gave.

    Raises:
        UsageError: the lengths differ, a value is not among `values`, or there are no such weights.
    """
    if len(first) != len(second):
        raise UsageError(f"{len(first)} values of the one and {len(second)} of the other source")
    return PairTable.of([(first, second)], values).kappa(weights)


@dataclass(frozen=True)
class PairTable:
    """How often two sources gave each pair of V values in each of T clusters, (T, V, V)."""

    tables: FloatArray

    @classmethod
    def of(
        cls,
        clusters: Sequence[tuple[Sequence[float | None], Sequence[float | None]]],
        values: Sequence[float] | None = None,
    ) -> PairTable:
        """Count the units of each cluster that both rated.

        Raises:
            UsageError: a value is not among `values`.
        """
        pairs = [
            [(a, b) for a, b in zip(first, second, strict=True) if a is not None and b is not None]
            for first, second in clusters
        ]
        seen = {value for some in pairs for pair in some for value in pair}
        order = sorted(seen) if values is None else list(values)
        if strange := seen - set(order):
            raise UsageError(f"{min(strange)} is not among the values {order}")
        place = {value: i for i, value in enumerate(order)}
        tables = np.zeros((len(pairs), len(order), len(order)))
        for number, some in enumerate(pairs):
            for a, b in some:
                tables[number, place[a], place[b]] += 1
        return cls(tables)

    @property
    def num_units(self) -> int:
        """The units that both rated."""
        return int(self.tables.sum())

    def statistic(self, counts: FloatArray, weights: Weights) -> FloatArray:
        """Kappa for each row of counts of the clusters, (R, T) to (R,); NaN where it does not
        exist.

        Raises:
            UsageError: there are no such weights.
        """
        if weights not in get_args(Weights):
            raise UsageError(
                f"{weights!r} are no weights of kappa; there are {', '.join(get_args(Weights))}"
            )
        num_values = self.tables.shape[1]
        apart = np.abs(np.subtract.outer(np.arange(num_values), np.arange(num_values)))
        cost = {"unweighted": apart > 0, "linear": apart, "quadratic": apart**2}[weights]
        drawn = (counts @ self.tables.reshape(len(self.tables), -1)).reshape(
            -1, num_values, num_values
        )
        total = drawn.sum(axis=(1, 2))
        observed = (drawn * cost).sum(axis=(1, 2))
        by_chance = drawn.sum(axis=2)[:, :, None] * drawn.sum(axis=1)[:, None, :]
        expected = (by_chance * cost).sum(axis=(1, 2))
        ratio = np.divide(
            total * observed, expected, out=np.full(len(counts), np.nan), where=expected > 0
        )
        kappa: FloatArray = 1 - ratio
        return kappa

    def kappa(self, weights: Weights) -> float | None:
        """Kappa of all clusters; None where it does not exist."""
        if len(self.tables) == 0:
            return None
        found = float(self.statistic(np.ones((1, len(self.tables))), weights)[0])
        return None if np.isnan(found) else found
