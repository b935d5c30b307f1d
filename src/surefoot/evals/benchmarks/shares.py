"""Statistics that are made of sums over units, as functions of how often each unit is drawn."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from surefoot.stats import FloatArray, Statistic

Units: TypeAlias = NDArray[np.int64]
"""The unit of each element, such as the trace of each step."""


def summed(values: object, units: Units, num_units: int) -> FloatArray:
    """The sum of some elements' values in each unit, shape (U,)."""
    weights = np.asarray(values, np.float64)
    total: FloatArray = np.bincount(units, weights=weights, minlength=num_units).astype(np.float64)
    return total


def ratio(above: FloatArray, below: FloatArray) -> Statistic:
    """The sum of one quantity (U,) over that of another; NaN where there is none of the other."""
    return lambda counts: divided(counts @ above, counts @ below)


def f1(hits: FloatArray, misses: FloatArray) -> Statistic:
    """2 hits / (2 hits + misses), misses being false positives and false negatives of each unit.

    It is 0 where nothing is hit, and NaN where there is neither anything to find nor anything
    found; there the harmonic mean of precision and recall divides zero by zero.
    """
    return ratio(2 * hits, 2 * hits + misses)


def correlation(
    true_pos: FloatArray, true_neg: FloatArray, false_pos: FloatArray, false_neg: FloatArray
) -> Statistic:
    """Matthews correlation of a confusion; 0 where one kind is never seen or never said.

    Reference: Matthews 1975, doi:10.1016/0005-2795(75)90109-9.
    """

    def statistic(counts: FloatArray) -> FloatArray:
        tp, tn, fp, fn = (counts @ one for one in (true_pos, true_neg, false_pos, false_neg))
        below = np.sqrt((tp + fp) * (tp + fn) * (tn + fp) * (tn + fn))
        return np.divide(tp * tn - fp * fn, below, out=np.zeros_like(below), where=below > 0)

    return statistic


def mean(statistics: Sequence[Statistic]) -> Statistic:
    """The mean of several figures; NaN where there are none, or one of them is."""

    def statistic(counts: FloatArray) -> FloatArray:
        if not statistics:
            return np.full(len(counts), np.nan)
        total: FloatArray = np.mean([one(counts) for one in statistics], axis=0)
        return total

    return statistic


def mean_of_defined(statistics: Sequence[Statistic]) -> Statistic:
    """The mean of those of several figures that exist on the resample; NaN where none does."""

    def statistic(counts: FloatArray) -> FloatArray:
        if not statistics:
            return np.full(len(counts), np.nan)
        each = np.stack([one(counts) for one in statistics])
        known = np.isfinite(each)
        return divided(np.where(known, each, 0.0).sum(axis=0), known.sum(axis=0).astype(np.float64))

    return statistic


def undefined(counts: FloatArray) -> FloatArray:
    """A figure that the data do not define."""
    return np.full(len(counts), np.nan)


def divided(above: FloatArray, below: FloatArray) -> FloatArray:
    """One by the other, NaN where that is by zero."""
    return np.divide(above, below, out=np.full_like(above, np.nan), where=below != 0)
