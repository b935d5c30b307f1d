"""Results of searches as lines of a comparison.

From whole solutions that were drawn independently follows what every way of choosing among them
reaches: so best-of-N, a vote, a majority, one sample and an oracle are compared on the same draws.
Among equals the choice is by chance, as in `surefoot.search.choosing`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from surefoot.errors import AbstainedError
from surefoot.evals.matched.attempts import Attempt, Kind, Line, keys_of
from surefoot.evals.matched.judging import Judge
from surefoot.search.choosing import argmax, weighted_vote
from surefoot.search.results import SearchResult, Solution
from surefoot.stats import FloatArray

BEST, PLAIN, VOTE = "best-of-n", "best-of-n, step scores alone", "vote"
MAJORITY, LIKELIEST, ONE, ORACLE = "majority", "likeliest", "one sample", "oracle"

Sized: TypeAlias = Mapping[int, Sequence[SearchResult]]
"""The results of one method, by size."""


def line_of_search(name: str, sized: Sized, judge: Judge) -> Line:
    """A method of which counts what it chose."""
    return Line(name, "search", {n: _by_problem(some, judge, _chosen) for n, some in sized.items()})


def lines_of_draws(sized: Sized, judge: Judge, *, aggregate: str | None = None) -> list[Line]:
    """What every way of choosing makes of whole solutions, drawn as best-of-n does.

    `best-of-n` goes by the reward that the search went by; `best-of-n, step scores alone`, where
    that is another thing, and `vote` by the aggregate. `likeliest` takes what the policy finds most
    probable. `one sample` is what a draw reaches on average over those of the largest size, and
    `oracle` finds what is right where it was drawn.

    Args:
        sized: Results of `search.best_of_n`, by n.
        judge: Of all answers.
        aggregate: The rule that makes one number of step scores; the scorer's own if None.
    """
    largest = max(sized)
    drawn = [
        _Drawn.of(result, judge, aggregate)
        for result in sized[largest]
        if any(one.finished for one in result.solutions)
    ]
    lines = [
        _line(name, kind, sized, judge, aggregate, way)
        for name, (kind, way) in WAYS.items()
        if _is_told(name, drawn)
    ]
    alone = {largest: sized[largest]}
    lines.append(Line(ONE, "control", {1: _by_problem(alone[largest], judge, _one_sample)}))
    lines.append(
        Line(ORACLE, "control", {n: _by_problem(some, judge, _oracle) for n, some in sized.items()})
    )
    return lines


@dataclass(frozen=True, eq=False)
class _Drawn:
    """The whole solutions of a problem, equal ones once; arrays have one number for each."""

    rewards: FloatArray
    aggregates: FloatArray
    logprobs: FloatArray
    draws: FloatArray
    groups: tuple[int | None, ...]

    @classmethod
    def of(cls, result: SearchResult, judge: Judge, aggregate: str | None) -> _Drawn:
        some = finished(result)
        nodes = [result.tree[one.node] for one in some]
        answers = [one.trace.answer for one in some]
        return cls(
            _numbers([one.reward for one in some]),
            _numbers([_aggregated(one, aggregate) for one in some]),
            _numbers([node.logprob for node in nodes]),
            np.array([float(node.draws) for node in nodes]),
            tuple(a if a is None else judge.group[result.problem, a] for a in answers),
        )


_Way: TypeAlias = Callable[[_Drawn], FloatArray]
"""The probability that each solution is chosen."""

WAYS: Mapping[str, tuple[Kind, _Way]] = {
    BEST: ("best of n", lambda one: argmax(one.rewards)),
    PLAIN: ("best of n", lambda one: argmax(one.aggregates)),
    VOTE: (
        "best of n",
        lambda one: weighted_vote(
            np.where(np.isneginf(one.aggregates), 0.0, one.aggregates * one.draws), one.groups
        ),
    ),
    MAJORITY: ("control", lambda one: weighted_vote(one.draws, one.groups)),
    LIKELIEST: ("control", lambda one: argmax(one.logprobs)),
}
"""Every way of choosing among whole solutions."""


def _is_told(name: str, drawn: Sequence[_Drawn]) -> bool:
    """Whether what a way goes by is there, and is a thing of its own."""
    aggregates = [value for one in drawn for value in one.aggregates.tolist()]
    rewards = [value for one in drawn for value in one.rewards.tolist()]
    if name == BEST:
        return any(math.isfinite(value) for value in rewards)
    if name == PLAIN:
        pairs = zip(rewards, aggregates, strict=True)
        return any(math.isfinite(b) and not math.isclose(a, b) for a, b in pairs)
    if name == VOTE:
        told = [value for value in aggregates if math.isfinite(value)]
        return bool(told) and min(told) >= 0
    if name == LIKELIEST:
        return any(math.isfinite(value) for one in drawn for value in one.logprobs)
    return True


def _line(
    name: str, kind: Kind, sized: Sized, judge: Judge, aggregate: str | None, way: _Way
) -> Line:
    def attempt(result: SearchResult, judge: Judge) -> Attempt:
        some = finished(result)
        weights = way(_Drawn.of(result, judge, aggregate)) if some else np.zeros(0)
        return _expected(result, judge, weights, scores=kind != "control")

    return Line(name, kind, {n: _by_problem(some, judge, attempt) for n, some in sized.items()})


def _by_problem(
    results: Sequence[SearchResult],
    judge: Judge,
    attempt: Callable[[SearchResult, Judge], Attempt],
) -> dict[str, Attempt]:
    keys = keys_of([result.problem for result in results])
    return {key: attempt(result, judge) for key, result in zip(keys, results, strict=True)}


def _chosen(result: SearchResult, judge: Judge) -> Attempt:
    some = finished(result)
    return _expected(result, judge, np.array([1.0, *[0.0] * (len(some) - 1)][: len(some)]))


def _one_sample(result: SearchResult, judge: Judge) -> Attempt:
    samples = max(1, result.usage.samples)
    draws = np.array([float(result.tree[one.node].draws) for one in finished(result)])
    return _expected(result, judge, draws / samples, scores=False, share=1 / samples)


def _oracle(result: SearchResult, judge: Judge) -> Attempt:
    some = [one.trace for one in finished(result)]
    merits = [(judge.is_right(one), judge.is_sound(one) is True) for one in some]
    best = merits.index(max(merits)) if merits else None
    weights = np.array([float(i == best) for i in range(len(some))])
    return _expected(result, judge, weights, scores=False)


def _expected(
    result: SearchResult,
    judge: Judge,
    weights: FloatArray,
    *,
    scores: bool = True,
    share: float = 1.0,
) -> Attempt:
    """What is reached where each whole solution is chosen with a probability; nothing by a search
    that failed. `share` of what was written counts, and what was scored if `scores`."""
    traces = [one.trace for one in finished(result)] if result.ended != "failed" else []
    right = sum(w for w, one in zip(weights.tolist(), traces, strict=False) if judge.is_right(one))
    sound = sum(w for w, one in zip(weights.tolist(), traces, strict=False) if judge.is_sound(one))
    usage = result.usage
    return Attempt(
        right=None if result.reference is None else right,
        sound=None if judge.label is None else sound,
        new_tokens=usage.new_tokens * share,
        read_tokens=usage.read_tokens,
        scored_tokens=usage.scored_tokens if scores else 0,
        seconds=usage.seconds if scores else None,
        ended=result.ended,
    )


def finished(result: SearchResult) -> list[Solution]:
    """The whole solutions of a result."""
    return [one for one in result.solutions if one.finished]


def _aggregated(one: Solution, aggregate: str | None) -> float | None:
    if not one.trace.scores:
        return None
    try:
        return one.trace.scores[0].aggregate(aggregate)
    except AbstainedError:
        return None


def _numbers(values: Sequence[float | None]) -> FloatArray:
    return np.array([-math.inf if one is None else one for one in values])
