"""How sure a figure is: bootstrap intervals over units, paired differences, intervals over seeds.

A unit is what was drawn independently: a problem or a trace, never a step or one of several
candidates of the same problem. One resample is a row of counts that says how often each unit was
drawn, so that any statistic that can be weighted can be bootstrapped without copying data.

Reference: Efron and Tibshirani 1993, An Introduction to the Bootstrap, chapters 13 (percentile
intervals) and 15 (p-values by turning an interval round).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from surefoot.errors import UsageError

FloatArray: TypeAlias = NDArray[np.float64]
Values: TypeAlias = "Sequence[float] | Sequence[bool] | NDArray[np.float64] | NDArray[np.bool_]"

Statistic: TypeAlias = Callable[[FloatArray], FloatArray]
"""From counts of shape (R, U), one row per resample of U units, to R values; NaN where a value does
not exist."""

_CELLS_AT_ONCE = 500_000


@dataclass(frozen=True)
class Estimate:
    """A figure and the ends of its interval, all in the unit of the figure."""

    mean: float
    low: float
    high: float

    def to_json(self) -> dict[str, float]:
        """`{"mean", "low", "high"}`, not rounded."""
        return {"mean": self.mean, "low": self.low, "high": self.high}


@dataclass(frozen=True)
class Difference(Estimate):
    """A difference and its interval, with the two-sided p-value of "there is none"."""

    p_value: float

    def to_json(self) -> dict[str, float]:
        """`{"mean", "low", "high", "p_value"}`, not rounded."""
        return {**super().to_json(), "p_value": self.p_value}


def bootstrap(
    statistic: Statistic,
    num_units: int,
    *,
    seed: int,
    num_resamples: int = 1000,
    level: float = 0.95,
) -> Estimate:
    """Percentile bootstrap of any statistic over `num_units` units.

    `mean` is the statistic of the data as they are. Resamples in which the statistic does not exist
    (NaN, such as a recall without positives) do not enter the interval. With few units (below about
    20) the interval is too narrow.

    Raises:
        UsageError: no units, a level outside (0, 1), fewer than 2 resamples, or a statistic that
            does not exist on the data as they are.
    """
    mean, resampled = _resampled(statistic, num_units, seed, num_resamples)
    return estimate_from(mean, resampled, level=level)


def estimate_from(mean: float, resampled: FloatArray, *, level: float = 0.95) -> Estimate:
    """What `bootstrap` gives for a statistic that is `mean` on the data and `resampled` (R,) on the
    resamples; those that are NaN do not count."""
    return Estimate(mean, *_percentiles(resampled[~np.isnan(resampled)], level))


def bootstrap_each(
    statistics: Statistic,
    num_units: int,
    *,
    seed: int,
    num_resamples: int = 1000,
    level: float = 0.95,
) -> list[Estimate | None]:
    """As `bootstrap`, of K statistics at once on the same resamples.

    `statistics` gives values (R, K) for counts (R, U). None for one that does not exist on the data
    as they are.

    Raises:
        UsageError: no units, a level outside (0, 1), or fewer than 2 resamples.
    """
    _check_level(level)
    _check_sizes(num_units, num_resamples)
    means = statistics(np.ones((1, num_units)))[0]
    blocks = [statistics(counts) for counts in resamples(num_units, seed, num_resamples)]
    resampled = np.concatenate(blocks)
    return [
        Estimate(float(mean), *_percentiles(column[~np.isnan(column)], level))
        if math.isfinite(mean)
        else None
        for mean, column in zip(means, resampled.T, strict=True)
    ]


def bootstrap_mean(
    values: Values, *, seed: int, num_resamples: int = 1000, level: float = 0.95
) -> Estimate:
    """Percentile bootstrap of the mean of one value per unit, shape (U,).

    Raises:
        UsageError: no values, or values that are not finite.
    """
    units = _units(values, "values")
    return bootstrap(
        lambda counts: counts @ units / len(units),
        len(units),
        seed=seed,
        num_resamples=num_resamples,
        level=level,
    )


def bootstrap_difference(
    statistic: Statistic,
    num_units: int,
    *,
    seed: int,
    num_resamples: int = 1000,
    level: float = 0.95,
) -> Difference:
    """As `bootstrap`, of a statistic that is a difference, with a two-sided p-value.

    The p-value is twice the smaller share of resamples on either side of zero, counting ties on
    both sides and one resample more than were drawn, so that it is never 0: at most 1, at least 2 /
    (num_resamples + 1).
    """
    mean, resampled = _resampled(statistic, num_units, seed, num_resamples)
    return difference_from(mean, resampled, level=level)


def difference_from(mean: float, resampled: FloatArray, *, level: float = 0.95) -> Difference:
    """What `bootstrap_difference` gives, as `estimate_from`."""
    kept = resampled[~np.isnan(resampled)]
    tail = min(int(np.sum(kept <= 0)), int(np.sum(kept >= 0)))
    p_value = min(1.0, 2 * (tail + 1) / (len(kept) + 1))
    return Difference(mean, *_percentiles(kept, level), p_value)


def paired_difference(
    a: Values, b: Values, *, seed: int, num_resamples: int = 1000, level: float = 0.95
) -> Difference:
    """The mean of `a - b` over units that both were measured on, in the same order; both of shape
    (U,).

    Raises:
        UsageError: lengths differ, no values, or values that are not finite.
    """
    first, second = _units(a, "a"), _units(b, "b")
    if len(first) != len(second):
        raise UsageError(
            f"a has {len(first)} units and b {len(second)}; a paired difference needs the same "
            "units in the same order"
        )
    gaps = first - second
    return bootstrap_difference(
        lambda counts: counts @ gaps / len(gaps),
        len(gaps),
        seed=seed,
        num_resamples=num_resamples,
        level=level,
    )


def over_seeds(values: Values, *, level: float = 0.95) -> Estimate:
    """Mean over training seeds with Student's t interval (values taken as normal, one per seed, n -
    1 degrees).

    Raises:
        UsageError: fewer than two seeds, or values that are not finite.
    """
    runs = _units(values, "values")
    if len(runs) < 2:
        raise UsageError(
            "an interval over seeds needs at least two seeds; one says nothing of the spread"
        )
    _check_level(level)
    mean = float(runs.mean())
    half = _t_quantile(level, len(runs) - 1) * float(runs.std(ddof=1)) / math.sqrt(len(runs))
    return Estimate(mean, mean - half, mean + half)


def _units(values: Values, name: str) -> FloatArray:
    units = np.asarray(values, dtype=np.float64)
    if units.ndim != 1 or len(units) == 0:
        raise UsageError(f"{name} has shape {units.shape}; give one number per unit, at least one")
    if not np.isfinite(units).all():
        raise UsageError(f"{name} holds {np.sum(~np.isfinite(units))} numbers that are not finite")
    return units


def _check_level(level: float) -> None:
    if not 0 < level < 1:
        raise UsageError(f"level is {level}; it must lie between 0 and 1, such as 0.95")


def _check_sizes(num_units: int, num_resamples: int) -> None:
    if num_units < 1 or num_resamples < 2:
        raise UsageError(
            f"{num_units} units and {num_resamples} resamples; a bootstrap needs at least 1 and 2"
        )


def resamples(num_units: int, seed: int, num_resamples: int) -> Iterator[FloatArray]:
    """The resamples of a bootstrap: blocks of rows of counts, (rows, U); each row sums to U."""
    rng = np.random.default_rng(seed)
    block = max(1, _CELLS_AT_ONCE // num_units)
    for start in range(0, num_resamples, block):
        rows = min(block, num_resamples - start)
        drawn = rng.integers(0, num_units, size=(rows, num_units))
        drawn += np.arange(rows)[:, None] * num_units
        counts = np.bincount(drawn.ravel(), minlength=rows * num_units)
        yield counts.reshape(rows, num_units).astype(np.float64)


def _resampled(
    statistic: Statistic, num_units: int, seed: int, num_resamples: int
) -> tuple[float, FloatArray]:
    """The statistic of the data, and of each resample, NaN where it does not exist."""
    _check_sizes(num_units, num_resamples)
    mean = float(statistic(np.ones((1, num_units)))[0])
    if not math.isfinite(mean):
        raise UsageError("the statistic does not exist on these data, so it has no interval")
    blocks = [statistic(counts) for counts in resamples(num_units, seed, num_resamples)]
    return mean, np.concatenate(blocks)


def _percentiles(resampled: FloatArray, level: float) -> tuple[float, float]:
    _check_level(level)
    if len(resampled) == 0:
        raise UsageError("the statistic exists on none of the resamples, so it has no interval")
    low, high = np.quantile(resampled, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def _t_quantile(level: float, degrees: int) -> float:
    """The t with P(|T| <= t) = level, by bisection on the angle atan(t / sqrt(degrees))."""
    low, high = 0.0, math.pi / 2
    for _ in range(100):
        middle = (low + high) / 2
        if _t_mass(middle, degrees) < level:
            low = middle
        else:
            high = middle
    return math.tan(low) * math.sqrt(degrees)


def _t_mass(angle: float, degrees: int) -> float:
    """P(|T| <= tan(angle) * sqrt(degrees)): Abramowitz and Stegun 1964, 26.7.3 and 26.7.4."""
    sine, cosine = math.sin(angle), math.cos(angle)
    odd = degrees % 2 == 1
    term = cosine if odd else 1.0
    total = 0.0
    for power in range(3 if odd else 2, degrees + 1, 2):
        total += term
        term *= cosine * cosine * (power - 1) / power
    return 2 / math.pi * (angle + sine * total) if odd else sine * total
