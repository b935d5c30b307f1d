"""Does choosing by a scorer do harm: is it worse than a plain majority vote, which needs none?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from surefoot.evals.bon.measuring import Method, PoolResult
from surefoot.stats import Difference

LEVEL = 0.05

Outcome = Literal["helps", "not shown to help", "does harm"]


@dataclass(frozen=True)
class Verdict:
    """A method of a scorer against a majority vote at the largest N of a pool.

    It helps, or does harm, if the p-value of the paired difference is below 0.05. A scorer is
    judged by one rule that was chosen before (its own, or the one asked for), never by the best of
    its rows.
    """

    pool: str
    method: str
    scorer: str | None
    n: int
    gap: Difference

    @property
    def outcome(self) -> Outcome:
        """What the difference says."""
        if self.gap.p_value >= LEVEL or self.gap.mean == 0:
            return "not shown to help"
        return "helps" if self.gap.mean > 0 else "does harm"

    @property
    def loses(self) -> bool:
        """Whether it is behind on these problems, sure or not."""
        return self.gap.mean < 0

    def __str__(self) -> str:
        low, high = 100 * self.gap.low, 100 * self.gap.high
        said = (
            f"{100 * self.gap.mean:+.2f} points [{low:+.2f}, {high:+.2f}] against majority,"
            f" p = {self.gap.p_value:.3f}, best of {self.n} on {self.pool}"
        )
        what = {
            "helps": "helps",
            "does harm": "DOES HARM: it loses to majority",
            "not shown to help": "loses to majority here and is not shown to help"
            if self.loses
            else "is not shown to help",
        }[self.outcome]
        return f"{self.method} {what}: {said}"

    def to_json(self) -> dict[str, Any]:
        """What was compared, by how much, and what that says."""
        return {
            "pool": self.pool,
            "method": self.method,
            "scorer": self.scorer,
            "n": self.n,
            "against": "majority",
            "difference": self.gap.to_json(),
            "p_value": self.gap.p_value,
            "verdict": self.outcome,
            "loses": self.loses,
            "said": str(self),
        }


def verdicts(result: PoolResult, chiefs: Sequence[Method]) -> list[Verdict]:
    """One for each chief method."""
    gaps = [(one, result.difference(one.name, "majority", result.num)) for one in chiefs]
    return [
        Verdict(result.name, one.name, one.scorer, result.num, gap)
        for one, gap in gaps
        if gap is not None
    ]


def chief_methods(result: PoolResult) -> list[Method]:
    """The methods that scorers are judged by: the chief reward of each, and every outcome column,
    by argmax and as the weight of a vote."""
    return [
        one
        for one in result.methods
        if one.is_chief or (one.kind != "baseline" and one.reward and one.reward.is_outcome)
    ]
