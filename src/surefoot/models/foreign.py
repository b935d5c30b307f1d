"""Scorers that are not of our frame, held to what the frame promises.

Any object with `name` and `score` will do. If it has an `open` of its own, as our `BatchScorer`
has, its sessions are used: one for each problem, since nothing says that they hold more.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from typing import Any

from surefoot.errors import ModelError
from surefoot.models.base import BatchScorer, Branch, Growth, RewardModel, Scored, Session
from surefoot.traces.types import StepScores, Trace


def framed(model: RewardModel) -> BatchScorer:
    """The model, or what makes it one of our frame."""
    return model if isinstance(model, BatchScorer) else _Foreign(model)


class _Foreign(BatchScorer):
    """A model that is not of our frame."""

    def __init__(self, model: RewardModel) -> None:
        self.model = model
        self.name = model.name

    def score_batch(self, traces: Sequence[Trace]) -> list[StepScores]:
        """The scores of each trace, in order."""
        return list(self.model.score(traces))

    def open(self, problem: str, *, reference: str | None = None) -> Session:
        """The model's own sessions where it has some."""
        if (opened := getattr(self.model, "open", None)) is None:
            return super().open(problem, reference=reference)
        first = opened(problem, reference=reference)
        return first if isinstance(first, Session) else _Sessions(self, first, problem, reference)


class _Sessions(Session):
    """Sessions that are not of our frame, each for one problem, as one."""

    def __init__(self, scorer: _Foreign, first: Any, problem: str, reference: str | None) -> None:
        super().__init__(problem, reference)
        self._scorer = scorer
        self._twins: dict[Branch, tuple[Any, Any]] = {self.root: (first, first.root)}
        """The session of a branch, and the branch there that stands for ours."""
        self._new: list[tuple[Any, Any]] = []

    def plant(self, problem: str, *, reference: str | None = None) -> Branch:
        """One more problem, in a session of its own, which is let go of with its last branch."""
        root = super().plant(problem, reference=reference)
        with ExitStack() as undo:
            undo.callback(self._kept.pop, root)
            opened: Any = self._scorer.model.open(problem, reference=reference)  # type: ignore[attr-defined]
            self._twins[root] = (opened, opened.root)
            undo.pop_all()
        return root

    def _score(self, growths: Sequence[Growth], *, partly: bool) -> Sequence[Scored]:
        by_session: dict[int, list[int]] = {}
        for i, growth in enumerate(growths):
            by_session.setdefault(id(self._twins[growth.branch][0]), []).append(i)
        found: dict[int, tuple[Any, Any]] = {}
        with ExitStack() as undo:
            for places in by_session.values():
                own = [growths[i] for i in places]
                session = self._twins[own[0].branch][0]
                grown = session.extend([(self._twins[g.branch][1], g.new_steps) for g in own])
                for one in grown:
                    undo.callback(session.drop, one)
                self._check_grown(own, grown)
                found.update(zip(places, ((session, one) for one in grown), strict=True))
            undo.pop_all()
        self._new = [found[i] for i in range(len(growths))]
        return [Scored(twin.scores, getattr(twin, "num_tokens", None)) for _, twin in self._new]

    def _check_grown(self, growths: Sequence[Growth], grown: Sequence[Any]) -> None:
        name = self._scorer.name
        if len(grown) != len(growths):
            raise ModelError(f"a session of {name} grew {len(grown)} of {len(growths)} branches")
        for (_, trace), twin in zip(growths, grown, strict=True):
            if len(twin.scores.values) != len(trace.steps):
                raise ModelError(
                    f"a session of {name} gave {len(twin.scores.values)} scores for the "
                    f"{len(trace.steps)} steps of trace {trace.id}"
                )

    def _keep(self, grown: Sequence[Branch]) -> None:
        self._twins.update(zip(grown, self._new, strict=True))
        self._new = []

    def _forget(self, branch: Branch) -> None:
        session, twin = self._twins.pop(branch)
        if twin is not session.root:
            session.drop(twin)
