"""What a prefix or a solution is worth to a search: one number, higher is better.

    r = log(aggregate of the step scores) + a log pi(steps | problem) + b log(outcome score)

With a = b = 0 it is the aggregate itself. A weight of the policy's log-probability keeps a search
from solutions that a scorer likes and nobody would write: it is the best response under a penalty
for leaving the policy (KL-regularised best-of-N; Korbak et al. 2022, arXiv:2205.11275, equation 6,
with the aggregate as the likelihood that the solution is sound).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from surefoot import aggregate
from surefoot.errors import AbstainedError, UsageError
from surefoot.search.tree import Node

LEAST = 1e-12
"""Stands in for a score that underflowed to 0, where its logarithm is needed."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Reward:
    """How scores become one number."""

    aggregate: str | None = None
    """A rule of `surefoot.aggregate`; the scorer's own if None."""
    logprob_weight: float = 0.0
    """a, not negative."""
    outcome_weight: float = 1.0
    """b, not negative; of finished solutions, where there is an outcome model."""

    def __post_init__(self) -> None:
        if self.aggregate is not None:
            aggregate.rule(self.aggregate)
        for name in ("logprob_weight", "outcome_weight"):
            if not 0 <= getattr(self, name) < math.inf:
                raise UsageError(f"{name} is {getattr(self, name)}; it must be 0 or more, finite")

    def aggregated(self, node: Node) -> float | None:
        """The aggregate of the step scores alone; None where the scorer gave none."""
        if node.scores is None:
            return None
        try:
            return node.scores.aggregate(self.aggregate)
        except AbstainedError:
            return None

    def of(self, node: Node) -> float:
        """The reward of a node, minus infinity where there is none.

        Raises:
            UsageError: a logarithm is needed of a score that is negative, or the policy does not
                say how probable its steps are.
        """
        value = self.aggregated(node)
        if value is None:
            return -math.inf
        if not self.logprob_weight and node.outcome is None:
            return value
        reward = _log(value, "a step reward")
        if node.outcome is not None and self.outcome_weight:
            reward += self.outcome_weight * _log(node.outcome, "an outcome")
        if self.logprob_weight:
            if node.logprob is None:
                raise UsageError(
                    "the policy does not say how probable its steps are; set logprob_weight to 0"
                )
            reward += self.logprob_weight * node.logprob
        return reward


def _log(value: float, what: str) -> float:
    if value < 0:
        raise UsageError(
            f"{what} is {value:g}, which has no logarithm; weigh log-probabilities and outcomes "
            "only with scorers that give probabilities"
        )
    return math.log(max(value, LEAST))
