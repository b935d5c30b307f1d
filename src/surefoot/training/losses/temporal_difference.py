"""TD(lambda): the value of a step is learned from the values of those behind it, and the outcome.

    G_T = z,    G_t = gamma [(1 - lambda) V_{t+1} + lambda G_{t+1}]    for t < T
    loss = - sum_t [G_t log V_t + (1 - G_t) log(1 - V_t)],    V = sigmoid(margin)

over the steps t = 1, .., T of traces with the outcome z, with no gradient through G (the recursive
form of the lambda-return, Sutton and Barto 2018, eq. 12.2 and exercise 12.1, where the only reward
is the outcome). With lambda = 1 every step is taught the outcome, with lambda = 0 only what the
next step is worth, which has less noise and is wrong as long as the values are.

The gradient of the cross-entropy with respect to the log-odds is the TD error V_t - G_t, where
semi-gradient TD has V_t (1 - V_t) times that. TDRM (Zhang et al. 2025, arXiv:2509.15110) uses the
same cross-entropy with n-step returns in place of the lambda-return and with a reward of its own
for every step; such returns may leave [0, 1] and are clamped there, ours cannot.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits

from surefoot.errors import UsageError
from surefoot.training.losses.loss import Targets, margin, step_ends


@dataclass(frozen=True, slots=True)
class TemporalDifference:
    """Needs outcomes and no step labels; every step takes part where the outcome is known."""

    lam: float = 0.9
    """How much of the outcome, rather than of the next step's value, a step is taught: lambda, in
    [0, 1]."""
    gamma: float = 1.0
    """Discount for every step that is still to come, in (0, 1]. Below 1 a value is no longer the
    probability of a right answer."""

    def __post_init__(self) -> None:
        if not 0 <= self.lam <= 1:
            raise UsageError(f"lam is {self.lam}; it must be between 0 and 1")
        if not 0 < self.gamma <= 1:
            raise UsageError(f"gamma is {self.gamma}; it must be above 0 and at most 1")

    def units(self, targets: Targets) -> Tensor:
        """The number of steps in traces whose outcome is known."""
        return targets.outcome_weight[targets.trace[step_ends(targets)]].sum()

    def __call__(self, logits: Tensor, targets: Targets) -> Tensor:
        """Summed over the steps of traces whose outcome is known."""
        ends = step_ends(targets)
        odds = margin(logits[ends])
        owner = targets.trace[ends]
        return binary_cross_entropy_with_logits(
            odds,
            self._returns(odds.detach().sigmoid(), owner, targets.outcome[owner]),
            targets.outcome_weight[owner],
            reduction="sum",
        )

    def _returns(self, values: Tensor, owner: Tensor, outcome: Tensor) -> Tensor:
        """What each step is taught; the steps of a trace lie behind each other."""
        returns = outcome.to(values, copy=True)
        sizes = owner.bincount()
        to_come = sizes.cumsum(0).repeat_interleave(sizes) - 1 - torch.arange(len(owner)).to(owner)
        for number in range(1, int(sizes.max()) if len(sizes) else 0):
            here = (to_come == number).nonzero()[:, 0]
            later = (1 - self.lam) * values[here + 1] + self.lam * returns[here + 1]
            returns[here] = self.gamma * later
        return returns
