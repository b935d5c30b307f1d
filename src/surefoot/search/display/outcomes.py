"""Whether the solutions of a search are right, as far as that can be told at once."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from surefoot.labels.answers import same_answer

if TYPE_CHECKING:
    from surefoot.search.results import SearchResult, Solution


def with_outcomes(result: SearchResult) -> SearchResult:
    """The result with the outcome of each solution that has none, where there is a reference.

    Answers are compared without algebra, which takes no time worth mentioning; what cannot be told
    so stays None, and a finished solution without an answer is wrong.
    """
    reference = result.reference
    if reference is None or all(one.trace.outcome is not None for one in result.solutions):
        return result
    known: dict[str, bool | None] = {}

    def judged(one: Solution) -> Solution:
        answer = one.trace.answer
        if one.trace.outcome is not None or not one.finished:
            return one
        if answer is not None and answer not in known:
            known[answer] = same_answer(reference, answer)
        outcome = False if answer is None else known[answer]
        return replace(one, trace=replace(one.trace, outcome=outcome))

    return replace(result, solutions=tuple(judged(one) for one in result.solutions))
