"""Particle filtering: N solutions grow step by step, and after each step the likely ones multiply
at the cost of the others.

Puri et al. 2025 (arXiv:2502.01618, algorithm 1). Where the paper resamples by a softmax of the
rewards of the whole prefixes, after every step anew, a weight here is by how much the last step
changed the reward,

    w = r(steps to t) / r(steps to t - 1),

as in any sequential Monte Carlo sampler (Del Moral, Doucet and Jasra 2006), so that the particles
follow policy times reward: for N to infinity, a solution is held by a share of them that
is in proportion to pi(solution) r(solution). Rewards are the aggregates of a search's settings,
which must not be negative; with a weight a of the log-probability the particles follow pi^(1 + a)
times the aggregate. We further differ in that the draw of new particles is systematic (Carpenter et
al. 1999), which adds the least noise. Solutions that are finished stay among the particles with
weight 1; those that came to nothing weigh 0; a prefix without a score is worth what its beginning
is.
"""

from __future__ import annotations

from collections import Counter

import numpy as np
from numpy.typing import NDArray

from surefoot.search.asking import Asking
from surefoot.search.options import check_counts, check_scored
from surefoot.search.problem_search import Search
from surefoot.search.tree import Node


def particles(search: Search, *, n: int = 16) -> Asking[None]:
    """Let `n` particles grow until all are finished.

    In the end, as in between, the `draws` of a finished solution are the particles that hold it: a
    vote is a vote of particles. One that has lost all of them can still be of highest reward.

    Raises:
        UsageError: `n` is less than 1, there is no scorer, or a reward is negative.
    """
    check_counts(n=n)
    check_scored(search, "particle filtering")
    cloud = [search.root] * n
    while any(node.status == "open" for node in cloud):
        held = Counter(node for node in cloud if node.status == "open")
        yield from search.grow([*held], [*held.values()])
        grown: list[Node] = [node for node in cloud if node not in held]
        gains = [0.0] * len(grown)
        for node in held:
            for one, num in [(node, node.ends), *((child, child.draws) for child in node.children)]:
                if one.status != "dead":
                    grown += [one] * num
                    gains += [_log(search, one) - _log(search, node)] * num
        search.release([*held])
        if grown:
            weights = np.exp(np.array(gains) - max(gains))
            cloud = [grown[i] for i in systematic(weights, n, search.rng.random())]
            search.prune(
                [one for one in dict.fromkeys(grown) if one.status == "open" and one not in cloud]
            )
        else:
            cloud = []
        holders = Counter(cloud)
        for one in search.finished:
            one.draws = holders[one]


def systematic(weights: NDArray[np.float64], n: int, start: float) -> NDArray[np.int64]:
    """The places of `n` draws, each place on average `n` times its share of the weights, and never
    a whole draw off.

    Args:
        weights: Not negative, at least one of them positive.
        n: How many to draw.
        start: A random number from 0 to 1, not 1 itself.
    """
    ends = np.cumsum(weights)
    points = (np.arange(n) + start) / n * ends[-1]
    places: NDArray[np.int64] = np.searchsorted(ends, points, side="right")
    return np.minimum(places, len(weights) - 1)


def _log(search: Search, node: Node) -> float:
    """The logarithm of the reward of the longest prefix that has one, 0 where none has."""
    for one in node.path():
        if (value := search.reward.log(one)) is not None:
            return value
    return 0.0
