"""Binomial likelihood of k successes in n trials, for labels that come from rollouts or votes.

    loss = - sum_m [k_m log p_m + (n_m - k_m) log(1 - p_m)],    p = sigmoid(margin)

over the labelled places m, without the binomial coefficient, which does not depend on p. It equals
cross-entropy with the target k/n and the weight n: 6 of 8 and 3 of 4 pull towards the same value,
the first twice as hard, where cross-entropy on the ratio alone (Math-Shepherd's soft labels,
arXiv:2312.08935, eq. 5) takes both to be equally sure. A label without counts is one trial.
"""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor
from torch.nn.functional import logsigmoid

from surefoot.training.losses.loss import Targets, margin


@dataclass(frozen=True, slots=True)
class Binomial:
    """Each trial weighs the same, so a label weighs as much as it has trials. A neutral class of
    its own counts as no success."""

    def units(self, targets: Targets) -> Tensor:
        """All trials."""
        return targets.trials.sum()

    def __call__(self, logits: Tensor, targets: Targets) -> Tensor:
        """Summed over the labelled places."""
        odds = margin(logits)
        failures = targets.trials - targets.successes
        return -(targets.successes * logsigmoid(odds) + failures * logsigmoid(-odds)).sum()
