"""What every scorer of steps has in common: read this before any other file on this floor.

A `RewardModel` gives each step of a trace one number. PRMs, ORMs, checkers, baselines, judges,
ensembles and remote servers all are one. `BatchScorer` is the shared frame of ours: it accepts one
trace or many and enforces that exactly one score per step comes back, in order. A `Session` scores
the growing traces of a search.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, overload

from surefoot.errors import ModelError, UsageError
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


@dataclass(frozen=True, slots=True, eq=False)
class Branch:
    """A prefix that a session keeps: the steps taken, and their scores, None where there are none.

    Branches are told apart by identity: the same steps may be taken twice.
    """

    steps: tuple[str, ...] = ()
    scores: StepScores | None = None


class Session(ABC):
    """Scores prefixes of traces of one problem as a search lets them grow.

    `root` is the problem without steps. Any kept branch can be extended any number of times.
    """

    def __init__(self) -> None:
        self.root = Branch()
        self._kept: set[Branch] = {self.root}

    def extend(self, extensions: Sequence[tuple[Branch, Sequence[str]]]) -> list[Branch]:
        """A new branch for each (branch, further steps), with the scores of all its steps.

        Raises:
            UsageError: a branch is not of this session or was dropped, or there are no steps.
            UnscorableError: a prefix is not for this model, such as one that is too long; nothing
                is kept then.
        """
        for branch, steps in extensions:
            self._check(branch)
            if isinstance(steps, str) or not steps:
                raise UsageError(f"the further steps are {steps!r}; give at least one, in a list")
        prefixes = [(branch, (*branch.steps, *steps)) for branch, steps in extensions]
        grown = [
            Branch(steps, scores)
            for (_, steps), scores in zip(prefixes, self._score(prefixes), strict=True)
        ]
        self._keep(grown)
        self._kept.update(grown)
        return grown

    def drop(self, branch: Branch) -> None:
        """Forget a branch, so that its memory is free; branches grown from it stay.

        Raises:
            UsageError: it is not of this session, was dropped already, or is the root.
        """
        self._check(branch)
        if branch is self.root:
            raise UsageError("the root stays as long as its session; drop other branches")
        self._kept.remove(branch)
        self._forget(branch)

    def __len__(self) -> int:
        """How many branches are kept, the root among them."""
        return len(self._kept)

    def _check(self, branch: Branch) -> None:
        if branch not in self._kept:
            raise UsageError("the branch was dropped, or belongs to another session")

    @abstractmethod
    def _score(self, prefixes: Sequence[tuple[Branch, tuple[str, ...]]]) -> list[StepScores]:
        """The scores of whole prefixes, each grown from a kept branch."""

    @abstractmethod
    def _keep(self, grown: Sequence[Branch]) -> None:
        """Keep what belongs to the branches that the last `_score` scored, in order."""

    @abstractmethod
    def _forget(self, branch: Branch) -> None:
        """Free what is kept for a branch."""


class BatchScorer(ABC):
    """A reward model that is written as one function over a list of traces."""

    name: str

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
            return self._checked([traces])[0]
        return self._checked(traces)

    def open(self, problem: str, *, reference: str | None = None) -> Session:
        """A session on a problem, for a search. This one scores whole prefixes anew each time; some
        models pay only for what is new.
        """
        return _WholeSession(self, problem, reference)

    @abstractmethod
    def score_batch(self, traces: Sequence[Trace]) -> list[StepScores]:
        """The scores of each trace, in order."""

    def _checked(self, traces: Sequence[Trace]) -> list[StepScores]:
        scores = self.score_batch(traces)
        if len(scores) != len(traces):
            raise ModelError(f"{self.name} scored {len(scores)} of {len(traces)} traces")
        for trace, one in zip(traces, scores, strict=True):
            if len(one.values) != len(trace.steps):
                raise ModelError(
                    f"{self.name} gave {len(one.values)} scores for the {len(trace.steps)} steps "
                    f"of trace {trace.id}"
                )
        return scores


class _WholeSession(Session):
    """A session that scores whole prefixes."""

    def __init__(self, model: BatchScorer, problem: str, reference: str | None) -> None:
        super().__init__()
        self._model, self._problem, self._reference = model, problem, reference

    def _score(self, prefixes: Sequence[tuple[Branch, tuple[str, ...]]]) -> list[StepScores]:
        return self._model.score(
            [Trace(self._problem, steps, reference=self._reference) for _, steps in prefixes]
        )

    def _keep(self, grown: Sequence[Branch]) -> None:
        pass

    def _forget(self, branch: Branch) -> None:
        pass
