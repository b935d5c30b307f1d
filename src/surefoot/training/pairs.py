"""Which steps, or traces, a pairwise loss compares.

    steps       those of one problem behind the same earlier steps, by their targets
    outcomes    the ends of right and of wrong traces of one problem
    given       the ends of traces that say so: meta {"pair": id, "preferred": true or false}

Only different texts are compared: where several traces hold the same step behind the same steps,
it is one contender with the mean of its targets, and the first of them stands for it. A group of
many contenders has about the square of that in pairs and would drown the others, so each gives a
bounded number, drawn by a seed, and what was left out is counted.
"""

from __future__ import annotations

import random
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

from surefoot.errors import TraceError, UsageError
from surefoot.traces.types import Trace
from surefoot.training.targets import TraceTargets

Place = tuple[int, int]
"""The number of a trace and of a step of it."""

Pair = tuple[Place, Place]
"""The better and the worse place."""


@dataclass(frozen=True, slots=True)
class Pairs(Sequence[Pair]):
    """Pairs, and how many more there are that were left out."""

    chosen: tuple[Pair, ...]
    num_left_out: int = 0

    def __len__(self) -> int:
        return len(self.chosen)

    def __getitem__(self, number: Any) -> Any:
        return self.chosen[number]


def step_pairs(
    traces: Sequence[Trace],
    targets: Sequence[TraceTargets],
    *,
    min_gap: float = 0.0,
    most: int = 16,
    seed: int = 0,
) -> Pairs:
    """Pairs of steps of one problem behind the same earlier steps, of which one is the better.

    How good a step is: the share of its target that is right, and half of what is neutral.

    Args:
        traces: What is learned from.
        targets: One for each trace.
        min_gap: How much better a step must be at least, in (0, 1]; 0 takes every difference.
        most: Pairs behind the same steps.
        seed: Decides which, where there are more.

    Raises:
        UsageError: an option is out of range.
    """
    _check(min_gap, most)
    groups = _Groups()
    for number, (trace, own) in enumerate(zip(traces, targets, strict=True)):
        for i, target in enumerate(own.steps):
            if target is not None:
                good = target.good + target.neutral / 2
                behind = (trace.problem, trace.steps[:i])
                groups.add(behind, trace.steps[i], (number, i), good, target.weight)
    return groups.pairs(min_gap=min_gap, most=most, seed=seed)


def outcome_pairs(traces: Sequence[Trace], *, most: int = 16, seed: int = 0) -> Pairs:
    """Pairs of the ends of a right and a wrong trace of one problem; traces without an outcome, and
    those that came out right at one time and wrong at another, take no part.

    Args:
        traces: What is learned from.
        most: Pairs of one problem.
        seed: Decides which, where there are more.

    Raises:
        UsageError: `most` is out of range.
    """
    _check(0.0, most)
    groups = _Groups()
    for number, trace in enumerate(traces):
        if trace.outcome is not None:
            groups.add(trace.problem, trace.steps, _end(number, trace), float(trace.outcome))
    return groups.pairs(min_gap=1.0, most=most, seed=seed)


def given_pairs(traces: Sequence[Trace], *, most: int = 16, seed: int = 0) -> Pairs:
    """Pairs of the ends of a preferred trace and another one of the same problem and pair.

    Left out, and counted as one each, are also pairs of which only one side is there.

    Args:
        traces: What is learned from; those without `pair` in their meta take no part.
        most: Pairs of one problem and pair, which may have several traces on a side.
        seed: Decides which, where there are more.

    Raises:
        TraceError: a trace has a pair but does not say whether it is preferred.
        UsageError: `most` is out of range.
    """
    _check(0.0, most)
    groups = _Groups()
    sides: dict[Hashable, set[bool]] = {}
    for number, trace in enumerate(traces):
        if (mark := _mark(trace)) is not None:
            pair, preferred = mark
            group = (trace.problem, pair)
            sides.setdefault(group, set()).add(preferred)
            groups.add(group, trace.steps, _end(number, trace), float(preferred))
    found = groups.pairs(min_gap=1.0, most=most, seed=seed)
    lonely = sum(len(seen) == 1 for seen in sides.values())
    return Pairs(found.chosen, found.num_left_out + lonely)


def _mark(trace: Trace) -> tuple[str | int, bool] | None:
    """The pair that a trace belongs to, and whether it is the preferred one."""
    pair = trace.meta.get("pair")
    if pair is None:
        return None
    if isinstance(pair, bool) or not isinstance(pair, (str, int)):
        raise TraceError(f"trace {trace.id}: meta.pair is {pair!r}; it must be text or a number")
    preferred = trace.meta.get("preferred")
    if not isinstance(preferred, bool):
        raise TraceError(
            f"trace {trace.id}: meta.preferred is {preferred!r}; a trace of a pair must say true "
            "or false"
        )
    return pair, preferred


def _end(number: int, trace: Trace) -> Place:
    return number, len(trace.steps) - 1


def _check(min_gap: float, most: int) -> None:
    if not 0 <= min_gap <= 1:
        raise UsageError(f"min_gap is {min_gap}; it must be between 0 and 1")
    if most < 1:
        raise UsageError(f"most is {most}; it must be at least 1")


@dataclass(slots=True)
class _Contender:
    """One text of a group, where it is first found, and how good it is said to be."""

    place: Place
    total: float = 0.0
    weight: float = 0.0

    @property
    def good(self) -> float:
        return self.total / self.weight


class _Groups:
    """Contenders by what they share."""

    def __init__(self) -> None:
        self._groups: dict[Hashable, dict[Hashable, _Contender]] = {}

    def add(
        self,
        group: Hashable,
        text: Hashable,
        place: Place,
        good: float,
        weight: float = 1.0,
    ) -> None:
        """One more that says how good a text is."""
        contenders = self._groups.setdefault(group, {})
        one = contenders.setdefault(text, _Contender(place))
        one.total += weight * good
        one.weight += weight

    def pairs(self, *, min_gap: float, most: int, seed: int) -> Pairs:
        """The pairs of every group whose goodness differs, by at least so much."""
        draw = random.Random(seed)
        chosen: list[Pair] = []
        num_left_out = 0
        for contenders in self._groups.values():
            found = list(_differing(contenders, min_gap))
            if len(found) > most:
                num_left_out += len(found) - most
                found = draw.sample(found, most)
            chosen += found
        return Pairs(tuple(chosen), num_left_out)


def _differing(contenders: Mapping[Hashable, _Contender], min_gap: float) -> Iterable[Pair]:
    for one, other in combinations(contenders.values(), 2):
        better, worse = (one, other) if one.good > other.good else (other, one)
        if better.good > worse.good and better.good - worse.good >= min_gap:
            yield better.place, worse.place
