"""Pairwise preference: the better of two places should get the higher reward (Bradley-Terry).

    loss = - sum_pairs log sigmoid(r_better - r_worse - margin)

(Stiennon et al. 2020, arXiv:2009.01325, section 3.4; Ouyang et al. 2022, arXiv:2203.02155, eq. 1;
the margin is that of Touvron et al. 2023, arXiv:2307.09288, eq. 2, but one for all pairs.) Ouyang
et al. divide by the pairs of each prompt; here every pair weighs the same, and
`surefoot.training.pairs` bounds how many of them a prompt gives.

Places are steps behind the same steps, or the ends of traces. Where rewards are log-ratios beta
log(pi / pi_ref) summed up to the ends of a right and a wrong trace, this is DPO (Rafailov et al.
2023, arXiv:2305.18290, eq. 7), and so the DPO form of an implicit PRM (Yuan et al. 2024,
arXiv:2412.01981).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from torch import Tensor
from torch.nn.functional import logsigmoid

from surefoot.errors import UsageError
from surefoot.training.losses import loss
from surefoot.training.losses.loss import Targets


@dataclass(frozen=True, slots=True)
class Pairwise:
    """Only differences of rewards are learned, so what the model says of one place alone has no
    zero point."""

    margin: float = 0.0
    """How far apart rewards, which are log-odds where a head has classes, should be at least."""

    def __post_init__(self) -> None:
        if not 0 <= self.margin < math.inf:
            raise UsageError(f"margin is {self.margin}; it must not be negative")

    def units(self, targets: Targets) -> Tensor:
        """The number of pairs."""
        return targets.weight.new_tensor(len(targets.pairs))

    def __call__(self, logits: Tensor, targets: Targets) -> Tensor:
        """Summed over the pairs."""
        better, worse = loss.margin(logits)[targets.pairs].unbind(-1)
        return -logsigmoid(better - worse - self.margin).sum()
