"""Accuracy against tokens, and methods against each other at equal tokens.

A method is compared with a rival at what it took itself: the rival's accuracy there is read off the
line through its sizes, straight over the logarithm of the mean tokens per problem. Nothing is
extrapolated: a method that took over 5 % less than the rival's smallest size, or more than its
largest, is not compared; within these 5 % the end of the line counts. Each resample of the problems
goes through all of this: means of tokens, the reading off, and the difference.

Snell et al. 2024 (arXiv:2408.03314, section 5) compare at equal numbers of samples; a beam of four
times four does not write as much as sixteen solutions, so tokens are counted here.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from surefoot.errors import UsageError
from surefoot.evals.benchmark import Options
from surefoot.evals.figures import Figures
from surefoot.evals.matched.attempts import Attempt, Line, common_problems
from surefoot.stats import Difference, Estimate, FloatArray, Statistic, difference_from

SLACK = 1.05
"""How far beyond the ends of a line, as a factor of tokens, its end still counts."""

FIGURES = ("accuracy", "sound")
COSTS = ("policy tokens", "all tokens")
"""What the policy wrote; and what it wrote and read, and the scorer read at its rate."""
NO_REFERENCE = "no reference to hold answers against"


@dataclass(frozen=True, eq=False)
class Matched:
    """Everything that was measured: `estimate` and `difference` give the figures."""

    lines: tuple[Line, ...]
    figures: Figures
    options: Options
    exchange: float
    """Tokens of the policy that one token of the scorer counts for."""
    left_out: Mapping[str, int] = field(default_factory=dict)

    @property
    def num_problems(self) -> int:
        """How many problems count."""
        return len(self.figures.units)

    def line(self, name: str) -> Line:
        """A method by its name.

        Raises:
            UsageError: there is none.
        """
        for one in self.lines:
            if one.name == name:
                return one
        known = ", ".join(one.name for one in self.lines)
        raise UsageError(f"no method {name!r} was measured; there are {known}")

    def kept(self, line: Line, n: int) -> list[Attempt]:
        """The attempts that count."""
        return [line.sizes[n][unit] for unit in self.figures.units]

    def ended(self, line: Line, n: int) -> Counter[str]:
        """How searches ended that did not come to their end."""
        return Counter(one.ended for one in self.kept(line, n) if one.ended != "done")

    def estimate(self, figure: str, line: str, n: int) -> Estimate | None:
        """A figure of `FIGURES` or `COSTS`, "verifier tokens", "read tokens" or "seconds"; None
        where it is not known."""
        return self._estimates.get(f"{figure}/{line}/{n}")

    def mean(self, figure: str, line: str, n: int) -> float | None:
        """As `estimate`, without its interval."""
        one = self.estimate(figure, line, n)
        return None if one is None else one.mean

    def difference(
        self, ours: str, n: int, theirs: str, *, figure: str = "accuracy", cost: str = COSTS[0]
    ) -> Difference | None:
        """What a method reaches at a size less what the rival's line says for as many tokens;
        None where that lies beyond the line, or one of the figures is not known."""
        rival = self.line(theirs)
        names = [f"{theirs}/{size}" for size in sorted(rival.sizes)]
        own = f"{ours}/{n}"
        if not all(
            self.figures.exists(f"{what}/{name}")
            for what in (figure, cost)
            for name in (own, *names)
        ):
            return None
        ends = [self.figures.value(f"{cost}/{name}") for name in names]
        if not min(ends) / SLACK <= self.figures.value(f"{cost}/{own}") <= max(ends) * SLACK:
            return None

        def less(of: Callable[[str], FloatArray]) -> FloatArray:
            tokens = np.stack([of(f"{cost}/{name}") for name in names], axis=1)
            reached = np.stack([of(f"{figure}/{name}") for name in names], axis=1)
            at_ours = read_off(of(f"{cost}/{own}"), tokens, reached)
            gap: FloatArray = of(f"{figure}/{own}") - at_ours
            return gap

        drawn = self.figures.drawn(self.options.seed, self.options.num_resamples)
        plain = less(lambda name: np.array([self.figures.value(name)]))
        return difference_from(float(plain[0]), less(drawn.__getitem__))

    @cached_property
    def _estimates(self) -> Mapping[str, Estimate | None]:
        how = self.options
        return self.figures.estimates(seed=how.seed, num_resamples=how.num_resamples)


def read_off(wanted: FloatArray, tokens: FloatArray, reached: FloatArray) -> FloatArray:
    """What lines reach at the tokens that are wanted, straight between sizes over log tokens, and
    level beyond their ends.

    `wanted` has shape (R,), the lines' `tokens` and what they `reached` (R, K), in any order.
    """
    order = np.argsort(tokens, axis=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        at = np.log(np.take_along_axis(tokens, order, axis=1))
        place = np.clip(np.log(wanted), at[:, 0], at[:, -1])
    heights = np.take_along_axis(reached, order, axis=1)
    rows = np.arange(len(place))
    last = at.shape[1] - 1
    above = np.minimum((at < place[:, None]).sum(axis=1), last)
    below = np.maximum(above - 1, 0)
    width = at[rows, above] - at[rows, below]
    share = np.divide(place - at[rows, below], width, out=np.ones_like(place), where=width > 0)
    low, high = heights[rows, below], heights[rows, above]
    found: FloatArray = low + share * (high - low)
    return found


def measure(
    lines: Sequence[Line], options: Options | None = None, *, exchange: float = 1.0
) -> Matched:
    """Measure methods that were tried on the same problems.

    Args:
        lines: The methods.
        options: The seed and the number of the resamples.
        exchange: Tokens of the policy that one token of the scorer counts for, such as the
            scorer's parameters over the policy's.

    Raises:
        UsageError: two are over other problems or bear one name, no problem has a reference, or
            `exchange` is negative.
    """
    if not 0 <= exchange < math.inf:
        raise UsageError(f"exchange is {exchange}; it must be 0 or more, and finite")
    twice = [name for name, num in Counter(line.name for line in lines).items() if num > 1]
    if twice:
        raise UsageError(f"two methods are called {twice[0]!r}; give each a name of its own")
    problems = common_problems(lines)
    everything = [some for line in lines for some in line.sizes.values()]
    units = tuple(
        key for key in problems if all(some[key].right is not None for some in everything)
    )
    left_out = {NO_REFERENCE: len(problems) - len(units)} if len(units) < len(problems) else {}
    if not units:
        raise UsageError(
            f"none of {len(problems)} problems has a reference, so nothing can be right or wrong; "
            "give the problems references"
        )
    statistics: dict[str, Statistic] = {}
    for line in lines:
        for n, attempts in sorted(line.sizes.items()):
            kept = [attempts[key] for key in units]
            for figure, values in _values(kept, exchange).items():
                statistics[f"{figure}/{line.name}/{n}"] = _mean(values)
    return Matched(
        tuple(lines), Figures(units, statistics), options or Options(), exchange, left_out
    )


def _values(attempts: Sequence[Attempt], exchange: float) -> dict[str, FloatArray]:
    """Every figure of each problem, NaN where it is not known."""
    columns: dict[str, Sequence[float | None]] = {
        "accuracy": [one.right for one in attempts],
        "sound": [one.sound for one in attempts],
        "policy tokens": [one.new_tokens for one in attempts],
        "verifier tokens": [one.scored_tokens for one in attempts],
        "read tokens": [one.read_tokens for one in attempts],
        "all tokens": [
            None
            if one.scored_tokens is None
            else one.new_tokens + one.read_tokens + exchange * one.scored_tokens
            for one in attempts
        ],
        "seconds": [one.seconds for one in attempts],
    }
    return {
        name: np.array([math.nan if one is None else one for one in values], dtype=np.float64)
        for name, values in columns.items()
    }


def _mean(values: FloatArray) -> Statistic:
    """The mean over problems; NaN where the value of one of them is not known."""

    def statistic(counts: FloatArray) -> FloatArray:
        mean: FloatArray = counts @ values / counts.sum(axis=1)
        return mean

    return statistic
