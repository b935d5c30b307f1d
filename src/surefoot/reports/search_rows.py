"""The problems of a results file, each in one row, and those of them that are worth opening."""

from __future__ import annotations

import random
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import median

from surefoot.search.display.outcomes import with_outcomes
from surefoot.search.results import SearchResult


@dataclass(frozen=True, slots=True)
class Row:
    """What the search on one problem came to; `number` counts from 0.

    `outcome` is that of the chosen answer, `found` whether any solution has a right one, None where
    neither is known.
    """

    number: int
    problem: str
    answer: str | None
    reference: str | None
    outcome: bool | None
    found: bool | None
    reward: float | None
    votes: float | None
    num_solutions: int
    num_nodes: int
    new_tokens: int
    scored_tokens: int | None
    seconds: float
    ended: str
    why: str | None
    losses: Mapping[str, int]
    kinds: tuple[str, ...] = ()


@dataclass(frozen=True)
class Kind:
    """What some problems have in common."""

    heading: str
    meaning: str


KINDS: Mapping[str, Kind] = {
    "missed": Kind(
        "right one found, wrong one chosen",
        "a right answer is among the solutions, and another one was chosen: a matter of the scorer "
        "or of the rule of choice, not of the search",
    ),
    "convincing": Kind(
        "high reward, wrong answer",
        "the answer is wrong, and its reward is above that of half of the right ones; the highest "
        "first",
    ),
    "wrong": Kind("wrong answer", "the chosen answer is not the reference"),
    "early": Kind(
        "ended early",
        "the search ended on its budget, on a failure or without a whole solution",
    ),
    "right": Kind("right answer", "the chosen answer is the reference"),
    "unknown": Kind("not known", "whether the answer is right is not known"),
}
"""The kinds in the order in which a page offers them."""


def rows_of(results: Iterable[SearchResult]) -> list[Row]:
    """A row for each result, in order, with its kinds."""
    rows = [_row(number, with_outcomes(one)) for number, one in enumerate(results)]
    good = [row.reward for row in rows if row.outcome and row.reward is not None]
    limit = median(good) if good else None
    return [_with_kinds(row, limit) for row in rows]


def worth_opening(rows: Sequence[Row], *, each: int, seed: int = 0) -> list[int]:
    """The numbers of at most `each` problems of every kind, by turns: the first one worst."""
    drawn = random.Random(seed)
    piles = []
    for kind in KINDS:
        pile = [row for row in rows if kind in row.kinds]
        if kind == "convincing":
            pile.sort(key=lambda row: -(row.reward or 0.0))
        elif kind in ("right", "unknown"):
            pile = drawn.sample(pile, min(each, len(pile)))
        piles.append([row.number for row in pile[:each]])
    longest = max(map(len, piles))
    turns = [pile[i] for i in range(longest) for pile in piles if i < len(pile)]
    return list(dict.fromkeys(turns))


def _row(number: int, result: SearchResult) -> Row:
    first = result.solutions[0] if result.solutions else None
    outcomes = [one.trace.outcome for one in result.solutions]
    found = None
    if result.reference is not None or any(one is not None for one in outcomes):
        found = any(outcomes)
    outcome = None if first is None else first.trace.outcome
    if first is None or not first.finished:
        outcome = None if found is None else False
    return Row(
        number,
        result.problem,
        result.answer,
        result.reference,
        outcome,
        found,
        None if first is None else first.reward,
        None if first is None else first.votes,
        sum(one.finished for one in result.solutions),
        len(result.tree) - 1,
        result.usage.new_tokens,
        result.usage.scored_tokens,
        result.usage.seconds,
        result.ended,
        result.why,
        result.losses,
    )


def _with_kinds(row: Row, limit: float | None) -> Row:
    is_wrong = row.outcome is False
    is_high = row.reward is not None and limit is not None and row.reward > limit
    so = {
        "missed": is_wrong and row.found is True,
        "convincing": is_wrong and is_high,
        "wrong": is_wrong,
        "early": row.ended != "done",
        "right": row.outcome is True,
        "unknown": row.outcome is None,
    }
    return replace(row, kinds=tuple(kind for kind in KINDS if so[kind]))
