"""Search on problem after problem, many of them side by side, with the results in order."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from surefoot.errors import UsageError
from surefoot.models.base import RewardModel
from surefoot.policies.base import Policy
from surefoot.search.crowd import Crowd
from surefoot.search.problem_search import Method, Search
from surefoot.search.results import Grouping, SearchResult, result_of
from surefoot.search.settings import Settings
from surefoot.search.task import Task

AT_ONCE = 64


def search(
    problems: Iterable[str | Task],
    policy: Policy,
    scorer: RewardModel | None,
    method: Method,
    *,
    settings: Settings | None = None,
    outcome: RewardModel | None = None,
    same: Grouping | None = None,
    at_once: int = AT_ONCE,
) -> Iterator[SearchResult]:
    """Search on each problem, and give the results in order, each as soon as those before it.

    The same problems, seed and settings give the same results, but for rounding, which depends on
    the problems beside them.

    Args:
        problems: Problems; more are read as there is room for them.
        policy: Who writes steps.
        scorer: Who scores them; None for methods that need no scores.
        method: What to do, such as `functools.partial(beam, width=4)`.
        settings: How to sample, choose and stop.
        outcome: A model whose last score of a finished solution counts beside the step scores.
        same: Which answers are the same, for votes; equal texts if not given.
        at_once: Problems that are searched on side by side.

    Raises:
        SurefootError: the policy or a scorer failed for good. Before that, every search that is
            under way is given with what it has, and says so.
        UsageError: a method or a reward cannot be followed, such as one that weighs what the
            policy does not say. Nothing is given of the searches under way.
    """
    if at_once < 1:
        raise UsageError(f"at_once is {at_once}; it must be at least 1")
    settings = settings or Settings()
    crowd = Crowd(policy, scorer, outcome)
    tasks = iter(problems)
    order: list[Search] = []
    results: dict[Search, SearchResult] = {}
    try:
        while True:
            while len(order) < at_once and crowd.error is None:
                if (one := next(tasks, None)) is None:
                    break
                task = Task(one) if isinstance(one, str) else one
                order.append(crowd.add(task, method, settings))
            if not order:
                break
            for ended in crowd.advance():
                results[ended] = result_of(ended, settings.choice, same)
            while order and order[0] in results:
                yield results.pop(order.pop(0))
    finally:
        crowd.close()
    if crowd.error is not None:
        raise crowd.error
