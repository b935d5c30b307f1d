"""So many tokens for a whole data set, spent where they tell most.

What is known of the value of a prefix after k right ends of n is Beta(k + 1, n - k + 1). The next
rollout goes where it is least certain on which side of `threshold` the value lies, which is the
entropy of P(value > threshold), for each token that a rollout is likely to take there: prefixes
near the end are cheap. No prefix gets more than `most`, so that one that lies at the threshold
cannot take everything.

Rollouts are asked for in batches of equal size. Spending ends with the batch that reaches the
budget; the last batches are as small as the average cost of a rollout suggests, so that what is
spent beyond the budget is less than what one batch may cost.
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Sequence
from dataclasses import dataclass

from surefoot.errors import UsageError
from surefoot.labels.rollouts.draws import Drawing
from surefoot.labels.rollouts.evidence import Evidence
from surefoot.labels.rollouts.positions import Positions
from surefoot.traces.types import Trace


@dataclass(frozen=True, kw_only=True, slots=True)
class BudgetRule:
    """How a budget is spent."""

    tokens: int
    """New tokens to spend."""
    threshold: float = 0.5
    """The value above which a prefix counts as right."""
    most: int = 8
    """Rollouts that one prefix may get."""
    batch: int = 256
    """Rollouts that are asked for at once, at most one for every fourth prefix."""

    def __post_init__(self) -> None:
        for name in ("tokens", "most", "batch"):
            if getattr(self, name) < 1:
                raise UsageError(f"{name} is {getattr(self, name)}; it must be at least 1")
        if not 0 < self.threshold < 1:
            raise UsageError(f"threshold is {self.threshold}; it must lie between 0 and 1")


def spend(founds: Sequence[Positions], rule: BudgetRule, drawing: Drawing) -> int:
    """Roll prefixes of all traces out until the budget is spent or every prefix has its most; gives
    the tokens spent."""
    places = _places(founds)
    spent = drawn = 0
    while spent < rule.tokens:
        size = min(rule.batch, max(1, len(places) // 4))
        if drawn:
            size = max(1, min(size, math.ceil((rule.tokens - spent) * drawn / max(1, spent))))
        chosen = _chosen(places, rule, size)
        if not chosen:
            break
        asks = [(trace, evidence.ask(1)) for trace, evidence in chosen]
        for (_, evidence), rollouts in zip(chosen, drawing.draw(asks), strict=True):
            evidence.add(rollouts)
            spent += sum(one.num_tokens for one in rollouts)
            drawn += len(rollouts)
    return spent


def _places(founds: Sequence[Positions]) -> list[tuple[Trace, Evidence]]:
    """Every prefix once: traces that begin alike share what is known of it."""
    shared: dict[tuple[str, str | None, tuple[str, ...]], tuple[Trace, Evidence]] = {}
    for found in founds:
        for k, one in enumerate(found.steps):
            if one is not None:
                key = (found.trace.problem, found.trace.reference, one.steps)
                found.steps[k] = shared.setdefault(key, (found.trace, one))[1]
    return list(shared.values())


def doubt(k: int, n: int, threshold: float) -> float:
    """The entropy, in bits, of whether the value is above a threshold after k right ends of n."""
    above = 1 - beta_below(k, n, threshold)
    return -sum(p * math.log2(p) for p in (above, 1 - above) if p > 0)


def beta_below(k: int, n: int, threshold: float) -> float:
    """P(value < threshold) for Beta(k + 1, n - k + 1): that of more than k right ends of n + 1 if
    the value were the threshold (Abramowitz and Stegun 1964, 26.5.24)."""
    return sum(
        math.comb(n + 1, j) * threshold**j * (1 - threshold) ** (n + 1 - j)
        for j in range(k + 1, n + 2)
    )


def _chosen(
    places: Sequence[tuple[Trace, Evidence]], rule: BudgetRule, size: int
) -> list[tuple[Trace, Evidence]]:
    """The prefixes with the most doubt for a token, of those that may have more rollouts."""
    able = [place for place in places if place[1].drawn < rule.most]
    return heapq.nlargest(size, able, key=lambda place: _worth(*place, threshold=rule.threshold))


def _worth(trace: Trace, evidence: Evidence, *, threshold: float) -> float:
    """Doubt for a token. Before anything was drawn, tokens are taken to be in proportion to the
    characters that the trace itself went on with."""
    if evidence.drawn:
        cost = evidence.tokens / evidence.drawn
    else:
        rest = trace.texts[len(evidence.steps) :]
        cost = sum(map(len, rest)) / 3
    return doubt(evidence.right, evidence.n, threshold) / (1 + cost)
