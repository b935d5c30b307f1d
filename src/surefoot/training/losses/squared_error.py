"""Squared error between a label and the value read at its step.

    loss = sum_m w_m (v_m - y_m)^2,    v = sigmoid(margin)

over the labelled places m (the score of Brier 1950; the objective of value models such as the one
of ReST-MCTS*, Zhang et al. 2024, arXiv:2406.03816). `raw` takes v to be the one number read itself,
not squeezed into [0, 1], as a linear regression on labels does.
"""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from surefoot.errors import UsageError
from surefoot.training.losses.loss import Targets, margin


@dataclass(frozen=True, slots=True)
class SquaredError:
    """Less steep than cross-entropy where the model is sure and wrong."""

    raw: bool = False
    """Compare labels with the number itself; for heads that read a single one."""

    def units(self, targets: Targets) -> Tensor:
        """The weight of all labels."""
        return targets.weight.sum()

    def __call__(self, logits: Tensor, targets: Targets) -> Tensor:
        """Summed over the labelled places.

        Raises:
            UsageError: `raw` is asked of a head of several classes.
        """
        if self.raw and logits.shape[-1] != 1:
            raise UsageError(
                f"squared error on the raw number needs a head that reads one; this one reads "
                f"{logits.shape[-1]}: leave raw out, or read a reward"
            )
        value = logits[:, 0] if self.raw else margin(logits).sigmoid()
        return (targets.weight * (value - targets.good).square()).sum()
