"""PQM's comparative loss: the steps of a trace are ranked, not classified.

For a trace with right steps c_1, c_2, .. (in order) and wrong steps W, of which Q is the margin,

    loss = - 1/|T| sum_{t in T} log [ exp Q_{c_t} / (sum_{q <= t} exp Q_{c_q}
                                                     + sum_{w in W} exp(Q_w + zeta)) ]

(Li and Li 2024, arXiv:2410.11287, eq. 10) where c_0 is the question, with Q = 0: the value of a
right step exceeds that of the right steps before it, and all exceed that of wrong ones by the
margin zeta. Wrong steps are not ordered among each other, as in their eq. 10 but not in eq. 9. T
holds the right steps, and the question where there are wrong ones (alone, its term is log 1); so a
trace of right steps only is put in ascending order above 0, and one of wrong steps only is pushed
below -zeta.

Ours differs from their code, which counts exp Q_{c_t} twice in the denominator from the second step
on and adds 1e-5 to it: here it is what eq. 10 says. What stands behind an error takes part as it is
labelled; a step without a label takes no part.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from surefoot.errors import UsageError
from surefoot.training.losses.loss import Targets, margin, step_ends


@dataclass(frozen=True, slots=True)
class QRanking:
    """Every trace weighs the same, however many steps it has.

    A step is right where at least half of its target is, and wrong where more than half is wrong;
    one that is mostly neutral, as a class of its own, takes no part. Beyond that neither how sure a
    label is nor its weight changes anything.
    """

    zeta: float = 4.0
    """How far above the wrong steps, in log-odds, the right ones should be."""

    def __post_init__(self) -> None:
        if not 0 <= self.zeta < math.inf:
            raise UsageError(f"zeta is {self.zeta}; it must not be negative")

    def units(self, targets: Targets) -> Tensor:
        """The number of traces that have a right or a wrong step."""
        right, wrong = _kinds(targets)
        return (targets.trace[right | wrong].bincount() > 0).sum().to(targets.weight)

    def __call__(self, logits: Tensor, targets: Targets) -> Tensor:
        """Summed over the traces."""
        right, wrong = _kinds(targets)
        ranked = (right | wrong).nonzero()[:, 0]
        values, is_right = margin(logits[ranked]), right[ranked]
        total = values[:0].sum()
        start = 0
        for size in targets.trace[ranked].bincount().tolist():
            if size:
                own = slice(start, start + size)
                total = total + self._of_trace(values[own], is_right[own])
            start += size
        return total

    def _of_trace(self, values: Tensor, is_right: Tensor) -> Tensor:
        chain = torch.cat([values.new_zeros(1), values[is_right]])
        wrong = values[~is_right] + self.zeta
        if not len(wrong):
            return (chain.logcumsumexp(0) - chain)[1:].mean()
        return (torch.logaddexp(chain.logcumsumexp(0), wrong.logsumexp(0)) - chain).mean()


def _kinds(targets: Targets) -> tuple[Tensor, Tensor]:
    """Which places end a right step, and which a wrong one, shape (S,) each."""
    labelled = torch.zeros_like(targets.weight, dtype=torch.bool)
    labelled[step_ends(targets)] = True
    labelled &= targets.weight > 0
    return labelled & (targets.good >= 0.5), labelled & (targets.good + targets.neutral < 0.5)
