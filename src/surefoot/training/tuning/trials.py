"""The trials of a study: what is known of each, which one comes next, which ones are hopeless.

A study of ours is one of Optuna's for each edition of its data, as values on other data cannot be
compared. A trial enters the database with all its settings at once, waiting; so it is there whole
or not at all, and a worker that dies leaves one that waits, or one that no one holds. Points are
drawn from a seed and the number of the trial, by which one worker that is killed and begun again
does the same trials as one that is not.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import IO, TYPE_CHECKING, Any, Literal

import numpy as np

from surefoot.errors import StorageError
from surefoot.training.tuning.database import load_study
from surefoot.training.tuning.goal import Goal
from surefoot.training.tuning.shelf import Edition, Shelf
from surefoot.training.tuning.space import Params, Space

if TYPE_CHECKING:
    from optuna import Study
    from optuna.pruners import BasePruner
    from optuna.storages import RDBStorage
    from optuna.trial import FrozenTrial, Trial

State = Literal["waiting", "running", "complete", "pruned", "failed"]

_STATES: Mapping[str, State] = {
    "WAITING": "waiting",
    "RUNNING": "running",
    "COMPLETE": "complete",
    "PRUNED": "pruned",
    "FAIL": "failed",
}
"""Ours by the names of Optuna's."""

_DRAWS = 20
"""Points that are drawn before one that was had already is looked for in the space itself."""


@dataclass(frozen=True, kw_only=True)
class TrialRecord:
    """What is known of a trial."""

    number: int
    """Counted over all editions of the data."""
    edition: int
    """The data it was done on: their place among those of the study."""
    state: State
    settings: Mapping[str, Any]
    """What it has in place of the settings that the study was given."""
    given: bool
    """Whether these are those settings themselves."""
    again: int | None
    """The trial on older data whose settings it has."""
    value: float | None
    """Of the goal; None where the trial has not come to its end."""
    low: float | None
    high: float | None
    halves: tuple[float | None, float | None]
    """Of the goal, on either half of the questions."""
    aggregate: str | None
    threshold: float | None
    reason: str | None
    """Why it failed."""
    measured: Mapping[int, float]
    """The watched figure of the development traces, by update."""
    seconds: float

    def to_json(self) -> dict[str, Any]:
        """Every field."""
        return {**asdict(self), "halves": list(self.halves)}


@dataclass(frozen=True, eq=False)
class Held:
    """A trial that is worked on by this process alone."""

    number: int
    params: Params
    trial: Trial
    lock: IO[str]
    seconds: float
    """Spent on it before, should it have been begun."""


