"""Best-of-N: write N whole solutions, score them, choose.

Cobbe et al. 2021 (arXiv:2110.14168, section 4.2), with step scores as in Lightman et al. 2023
(arXiv:2305.20050, section 2.5). What is chosen depends on the search's settings: the highest
reward, or a vote that the scores weigh (Li et al. 2023, arXiv:2206.02336).
"""

from __future__ import annotations

from surefoot.errors import UsageError
from surefoot.search.asking import Asking
from surefoot.search.problem_search import Search


def best_of_n(search: Search, *, n: int = 16) -> Asking[None]:
    """Write and score `n` whole solutions.

    Raises:
        UsageError: `n` is less than 1.
    """
    if n < 1:
        raise UsageError(f"n is {n}; write at least one solution")
    yield from search.grow([search.root], n, num_steps=None)
