"""Majority: write N whole solutions, and take the answer that most of them come to.

Wang et al. 2023, self-consistency (arXiv:2203.11171, section 2, the unweighted sum of table 1). No
scores are asked for, so it shows what a scorer has to beat.
"""

from __future__ import annotations

from surefoot.search.asking import Asking
from surefoot.search.options import check_counts
from surefoot.search.problem_search import Search


def majority(search: Search, *, n: int = 16) -> Asking[None]:
    """Write `n` whole solutions and score none; meant for the choice "majority".

    Raises:
        UsageError: `n` is less than 1.
    """
    check_counts(n=n)
    yield from search.grow([search.root], n, num_steps=None, score=False)