class Trials:
    """The trials of a study."""

    def __init__(
        self,
        storage: RDBStorage,
        shelf: Shelf,
        editions: Sequence[Edition],
        current: int,
        space: Space,
        goal: Goal,
        pruner: BasePruner,
        seed: int,
    ) -> None:
        self.storage = storage
        self.shelf = shelf
        self.editions = editions
        self.current = current
        self.space = space
        self.goal = goal
        self.seed = seed
        self.studies = [load_study(storage, one.study) for one in editions]
        self.study.pruner = pruner

    @property
    def study(self) -> Study:
        """Optuna's study on the data at hand."""
        return self.studies[self.current]

    def records(self) -> list[TrialRecord]:
        """What is known of all of them, in their order."""
        found = [
            self._record(edition, one)
            for edition, study in enumerate(self.studies)
            for one in study.get_trials(deepcopy=False)
        ]
        return sorted(found, key=lambda one: one.number)

    def record(self, held: Held) -> TrialRecord:
        """What is known of one."""
        found = self.study.get_trials(deepcopy=False)[held.trial.number]
        return self._record(self.current, found)

    def take(self, num_trials: int) -> Held | None:
        """The next trial to work on: one that was begun and that no one holds, one that waits, or a
        new one; None where `num_trials` on these data were begun, no point is left, or other data
        are at hand by now."""
        with self.shelf.locked():
            study = self.shelf.read()
            if study is None or study.current != self.current:
                return None
            trials = self.study.get_trials(deepcopy=False)
            for one in trials:
                if one.state.name == "RUNNING" and (lock := self.shelf.hold(_number(one))):
                    return self._held(one.number, lock)
            waits = any(one.state.name == "WAITING" for one in trials)
            if not waits and (len(trials) >= num_trials or not self._add(trials)):
                return None
            asked = self.study.ask()
            taken = self.study.get_trials(deepcopy=False)[asked.number]
            lock = self.shelf.hold(_number(taken))
            if lock is None:
                raise StorageError(
                    f"{self.shelf.trial(_number(taken))} is held by a process that works on "
                    "another study; give this one a folder of its own"
                )
            return self._held(asked.number, lock)

    def report(self, held: Held, update: int, figure: float) -> bool:
        """Note a measurement of a trial; says whether the trial is hopeless."""
        known = self.study.get_trials(deepcopy=False)[held.trial.number]
        if update not in known.intermediate_values:
            held.trial.report(self.goal.watched(figure), update)
        return held.trial.should_prune()

    def drop_older(self) -> None:
        """Give up what was begun on other data and is held by no one."""
        from optuna.trial import TrialState

        for edition, study in enumerate(self.studies):
            if edition == self.current:
                continue
            study_id = self.storage.get_study_id_from_name(study.study_name)
            for one in study.get_trials(deepcopy=False):
                if one.state.is_finished() or not (lock := self.shelf.hold(_number(one))):
                    continue
                with lock:
                    own = self.storage.get_trial_id_from_study_id_trial_number(study_id, one.number)
                    reason = "the data changed before it came to its end"
                    self.storage.set_trial_user_attr(own, "reason", reason)
                    self.storage.set_trial_state_values(own, TrialState.FAIL)
                    self.shelf.forget_model(_number(one))

    def _held(self, number: int, lock: IO[str]) -> Held:
        from optuna.trial import Trial

        study_id = self.storage.get_study_id_from_name(self.study.study_name)
        own = self.storage.get_trial_id_from_study_id_trial_number(study_id, number)
        trial = Trial(self.study, own)
        attributes = trial.user_attrs
        return Held(attributes["number"], trial.params, trial, lock, attributes.get("seconds", 0.0))

    def _add(self, trials: Sequence[FrozenTrial]) -> bool:
        """Put a new trial into the database; says whether there is one."""
        from optuna.trial import TrialState, create_trial

        queue = self.editions[self.current].queue
        start = queue[len(trials)] if len(trials) < len(queue) else {}
        params = start.get("params") or self._drawn(trials)
        if params is None:
            return False
        number = sum(len(study.get_trials(deepcopy=False)) for study in self.studies)
        origin = {name: value for name, value in start.items() if name != "params"}
        self.study.add_trial(
            create_trial(
                state=TrialState.WAITING,
                params=params,
                distributions=self.space.distributions(),
                user_attrs={"number": number, **origin},
            )
        )
        return True

    def _drawn(self, trials: Sequence[FrozenTrial]) -> Params | None:
        """A point of the space that was not had before; None where there is none."""
        had = [one.params for one in trials]
        if len(had) < self.space.size:
            for draw in range(_DRAWS):
                seed = np.random.SeedSequence([self.seed, self.current, len(trials), draw])
                point = self._asked(trials, int(seed.generate_state(1)[0]))
                if point not in had:
                    return point
        if self.space.size == float("inf"):
            return point
        return next((one for one in self.space.points() if one not in had), None)

    def _asked(self, trials: Sequence[FrozenTrial], seed: int) -> Params:
        """What TPE (Bergstra et al. 2011, Algorithms for Hyper-Parameter Optimization; in Optuna's
        multivariate form) makes of what is known, in a copy in memory."""
        import optuna

        copy = optuna.create_study(
            direction=self.goal.direction, sampler=optuna.samplers.TPESampler(seed=seed)
        )
        copy.add_trials(one for one in trials if one.state.name != "WAITING")
        return copy.ask(self.space.distributions()).params

    def _record(self, edition: int, one: FrozenTrial) -> TrialRecord:
        state = _STATES[one.state.name]
        attributes = one.user_attrs
        watched = self.goal.watched if self.goal.watch else float
        return TrialRecord(
            number=_number(one),
            edition=edition,
            state=state,
            settings=self.space.changes(one.params),
            given=attributes.get("given", False),
            again=attributes.get("again"),
            value=one.value if state == "complete" else None,
            low=attributes.get("low"),
            high=attributes.get("high"),
            halves=tuple(attributes.get("halves", (None, None))),
            aggregate=attributes.get("aggregate"),
            threshold=attributes.get("threshold"),
            reason=attributes.get("reason"),
            measured={k: watched(v) for k, v in sorted(one.intermediate_values.items())},
            seconds=attributes.get("seconds", 0.0),
        )


def _number(trial: FrozenTrial) -> int:
    number: int = trial.user_attrs["number"]
    return number
