"""Dawid and Skene's model by expectation maximisation: the classes of items from coders who err.

An item has a true class j with probability p_j; coder c gives it value l with probability
pi^c_jl, independently of the other coders. With n_il^c how often c gave l to item i, and T_ij the
posterior of class j,

    pi^c_jl = (s + sum_i T_ij n_il^c) / sum_l (same)       (eq. 2.3)
    p_j     = (s + sum_i T_ij) / sum_j (same)              (eq. 2.4)
    T_ij    ~ p_j prod_c prod_l (pi^c_jl)^(n_il^c)         (eq. 2.5)

from T_ij = the share of votes for j (eq. 3.1). s, which the paper does not have, is a pseudo-count:
the maximum of the posterior under Dirichlet priors with all parameters 1 + s. Items with the same
votes are one row with a weight, and an item may have a known class.

The likelihood is the same when classes are renamed. Starting from shares of votes finds the naming
under which coders are right more often than not, and the classes are renamed at the end to the one
of highest expected agreement with the votes, sum_c sum_j p_j pi^c_jj.

Reference: Dawid and Skene 1979, Maximum Likelihood Estimation of Observer Error-Rates Using the EM
Algorithm (Applied Statistics 28, 20-28).
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import permutations

import numpy as np
from numpy.typing import NDArray

from surefoot.errors import UsageError
from surefoot.stats import FloatArray


@dataclass(frozen=True)
class Estimates:
    """What was estimated for K classes, C coders and P rows.

    `prior` (K,), `confusion` (C, K, K) from true class to given value, `posterior` (P, K).
    `objective` is the log of likelihood times prior before each update of `posterior`, `renamed`
    whether the classes had to be.
    """

    prior: FloatArray
    confusion: FloatArray
    posterior: FloatArray
    objective: tuple[float, ...]
    converged: bool
    renamed: bool


def fit_em(
    votes: FloatArray,
    weights: FloatArray | None = None,
    *,
    known: NDArray[np.int64] | None = None,
    smoothing: float = 1.0,
    tolerance: float = 1e-9,
    max_iterations: int = 1000,
) -> Estimates:
    """Fit the model to votes of shape (P, C, K): how often coder c gave row p the value l.

    Args:
        votes: Not negative; fractions are allowed. A row without a vote keeps the prior.
        weights: How many items each row stands for, (P,); 1 each if None.
        known: The class of each row where it is known, else -1, (P,).
        smoothing: The pseudo-count s.
        tolerance: Converged when no parameter changes by more in an iteration.
        max_iterations: Where to stop if that does not happen.

    Raises:
        UsageError: shapes or numbers that cannot be, or no votes at all.
    """
    num_rows, num_coders, num_classes = _checked(votes, smoothing)
    weight = np.ones(num_rows) if weights is None else np.asarray(weights, dtype=np.float64)
    fixed = np.full(num_rows, -1) if known is None else known
    given = np.flatnonzero(fixed >= 0)
    posterior = _shares(votes)
    posterior[given] = np.eye(num_classes)[fixed[given]]
    objective: list[float] = []
    before = np.full(num_classes + num_coders * num_classes**2, np.inf)
    converged = False
    for _ in range(max_iterations):
        confusion = _normal(np.einsum("p,pj,pcl->cjl", weight, posterior, votes) + smoothing)
        prior = _normal((weight[:, None] * posterior).sum(axis=0) + smoothing)
        joint = _log(prior) + _weighted_log(votes, confusion)
        scale = joint.max(axis=1, keepdims=True)
        likely = np.exp(joint - scale)
        total = np.log(likely.sum(axis=1)) + scale[:, 0]
        total[given] = joint[given, fixed[given]]
        penalty = smoothing * (_log(prior).sum() + _log(confusion).sum()) if smoothing else 0.0
        objective.append(float(weight @ total + penalty))
        posterior = likely / likely.sum(axis=1, keepdims=True)
        posterior[given] = np.eye(num_classes)[fixed[given]]
        now = np.concatenate([prior, confusion.ravel()])
        converged = bool(np.max(np.abs(now - before)) <= tolerance)
        if converged:
            break
        before = now
    order = _naming(prior, confusion) if len(given) == 0 else tuple(range(num_classes))
    chosen = list(order)
    return Estimates(
        prior=prior[chosen],
        confusion=confusion[:, chosen, :],
        posterior=posterior[:, chosen],
        objective=tuple(objective),
        converged=converged,
        renamed=order != tuple(range(num_classes)),
    )


def posterior_of(votes: FloatArray, prior: FloatArray, confusion: FloatArray) -> FloatArray:
    """The posterior of each class for rows of votes, (P, C, K) to (P, K), by eq. 2.5."""
    joint = _log(prior) + _weighted_log(votes, confusion)
    likely = np.exp(joint - joint.max(axis=1, keepdims=True))
    posterior: FloatArray = likely / likely.sum(axis=1, keepdims=True)
    return posterior


def _checked(votes: FloatArray, smoothing: float) -> tuple[int, int, int]:
    if votes.ndim != 3 or votes.shape[2] < 2:
        raise UsageError(f"votes have shape {votes.shape}; give (rows, coders, 2 classes or more)")
    if not np.isfinite(votes).all() or (votes < 0).any():
        raise UsageError("votes must be finite and not negative")
    if not votes.any():
        raise UsageError("there are no votes at all; name sources that the traces have labels of")
    if not 0 <= smoothing < np.inf:
        raise UsageError(f"smoothing is {smoothing}; it must be 0 or more")
    num_rows, num_coders, num_classes = votes.shape
    return num_rows, num_coders, num_classes


def _shares(votes: FloatArray) -> FloatArray:
    """The share of the votes for each class, (P, K); all alike where there is none."""
    totals = votes.sum(axis=1)
    among = totals.sum(axis=1, keepdims=True)
    even = np.full_like(totals, 1 / totals.shape[1])
    shares: FloatArray = np.divide(totals, among, out=even, where=among > 0)
    return shares


def _normal(counts: FloatArray) -> FloatArray:
    """Divided by the sums over the last axis; even where the sum is 0."""
    totals = counts.sum(axis=-1, keepdims=True)
    even = np.full_like(counts, 1 / counts.shape[-1])
    normal: FloatArray = np.divide(counts, totals, out=even, where=totals > 0)
    return normal


def _log(values: FloatArray) -> FloatArray:
    with np.errstate(divide="ignore"):
        logs: FloatArray = np.log(values)
    return logs


def _weighted_log(votes: FloatArray, confusion: FloatArray) -> FloatArray:
    """sum_c sum_l n log pi, (P, K), where no votes for what never happens count as 0."""
    logs = _log(confusion)
    never = np.isneginf(logs)
    total: FloatArray = np.einsum("pcl,cjl->pj", votes, np.where(never, 0.0, logs))
    total[np.einsum("pcl,cjl->pj", votes, never.astype(np.float64)) > 0] = -np.inf
    return total


def _naming(prior: FloatArray, confusion: FloatArray) -> tuple[int, ...]:
    """The order of the classes under which coders agree most with them; as they are in a tie."""
    num_classes = len(prior)
    agreement = np.einsum("j,cjl->jl", prior, confusion)
    orders = permutations(range(num_classes))
    return max(orders, key=lambda one: round(sum(agreement[j, i] for i, j in enumerate(one)), 12))
