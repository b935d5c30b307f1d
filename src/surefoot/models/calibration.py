"""From the probability that a model reads to the one that it should say, in the same order.

A calibration maps log-odds z = log(p / (1 - p)) to better ones. It rises strictly over all numbers,
so it changes what a score says and never which of two steps scores higher, and it can be undone.
`scores.calibrators` fits one to labels; a contract holds it, and `heads.signed` applies it.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal, get_args

from surefoot.errors import ContractError

CalibrationKind = Literal["temperature", "isotonic"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Calibration:
    """A strictly rising map of log-odds.

    Kinds:
        temperature: z / `temperature` + `bias` (Guo et al. 2017, arXiv:1706.04599, section 4.2;
            with a bias it is Platt scaling of log-odds, Platt 1999).
        isotonic: the line through the knots (`x`, `y`): straight between two neighbours, of slope 1
            beyond the first and the last. The plain blocks of an isotonic regression (Zadrozny and
            Elkan 2002) give one score to steps that the model tells apart, and jump between
            neighbours; here a knot stands in the middle of each, as in centred isotonic regression
            (Oron and Flournoy 2017).
    """

    kind: CalibrationKind = "temperature"
    temperature: float = 1.0
    bias: float = 0.0
    x: tuple[float, ...] = ()
    """Log-odds as read, rising."""
    y: tuple[float, ...] = ()
    """Calibrated log-odds, rising."""

    def __post_init__(self) -> None:
        if self.kind not in get_args(CalibrationKind):
            raise _wrong("kind", self.kind, f"one of {', '.join(get_args(CalibrationKind))}")
        for name in ("temperature", "bias"):
            if not _is_number(value := getattr(self, name)):
                raise _wrong(name, value, "a number")
        for name in ("x", "y"):
            knots = getattr(self, name)
            if not isinstance(knots, (list, tuple)) or not all(map(_is_number, knots)):
                raise _wrong(name, knots, "a list of numbers")
            if not all(a < b for a, b in pairwise(knots)):
                raise _wrong(name, knots, "strictly rising")
            object.__setattr__(self, name, tuple(knots))
        if self.temperature <= 0:
            raise _wrong("temperature", self.temperature, "positive, or the order would turn")
        if self.kind == "temperature" and (self.x or self.y):
            raise ContractError("calibration.x and y mean nothing to a temperature; leave them []")
        if self.kind == "isotonic" and (self.temperature, self.bias) != (1, 0):
            raise ContractError(
                "calibration.temperature and bias mean nothing to knots; leave them 1 and 0"
            )
        if self.kind == "isotonic" and not len(self.x) == len(self.y) > 0:
            raise ContractError(
                f"calibration.x has {len(self.x)} knots and y {len(self.y)}; give as many, and at "
                "least one"
            )

    def __call__(self, log_odds: float) -> float:
        """Calibrated log-odds; infinite ones stay as they are."""
        if self.kind == "temperature":
            return log_odds / self.temperature + self.bias
        return _through(log_odds, self.x, self.y)

    def undone(self, log_odds: float) -> float:
        """The log-odds of which these are the calibrated ones."""
        if self.kind == "temperature":
            return (log_odds - self.bias) * self.temperature
        return _through(log_odds, self.y, self.x)


def log_odds_of(probability: float) -> float:
    """log(p / (1 - p)); infinite for 0 and 1."""
    if probability in (0, 1):
        return math.copysign(math.inf, probability - 0.5)
    return math.log(probability) - math.log1p(-probability)


def probability_of(log_odds: float) -> float:
    """1 / (1 + exp(-z)), also where the power would overflow."""
    if log_odds >= 0:
        return 1 / (1 + math.exp(-log_odds))
    power = math.exp(log_odds)
    return power / (1 + power)


def _through(at: float, x: Sequence[float], y: Sequence[float]) -> float:
    """The height at a place of the line through the knots (x, y)."""
    behind = bisect_right(x, at)
    low, high = max(behind - 1, 0), min(behind, len(x) - 1)
    if low == high:
        return y[low] + (at - x[low])
    share = (at - x[low]) / (x[high] - x[low])
    return min(y[low] + share * (y[high] - y[low]), y[high])


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)


def _wrong(name: str, value: object, wanted: str) -> ContractError:
    return ContractError(f"calibration.{name} is {value!r}; it must be {wanted}")
