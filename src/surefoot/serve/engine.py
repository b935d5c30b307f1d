"""The one thread that searches: what many clients ask for is searched on side by side, round after
round, and everyone gets theirs as soon as it is there."""

from __future__ import annotations

import logging
import threading
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field

from surefoot.errors import SurefootError, WorkerError
from surefoot.models.base import RewardModel
from surefoot.policies.base import Policy
from surefoot.search.crowd import Crowd
from surefoot.search.problem_search import Method, Search
from surefoot.search.results import Grouping, SearchResult, result_of
from surefoot.search.settings import Settings
from surefoot.search.task import Task

GONE = "whoever asked has gone away"
CLOSING = "the server is shutting down"

_log = logging.getLogger(__name__)


class FullError(SurefootError):
    """As many searches are under way as may be."""


class ClosedError(SurefootError):
    """The engine takes in no more."""


@dataclass(frozen=True, slots=True)
class Found:
    """What a search found, and how many tokens the policy wrote for each of its solutions."""

    result: SearchResult
    num_tokens: tuple[int, ...]


@dataclass(slots=True)
class Counts:
    """What an engine has done since it was made."""

    begun: int = 0
    ended: Counter[str] = field(default_factory=Counter)
    """How searches ended: as `SearchResult.ended` says, "gone" or "error"."""
    new_tokens: int = 0
    read_tokens: int = 0
    scored_steps: int = 0
    seconds: float = 0.0
    """Of all searches together, those side by side counted each."""
    rounds: int = 0


@dataclass(eq=False, slots=True)
class _Ticket:
    """A search that somebody waits for."""

    task: Task
    method: Method
    settings: Settings
    future: Future[Found]


class Engine:
    """Searches of many clients in one `Crowd`. A new one joins at the next round.

    A policy or a scorer that fails ends the searches under way with what they have; the next ones
    are tried all the same. Any other fault of the program ends the engine.

    Args:
        policy: Who writes steps; used by this thread alone.
        scorer: Who scores them.
        outcome: A model whose last score of a finished solution counts beside the step scores.
        same: Which answers are the same, for votes; equal texts if not given.
        max_searches: How many may be under way.
        on_end: Called by the thread when it ends.
    """

    def __init__(
        self,
        policy: Policy,
        scorer: RewardModel | None,
        outcome: RewardModel | None = None,
        *,
        same: Grouping | None = None,
        max_searches: int = 64,
        on_end: Callable[[], None] = lambda: None,
    ) -> None:
        self.policy = policy
        self.max_searches = max_searches
        self.counts = Counts()
        self.on_end = on_end
        self._models = policy, scorer, outcome
        self._crowd = Crowd(*self._models)
        self._same = same
        self._changed = threading.Condition()
        self._arrived: list[_Ticket] = []
        self._beginning: list[_Ticket] = []
        self._tickets: dict[Search, _Ticket] = {}
        self._closing = False
        self._closed = False
        """Whether the thread ended because it was closed."""
        self._deadline = float("inf")
        self._thread = threading.Thread(target=self._run, name="surefoot-engine", daemon=True)
        self._thread.start()

    def __len__(self) -> int:
        """How many searches are under way or about to begin."""
        return len(self._arrived) + len(self._beginning) + len(self._tickets)

    @property
    def alive(self) -> bool:
        """Whether it takes in searches."""
        return self._thread.is_alive() and not self._closing

    @property
    def broken(self) -> bool:
        """Whether its thread has ended though nobody closed it."""
        return not (self._thread.is_alive() or self._closed)

    def submit(self, task: Task, method: Method, settings: Settings) -> Future[Found]:
        """Begin a search; cancel what comes back to end it at the next round.

        Raises:
            FullError, ClosedError: it is not begun.
        """
        ticket = _Ticket(task, method, settings, Future())
        with self._changed:
            if not self.alive:
                raise ClosedError(CLOSING)
            if len(self) >= self.max_searches:
                raise FullError(f"{len(self)} searches are under way, as many as may be")
            self._arrived.append(ticket)
            self._changed.notify()
        return ticket.future

    def close(self, grace_s: float = 0.0) -> None:
        """Take in no more; what is not done after so many seconds ends with what it has."""
        with self._changed:
            self._closing = True
            self._deadline = min(self._deadline, time.monotonic() + grace_s)
            self._changed.notify()

    def join(self, timeout_s: float | None = None) -> None:
        """Wait until all is done after `close`."""
        self._thread.join(timeout_s)

    def _run(self) -> None:
        try:
            while self._take_in():
                self._go_on()
        finally:
            self._closed, self._closing = self._closing, True
            self._fail_all(WorkerError("the engine of the server has stopped; start it anew"))
            self.on_end()

    def _take_in(self) -> bool:
        """Begin what has arrived, or wait for it; false when nothing is left and no more comes."""
        with self._changed:
            while not (self._arrived or self._tickets or self._closing):
                self._changed.wait()
            if not (self._arrived or self._tickets):
                return False
            self._beginning, self._arrived = self._arrived, []
        while self._beginning:
            self._begin(self._beginning[0])
            del self._beginning[0]
        return True

    def _begin(self, ticket: _Ticket) -> None:
        if ticket.future.cancelled():
            return
        try:
            search = self._crowd.add(ticket.task, ticket.method, ticket.settings)
        except SurefootError as error:
            self._fail(ticket, error)
            return
        self.counts.begun += 1
        self._tickets[search] = ticket

    def _go_on(self) -> None:
        """One round."""
        late = time.monotonic() >= self._deadline
        try:
            for search, ticket in self._tickets.items():
                if ticket.future.cancelled() or late:
                    self._crowd.drop(search, GONE if ticket.future.cancelled() else CLOSING)
            ended = self._crowd.advance()
        except (SurefootError, RuntimeError) as error:  # torch says what fails with the latter
            _log.exception("a round of searches failed")
            self._fail_all(error)
            self._crowd = Crowd(*self._models)
            return
        if self._crowd.error is not None:
            _log.warning("%s", self._crowd.error)
            self._crowd.error = None
        self.counts.rounds += 1
        for search in ended:
            self._deliver(search, self._tickets.pop(search))

    def _deliver(self, search: Search, ticket: _Ticket) -> None:
        usage = search.usage
        self.counts.new_tokens += usage.new_tokens
        self.counts.read_tokens += usage.read_tokens
        self.counts.scored_steps += usage.scored_steps
        self.counts.seconds += usage.seconds
        if not ticket.future.set_running_or_notify_cancel():
            self.counts.ended["gone"] += 1
            return
        try:
            result = result_of(search, ticket.settings.choice, self._same)
        except SurefootError as error:
            self.counts.ended["error"] += 1
            ticket.future.set_exception(error)
            return
        self.counts.ended[result.ended] += 1
        tokens = tuple(search.nodes[one.node].num_tokens for one in result.solutions)
        ticket.future.set_result(Found(result, tokens))

    def _fail_all(self, error: Exception) -> None:
        with self._changed:
            tickets = [*self._tickets.values(), *self._beginning, *self._arrived]
            for some in (self._tickets, self._beginning, self._arrived):
                some.clear()
        for ticket in tickets:
            self._fail(ticket, error)

    def _fail(self, ticket: _Ticket, error: Exception) -> None:
        if ticket.future.set_running_or_notify_cancel():
            self.counts.ended["error"] += 1
            ticket.future.set_exception(error)
        else:
            self.counts.ended["gone"] += 1
