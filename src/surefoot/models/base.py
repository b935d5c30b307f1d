"""What every scorer of steps has in common: read this before any other file on this floor.

A `RewardModel` gives each step of a trace one number. PRMs, ORMs, checkers, baselines, judges,
ensembles and remote servers all are one. `BatchScorer` is the shared frame of ours: it accepts one
trace or many and enforces that exactly one score per step comes back, in order. A `Session` scores
the growing traces of a search, of many problems together.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import NamedTuple, Protocol, cast, overload

from surefoot.errors import ModelError, TraceError, UnscorableError, UsageError
from surefoot.traces.types import StepScores, Trace


class RewardModel(Protocol):
    """Anything with a name that scores the steps of traces."""

    @property
    def name(self) -> str:
        """What the scores are signed with."""

    @overload
    def score(self, traces: Trace) -> StepScores: ...
    @overload
    def score(self, traces: Sequence[Trace]) -> list[StepScores]: ...
    def score(self, traces: Trace | Sequence[Trace]) -> StepScores | list[StepScores]:
        """One `StepScores` for a trace, a list of them for a list; each has one value per step."""


class Scored(NamedTuple):
    """Scores, and how many tokens were computed for them; None where the scorer cannot say."""

    scores: StepScores
    num_tokens: int | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Branch:
    """A prefix that a session keeps: the steps taken, and their scores, None where there are none.

    Branches are told apart by identity: the same steps may be taken twice.
    """

    steps: tuple[str, ...] = ()
    scores: StepScores | None = None
    num_tokens: int | None = None
    """Tokens that were computed to score its new steps; those that several branches of one call
    share count for the first of them. None where the scorer cannot say."""


class Growth(NamedTuple):
    """A kept branch, and the whole trace that is to grow from it."""

    branch: Branch
    trace: Trace

    @property
    def new_steps(self) -> tuple[str, ...]:
        """The steps behind those of the branch."""
        return self.trace.texts[len(self.branch.steps) :]


class _Task(NamedTuple):
    problem: str
    reference: str | None


Extensions = Sequence[tuple[Branch, Sequence[str]]]
"""Branches and the further steps of each."""


class Session(ABC):
    """Scores prefixes of traces as a search lets them grow, of any number of problems at once.

    `root` is the first problem without steps; `plant` gives the roots of others. Any kept branch
    can be extended any number of times.
    """

    def __init__(self, problem: str, reference: str | None = None) -> None:
        self.root = Branch()
        self._kept = {self.root: _Task(problem, reference)}
        """Every kept branch, and what it is about."""

    def plant(self, problem: str, *, reference: str | None = None) -> Branch:
        """The root of one more problem, whose branches are scored together with all others; `drop`
        it like any branch.

        Raises:
            TraceError: the problem is empty or no text.
        """
        Trace(problem, ["a step"], reference=reference)
        root = Branch()
        self._kept[root] = _Task(problem, reference)
        return root

    def extend(self, extensions: Extensions) -> list[Branch]:
        """A new branch for each (branch, further steps), with the scores of all its steps.

        Nothing is kept where an error is raised.

        Raises:
            UsageError: a branch is not of this session or was dropped, or there are no steps.
            TraceError: a step is empty or no text.
            UnscorableError: a prefix is not for this model, such as one that is too long.
        """
        self._check_all(extensions)
        growths = [self._growth(branch, steps) for branch, steps in extensions]
        return cast(list[Branch], self._grown(growths, self._score(growths, partly=False)))

    def try_extend(self, extensions: Extensions) -> list[Branch | UnscorableError]:
        """As `extend`; where a prefix is not for this model, or is no trace, the error stands in
        its place and the others are kept.

        They are scored together where the model tells before it computes which prefixes are not for
        it. Where it does not, halves are tried, then quarters and so on; what was computed in vain
        is in no branch's `num_tokens`.

        Raises:
            UsageError: as `extend`. Nothing is kept then, nor with any error that is not of a
                prefix.
        """
        self._check_all(extensions)
        found: list[Branch | UnscorableError | None] = []
        growths = []
        for branch, steps in extensions:
            try:
                growths.append(self._growth(branch, steps))
                found.append(None)
            except TraceError as error:
                found.append(UnscorableError(str(error)))
        with ExitStack() as undo:
            rest = iter(self._tried(growths, undo) if growths else [])
            undo.pop_all()
        return [next(rest) if one is None else one for one in found]

    def drop(self, branch: Branch) -> None:
        """Forget a branch, so that its memory is free; branches grown from it stay.

        Raises:
            UsageError: it is not of this session, was dropped already, or is the first root.
        """
        self._check(branch)
        if branch is self.root:
            raise UsageError("the root stays as long as its session; drop other branches")
        del self._kept[branch]
        self._forget(branch)

    def clear(self) -> None:
        """Drop all branches but the first root."""
        for branch in [one for one in self._kept if one is not self.root]:
            self.drop(branch)

    def __len__(self) -> int:
        """How many branches are kept, the roots among them."""
        return len(self._kept)

    def _check(self, branch: Branch) -> None:
        if branch not in self._kept:
            raise UsageError("the branch was dropped, or belongs to another session")

    def _check_all(self, extensions: Extensions) -> None:
        for branch, steps in extensions:
            self._check(branch)
            if isinstance(steps, str) or not steps:
                raise UsageError(f"the further steps are {steps!r}; give at least one, in a list")

    def _growth(self, branch: Branch, steps: Sequence[str]) -> Growth:
        problem, reference = self._kept[branch]
        return Growth(branch, Trace(problem, (*branch.steps, *steps), reference=reference))

    def _tried(self, growths: Sequence[Growth], undo: ExitStack) -> list[Branch | UnscorableError]:
        """As `try_extend`; `undo` learns how to drop what is kept."""
        try:
            grown = self._grown(growths, self._score(growths, partly=True))
        except UnscorableError as error:
            if len(growths) == 1:
                return [error.with_traceback(None)]
            middle = len(growths) // 2
            return self._tried(growths[:middle], undo) + self._tried(growths[middle:], undo)
        for one in grown:
            if isinstance(one, Branch):
                undo.callback(self.drop, one)
        return grown

    def _grown(
        self, growths: Sequence[Growth], scored: Sequence[Scored | UnscorableError]
    ) -> list[Branch | UnscorableError]:
        """The branches that were scored, kept from now on."""
        found: list[Branch | UnscorableError] = []
        tasks: dict[Branch, _Task] = {}
        for growth, one in zip(growths, scored, strict=True):
            if isinstance(one, UnscorableError):
                found.append(one)
                continue
            branch = Branch(growth.trace.texts, one.scores, one.num_tokens)
            tasks[branch] = self._kept[growth.branch]
            found.append(branch)
        self._keep([*tasks])
        self._kept |= tasks
        return found

    @abstractmethod
    def _score(
        self, growths: Sequence[Growth], *, partly: bool
    ) -> Sequence[Scored | UnscorableError]:
        """The scores of whole prefixes, of any problems, in order.

        Args:
            growths: What to score.
            partly: Where it is known, before anything is computed, that a prefix is not for this
                model, the error stands in its place. Otherwise, and without `partly`, it is raised.
        """

    @abstractmethod
    def _keep(self, grown: Sequence[Branch]) -> None:
        """Keep what belongs to the branches that the last `_score` scored, in order."""

    @abstractmethod
    def _forget(self, branch: Branch) -> None:
        """Free what is kept for a branch, or for a planted root."""


class BatchScorer(ABC):
    """A reward model that is written as one function over a list of traces."""

    name: str
    reads_tokens = True
    """Whether a language model is run; where none is, scores cost no tokens."""

    @overload
    def score(self, traces: Trace) -> StepScores: ...
    @overload
    def score(self, traces: Sequence[Trace]) -> list[StepScores]: ...
    def score(self, traces: Trace | Sequence[Trace]) -> StepScores | list[StepScores]:
        """One `StepScores` for a trace, or a list of them for a list.

        Raises:
            ModelError: the model did not give exactly one value per step.
        """
        if isinstance(traces, Trace):
            return self.counted([traces])[0].scores
        return [one.scores for one in self.counted(traces)]

    def counted(self, traces: Sequence[Trace]) -> list[Scored]:
        """As `score`, with the tokens that were computed for each trace; those that several share
        count for the first of them.

        Raises:
            ModelError: the model did not give exactly one value per step.
        """
        found = self.counted_batch(traces)
        if len(found) != len(traces):
            raise ModelError(f"{self.name} scored {len(found)} of {len(traces)} traces")
        for trace, (scores, _) in zip(traces, found, strict=True):
            if len(scores.values) != len(trace.steps):
                raise ModelError(
                    f"{self.name} gave {len(scores.values)} scores for the {len(trace.steps)} "
                    f"steps of trace {trace.id}"
                )
        return found

    def open(self, problem: str, *, reference: str | None = None) -> Session:
        """A session for a search, with a first problem. This one scores whole prefixes anew each
        time; some models pay only for what is new.
        """
        return _WholeSession(self, problem, reference)

    @abstractmethod
    def score_batch(self, traces: Sequence[Trace]) -> list[StepScores]:
        """The scores of each trace, in order."""

    def counted_batch(self, traces: Sequence[Trace]) -> list[Scored]:
        """As `score_batch`, with the tokens of each trace; to be written where they are known."""
        num_tokens = None if self.reads_tokens else 0
        return [Scored(scores, num_tokens) for scores in self.score_batch(traces)]


class _WholeSession(Session):
    """A session that scores whole prefixes."""

    def __init__(self, model: BatchScorer, problem: str, reference: str | None) -> None:
        super().__init__(problem, reference)
        self._model = model

    def _score(self, growths: Sequence[Growth], *, partly: bool) -> Sequence[Scored]:
        return self._model.counted([growth.trace for growth in growths])

    def _keep(self, grown: Sequence[Branch]) -> None:
        pass

    def _forget(self, branch: Branch) -> None:
        pass
