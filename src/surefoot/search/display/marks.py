"""What is drawn of a search: a mark for every step, with all that is said of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from surefoot.search.tree import Status

if TYPE_CHECKING:
    from surefoot.search.results import SearchResult, Solution, TreeNode
    from surefoot.traces.types import StepScores


@dataclass(frozen=True, slots=True)
class Mark:
    """A step of a node; the first mark is the root, which is the problem and no step."""

    node: int
    """Its place in the tree."""
    parent: int
    """The mark before it; -1 of the root."""
    position: int | None
    """Of the step in the whole prefix; None of the root."""
    text: str
    score: float | None
    good: float | None
    """The score between 0 and 1, 0.5 at the threshold: how it is coloured."""
    ends: Status | None
    """What became of the node, at its last step; None at those before."""
    is_chosen: bool
    is_leaf: bool
    """Whether its node has no children."""
    num_left: int = 0
    """Steps between its parent and itself that have no mark."""


@dataclass(frozen=True)
class Drawn:
    """The marks, parents before children, and the nodes that have none because they are too
    many."""

    marks: tuple[Mark, ...]
    num_left: int
    solutions: dict[int, Solution]
    """By their nodes."""


def marks_of(result: SearchResult, *, most: int, steps: int) -> Drawn:
    """The marks of a search: at most about `most` of them, and `steps` of each node.

    Where there are too many, the way to every solution comes first, in their order, then what was
    written first.
    """
    tree = result.tree
    chosen = set(_way(tree, result.solutions[0].node)) if result.solutions else {0}
    inner = {node.parent for node in tree}
    kept = _kept(result, most, steps)
    good = _goodness(result)
    marks = [Mark(0, -1, None, result.problem, None, None, None, True, len(tree) == 1)]
    last_mark, depth = {0: 0}, [0] * len(tree)
    for number, node in enumerate(tree[1:], 1):
        before = node.parent or 0
        depth[number] = depth[before] + len(node.steps)
        if number not in kept:
            continue
        last_mark[number] = last_mark[before]
        places, num_left = _shown(len(node.steps), steps)
        for place in places:
            is_last = place == len(node.steps) - 1
            score = node.scores[place] if node.scores else None
            marks.append(
                Mark(
                    number,
                    last_mark[number],
                    depth[before] + place,
                    node.steps[place],
                    score,
                    None if score is None else good(score),
                    node.status if is_last else None,
                    number in chosen,
                    number not in inner,
                    num_left if is_last else 0,
                )
            )
            last_mark[number] = len(marks) - 1
    solutions = {one.node: one for one in result.solutions}
    return Drawn(tuple(marks), len(tree) - len(kept), solutions)


def scorer_of(result: SearchResult) -> StepScores | None:
    """The scores of the first solution that has some, for what they say of their scorer."""
    return next((one for own in result.solutions for one in own.trace.scores), None)


def _way(tree: Sequence[TreeNode], node: int) -> list[int]:
    """The nodes from one up to the root."""
    found = [node]
    while (parent := tree[found[-1]].parent) is not None:
        found.append(parent)
    return found


def _kept(result: SearchResult, most: int, steps: int) -> set[int]:
    """The nodes that are drawn; the parent of each is one too."""
    kept, left = {0}, most
    tree = result.tree
    ways = [_way(tree, one.node)[::-1] for one in result.solutions]
    for number in (one for way in (*ways, range(len(tree))) for one in way):
        cost = min(len(tree[number].steps), steps)
        if number not in kept and tree[number].parent in kept and cost <= left:
            kept.add(number)
            left -= cost
    return kept


def _shown(num: int, most: int) -> tuple[list[int], int]:
    """The steps of a node that have a mark, and how many before the last have none."""
    if num <= most:
        return list(range(num)), 0
    return [*range(most - 1), num - 1], num - most


def _goodness(result: SearchResult) -> Callable[[float], float]:
    """From a score to a number in [0, 1]: linear on either side of the threshold, to 0 and 1 for
    probabilities and values, to the least and the highest score of the tree for other kinds."""
    scorer = scorer_of(result)
    kind, limit = ("probability", 0.5) if scorer is None else (scorer.kind, scorer.threshold)
    found = [score for node in result.tree for score in node.scores or () if score is not None]
    low, high = min(found, default=0.0), max(found, default=1.0)
    if kind in ("probability", "value"):
        low, high = 0.0, 1.0

    def good(score: float) -> float:
        if score < limit:
            return 0.5 * (score - low) / (limit - low) if low < limit else 0.0
        return 0.5 + 0.5 * (score - limit) / (high - limit) if high > limit else 1.0

    return good
