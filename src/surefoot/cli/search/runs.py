"""Searches in groups, so that a killed run repeats no request and comes to the same results.

A group is searched on as if nothing had been there before it. What the policy wrote for the group
under way is kept in a journal beside the results; after a kill the group is gone through again,
which costs the policy nothing for what the journal holds, with the same problems side by side, so
that scores are rounded alike.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from surefoot.cli.search.options import Plan
from surefoot.errors import UsageError

if TYPE_CHECKING:
    from surefoot.labels.rollouts.ends import Ends
    from surefoot.models.base import RewardModel
    from surefoot.policies.base import Policy
    from surefoot.search.results import Grouping, SearchResult
    from surefoot.search.task import Task

JOURNAL = ".written.jsonl"
"""What is put behind the name of a file for that of what the policy wrote for the group under
way."""

GROUP = 4
"""Problems of a group, in those that are searched on side by side."""


@dataclass(frozen=True)
class Parts:
    """Who takes part in a search."""

    policy: Policy
    scorer: RewardModel | None
    outcome: RewardModel | None
    same: Grouping | None


def run(
    tasks: Sequence[Task], plan: Plan, parts: Parts, *, num_done: int, journal: str | None
) -> Iterator[SearchResult]:
    """The results of all problems behind the first `num_done`, in order.

    Raises:
        SurefootError: the policy or a scorer failed for good, after all results that there are.
    """
    from surefoot.policies.remembered import RememberedPolicy
    from surefoot.search.running import search

    size = GROUP * plan.budget.at_once
    method, settings = plan.how.build(), plan.settings()
    for start in range(num_done // size * size, len(tasks), size):
        group = tasks[start : start + size]
        known = max(0, num_done - start)
        if known >= len(group):
            continue
        policy: Policy = parts.policy
        if journal is not None:
            policy = RememberedPolicy(parts.policy, journal)
        found = search(
            group,
            policy,
            parts.scorer,
            method,
            settings=settings,
            outcome=parts.outcome,
            same=parts.same,
            at_once=plan.budget.at_once,
        )
        for i, result in enumerate(found):
            if i >= known:
                yield result
        if isinstance(policy, RememberedPolicy):
            policy.forget()


def check_done(done: Sequence[SearchResult], tasks: Sequence[Task], out: str) -> None:
    """Make sure that finished rows are those of the first problems.

    Raises:
        UsageError: they are not.
    """
    mend = "name another file, or add --no-resume to replace it"
    if len(done) > len(tasks):
        raise UsageError(f"{out} holds {len(done)} results for {len(tasks)} problems; {mend}")
    for row, (result, task) in enumerate(zip(done, tasks, strict=False), 1):
        if (result.problem, result.reference) != (task.problem, task.reference):
            raise UsageError(f"{out}: row {row} is of another problem than the input; {mend}")


def graded(result: SearchResult, ends: Ends) -> SearchResult:
    """The result with the outcome of each finished solution, where there is a reference."""
    from surefoot.labels.rollouts.ends import Chain

    finished = [one for one in result.solutions if one.finished]
    if result.reference is None or not finished:
        return result
    told = iter(ends([Chain(one.trace, one.trace.texts) for one in finished]))
    solutions = [
        replace(one, trace=replace(one.trace, outcome=next(told).right)) if one.finished else one
        for one in result.solutions
    ]
    return replace(result, solutions=tuple(solutions))
