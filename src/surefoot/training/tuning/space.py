"""Which settings are tuned, and between what bounds.

Settings of a training are drawn by Optuna, under their dotted names. The aggregate and the
threshold of the contract cost no training: they are chosen after it, from its scores.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import product
from typing import TYPE_CHECKING, Any, TypeAlias

from surefoot.traces.types import canonical_json
from surefoot.training.config import RewardConfig

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution

Params: TypeAlias = dict[str, Any]
"""One value for each setting as Optuna keeps it: a number, a text, a truth value or None."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Range:
    """The numbers from `low` to `high`, both included."""

    low: float
    high: float
    log: bool = False
    """Drawn evenly in the logarithm."""
    step: float | None = None
    """Only every so many, from `low` on; None is every one."""
    whole: bool = False
    """Whole numbers alone."""

    def __contains__(self, value: object) -> bool:
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            return False
        step = self.step or (1 if self.whole else None)
        on_step = step is None or abs((value - self.low) / step % 1 - 0.5) > 0.5 - 1e-9
        return self.low <= value <= self.high and on_step

    def values(self) -> tuple[float, ...] | None:
        """All of them; None where they cannot be counted."""
        step = self.step or (1 if self.whole else None)
        if step is None:
            return None
        return tuple(self.low + i * step for i in range(round((self.high - self.low) / step) + 1))

    def to_json(self) -> dict[str, Any]:
        """The bounds, and what is not as usual."""
        more = {"log": self.log or None, "step": self.step}
        bounds = {"low": self.low, "high": self.high}
        return bounds | {name: value for name, value in more.items() if value is not None}

    def distribution(self) -> BaseDistribution:
        """What Optuna draws from."""
        from optuna.distributions import FloatDistribution, IntDistribution

        if self.whole:
            low, high, step = int(self.low), int(self.high), int(self.step or 1)
            return IntDistribution(low, high, log=self.log, step=step)
        return FloatDistribution(self.low, self.high, log=self.log, step=self.step)


@dataclass(frozen=True, slots=True)
class Choices:
    """One of some values, which may be anything that JSON can say."""

    options: tuple[Any, ...]

    def values(self) -> tuple[Any, ...]:
        """All of them, as Optuna keeps them."""
        return tuple(map(kept, self.options))

    def to_json(self) -> list[Any]:
        """The values."""
        return list(self.options)

    def distribution(self) -> BaseDistribution:
        """What Optuna draws from."""
        from optuna.distributions import CategoricalDistribution

        return CategoricalDistribution(self.values())


Dimension: TypeAlias = "Range | Choices"


@dataclass(frozen=True)
class Space:
    """Everything that is tuned."""

    trained: Mapping[str, Dimension]
    """Settings of a training."""
    aggregates: tuple[str, ...] = ()
    """Rules of `surefoot.aggregate`; none leaves the contract's."""
    thresholds: tuple[float, ...] = ()
    """None leaves the one that training tuned, over every threshold that predicts differently."""
    given: Mapping[str, Any] = field(default_factory=dict, compare=False)
    """As JSON, in the order in which it was given."""

    def distributions(self) -> dict[str, BaseDistribution]:
        """What Optuna draws from."""
        return {name: dimension.distribution() for name, dimension in self.trained.items()}

    def changes(self, params: Params) -> dict[str, Any]:
        """The settings that drawn values stand for."""
        found = {}
        for name, dimension in self.trained.items():
            value = params[name]
            if isinstance(dimension, Choices):
                value = dimension.options[dimension.values().index(value)]
            found[name] = value
        return found

    def params_of(self, config: RewardConfig) -> Params | None:
        """Where the settings of a training lie in the space; None if outside."""
        values, found = config.to_json(), {}
        for name, dimension in self.trained.items():
            if isinstance(dimension, Range):
                number = _at(values, name)
                if number not in dimension:
                    return None
                found[name] = number
                continue
            own = [one for one in dimension.options if config.changed({name: one}) == config]
            if not own:
                return None
            found[name] = kept(own[0])
        return found

    @property
    def size(self) -> float:
        """How many points it has; infinite where one setting is a number with a fraction."""
        counts = [dimension.values() for dimension in self.trained.values()]
        return math.prod(math.inf if one is None else len(one) for one in counts)

    def points(self) -> Iterator[Params]:
        """All of them, one after the other; the space must be finite."""
        values = [dimension.values() or () for dimension in self.trained.values()]
        for point in product(*values):
            yield dict(zip(self.trained, point, strict=True))


def kept(value: Any) -> Any:
    """A value as Optuna keeps it: what it has no place for is JSON."""
    return canonical_json(value) if isinstance(value, (dict, list)) else value


def _at(values: Mapping[str, Any], name: str) -> Any:
    place: Any = values
    for part in name.split("."):
        place = place.get(part) if isinstance(place, Mapping) else None
    return place
