"""What a prefix or a solution is worth to a search: one number, higher is better.

    r = log(aggregate of the step scores) + a log pi(steps | problem) + b log(outcome score)

Where a is 0 it is e to this power: the aggregate itself, as long as there is no outcome. Of scores
that are no probabilities, such as log-ratios, the aggregate stands in the place of its logarithm,
and e to its power is never taken. A weight
of the policy's log-probability keeps a search from solutions that a scorer likes and nobody would
write: it is the best response under a penalty for leaving the policy (KL-regularised best-of-N;
Korbak et al. 2022, arXiv:2205.11275, equation 6, with the aggregate as the likelihood that the
solution is sound).
"""

from __future__ import annotations

import math
import sys
from dataclasses import dataclass

from surefoot import aggregate
from surefoot.errors import AbstainedError, UsageError
from surefoot.search.tree import Node

LEAST = sys.float_info.min
"""Stands in for a score of 0 where its logarithm is needed."""


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
            if self.aggregate == "nll":
                raise UsageError("nll is a loss, and a search goes by rewards; take product")
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
            UsageError: a probability is negative, or the policy does not say how probable its steps
                are and their weight is not 0.
        """
        value = self.aggregated(node)
        if value is None:
            return -math.inf
        outcome = node.outcome if self.outcome_weight else None
        if not self.logprob_weight and outcome is None:
            return value
        logarithm = self._logarithm(node, value)
        return logarithm if self.logprob_weight or _is_log(node) else math.exp(logarithm)

    def log(self, node: Node) -> float | None:
        """r, whatever the weights; None where there is no reward.

        Raises:
            UsageError: as `of`.
        """
        value = self.aggregated(node)
        return None if value is None else self._logarithm(node, value)

    def _logarithm(self, node: Node, value: float) -> float:
        reward = value if _is_log(node) else _log(value, "a step reward")
        if node.outcome is not None and self.outcome_weight:
            reward += self.outcome_weight * _log(node.outcome, "an outcome")
        if self.logprob_weight:
            if node.logprob is None:
                raise UsageError(
                    "the policy does not say how probable its steps are; set logprob_weight to 0"
                )
            reward += self.logprob_weight * node.logprob
        return reward


def _is_log(node: Node) -> bool:
    """Whether the scores of a node have no bounds, and so stand for logarithms themselves."""
    return node.scores is not None and node.scores.kind not in ("probability", "value")


def _log(value: float, what: str) -> float:
    if value < 0:
        raise UsageError(
            f"{what} is {value:g}, which has no logarithm; weigh log-probabilities and outcomes "
            "only with scorers that give probabilities"
        )
    return math.log(max(value, LEAST))
