"""Adaptive compute: a few whole solutions at first, and more of them as long as the choice is not
clear.

That easy problems need fewer samples than hard ones, and that their sum is better spent unevenly,
is the finding of Snell et al. 2024 (arXiv:2408.03314, section 3) and Damani et al. 2024
(arXiv:2410.04707). They predict the difficulty beforehand; here it shows in the scores of what was
written. The choice is clear when one answer has a share `certainty` of the votes, each weighted by
the aggregate of its step scores (as in Aggarwal et al. 2023, arXiv:2305.11860, with weights in
place of counts), and the best aggregate of a solution with it is at least `least`.
"""

from __future__ import annotations

from surefoot.errors import UsageError
from surefoot.search.asking import Asking
from surefoot.search.options import check_counts, check_scored, check_share
from surefoot.search.problem_search import Search, answer_of


def adaptive(
    search: Search,
    *,
    n: int = 16,
    first: int | None = None,
    most: int | None = None,
    certainty: float = 0.8,
    least: float = 0.3,
) -> Asking[None]:
    """Write `first` solutions, n / 2 if not given, and double them until the choice is clear, up to
    `most`, 2 n if not given: what is saved on easy problems is for hard ones.

    Raises:
        UsageError: a number is less than 1, `first` is more than `most`, `certainty` is no share,
            or there is no scorer.
    """
    check_counts(n=n, first=first, most=most)
    check_share("certainty", certainty)
    most = 2 * n if most is None else most
    first = min(most, max(1, n // 2)) if first is None else first
    if first > most:
        raise UsageError(
            f"first is {first}, more than the {most} solutions that are written at most"
        )
    check_scored(search, "adaptive search")
    drawn = 0
    while drawn < most and not is_clear(search, certainty, least):
        num = min(drawn or first, most - drawn)
        yield from search.grow([search.root], num, num_steps=None)
        drawn += num


def is_clear(search: Search, certainty: float, least: float) -> bool:
    """Whether one answer has the share of the weighted votes that is asked for, and a solution that
    is good enough. Answers are compared as they are written."""
    votes: dict[str, float] = {}
    best: dict[str, float] = {}
    for node in search.finished:
        answer, weight = answer_of(node), search.reward.aggregated(node)
        if answer is not None and weight is not None:
            votes[answer] = votes.get(answer, 0.0) + node.draws * weight
            best[answer] = max(best.get(answer, weight), weight)
    if not votes:
        return False
    leader = max(votes, key=lambda one: votes[one])
    return best[leader] >= least and votes[leader] >= certainty * sum(votes.values())
