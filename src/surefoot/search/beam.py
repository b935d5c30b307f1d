"""Beam search over steps: keep the best beginnings, and let each go on in several ways.

Snell et al. 2024 (arXiv:2408.03314, section 5.1): of M children of each of W beams the W best stay.
We differ in that equal children are one beam, not several; that the W * M draws of a round are
dealt out again among fewer beams, where solutions have ended or children were equal; and that a
finished solution takes part in the choice at the end without taking a beam's place.
"""

from __future__ import annotations

from surefoot.errors import UsageError
from surefoot.search.asking import Asking
from surefoot.search.problem_search import Search, best


def beam(search: Search, *, width: int = 4, children: int = 4) -> Asking[None]:
    """Keep `width` beginnings, and draw `width` times `children` steps in each round.

    Raises:
        UsageError: `width` or `children` is less than 1.
    """
    if width < 1 or children < 1:
        raise UsageError(f"{width} beams of {children} children; both must be at least 1")
    beams = [search.root]
    while beams:
        grown = yield from search.grow(beams, deal(width * children, len(beams)))
        ahead = [one for own in grown for one in own if one.status == "open"]
        kept = best(search, ahead, width)
        search.prune([one for one in ahead if one not in kept])
        search.release(beams)
        beams = kept


def deal(total: int, num: int) -> list[int]:
    """`total` draws dealt out among `num` beams, the first ones getting what is left over."""
    share, left = divmod(total, num)
    return [share + (i < left) for i in range(num)]
