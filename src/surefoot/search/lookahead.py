"""Lookahead search: beam search whose children are worth what becomes of them a few steps on.

Snell et al. 2024 (arXiv:2408.03314, section 5.2): each child is continued for at most k more steps
at temperature 0, and the score of where that ends stands for the child. The continuations cost
tokens like any others, so one round takes 1 + k times the draws of beam search; `n` counts them
all. We differ in that a continuation which comes to an end is a solution like any other, not thrown
away, and in what `beam` differs in.
"""

from __future__ import annotations

import math

from surefoot.search.asking import Asking
from surefoot.search.beam import deal
from surefoot.search.options import check_counts, check_scored, widths
from surefoot.search.problem_search import Search
from surefoot.search.tree import Node


def lookahead(
    search: Search,
    *,
    n: int | None = None,
    width: int | None = None,
    children: int | None = None,
    depth: int = 1,
) -> Asking[None]:
    """Draw `children` steps from each of `width` beginnings in a round, and continue each child
    greedily for up to `depth` further steps.

    With `n` given or nothing (16), a round takes about `n` steps, those of the continuations among
    them: `width` times `children` is n / (1 + `depth`).

    Raises:
        UsageError: an option is less than 1, they contradict each other, or there is no scorer.
    """
    check_counts(n=n, depth=depth)
    if n is not None or width is None:
        n = max(1, (n or 16) // (1 + depth))
    draws, width, _ = widths(n, width, children)
    check_scored(search, "lookahead search")
    beams = [search.root]
    seen: list[Node] = []
    while beams:
        grown = yield from search.grow(beams, deal(draws, len(beams)))
        ahead = [one for own in grown for one in own if one.status == "open"]
        ends = yield from search.grow(ahead, 1, num_steps=depth, temperature=0.0)
        worth = [_worth(search, one, own) for one, own in zip(ahead, ends, strict=True)]
        order = sorted(range(len(ahead)), key=lambda i: (-worth[i], ahead[i].number))
        kept = [ahead[i] for i in order if ahead[i].status == "open"][:width]
        behind = [end for i, own in enumerate(ends) if ahead[i] not in kept for end in own]
        left = dict.fromkeys([*ahead, *seen, *behind])
        search.prune([one for one in left if one.status == "open" and one not in kept])
        search.release(beams)
        beams = kept
        seen = [end for i, own in enumerate(ends) if ahead[i] in kept for end in own]


def _worth(search: Search, child: Node, ends: list[Node]) -> float:
    """The value of where a continuation led, least of all where it came to nothing."""
    return search.value(ends[0]) if ends else -math.inf
