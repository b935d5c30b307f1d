"""Cross-entropy between what is read at the end of a trace and whether its answer is right.

    loss = - sum_traces [z log sigmoid(r) + (1 - z) log(1 - sigmoid(r))]

with r the margin at the last place of a trace and z its outcome; traces whose outcome is not known
take no part. On a classifier this is an outcome reward model (Cobbe et al. 2021, arXiv:2110.14168;
they teach the outcome at every token: `LabelRule(target="outcome", whole_steps=True)`). Where r is
beta log(pi / pi_ref) summed over the whole trace, it is the cross-entropy form of an implicit PRM
(Yuan et al. 2024, arXiv:2412.01981): the same sum up to an earlier step is then the value of that
step, although no step was labelled. The DPO form is `Pairwise` over the ends of right and wrong
traces.
"""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits

from surefoot.training.losses.loss import Targets, margin


@dataclass(frozen=True, slots=True)
class Outcome:
    """Needs no step labels."""

    def units(self, targets: Targets) -> Tensor:
        """The number of traces whose outcome is known."""
        return targets.outcome_weight.sum()

    def __call__(self, logits: Tensor, targets: Targets) -> Tensor:
        """Summed over the traces whose outcome is known."""
        return binary_cross_entropy_with_logits(
            margin(logits[targets.last]),
            targets.outcome,
            targets.outcome_weight,
            reduction="sum",
        )
