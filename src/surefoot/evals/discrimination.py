"""How well a score tells positives from negatives, whatever the threshold: AUROC and average precision.

Both are exact, treat equal scores as one group, and take weights of shape (..., S), such as the counts of a bootstrap,
of which each row gives one value.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from surefoot.errors import UsageError
from surefoot.stats import FloatArray

Flags: TypeAlias = "Sequence[bool] | NDArray[np.bool_]"
Scores: TypeAlias = "Sequence[float] | FloatArray"


def auroc(positive: Flags, scores: Scores) -> float:
    """The chance that a random positive scores higher than a random negative; equal scores count half.

    Raises:
        UsageError: no positives, no negatives, a NaN score, or lengths that differ.
    """
    flags, numbers = _checked(positive, scores)
    if flags.all() or not flags.any():
        raise UsageError(
            f"{int(flags.sum())} of {len(flags)} are positive; AUROC needs positives and negatives"
        )
    return float(weighted_auroc(flags, numbers, np.ones((1, len(flags))))[0])


def average_precision(positive: Flags, scores: Scores) -> float:
    """Mean precision at the rank of each positive, highest score first: sum of (recall gained) x (precision).

    Equal scores are taken in at once. A scorer that ranks at random reaches the share of positives.

    Raises:
        UsageError: no positives, a NaN score, or lengths that differ.
    """
    flags, numbers = _checked(positive, scores)
    if not flags.any():
        raise UsageError("none is positive; average precision needs at least one")
    return float(weighted_average_precision(flags, numbers, np.ones((1, len(flags))))[0])


def weighted_auroc(positive: Flags, scores: Scores, weights: FloatArray) -> FloatArray:
    """`auroc` with each element counted `weights[..., s]` times; NaN where one side weighs nothing."""
    flags, numbers = _checked(positive, scores)
    ups, downs = _tied_weights(flags, numbers, weights)
    below = np.cumsum(downs, axis=-1) - downs
    wins = np.sum(ups * (below + 0.5 * downs), axis=-1)
    return _ratio(wins, np.sum(ups, axis=-1) * np.sum(downs, axis=-1))


def weighted_average_precision(positive: Flags, scores: Scores, weights: FloatArray) -> FloatArray:
    """`average_precision` with each element counted `weights[..., s]` times; NaN without positives."""
    flags, numbers = _checked(positive, scores)
    ups, downs = (side[..., ::-1] for side in _tied_weights(flags, numbers, weights))
    found = np.cumsum(ups, axis=-1)
    taken = found + np.cumsum(downs, axis=-1)
    precision = np.divide(found, taken, out=np.zeros_like(found), where=taken > 0)
    return _ratio(np.sum(ups * precision, axis=-1), found[..., -1])


def _checked(positive: Flags, scores: Scores) -> tuple[NDArray[np.bool_], FloatArray]:
    flags = np.asarray(positive, dtype=np.bool_)
    numbers = np.asarray(scores, dtype=np.float64)
    if flags.ndim != 1 or flags.shape != numbers.shape or len(flags) == 0:
        raise UsageError(
            f"{flags.shape} flags for {numbers.shape} scores; give one of each per element, at least one"
        )
    if np.isnan(numbers).any():
        raise UsageError(
            f"{int(np.isnan(numbers).sum())} scores are NaN; rank them or leave them out"
        )
    return flags, numbers


def _tied_weights(
    flags: NDArray[np.bool_], numbers: FloatArray, weights: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Weight of positives and of negatives at each distinct score, lowest first: two arrays (..., distinct)."""
    order = np.argsort(numbers, kind="stable")
    ranked = numbers[order]
    starts = np.flatnonzero(np.r_[True, ranked[1:] != ranked[:-1]])
    ordered = weights[..., order]
    ups = np.add.reduceat(ordered * flags[order], starts, axis=-1)
    downs = np.add.reduceat(ordered * ~flags[order], starts, axis=-1)
    return ups, downs


def _ratio(above: FloatArray, below: FloatArray) -> FloatArray:
    return np.divide(above, below, out=np.full_like(above, np.nan), where=below > 0)
