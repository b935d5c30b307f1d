"""What a search on a problem found: ranked solutions, the answer, the tree and what it took."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Literal, TypeAlias

import numpy as np

from surefoot.errors import RowError
from surefoot.search.choosing import answer_groups, reward_ranks, vote_weights
from surefoot.search.problem_search import Search, answer_of
from surefoot.search.task import Usage
from surefoot.search.tree import Node, Status
from surefoot.traces.formats.search_results import (
    RESULT_VERSION,
    VERSION_FIELD,
    check_version,
    solutions,
)
from surefoot.traces.types import StepScores, Trace

Choice = Literal["argmax", "vote", "majority"]
"""argmax: the solution of highest reward; vote: the answer of most aggregate score; majority: the
answer most often drawn."""

Grouping: TypeAlias = "Callable[[str, Sequence[str]], Mapping[str, int]]"
"""From a problem and its distinct answers to a number for each, equal where they are the same."""


@dataclass(frozen=True, slots=True)
class TreeNode:
    """A node of the tree: `steps` further steps behind those of `parent`, by its place in the tree.

    `value` is its reward when the search ended, `scores` those of its own steps, None where the
    scorer gave none.
    """

    parent: int | None
    steps: tuple[str, ...]
    status: Status
    value: float | None
    scores: tuple[float | None, ...] | None
    logprob: float | None
    draws: int
    why: str | None = None


@dataclass(frozen=True, slots=True)
class Solution:
    """One solution with its scores and its place in the tree.

    `reward` is what it is worth, None without a score; `votes` what its answer has by the rule of
    choice, all solutions of that answer together, None where answers do not count. `finished` is
    false for the best beginning of a search that found no whole solution.
    """

    trace: Trace
    node: int
    reward: float | None
    votes: float | None
    finished: bool = True


@dataclass(frozen=True, slots=True)
class SearchResult:
    """The search on one problem.

    `ended` says how: "done", "budget", "no solution" or "failed", and `why` the reason of all but
    the first. `losses` counts the continuations that came to nothing by their causes.
    """

    problem: str
    solutions: tuple[Solution, ...]
    """Best first; one that is not finished only where there is no other."""
    tree: tuple[TreeNode, ...]
    usage: Usage
    ended: str
    why: str | None = None
    losses: Mapping[str, int] = field(default_factory=dict)
    chosen_by: Choice = "argmax"
    reference: str | None = None

    @property
    def best(self) -> Trace | None:
        """The chosen solution, None where not a single step was written."""
        return self.solutions[0].trace if self.solutions else None

    @property
    def answer(self) -> str | None:
        """The answer of the chosen solution."""
        return self.solutions[0].trace.answer if self.solutions else None

    def _repr_html_(self) -> str:
        """For notebooks: the tree, and the chosen solution step by step."""
        from surefoot.search.display.tree_html import result_html

        return result_html(self)


def result_of(search: Search, choice: Choice, same: Grouping | None = None) -> SearchResult:
    """What a search that has ended found.

    `same` says which answers are the same; equal texts are where it is None.
    """
    finished = search.finished
    if finished:
        ranked = _ranked(search, finished, choice, same)
    else:
        ranked = [_solution(search, node, None, False) for node in _beginning(search)]
    return SearchResult(
        search.task.problem,
        tuple(ranked),
        tuple(_row(search, node) for node in search.nodes),
        search.usage,
        search.ended,
        search.why,
        dict(search.losses),
        choice,
        search.task.reference,
    )


def _ranked(
    search: Search, nodes: Sequence[Node], choice: Choice, same: Grouping | None
) -> list[Solution]:
    """By reward, or by the votes of their answer and then by reward; what was found first comes
    first among equals."""
    rewards = [search.value(node) for node in nodes]
    ranks = reward_ranks(np.array(rewards))
    votes: list[float | None] = [None] * len(nodes)
    keys: list[tuple[float, ...]] = [(-float(rank),) for rank in ranks]
    if choice != "argmax":
        totals = _votes(search, nodes, choice, same)
        votes = [None if total < 0 else total for total in totals]
        places = reward_ranks(np.array(totals))
        keys = [(-float(place), *key) for place, key in zip(places, keys, strict=True)]
    order = sorted(range(len(nodes)), key=lambda i: (*keys[i], nodes[i].number))
    return [_solution(search, nodes[i], votes[i], True) for i in order]


def _votes(
    search: Search, nodes: Sequence[Node], choice: Choice, same: Grouping | None
) -> list[float]:
    """What the answer of each node has in all; -1 without an answer."""
    answers = [answer_of(node) for node in nodes]
    given = sorted({answer for answer in answers if answer is not None})
    known = same(search.task.problem, given) if same is not None else {}
    groups = answer_groups([known.get(one, one) if one is not None else None for one in answers])
    cast = [float(node.draws) for node in nodes]
    if choice == "vote":
        aggregates = [search.reward.aggregated(node) for node in nodes]
        weights = vote_weights(np.array([-math.inf if a is None else a for a in aggregates]))
        cast = [float(draws * weight) for draws, weight in zip(cast, weights, strict=True)]
    totals: dict[int, float] = {}
    for group, one in zip(groups, cast, strict=True):
        totals[int(group)] = totals.get(int(group), 0.0) + one
    return [-1.0 if group < 0 else totals[int(group)] for group in groups]


def _beginning(search: Search) -> list[Node]:
    """The node of highest value where no solution was finished, rather a longer one; none if there
    is only the root."""
    nodes = [node for node in search.nodes if node.steps]
    return sorted(nodes, key=lambda one: (-search.value(one), -one.depth, one.number))[:1]


def _solution(search: Search, node: Node, votes: float | None, finished: bool) -> Solution:
    reward = search.value(node)
    return Solution(
        search.trace(node),
        node.number,
        None if reward == -math.inf else reward,
        votes,
        finished,
    )


def _row(search: Search, node: Node) -> TreeNode:
    value = search.value(node) if node.steps else -math.inf
    own = node.scores.values[len(node.scores.values) - len(node.steps) :] if node.scores else None
    return TreeNode(
        None if node.parent is None else node.parent.number,
        node.steps,
        node.status,
        None if value == -math.inf else value,
        own,
        node.logprob,
        node.draws,
        node.why,
    )


def result_to_json(result: SearchResult) -> dict[str, Any]:
    """A result as JSON, as `surefoot.traces.formats.search_results` describes it."""
    scorer = next((s for one in result.solutions for s in one.trace.scores), None)
    return {
        VERSION_FIELD: RESULT_VERSION,
        "problem": result.problem,
        "reference": result.reference,
        "answer": result.answer,
        "ended": result.ended,
        "why": result.why,
        "chosen_by": result.chosen_by,
        "scorer": None if scorer is None else _scorer_to_json(scorer),
        "solutions": [_solution_to_json(one) for one in result.solutions],
        "usage": asdict(result.usage),
        "losses": dict(result.losses),
        "tree": [asdict(node) for node in result.tree],
    }


def result_from_json(row: Mapping[str, Any]) -> SearchResult:
    """The result that `result_to_json` made, exactly.

    Raises:
        RowError: it is something else; `field` says where.
    """
    check_version(row)
    found = solutions(row)
    try:
        return SearchResult(
            row["problem"],
            tuple(
                Solution(trace, own["node"], own["reward"], own["votes"], own["finished"])
                for own, trace in found
            ),
            tuple(_node_from_json(node) for node in row["tree"]),
            Usage(**row["usage"]),
            row["ended"],
            row["why"],
            dict(row["losses"]),
            row["chosen_by"],
            row["reference"],
        )
    except KeyError as error:
        raise RowError(f"is missing the field {error}") from None
    except (TypeError, ValueError) as error:
        raise RowError(f"is not a whole result of a search: {error}") from None


def _solution_to_json(one: Solution) -> dict[str, Any]:
    scores = one.trace.scores[0] if one.trace.scores else None
    return {
        "node": one.node,
        "answer": one.trace.answer,
        "outcome": one.trace.outcome,
        "reward": one.reward,
        "votes": one.votes,
        "finished": one.finished,
        "values": None if scores is None else scores.values,
        "log_odds": None if scores is None else scores.log_odds,
    }


def _node_from_json(node: Mapping[str, Any]) -> TreeNode:
    scores = node["scores"]
    given = {**node, "steps": tuple(node["steps"])}
    return TreeNode(**{**given, "scores": None if scores is None else tuple(scores)})


def _scorer_to_json(scores: StepScores) -> dict[str, Any]:
    return {
        "model": scores.model,
        "kind": scores.kind,
        "default_aggregate": scores.default_aggregate,
        "threshold": scores.threshold,
    }
