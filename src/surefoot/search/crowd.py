"""Searches on many problems side by side: what they ask for is put together, so that the policy and
the scorer work on all of them in one go."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from surefoot.errors import SurefootError, UnscorableError
from surefoot.models.base import BatchScorer, Branch, RewardModel, Session
from surefoot.models.foreign import framed
from surefoot.policies.base import Continuation, Policy, Prefix, Sampling
from surefoot.search.asking import Ask, Asking, Rate, Score, Write
from surefoot.search.problem_search import Broken, Method, Search, Task
from surefoot.search.settings import Settings
from surefoot.traces.types import StepScores, Trace

_Extension: TypeAlias = tuple[Branch, tuple[str, ...]]


@dataclass(slots=True)
class _UnderWay:
    """A search with the generator that goes through it and what that waits for."""

    search: Search
    asking: Asking[None]
    ask: Ask
    seed: int


class Crowd:
    """Searches that are under way together. In each round all that the policy is asked for is
    written in as few calls as there are ways to sample, and all that is to be scored is scored in
    one; then every search goes on.

    Args:
        policy: Who writes steps.
        scorer: Who scores them; None where no method needs scores.
        outcome: A model whose last score of a finished solution counts beside the step scores.
    """

    def __init__(
        self, policy: Policy, scorer: RewardModel | None, outcome: RewardModel | None = None
    ) -> None:
        self.policy = policy
        self.scorer = None if scorer is None else framed(scorer)
        self.outcome = None if outcome is None else framed(outcome)
        self.error: SurefootError | None = None
        """What the policy or a scorer last failed with, so that searches were cut short."""
        self._session: Session | None = None
        self._under_way: list[_UnderWay] = []
        self._ended: list[Search] = []

    def __len__(self) -> int:
        """How many searches have not been given back."""
        return len(self._under_way) + len(self._ended)

    def add(self, task: Task, method: Method, settings: Settings) -> Search:
        """Begin a search."""
        session, root = self._plant(task)
        search = Search(
            task,
            session,
            root,
            sampling=settings.sampling,
            reward=settings.reward,
            limits=settings.limits,
            seed=settings.seed,
            rates=self.outcome is not None,
        )
        asking = search.play(method)
        self._go_on(search, asking, settings.seed, None)
        return search

    def advance(self) -> list[Search]:
        """Answer all that is asked for, and let every search go on; gives those that have ended."""
        waiting, self._under_way = self._under_way, []
        answers: list[Any] = [None] * len(waiting)
        self._write(waiting, answers)
        self._score(waiting, answers)
        self._rate(waiting, answers)
        for one, answer in zip(waiting, answers, strict=True):
            self._go_on(one.search, one.asking, one.seed, answer)
        ended, self._ended = self._ended, []
        return ended

    def drop(self, search: Search, why: str) -> None:
        """End a search with what it has; the next `advance` gives it back. One that has ended is
        left as it is."""
        for one in [one for one in self._under_way if one.search is search]:
            self._under_way.remove(one)
            self._go_on(search, one.asking, one.seed, Broken(why))

    def _plant(self, task: Task) -> tuple[Session | None, Branch | None]:
        if self.scorer is None:
            return None, None
        if self._session is None:
            self._session = self.scorer.open(task.problem, reference=task.reference)
            return self._session, self._session.root
        return self._session, self._session.plant(task.problem, reference=task.reference)

    def _go_on(self, search: Search, asking: Asking[None], seed: int, answer: Any) -> None:
        """Let a search go on to what it asks for next, or to its end."""
        try:
            ask = asking.throw(answer) if isinstance(answer, Broken) else asking.send(answer)
        except StopIteration:
            search.close()
            self._ended.append(search)
        else:
            self._under_way.append(_UnderWay(search, asking, ask, seed))

    def _write(self, waiting: Sequence[_UnderWay], answers: list[Any]) -> None:
        """Have the policy write. Equal prefixes of two searches are asked for in two calls: each is
        to get what it would get alone."""
        groups: dict[tuple[int, Sampling, int, int], list[tuple[int, int, Prefix]]] = {}
        seen: Counter[tuple[Prefix, int]] = Counter()
        for i, one in enumerate(waiting):
            if not isinstance(one.ask, Write):
                continue
            answers[i] = [[] for _ in one.ask.prefixes]
            for j, (prefix, n) in enumerate(zip(one.ask.prefixes, one.ask.numbers, strict=True)):
                key = (n, one.ask.sampling, one.seed, seen[prefix, one.seed])
                seen[prefix, one.seed] += 1
                groups.setdefault(key, []).append((i, j, prefix))
        for (n, sampling, seed, _), asked in groups.items():
            try:
                found = self._continued([prefix for _, _, prefix in asked], n, seed, sampling)
            except SurefootError as error:
                self.error = error
                for i, _, _ in asked:
                    answers[i] = Broken(f"the policy failed: {error}")
                continue
            for (i, j, _), own in zip(asked, found, strict=True):
                if not isinstance(answers[i], Broken):
                    answers[i][j] = own

    def _continued(
        self, prefixes: Sequence[Prefix], n: int, seed: int, sampling: Sampling
    ) -> list[list[Continuation]]:
        """Continuations of each prefix; those of one that is not for this policy say so."""
        try:
            return self.policy.continue_prefixes(prefixes, n, seed=seed, sampling=sampling)
        except UnscorableError as error:
            if len(prefixes) == 1:
                return [[Continuation((), None, 0, False, failed=str(error))] * n]
            return [self._continued([prefix], n, seed, sampling)[0] for prefix in prefixes]

    def _score(self, waiting: Sequence[_UnderWay], answers: list[Any]) -> None:
        asked = [
            (i, extension)
            for i, one in enumerate(waiting)
            if isinstance(one.ask, Score)
            for extension in one.ask.extensions
        ]
        if not asked:
            return
        assert self._session is not None, "who has no scorer asks for no scores"
        try:
            found = self._session.try_extend([extension for _, extension in asked])
        except SurefootError as error:
            self.error = error
            for i, _ in asked:
                answers[i] = Broken(f"the scorer failed: {error}")
            return
        _deal([i for i, _ in asked], found, answers)

    def _rate(self, waiting: Sequence[_UnderWay], answers: list[Any]) -> None:
        asked = [
            (i, trace)
            for i, one in enumerate(waiting)
            if isinstance(one.ask, Rate)
            for trace in one.ask.traces
        ]
        if not asked:
            return
        assert self.outcome is not None, "who has no outcome model asks for no rates"
        try:
            found = _rated(self.outcome, [trace for _, trace in asked])
        except SurefootError as error:
            self.error = error
            for i, _ in asked:
                answers[i] = Broken(f"the outcome model failed: {error}")
            return
        _deal([i for i, _ in asked], found, answers)


def _rated(model: BatchScorer, traces: Sequence[Trace]) -> list[StepScores | UnscorableError]:
    try:
        return [*model.score(traces)]
    except UnscorableError as error:
        return [error] if len(traces) == 1 else [_rated(model, [one])[0] for one in traces]


def _deal(owners: Sequence[int], found: Sequence[Any], answers: list[Any]) -> None:
    """Give each asker its own of what was found."""
    for i, one in zip(owners, found, strict=True):
        if answers[i] is None:
            answers[i] = []
        answers[i].append(one)
