"""What searches ask a policy for, put together into as few calls as there are ways to sample."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from typing import TypeAlias, TypeVar

from surefoot.errors import SurefootError, UnscorableError
from surefoot.policies.base import Continuation, Policy, Prefix, Sampling
from surefoot.search.asking import Write
from surefoot.search.problem_search import Broken

T = TypeVar("T")
Written: TypeAlias = "list[list[list[Continuation]] | Broken]"
"""For each ask the continuations of its prefixes, or that the policy failed."""


def written(
    policy: Policy, asks: Sequence[tuple[Write, int]]
) -> tuple[Written, SurefootError | None]:
    """What a policy writes for each ask and its seed, and the last error that it failed with.

    Equal prefixes of two searches are asked for in two calls: each is to get what it would get
    alone.
    """
    answers: Written = [[[] for _ in ask.prefixes] for ask, _ in asks]
    groups: dict[tuple[int, Sampling, int, int], list[tuple[int, int, Prefix]]] = {}
    seen: Counter[tuple[Prefix, int]] = Counter()
    for i, (ask, seed) in enumerate(asks):
        for j, (prefix, n) in enumerate(zip(ask.prefixes, ask.numbers, strict=True)):
            key = (n, ask.sampling, seed, seen[prefix, seed])
            seen[prefix, seed] += 1
            groups.setdefault(key, []).append((i, j, prefix))
    failure = None
    for (n, sampling, seed, _), asked in groups.items():
        try:
            found = _continued(policy, [prefix for _, _, prefix in asked], n, seed, sampling)
        except SurefootError as error:
            failure = error
            for i, _, _ in asked:
                answers[i] = Broken(f"the policy failed: {error}")
            continue
        for (i, j, _), own in zip(asked, found, strict=True):
            answer = answers[i]
            if not isinstance(answer, Broken):
                answer[j] = own
    return answers, failure


def _continued(
    policy: Policy, prefixes: Sequence[Prefix], n: int, seed: int, sampling: Sampling
) -> list[list[Continuation]]:
    """Continuations of each prefix; those of one that is not for this policy say so."""
    try:
        return policy.continue_prefixes(prefixes, n, seed=seed, sampling=sampling)
    except UnscorableError as error:
        if len(prefixes) == 1:
            return [[Continuation((), None, 0, False, failed=str(error))] * n]
        return [_continued(policy, [prefix], n, seed, sampling)[0] for prefix in prefixes]


def aside(task: Callable[[], T]) -> Future[T]:
    """Have something done on a thread of its own, which no program waits for at its end."""
    future: Future[T] = Future()

    def work() -> None:
        try:
            future.set_result(task())
        except BaseException as error:  # noqa: BLE001 - whoever waits for the result raises it
            future.set_exception(error)

    threading.Thread(target=work, name="surefoot-policy", daemon=True).start()
    return future
