"""Calibrations fitted to labelled steps: a temperature with a bias, or an isotonic line.

Both take log-odds of probabilities as they were read and labels in [0, 1], and both need labels
that rise with the scores: what turns the order round is no calibration.
"""

from __future__ import annotations

import numpy as np

from surefoot.errors import UsageError
from surefoot.models.calibration import Calibration
from surefoot.scores.calibration import cross_entropy
from surefoot.scores.steps import IntArray
from surefoot.stats import FloatArray

FEWEST = 10
LARGEST = 36.0
"""Log-odds, about those of the last number below 1, beyond which none go into a fit: those of 0 and
1 would outweigh all others."""
LEVEL = 1e-6
"""By how much, in log-odds, a line that is called level rises: equal scores tell less."""
_FALLING = (
    "the scores do not rise with the labels, so that no calibration keeps their order; look at the "
    "step AUROC first"
)


def fit_temperature(log_odds: FloatArray, right: FloatArray, *, bias: bool = True) -> Calibration:
    """The temperature (and bias) of least cross-entropy on labelled steps, both (S,).

    The problem is convex; Newton's method with halved steps solves it exactly (Lin, Lin and Weng
    2007). Labels are pulled in a little as Platt does, so that a solution exists where scores
    separate the kinds completely.

    Raises:
        UsageError: nothing to fit: labels of one kind, equal scores, or scores that do not rise
            with the labels.
    """
    y, z = _to_fit(right, log_odds)
    middle = float(z.mean()) if bias else 0.0
    width = float(np.sqrt(np.mean((z - middle) ** 2)))
    if width <= 0:
        raise UsageError(f"all {len(z)} scores are the same; there is no temperature to fit")
    x = np.stack([(z - middle) / width, np.ones(len(z))][: 1 + bias], axis=1)
    found = _newton(x, y)
    if found[0] < LEVEL:
        raise UsageError(_FALLING)
    slope = float(found[0]) / width
    return Calibration(
        temperature=1 / slope, bias=float(found[1]) - slope * middle if bias else 0.0
    )


def fit_isotonic(log_odds: FloatArray, right: FloatArray, *, fewest: int = FEWEST) -> Calibration:
    """The line through the middles of the blocks of an isotonic regression on labelled steps, both
    (S,); level from the middles of the first and the last block to their ends.

    Equal scores are one point of the regression. Labels are pulled in as in `fit_temperature`, so
    that no knot is at 0 or 1.

    Args:
        log_odds: Of the probabilities as they are read.
        right: Labels in [0, 1].
        fewest: Labels, of neighbouring scores, that are one point at least. With 1 a single label
            can be a block.

    Raises:
        UsageError: as `fit_temperature`.
    """
    labels, z = _to_fit(right, log_odds)
    order = np.argsort(z, kind="stable")
    labels, z = labels[order], z[order]
    points = _points(z, fewest)
    if len(points) == 1:
        raise UsageError(
            f"{len(z)} labels are too few for points of {fewest}, or their scores are all the "
            "same; fit a temperature"
        )
    sizes = np.diff(np.r_[points, len(z)])
    blocks = points[pooled(np.add.reduceat(labels, points), sizes)]
    if len(blocks) == 1:
        raise UsageError(_FALLING)
    sizes = np.diff(np.r_[blocks, len(z)])
    lasts = blocks + sizes - 1
    middles = np.clip(np.add.reduceat(z, blocks) / sizes, z[blocks], z[lasts])
    shares = np.add.reduceat(labels, blocks) / sizes
    x, y = middles.tolist(), (np.log(shares) - np.log1p(-shares)).tolist()
    if z[0] < x[0]:
        x, y = [float(z[0]), *x], [y[0] - LEVEL, *y]
    if z[-1] > x[-1]:
        x, y = [*x, float(z[-1])], [*y, y[-1] + LEVEL]
    return Calibration(kind="isotonic", x=tuple(x), y=tuple(y))


def pooled(totals: FloatArray, sizes: IntArray) -> IntArray:
    """Where the blocks of an isotonic regression begin, shape (B,): pool adjacent violators (Ayer
    et al. 1955).

    Of D points in order, point d stands for `sizes[d]` labels with the sum `totals[d]`. The mean of
    each block is the rising sequence that is nearest to all labels by squares. Blocks whose means
    are within 1e-9 are one.
    """
    blocks: list[tuple[float, int, int]] = []
    for begin, (total, size) in enumerate(zip(totals.tolist(), sizes.tolist(), strict=True)):
        while blocks and blocks[-1][0] / blocks[-1][1] >= total / size - 1e-9:
            before = blocks.pop()
            total, size, begin = total + before[0], size + before[1], before[2]
        blocks.append((total, size, begin))
    return np.array([begin for _, _, begin in blocks], dtype=np.int64)


def _points(ranked: FloatArray, fewest: int) -> IntArray:
    """Where each group of at least `fewest` of some sorted numbers begins; equal ones stay
    together, and what is left over at the end joins the last."""
    if fewest < 1:
        raise UsageError(f"fewest is {fewest}; it must be at least 1")
    begins = [0]
    for begin in np.flatnonzero(ranked[1:] != ranked[:-1]) + 1:
        if begin - begins[-1] >= fewest:
            begins.append(int(begin))
    if len(begins) > 1 and len(ranked) - begins[-1] < fewest:
        begins.pop()
    return np.array(begins, dtype=np.int64)


def _newton(x: FloatArray, y: FloatArray) -> FloatArray:
    """The coefficients (K,) of least cross-entropy of the sigmoid of x (S, K) @ coefficients with
    y in (0, 1)."""

    def loss(c: FloatArray) -> float:
        return cross_entropy(y, x @ c)

    found = np.zeros(x.shape[1])
    while True:
        p = 1 / (1 + np.exp(-np.clip(x @ found, -700, 700)))
        gradient = x.T @ (p - y) / len(y)
        step = np.linalg.solve((x.T * (p * (1 - p))) @ x / len(y), gradient)
        gain = float(gradient @ step)
        if gain < 1e-12:
            return found - step
        share, now = 1.0, loss(found)
        while loss(found - share * step) > now - 1e-4 * share * gain:
            share /= 2
        found = found - share * step


def _to_fit(right: FloatArray, log_odds: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Labels pulled in, and log-odds within `LARGEST`: N1 right and N0 wrong labels become
    (N1 + 1) / (N1 + 2) and 1 / (N0 + 2) (Platt 1999, section 2.2), a soft one what lies between."""
    if right.ndim != 1 or right.shape != log_odds.shape or len(right) == 0:
        raise UsageError(
            f"{right.shape} labels for {log_odds.shape} scores; give one of each per step, at "
            "least one"
        )
    if np.isnan(log_odds).any() or not ((right >= 0) & (right <= 1)).all():
        raise UsageError("a score is NaN, or a label outside [0, 1]; leave such steps out")
    num_right = float(right.sum())
    num_wrong = len(right) - num_right
    if not (num_right > 0 and num_wrong > 0):
        raise UsageError(
            f"all {len(right)} labels are of one kind; calibration needs right and wrong steps"
        )
    low, high = 1 / (num_wrong + 2), (num_right + 1) / (num_right + 2)
    return low + (high - low) * right, np.clip(log_odds, -LARGEST, LARGEST)
