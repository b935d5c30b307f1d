"""Whether probabilities mean what they say.

The probability here is that a step is right, p, and the label y in [0, 1] may be soft, such as the
share of rollouts that succeed. Figures are exact, without smoothing:

    Brier score     mean of (p - y)^2 (Brier 1950). With soft labels it is the distance to the
                    label, which is less by mean y (1 - y) than that to single draws from it.
    ECE             sum over bins of (share of the steps) * |mean p - mean y| (Guo et al. 2017,
                    arXiv:1706.04599, equation 3; of p itself where they take the confidence in the
                    likelier class, so that both kinds of step are seen). It is never below 0, so
                    few steps make it too high.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from surefoot.errors import UsageError
from surefoot.scores.steps import IntArray, ScoredSteps
from surefoot.stats import Estimate, FloatArray, Statistic, bootstrap

Binning = Literal["width", "mass"]
"""`width`: [0, 1/B), [1/B, 2/B), ... [1 - 1/B, 1]. `mass`: bins of about equally many steps, a step
in bin floor(B * r / S) if r of all S score lower; equal scores stay together, so a bin may be empty
and another large."""

NUM_BINS = 15


def brier(right: FloatArray, probability: FloatArray) -> float:
    """Mean squared distance of probabilities and labels, both (S,).

    Raises:
        UsageError: there are none, lengths differ, or a number lies outside [0, 1].
    """
    y, p = _checked(right, probability)
    return float(np.mean((p - y) ** 2))


def ece(
    right: FloatArray,
    probability: FloatArray,
    *,
    binning: Binning = "width",
    num_bins: int = NUM_BINS,
) -> float:
    """Expected calibration error of probabilities against labels, both (S,).

    Raises:
        UsageError: as `brier`, or there are no bins.
    """
    y, p = _checked(right, probability)
    gaps = np.bincount(bins_of(p, binning, num_bins), weights=p - y)
    return float(np.abs(gaps).sum() / len(y))


def cross_entropy(right: FloatArray, log_odds: FloatArray) -> float:
    """Mean of -y log p - (1 - y) log (1 - p), by log-odds so that nothing rounds to 0 or 1."""
    return float(np.mean(np.logaddexp(0.0, log_odds) - right * log_odds))


def bins_of(probability: FloatArray, binning: Binning, num_bins: int = NUM_BINS) -> IntArray:
    """The bin of each probability, shape (S,), from 0 on.

    Raises:
        UsageError: there are no bins, or the binning is neither width nor mass.
    """
    if num_bins < 1:
        raise UsageError(f"num_bins is {num_bins}; it must be at least 1")
    if binning == "width":
        edges = np.arange(1, num_bins) / num_bins
        return np.searchsorted(edges, probability, side="right")
    if binning != "mass":
        raise UsageError(f"binning is {binning!r}; it must be width or mass")
    lower = np.searchsorted(np.sort(probability), probability, side="left")
    return lower * num_bins // len(probability)


@dataclass(frozen=True)
class Bin:
    """The steps whose probabilities lie in [low, high]: their mean, how many there are, and the
    share of them that is right, with its interval."""

    low: float
    high: float
    mean: float
    right: Estimate
    num_steps: int

    def to_json(self) -> dict[str, object]:
        """Every field."""
        return {
            "low": self.low,
            "high": self.high,
            "mean": self.mean,
            "right": self.right.to_json(),
            "num_steps": self.num_steps,
        }


def reliability(
    steps: ScoredSteps,
    *,
    binning: Binning = "width",
    num_bins: int = NUM_BINS,
    seed: int = 0,
    num_resamples: int = 1000,
) -> tuple[Bin, ...]:
    """The bins that hold a step, lowest first: what a reliability diagram shows.

    Steps without a score have no part in it. Intervals come from a bootstrap over questions, with
    all traces of each; bins stay where they are.

    Raises:
        UsageError: the scores are no probabilities, or there are none.
    """
    kept = probable(steps)
    bins = bins_of(kept.score, binning, num_bins)
    owners, question = np.unique(kept.question, return_inverse=True)
    found = []
    for number in np.unique(bins):
        inside = bins == number
        p, y = kept.score[inside], kept.right[inside]
        share = bootstrap(
            _share_right(question[inside], y, len(owners)),
            len(owners),
            seed=seed,
            num_resamples=num_resamples,
        )
        found.append(Bin(float(p.min()), float(p.max()), float(p.mean()), share, len(p)))
    return tuple(found)


def probable(steps: ScoredSteps) -> ScoredSteps:
    """Those that have a score, which is a probability.

    Raises:
        UsageError: the scores are no probabilities, or there are none.
    """
    if steps.log_odds is None:
        raise UsageError("these scores are no probabilities, so there is nothing to calibrate")
    if not steps.scored.any():
        raise UsageError(f"none of {len(steps)} labelled steps has a score")
    return steps.among(steps.scored)


def _share_right(question: IntArray, right: FloatArray, num_questions: int) -> Statistic:
    """The mean label of some steps, for each row of counts of the questions."""
    totals = np.bincount(question, weights=right, minlength=num_questions)
    sizes = np.bincount(question, minlength=num_questions).astype(np.float64)

    def share(counts: FloatArray) -> FloatArray:
        drawn = counts @ sizes
        return np.divide(counts @ totals, drawn, out=np.full_like(drawn, np.nan), where=drawn > 0)

    return share


def _checked(right: FloatArray, probability: FloatArray) -> tuple[FloatArray, FloatArray]:
    y, p = np.asarray(right, dtype=np.float64), np.asarray(probability, dtype=np.float64)
    if y.ndim != 1 or y.shape != p.shape or len(y) == 0:
        raise UsageError(
            f"{y.shape} labels for {p.shape} probabilities; give one of each per step, at least one"
        )
    for name, numbers in (("label", y), ("probability", p)):
        if not ((numbers >= 0) & (numbers <= 1)).all():
            raise UsageError(f"a {name} lies outside [0, 1]; the scores must be probabilities")
    return y, p
