"""Continuations for many traces at once: plans ask for some, and go on when they are judged.

How one trace is labelled is a plan, a generator written as if that trace were alone. `run` takes
all plans forward together, so that every call of the policy holds what all of them want next. The
continuations of a prefix are numbered, and which is which depends on the seed, the prefix and the
number alone: a plan that stops early has seen the first of those that a longer one sees.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple, TypeAlias, TypeVar

from surefoot.errors import UnscorableError
from surefoot.labels.rollouts.ends import CUT, EMPTY, Chain, Ending, Ends
from surefoot.policies.base import Continuation, Policy, Prefix, Sampling
from surefoot.traces.types import Trace

T = TypeVar("T")


class Ask(NamedTuple):
    """`n` more continuations of a prefix, of which `drawn` are known."""

    steps: tuple[str, ...]
    n: int
    drawn: int = 0


@dataclass(frozen=True, slots=True)
class Rollout:
    """One continuation of a prefix: its own steps, how the whole chain ends, its tokens."""

    steps: tuple[str, ...]
    ending: Ending
    num_tokens: int


Plan: TypeAlias = Generator[list[Ask], list[list[Rollout]], T]
"""Yields what it wants to know, is sent the rollouts of each, and returns what it found."""


@dataclass(frozen=True, slots=True)
class Drawing:
    """Where continuations come from and how their ends are judged."""

    policy: Policy
    ends: Ends
    sampling: Sampling
    seed: int = 0

    def draw(self, asked: Sequence[tuple[Trace, Ask]]) -> list[list[Rollout]]:
        """The rollouts of each; equal prefixes of one problem are continued once for all."""
        keys = [(Prefix(t.problem, ask.steps, ask.drawn), ask.n) for t, ask in asked]
        known = self._continued(list(dict.fromkeys(keys)))
        chains = [
            Chain(trace, ask.steps + one.steps)
            for (trace, ask), key in zip(asked, keys, strict=True)
            for one in known[key]
            if _unjudged(one) is None
        ]
        judged = iter(self.ends(chains))
        return [
            [
                Rollout(one.steps, _unjudged(one) or next(judged), one.num_tokens)
                for one in known[key]
            ]
            for key in keys
        ]

    def _continued(
        self, keys: Sequence[tuple[Prefix, int]]
    ) -> Mapping[tuple[Prefix, int], Sequence[Continuation]]:
        by_n: dict[int, list[Prefix]] = defaultdict(list)
        for prefix, n in keys:
            by_n[n].append(prefix)
        return {
            (prefix, n): found
            for n, prefixes in by_n.items()
            for prefix, found in zip(prefixes, self._continue(prefixes, n), strict=True)
        }

    def _continue(self, prefixes: Sequence[Prefix], n: int) -> list[list[Continuation]]:
        """Continuations of each; a prefix that is not for this policy keeps the others from
        nothing."""
        try:
            return self.policy.continue_prefixes(
                prefixes, n, seed=self.seed, sampling=self.sampling
            )
        except UnscorableError as error:
            if len(prefixes) == 1:
                return [[Continuation((), None, 0, False, failed=str(error))] * n]
        half = len(prefixes) // 2
        return self._continue(prefixes[:half], n) + self._continue(prefixes[half:], n)


def run(plans: Sequence[tuple[Trace, Plan[T]]], drawing: Drawing) -> list[T]:
    """What each plan returns, all of them taken forward together."""
    found: dict[int, T] = {}
    answers: dict[int, list[list[Rollout]] | None] = dict.fromkeys(range(len(plans)))
    while answers:
        asked: list[tuple[int, Ask]] = []
        for i, answer in answers.items():
            plan = plans[i][1]
            try:
                asks = next(plan) if answer is None else plan.send(answer)
            except StopIteration as stop:
                found[i] = stop.value
            else:
                asked += [(i, ask) for ask in asks]
        answers = {i: [] for i in answers if i not in found}
        drawn = drawing.draw([(plans[i][0], ask) for i, ask in asked])
        for (i, _), rollouts in zip(asked, drawn, strict=True):
            answers[i].append(rollouts)  # type: ignore[union-attr]
    return [found[i] for i in range(len(plans))]


def _unjudged(one: Continuation) -> Ending | None:
    """How a continuation ends that has no end to judge."""
    if one.failed is not None:
        return Ending(None, one.failed)
    if not one.finished:
        return Ending(None, CUT)
    return None if one.steps else Ending(None, EMPTY)
