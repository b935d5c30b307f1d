"""Beam search over steps: keep the best beginnings, and let each go on in several ways.

Snell et al. 2024 (arXiv:2408.03314, section 5.2): of M children of each of W beams the W best stay.
We differ in that equal children are one beam, not several; that the W * M draws of a round are
dealt out again among fewer beams, where solutions have ended or children were equal; and that a
finished solution takes part in the choice at the end without taking a beam's place.
"""

from __future__ import annotations

from surefoot.search.asking import Asking
from surefoot.search.options import check_scored, widths
from surefoot.search.problem_search import Search, best


def beam(
    search: Search, *, n: int | None = None, width: int | None = None, children: int | None = None
) -> Asking[None]:
    """Draw `n` steps in each round, `children` from each of `width` beginnings, and keep the best.

    `n` is `width` times `children`, so two of the three say it all; 16, 4 and 4 if none is given.

    Raises:
        UsageError: an option is less than 1, they contradict each other, or there is no scorer.
    """
    n, width, _ = widths(n, width, children)
    check_scored(search, "beam search")
    beams = [search.root]
    while beams:
        grown = yield from search.grow(beams, deal(n, len(beams)))
        ahead = [one for own in grown for one in own if one.status == "open"]
        kept = best(search, ahead, width)
        search.prune([one for one in ahead if one not in kept])
        search.release(beams)
        beams = kept


def deal(total: int, num: int) -> list[int]:
    """`total` draws dealt out among `num` beams, the first ones getting what is left over."""
    share, left = divmod(total, num)
    return [share + (i < left) for i in range(num)]
