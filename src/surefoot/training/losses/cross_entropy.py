"""Cross-entropy between a label, hard or soft, and the classes read at its step.

    loss = - sum_m w_m sum_c y_mc log softmax(z_m)_c

over the labelled places m and the classes c (Lightman et al. 2023, arXiv:2305.20050, for hard
labels; Wang et al. 2024, Math-Shepherd, arXiv:2312.08935, eq. 5, for soft ones). With two classes y
is (wrong, right), with three (wrong, neutral, right); a single logit z is read as the classes
(0, z), which is a sigmoid. A head without a neutral class learns nothing from a neutral share.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import log_softmax, pad

from surefoot.training.losses.loss import Targets


@dataclass(frozen=True, slots=True)
class CrossEntropy:
    """The default."""

    def units(self, targets: Targets) -> Tensor:
        """The weight of all labels."""
        return targets.weight.sum()

    def __call__(self, logits: Tensor, targets: Targets) -> Tensor:
        """Summed over the labelled places."""
        if logits.shape[-1] == 1:
            logits = pad(logits, (1, 0))
        shares = [1 - targets.good - targets.neutral, targets.good]
        if logits.shape[-1] == 3:
            shares.insert(1, targets.neutral)
        each = -(torch.stack(shares, -1) * log_softmax(logits, -1)).sum(-1)
        return (targets.weight * each).sum()
