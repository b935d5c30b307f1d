"""Adaptive compute: a few whole solutions at first, and more of them as long as the choice is not
clear.

That easy problems need fewer samples than hard ones, and that their sum is better spent unevenly,
is the finding of Snell et al. 2024 (arXiv:2408.03314, section 3) and Damani et al. 2024
(arXiv:2410.04707). They predict the difficulty beforehand; here it shows in the scores of what was
written. The choice is clear when one answer has a share `certainty` of the votes, each weighted by
the aggregate of its step scores (as in Aggarwal et al. 2023, arXiv:2305.11860, with weights in
place of counts), and the best aggregate for it is at least `least`.
"""

from __future__ import annotations

from typing import Literal

from surefoot.search.asking import Asking
from surefoot.search.beam import beam
from surefoot.search.options import check_scored
from surefoot.search.problem_search import Search, answer_of


def adaptive(
    search: Search,
    *,
    n: int = 16,
    first: int | None = None,
    most: int | None = None,
    certainty: float = 0.9,
    least: float = 0.5,
    then: Literal["samples", "beam"] = "beam",
) -> Asking[None]:
    first = first or max(1, n // 2)
    most = most or n * 2
    check_scored(search, "adaptive")
    drawn, num = 0, first
    while drawn < most:
        num = min(max(first, drawn), most - drawn)
        if drawn and then == "beam":
            yield from beam(search, n=num)
        else:
            yield from search.grow([search.root], num, num_steps=None)
        drawn += num
        if clear(search, certainty, least):
            return


def clear(search: Search, certainty: float, least: float) -> bool:
    votes: dict[str, float] = {}
    best: dict[str, float] = {}
    for node in search.finished:
        answer, weight = answer_of(node), search.reward.aggregated(node)
        if answer is not None and weight is not None:
            votes[answer] = votes.get(answer, 0.0) + node.draws * weight
            best[answer] = max(best.get(answer, 0.0), weight)
    if not votes:
        return False
    leader = max(votes, key=lambda one: votes[one])
    return best[leader] >= least and votes[leader] >= certainty * sum(votes.values())
