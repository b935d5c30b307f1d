"""Steps and outcome at once: a loss of the steps, and cross-entropy of an outcome head beside it.

    loss = [sum of the steps' loss + w sum_traces CE(o, z)] / [units of the steps + w traces]

with o the last column of the logits, read at the last place of each trace, z its outcome, and w the
`outcome_weight`; traces whose outcome is not known count in neither sum. One body thus learns
whether steps are right and whether the answer will be (as in BiRM, Chen et al. 2025,
arXiv:2503.04618, who add the mean losses of the two heads and teach the second at every step).

A sum of two means would not be one sum over units: its parts would weigh differently with how many
labels and outcomes fall into a pass. So here each outcome counts as `outcome_weight` units of the
steps' loss (labelled steps, for cross-entropy). The loss is a weighted mean over all of them: no
way of cutting a batch changes it, and a batch without step labels is as good as any.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from torch import Tensor

from surefoot.errors import UsageError
from surefoot.training.losses.cross_entropy import CrossEntropy
from surefoot.training.losses.loss import Loss, Targets
from surefoot.training.losses.outcome import Outcome


@dataclass(frozen=True, slots=True)
class Joint:
    """Logits have one column more than the steps' loss reads, the outcome head's."""

    steps: Loss = field(default_factory=CrossEntropy)
    """What the other columns learn."""
    outcome_weight: float = 1.0
    """How many units of the steps' loss an outcome counts as."""

    def __post_init__(self) -> None:
        if isinstance(self.steps, Joint):
            raise UsageError("steps is a joint loss itself; there is only one outcome head")
        if not 0 < self.outcome_weight < math.inf:
            raise UsageError(f"outcome_weight is {self.outcome_weight}; it must be positive")

    def units(self, targets: Targets) -> Tensor:
        """The steps' units, and the weighted number of traces whose outcome is known."""
        return self.steps.units(targets) + self.outcome_weight * Outcome().units(targets)

    def __call__(self, logits: Tensor, targets: Targets) -> Tensor:
        """Summed over both."""
        steps, outcome = logits[:, :-1], logits[:, -1:]
        return self.steps(steps, targets) + self.outcome_weight * Outcome()(outcome, targets)
