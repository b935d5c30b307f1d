"""Diverse verifier tree search: several subtrees, each going on from its best child alone.

Beeching, Tunstall and Rush 2024, "Scaling test-time compute with open models" (section on DVTS): of
N draws, N / M subtrees of M children each; in every round each subtree keeps its best child, so
that no subtree can crowd out the others as in beam search. We differ in that subtrees begin with
different steps: equal children are one node here, so where fewer first steps were drawn than there
are to be subtrees, the missing ones begin later, at the best of the children that were not kept.
"""

from __future__ import annotations

from surefoot.search.asking import Asking
from surefoot.search.beam import deal
from surefoot.search.options import check_scored, widths
from surefoot.search.problem_search import Search, best
from surefoot.search.tree import Node


def dvts(
    search: Search, *, n: int | None = None, width: int | None = None, children: int | None = None
) -> Asking[None]:
    """Draw `n` steps in each round, `children` in each of `width` subtrees.

    `n` is `width` times `children`, so two of the three say it all; 16, 4 and 4 if none is given. A
    subtree ends with its best child; its draws are not given to others.

    Raises:
        UsageError: an option is less than 1, they contradict each other, or there is no scorer.
    """
    n, width, children = widths(n, width, children)
    check_scored(search, "diverse verifier tree search")
    (grown,) = yield from search.grow([search.root], n)
    trees = best(search, grown, width)
    while True:
        search.prune([one for one in grown if one.status == "open" and one not in trees])
        width -= sum(tree.status == "finished" for tree in trees)
        trees = [tree for tree in trees if tree.status == "open"]
        if not trees:
            return
        own = yield from search.grow(trees, deal(width * children, len(trees)))
        search.release(trees)
        grown = [one for some in own for one in some]
        trees = _heirs(search, own, width)


def _heirs(search: Search, own: list[list[Node]], width: int) -> list[Node]:
    """The best child of each subtree, and the best of the others where subtrees are missing."""
    heirs = [heir for some in own for heir in best(search, some, 1)]
    rest = [one for some in own for one in some if one.status == "open" and one not in heirs]
    return heirs + best(search, rest, width - len(heirs))
