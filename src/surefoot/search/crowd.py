"""Searches on many problems side by side: what they ask for is put together, so that the policy and
the scorer work on many of them in one go, and neither waits for the other where it need not."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from functools import partial
from typing import Any, TypeAlias

from surefoot.errors import SurefootError, UnscorableError
from surefoot.models.base import BatchScorer, Branch, RewardModel, Session
from surefoot.models.foreign import framed
from surefoot.policies.base import Policy
from surefoot.search.asking import Ask, Asking, Rate, Score, Write
from surefoot.search.problem_search import Broken, Method, Search
from surefoot.search.settings import Settings
from surefoot.search.task import Task
from surefoot.search.writing import Written, aside, written
from surefoot.traces.types import StepScores, Trace

_Extension: TypeAlias = tuple[Branch, tuple[str, ...]]


@dataclass(eq=False, slots=True)
class _UnderWay:
    """A search with the generator that goes through it and what that waits for."""

    search: Search
    asking: Asking[None]
    ask: Ask
    seed: int


@dataclass(eq=False, slots=True)
class _Cohort:
    """Searches that are answered together."""

    waiting: list[_UnderWay] = field(default_factory=list)
    written_for: list[_UnderWay] = field(default_factory=list)
    """Those that the policy is writing for."""
    writing: Future[tuple[Written, SurefootError | None]] | None = None

    def __len__(self) -> int:
        return len(self.waiting) + len(self.written_for)


class Crowd:
    """Searches that are under way together. All that the policy is asked for is written in as few
    calls as there are ways to sample, all that is to be scored is scored in one.

    A policy that computes elsewhere (its `is_elsewhere` says so) writes for one half of the
    searches while those of the other half are scored here. Who belongs to which half, and whose
    turn it is, depends on what was added and ended and never on time.

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
        self._is_elsewhere = getattr(policy, "is_elsewhere", False)
        self._session: Session | None = None
        self._cohorts = [_Cohort() for _ in range(2 if self._is_elsewhere else 1)]
        self._turn = 0
        self._open: dict[Search, Asking[None]] = {}
        self._ended: list[Search] = []

    def __len__(self) -> int:
        """How many searches have not been given back."""
        return len(self._open) + len(self._ended)

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
        self._open[search] = asking
        self._go_on(min(self._cohorts, key=len), search, asking, settings.seed, None)
        return search

    def advance(self) -> list[Search]:
        """Answer what is asked for, by all searches or by those whose turn it is, up to where they
        ask the policy again; gives those that have ended."""
        for cohort in self._cohorts:
            if cohort.writing is None:
                self._begin_writing(cohort)
        num = len(self._cohorts)
        for i in range(self._turn, self._turn + num):
            if cohort := self._cohorts[i % num]:
                self._answer(cohort)
                self._turn = (i + 1) % num
                break
        ended, self._ended = self._ended, []
        return ended

    def drop(self, search: Search, why: str) -> None:
        """End a search with what it has; the next `advance` gives it back. One that has ended is
        left as it is."""
        for cohort in self._cohorts:
            for one in [*cohort.waiting, *cohort.written_for]:
                if one.search is search and search in self._open:
                    if one in cohort.waiting:
                        cohort.waiting.remove(one)
                    self._go_on(cohort, search, one.asking, one.seed, Broken(why))

    def close(self) -> None:
        """Give up what is under way, and free all of the scorer's memory of it."""
        for search, asking in self._open.items():
            asking.close()
            search.close()
        self._open.clear()
        self._cohorts = [_Cohort() for _ in self._cohorts]
        if self._session is not None:
            self._session.clear()

    def _plant(self, task: Task) -> tuple[Session | None, Branch | None]:
        if self.scorer is None:
            return None, None
        if self._session is None:
            self._session = self.scorer.open(task.problem, reference=task.reference)
            return self._session, self._session.root
        return self._session, self._session.plant(task.problem, reference=task.reference)

    def _go_on(
        self, cohort: _Cohort, search: Search, asking: Asking[None], seed: int, answer: Any
    ) -> None:
        """Let a search go on to what it asks for next, or to its end."""
        try:
            ask = asking.throw(answer) if isinstance(answer, Broken) else asking.send(answer)
        except StopIteration:
            search.close()
            del self._open[search]
            self._ended.append(search)
        else:
            cohort.waiting.append(_UnderWay(search, asking, ask, seed))

    def _begin_writing(self, cohort: _Cohort) -> None:
        asked = [(one.ask, one.seed) for one in cohort.waiting if isinstance(one.ask, Write)]
        if not asked:
            return
        task = partial(written, self.policy, asked)
        if self._is_elsewhere:
            writing = aside(task)
        else:
            writing = Future()
            writing.set_result(task())
        cohort.writing = writing
        cohort.written_for = [one for one in cohort.waiting if isinstance(one.ask, Write)]
        cohort.waiting = [one for one in cohort.waiting if not isinstance(one.ask, Write)]

    def _answer(self, cohort: _Cohort) -> None:
        """Let the searches of a cohort go on with what was written, and score until all of them
        ask the policy again."""
        if cohort.writing is not None:
            answers, failure = cohort.writing.result()
            self.error = failure or self.error
            asked, cohort.written_for, cohort.writing = cohort.written_for, [], None
            self._deal(cohort, asked, answers)
        while scored := [one for one in cohort.waiting if not isinstance(one.ask, Write)]:
            cohort.waiting = [one for one in cohort.waiting if isinstance(one.ask, Write)]
            self._deal(cohort, scored, self._scored(scored))

    def _deal(self, cohort: _Cohort, asked: Sequence[_UnderWay], answers: Sequence[Any]) -> None:
        for one, answer in zip(asked, answers, strict=True):
            if one.search in self._open:
                self._go_on(cohort, one.search, one.asking, one.seed, answer)

    def _scored(self, asked: Sequence[_UnderWay]) -> list[Any]:
        """An answer to each who asks for scores or for ratings."""
        extensions = [e for one in asked if isinstance(one.ask, Score) for e in one.ask.extensions]
        traces = [t for one in asked if isinstance(one.ask, Rate) for t in one.ask.traces]
        scores = self._tried("scorer", self._extended, extensions)
        rates = self._tried("outcome model", self._rated, traces)
        answers: list[Any] = []
        for one in asked:
            rest = scores if isinstance(one.ask, Score) else rates
            if isinstance(rest, Broken):
                answers.append(rest)
            elif isinstance(one.ask, Score):
                answers.append([next(rest) for _ in one.ask.extensions])
            elif isinstance(one.ask, Rate):
                answers.append([next(rest) for _ in one.ask.traces])
        return answers

    def _tried(
        self, who: str, do: Callable[[Sequence[Any]], Sequence[Any]], asked: Sequence[Any]
    ) -> Iterator[Any] | Broken:
        try:
            return iter(do(asked) if asked else [])
        except SurefootError as error:
            self.error = error
            return Broken(f"the {who} failed: {error}")

    def _extended(self, extensions: Sequence[_Extension]) -> list[Branch | UnscorableError]:
        assert self._session is not None, "who has no scorer asks for no scores"
        return self._session.try_extend(extensions)

    def _rated(self, traces: Sequence[Trace]) -> list[StepScores | UnscorableError]:
        assert self.outcome is not None, "who has no outcome model asks for no rates"
        return _rated(self.outcome, traces)


def _rated(model: BatchScorer, traces: Sequence[Trace]) -> list[StepScores | UnscorableError]:
    try:
        return [*model.score(traces)]
    except UnscorableError as error:
        return [error] if len(traces) == 1 else [_rated(model, [one])[0] for one in traces]
