"""What a loss sees of a batch, and what it gives.

A loss is a sum over units (labelled places, traces or pairs) and the number of those units. The
trainer divides the sum by the number in the whole update, however many passes and processes that
took, so that no way of cutting a batch changes the gradient.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor


@dataclass(frozen=True, slots=True)
class Targets:
    """What the places of some traces are taught.

    Places are where a model is read: S of them, those of a trace behind each other and in order.
    All tensors are on the device of the logits; floats are fp32.
    """

    good: Tensor
    """Share of the right class, shape (S,), in [0, 1]; 0 where there is no label."""
    neutral: Tensor
    """Share of the neutral class, shape (S,); `good + neutral <= 1`, the rest is wrong."""
    weight: Tensor
    """Weight of each label, shape (S,); 0 where there is none."""
    successes: Tensor
    """Weighted successes, shape (S,); 0 where there is no label."""
    trials: Tensor
    """Weighted trials, shape (S,); 0 where there is no label."""
    trace: Tensor
    """The trace that each place belongs to, shape (S,), from 0 to R - 1, ascending."""
    step: Tensor
    """The step that each place belongs to, shape (S,), ascending within a trace."""
    last: Tensor
    """The place that ends each trace, shape (R,)."""
    outcome: Tensor
    """1 where the answer of a trace is right, 0 where it is wrong, shape (R,)."""
    outcome_weight: Tensor
    """1 where the outcome is known, otherwise 0, shape (R,)."""
    pairs: Tensor
    """Pairs of places, the better one first, shape (P, 2)."""


class Loss(Protocol):
    """A training objective."""

    def units(self, targets: Targets) -> Tensor:
        """How much there is to learn from: a scalar, the weight of all units."""
        ...

    def __call__(self, logits: Tensor, targets: Targets) -> Tensor:
        """The loss summed over all units, a scalar, from logits of shape (S, C) in fp32; C is 1
        for a reward, 2 for (wrong, right), 3 for (wrong, neutral, right)."""
        ...


def margin(logits: Tensor) -> Tensor:
    """The log-odds of "right", shape (S,): the one logit, or right against all other classes."""
    if logits.shape[-1] == 1:
        return logits[:, 0]
    return logits[:, -1] - logits[:, :-1].logsumexp(-1)


def step_ends(targets: Targets) -> Tensor:
    """The places that end each step, where its score is read, in order: their numbers.

    They differ from all places where every token of a step is taught (`whole_steps`).
    """
    here = torch.stack([targets.trace, targets.step])
    is_end = torch.ones_like(targets.trace, dtype=torch.bool)
    is_end[:-1] = (here[:, 1:] != here[:, :-1]).any(0)
    return is_end.nonzero()[:, 0]
