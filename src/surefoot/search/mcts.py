"""Monte Carlo tree search over steps: go on from wherever it looks best, and come back.

As in AlphaMath (Chen et al. 2024, arXiv:2405.03553, section 3.3): from the root down, the child of
highest

    Q(child) + c P(child) sqrt(N(parent)) / (1 + N(child))

is taken until a node without children is reached, which gets some; their rewards stand for the
solutions behind them, and Q is the mean over a subtree, or its maximum. (PUCT: Rosin 2011; Silver
et al. 2017.) N counts the nodes of a subtree. P is the policy's probability of the child among its
siblings where it says so, else the child's share of the draws.

A reward falls with every step that may be wrong, so that nodes of different depth cannot be
compared as they are, and a search that does is drawn back to the root. Q is therefore of rewards
in proportion to the best reward so far at the same depth, r / r_best, which also has no scale.

We differ in that several nodes get children at a time: one that is waiting for them counts as a
visit of value 0 to all that lead to it (virtual loss; Chaslot et al. 2008). A subtree in which
nothing is left to go on from is never entered again, so that each step of a search brings
something new, and a search that has seen all there is ends. With `rollouts` each child is continued
to the end once, as in rStar-Math (Guan et al. 2025, arXiv:2501.04519), and the reward of that
solution stands for it instead. Where as much is written as n prefixes of the greatest length take,
and not one solution is there, the longest prefix is gone on with, so that rewards that do not tell
the ways apart cannot keep a search near the root.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Literal

from surefoot.errors import UsageError
from surefoot.search.asking import Asking
from surefoot.search.beam import deal
from surefoot.search.options import check_counts, check_scored
from surefoot.search.problem_search import Search
from surefoot.search.tree import Node

Backup = Literal["mean", "max"]


@dataclass(eq=False, slots=True)
class Place:
    """A node with what the search knows of it."""

    node: Node
    parent: Place | None
    prior: float
    reward: float | None
    """r as a logarithm, of the node or of the solution it was continued to."""
    depth: int
    """Of the node whose reward it is."""
    free: int
    """Nodes in its subtree that have no children yet, may get some and are not waiting for them."""
    children: list[Place] = field(default_factory=list)
    visits: int = 1
    """Nodes of its subtree, one that waits for children counted twice."""
    quality: float = 0.0

    def path(self) -> Iterator[Place]:
        """The places from here up to the root."""
        place: Place | None = self
        while place is not None:
            yield place
            place = place.parent


def mcts(
    search: Search,
    *,
    n: int = 16,
    children: int | None = None,
    at_once: int | None = None,
    simulations: int | None = None,
    exploration: float = 0.1,
    backup: Backup = "mean",
    rollouts: bool = False,
) -> Asking[None]:
    """Let one node after another have `children`, until as many tokens are written as `n` solutions
    of the usual length have, or `simulations` nodes have children.

    `children` are 8 if not given, or n if that is less.
    `at_once` nodes get them in one round, n / 16 if it is not given: more are quicker, but a choice
    that does not know what the one before it brought is a worse one.

    Raises:
        UsageError: a number is out of range, there is no such backup, or there is no scorer.
    """
    check_counts(n=n, children=children, at_once=at_once, simulations=simulations)
    at_once = max(1, n // 16) if at_once is None else at_once
    children = min(8, n) if children is None else children
    if not 0 <= exploration < math.inf:
        raise UsageError(f"exploration is {exploration}; it must be 0 or more, and finite")
    if backup not in ("mean", "max"):
        raise UsageError(f"there is no backup {backup!r}; choose mean or max")
    check_scored(search, "tree search")
    root = Place(search.root, None, 1.0, None, 0, 1)
    places = [root]
    left = simulations
    while root.free and left != 0 and not (search.finished and _is_spent(search, n)):
        num = at_once if left is None else min(left, at_once)
        chosen: list[Place] = []
        while root.free and len(chosen) < num:
            is_late = _is_spent(search, n)
            chosen.append(deepest(places) if is_late else select(root, exploration))
            wait(chosen[-1], backup)
        grown = yield from search.grow(
            [one.node for one in chosen], deal(num * children, len(chosen))
        )
        left = None if left is None else left - len(chosen)
        new = [
            one
            for place, own in zip(chosen, grown, strict=True)
            for one in _expand(search, place, own)
        ]
        search.release([one.node for one in chosen])
        if rollouts:
            yield from _roll_out(search, new)
        places += new
        value(places, backup)


def select(root: Place, exploration: float) -> Place:
    """The node that is to have children next."""
    place = root
    while place.children:
        ahead = [child for child in place.children if child.free]
        scale = exploration * math.sqrt(place.visits)
        place = max(ahead, key=lambda one: one.quality + scale * one.prior / (1 + one.visits))
    return place


def deepest(places: Sequence[Place]) -> Place:
    """The longest prefix that can still be gone on from, of equally long ones the best."""
    ahead = [one for one in places if one.free and not one.children]
    return max(ahead, key=lambda one: (one.node.depth, one.quality))


def wait(place: Place, backup: Backup) -> None:
    """Let a node wait for its children."""
    for one in place.path():
        one.free -= 1
        if backup == "mean":
            one.quality *= one.visits / (one.visits + 1)
        else:
            one.quality = max((own.quality for own in one.children if own.free), default=0.0)
        one.visits += 1


def value(places: Sequence[Place], backup: Backup) -> None:
    """Work visits and qualities out anew, from the rewards of all places, parents first."""
    best: dict[int, float] = {}
    for place in places:
        if place.reward is not None:
            best[place.depth] = max(best.get(place.depth, -math.inf), place.reward)
    for place in reversed(places):
        own = 0.0 if place.reward is None else math.exp(place.reward - best[place.depth])
        place.visits = 1 + sum(child.visits for child in place.children)
        if backup == "mean":
            total = own + sum(child.quality * child.visits for child in place.children)
            place.quality = total / place.visits
        else:
            ahead = [child.quality for child in place.children if child.free]
            place.quality = max(ahead, default=own)


def _expand(search: Search, place: Place, children: Sequence[Node]) -> list[Place]:
    """Give a place its children, all but itself, should the policy have ended it."""
    own = [node for node in children if node is not place.node]
    for node, prior in zip(own, _priors(own), strict=True):
        free = int(node.status == "open")
        reward = search.reward.log(node)
        place.children.append(Place(node, place, prior, reward, node.depth, free))
    for one in place.path():
        one.free += sum(child.free for child in place.children)
    return place.children


def _priors(siblings: Sequence[Node]) -> list[float]:
    logprobs = [node.logprob for node in siblings if node.logprob is not None]
    if len(logprobs) == len(siblings):
        weights = [math.exp(one - max(logprobs)) for one in logprobs]
    else:
        weights = [float(node.draws) for node in siblings]
    return [one / sum(weights) for one in weights]


def _roll_out(search: Search, places: Sequence[Place]) -> Asking[None]:
    """Continue open nodes to the end, and let that stand for them."""
    begun = [place for place in places if place.free]
    ends = yield from search.grow([place.node for place in begun], 1, num_steps=None)
    for place, own in zip(begun, ends, strict=True):
        place.reward = search.reward.log(own[0]) if own else None
        place.depth = own[0].depth if own else place.depth
        if place.node.status != "open":
            for one in place.path():
                one.free -= 1


def _is_spent(search: Search, n: int) -> bool:
    """Whether as much is written as `n` solutions take: of the length they have so far, or of the
    longest prefix as long as there is none."""
    lengths = [node.num_tokens for node in search.finished]
    if not lengths:
        return search.usage.new_tokens >= n * max(node.num_tokens for node in search.nodes)
    return search.usage.new_tokens * len(lengths) >= n * sum(lengths)
