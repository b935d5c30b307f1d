"""Self-consistency with an early stop: write whole solutions until the leading answer is certain.

Two criteria:

- "beta": the leader's share of all solutions exceeds the runner-up's with probability `certainty`,
  under a flat prior (Aggarwal et al. 2023, Adaptive-Consistency, arXiv:2305.11860, equation 2).
- "window": the last `window` solutions all came to one answer (Li et al. 2024, ESC,
  arXiv:2401.10480, algorithm 1).

We differ from the first in that solutions are drawn `window` at a time, which asks the policy less
often; 1 is the paper's. Answers are compared as they are written: two spellings of one answer delay
the stop and never hasten it. A solution without an answer counts for no answer, and stands against
agreement in a window.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from typing import Literal

from surefoot.errors import UsageError
from surefoot.search.asking import Asking
from surefoot.search.options import check_counts, check_share
from surefoot.search.problem_search import Search, answer_of

Rule = Literal["beta", "window"]


def self_consistency(
    search: Search, *, n: int = 16, window: int = 4, certainty: float = 0.95, rule: Rule = "beta"
) -> Asking[None]:
    """Write at most `n` whole solutions, `window` at a time; meant for the choice "majority".

    Raises:
        UsageError: `n` or `window` is less than 1, `certainty` is no probability, or no such rule.
    """
    check_counts(n=n, window=window)
    check_share("certainty", certainty)
    if rule not in ("beta", "window"):
        raise UsageError(f"there is no rule {rule!r}; choose beta or window")
    drawn = 0
    before: Counter[str] = Counter()
    while drawn < n:
        num = min(window, n - drawn)
        yield from search.grow([search.root], num, num_steps=None, score=False)
        drawn += num
        votes = answers_drawn(search)
        if rule == "beta":
            clear = lead_certainty(sorted(votes.values(), reverse=True)) >= certainty
        else:
            new = votes - before
            clear = len(new) == 1 and new.total() == num == window
        if clear:
            return
        before = votes


def answers_drawn(search: Search) -> Counter[str]:
    """How often each answer was drawn so far."""
    votes: Counter[str] = Counter()
    for node in search.finished:
        if (answer := answer_of(node)) is not None:
            votes[answer] += node.draws
    return votes


def lead_certainty(votes: Sequence[int]) -> float:
    """The probability that the first answer is the likelier one of the first two, given how often
    each was drawn, the highest number first; 0 where none was.

    P(p > 1/2) for p ~ Beta(v1 + 1, v2 + 1). As both are whole numbers, this is the chance of at
    most v1 heads in v1 + v2 + 1 throws of a fair coin: exact but for the last division.
    """
    if not votes:
        return 0.0
    first, second = votes[0], votes[1] if len(votes) > 1 else 0
    throws = first + second + 1
    few: int = sum(math.comb(throws, heads) for heads in range(first + 1))
    return few / (1 << throws)
