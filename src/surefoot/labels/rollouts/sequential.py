"""Stop rolling a prefix out once it is clear: Wald's sequential test of its value.

The test tells a value of at most `low` (a wrong step) from one of at least `high` (a right one).
After k right ends of n it looks at the log-likelihood ratio

    k log(high / low) + (n - k) log((1 - high) / (1 - low))

and says right at log((1 - b) / a) or above, wrong at log(b / (1 - a)) or below, where a is
`false_right` and b `false_wrong`. Without a limit the true rates are at most a / (1 - b) and
b / (1 - a), and their sum at most a + b (Wald 1945, Sequential Tests of Statistical Hypotheses,
equations 3.24 to 3.28). At the limit of `most` rollouts the sign of the ratio decides, which may
cost more errors: `operating` computes what is true of a test with its limit, exactly.

With `low` 0, the default, one right end settles it, for it cannot happen at a value of 0; as long
as the limit comes before the bound does, the labels are exactly Math-Shepherd's hard ones of `most`
rollouts (2312.08935, equation 3), only cheaper, and a prefix of value p is called wrong with
probability (1 - p)^most.

k / n at such a stop is no unbiased estimate of the value: after the first right end its mean is
-p log(p) / (1 - p), 0.69 at p = 0.5. So the label is the verdict, and k and n are kept beside it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

from surefoot.errors import UsageError
from surefoot.labels.rollouts.draws import Plan
from surefoot.labels.rollouts.evidence import Evidence
from surefoot.labels.rollouts.positions import Positions, Rate


class Operating(NamedTuple):
    """What a test does at one true value."""

    says_right: float
    """How probable it is that it says right."""
    num_rollouts: float
    """How many rollouts it takes on average."""


@dataclass(frozen=True, kw_only=True, slots=True)
class SequentialTest:
    """When a prefix is clear."""

    low: float = 0.0
    high: float = 0.3
    false_right: float = 0.05
    false_wrong: float = 0.05
    most: int = 8

    def __post_init__(self) -> None:
        if not 0 <= self.low < self.high <= 1:
            raise UsageError(
                f"low is {self.low} and high {self.high}; values lie in [0, 1], low below high"
            )
        for name in ("false_right", "false_wrong"):
            if not 0 < getattr(self, name) < 0.5:
                raise UsageError(
                    f"{name} is {getattr(self, name)}; it must be above 0 and below 0.5"
                )
        if self.most < 1:
            raise UsageError(f"most is {self.most}; it must be at least 1")

    def ratio(self, k: int, n: int) -> float:
        """The log-likelihood ratio of `high` against `low` after k right ends of n."""
        return _times(k, _log(self.high) - _log(self.low)) + _times(
            n - k, _log(1 - self.high) - _log(1 - self.low)
        )

    def verdict(self, k: int, n: int) -> bool | None:
        """Right, wrong, or None where it is not clear and the limit is not reached."""
        clear = self.is_clear(k, n)
        if clear is None and n >= self.most:
            return self.ratio(k, n) > 0
        return clear

    def is_clear(self, k: int, n: int) -> bool | None:
        """Right or wrong by the bounds alone, None between them."""
        if n == 0:
            return None
        ratio = self.ratio(k, n)
        if ratio >= math.log((1 - self.false_wrong) / self.false_right):
            return True
        if ratio <= math.log(self.false_wrong / (1 - self.false_right)):
            return False
        return None

    def operating(self, value: float) -> Operating:
        """What the test does, limit and all, at a true value: by summing over all its paths."""
        going = {0: 1.0}
        says_right = num_rollouts = 0.0
        n = 0
        while going:
            n += 1
            following: dict[int, float] = {}
            for k, chance in going.items():
                num_rollouts += chance
                for step, one in ((1, value), (0, 1 - value)):
                    verdict = self.verdict(k + step, n)
                    if verdict is None:
                        following[k + step] = following.get(k + step, 0.0) + chance * one
                    elif verdict:
                        says_right += chance * one
            going = {k: chance for k, chance in following.items() if chance}
        return Operating(says_right, num_rollouts)


def probe(evidence: list[Evidence], test: SequentialTest) -> Plan[None]:
    """Roll prefixes out side by side, each until it is clear or was drawn from `most` times."""
    while going := [one for one in evidence if _goes_on(one, test)]:
        for one, rollouts in zip(going, (yield [one.ask(1) for one in going]), strict=True):
            one.add(rollouts)


def sequential(found: Positions, test: SequentialTest, *, start: bool = False) -> Plan[None]:
    """Roll every prefix out until it is clear."""
    yield from probe([*([found.start] if start else []), *found.asked], test)
    forced = [
        k
        for k, one in enumerate(found.steps)
        if one is not None and one.n and test.is_clear(one.right, one.n) is None
    ]
    if forced:
        found.more["not_clear"] = forced


def verdict(evidence: Evidence, test: SequentialTest) -> bool | None:
    """What the rollouts of a prefix say; None where none of them counts."""
    if not evidence.n:
        return None
    clear = test.is_clear(evidence.right, evidence.n)
    return test.ratio(evidence.right, evidence.n) > 0 if clear is None else clear


def verdicts(test: SequentialTest) -> Rate:
    """The verdict as a rating."""

    def rate(evidence: Evidence) -> float | None:
        says = verdict(evidence, test)
        return None if says is None else 1 if says else -1

    return rate


def _goes_on(evidence: Evidence, test: SequentialTest) -> bool:
    return evidence.drawn < test.most and test.verdict(evidence.right, evidence.n) is None


def _log(x: float) -> float:
    return math.log(x) if x > 0 else -math.inf


def _times(num: int, log: float) -> float:
    """`num * log`, 0 where nothing was seen, also of an infinite one."""
    return num * log if num else 0.0
