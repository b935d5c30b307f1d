"""Logistic regression on a handful of features, for asking how far they go."""

from __future__ import annotations

import numpy as np

from surefoot.stats import FloatArray
from surefoot.training.guards.columns import Flags

_MOST_ROUNDS = 50


def fit_logistic(features: FloatArray, positive: Flags, *, ridge: float = 1.0) -> FloatArray:
    """Weights (F + 1,), the last one the intercept, that minimise over S rows

        sum_s log(1 + exp(-y_s z_s)) + ridge / 2 |w|^2,   y in {-1, 1}, z = x w + b,

    by Newton's method (Hastie et al. 2009, The Elements of Statistical Learning, 4.4.1, with a
    penalty on all weights but the intercept). `features` is (S, F), best of unit scale.
    """
    x = np.c_[features, np.ones(len(features))]
    penalty = np.r_[np.full(features.shape[1], ridge), 1e-9]
    weights = np.zeros(x.shape[1])
    for _ in range(_MOST_ROUNDS):
        z = x @ weights
        p = _sigmoid(z)
        gradient = x.T @ (p - positive) + penalty * weights
        curvature = (x * (p * (1 - p))[:, None]).T @ x + np.diag(penalty)
        step = np.linalg.solve(curvature, gradient)
        weights = weights - step
        if np.abs(step).max() < 1e-8:
            break
    return weights


def log_odds(features: FloatArray, weights: FloatArray) -> FloatArray:
    """z of each row, (S,)."""
    found: FloatArray = features @ weights[:-1] + weights[-1]
    return found


def _sigmoid(z: FloatArray) -> FloatArray:
    found: FloatArray = 0.5 * (1 + np.tanh(z / 2))
    return found
