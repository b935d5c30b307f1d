"""What came of a study: the best trial, how much of it is luck, and which settings mattered."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import ceil
from typing import TYPE_CHECKING, Any

from surefoot.training.tuning.database import best_first
from surefoot.training.tuning.goal import Direction, Goal
from surefoot.training.tuning.shelf import StudyFile
from surefoot.training.tuning.space import Space
from surefoot.training.tuning.trials import TrialRecord, Trials

if TYPE_CHECKING:
    from optuna import Study

FEWEST = 10
"""Trials below which nothing is said of what mattered."""

_TOP = 5
"""Trials that count as good, at least, where it is asked what mattered."""


@dataclass(frozen=True, kw_only=True)
class Tuned:
    """Everything that is known of a study."""

    goal: str
    direction: Direction
    watch: str | None
    study: StudyFile
    trials: tuple[TrialRecord, ...]
    """Of all editions of the data."""
    best: TrialRecord | None
    """On the data at hand."""
    given: TrialRecord | None
    """The settings that the study was given, on the data at hand."""
    heldout: float | None
    """What choosing among the trials is worth on questions that they are not chosen on: the best
    trial on one half of the questions, measured on the other, both ways."""
    given_halves: float | None
    """The settings that were given, measured on both halves like that."""
    importances: Mapping[str, float] | None
    """Of each setting's share in being among the best, adding up to 1; None with fewer than
    `FEWEST` trials."""
    baselines: Mapping[str, float]
    """What is reached without any model of ours."""
    is_exhausted: bool
    """Whether every point of the space was had."""

    @property
    def current(self) -> list[TrialRecord]:
        """The trials on the data at hand."""
        return [one for one in self.trials if one.edition == self.study.current]

    @property
    def unbeaten(self) -> list[str]:
        """The baselines that the best trial is not better than."""
        if self.best is None or self.best.value is None:
            return []
        sign = 1 if self.direction == "maximize" else -1
        value = sign * self.best.value
        return [name for name, plain in self.baselines.items() if value <= sign * plain]

    @property
    def note(self) -> str:
        """How the best value is to be taken."""
        number = sum(one.state == "complete" for one in self.current)
        return (
            f"The best value was chosen among {number} on the traces that it is measured on, so it "
            "flatters the model, and the more the more trials there are and the fewer traces; "
            "measure it on traces that took no part before you speak of it."
        )

    def to_json(self) -> dict[str, Any]:
        """Every figure."""
        return {
            "goal": self.goal,
            "direction": self.direction,
            "watch": self.watch,
            "best": self.best.to_json() if self.best else None,
            "given": self.given.to_json() if self.given else None,
            "heldout": self.heldout,
            "given_halves": self.given_halves,
            "note": self.note,
            "importances": dict(self.importances) if self.importances else None,
            "baselines": dict(self.baselines),
            "unbeaten": self.unbeaten,
            "exhausted": self.is_exhausted,
            "counts": {
                state: sum(one.state == state for one in self.current)
                for state in ("complete", "pruned", "failed", "running", "waiting")
            },
            "settings": dict(self.study.settings),
            "data": [
                {
                    "hash": one.data,
                    "traces": one.num_traces,
                    "development": one.num_development,
                    "since": one.since,
                    "at_hand": i == self.study.current,
                }
                for i, one in enumerate(self.study.editions)
            ],
            "trials": [one.to_json() for one in self.trials],
        }


def ranked(trials: Sequence[TrialRecord], direction: Direction) -> list[TrialRecord]:
    """Those that came to their end, the best first, of equal ones the one that came first."""
    done = [one for one in trials if one.value is not None]
    sign = -1 if direction == "maximize" else 1
    return sorted(done, key=lambda one: (sign * (one.value or 0.0), one.number))


def report_of(trials: Trials, study: StudyFile, space: Space, goal: Goal) -> Tuned:
    """What is known by now."""
    records = trials.records()
    own = [one for one in records if one.edition == study.current]
    order = ranked(own, goal.direction)
    given = next((one for one in order if one.given), None)
    return Tuned(
        goal=goal.name,
        direction=goal.direction,
        watch=goal.watch,
        study=study,
        trials=tuple(records),
        best=order[0] if order else None,
        given=given,
        heldout=_heldout(order, goal),
        given_halves=_mean(given.halves) if given else None,
        importances=importances(trials.study),
        baselines=goal.baselines,
        is_exhausted=len(own) >= space.size,
    )


def importances(study: Study) -> dict[str, float] | None:
    """How much each setting has to do with being among the best trials: PED-ANOVA (Watanabe et al.
    2023, arXiv:2304.10255) of the best tenth, or of the best five where those are more, against all
    trials. Only their order counts; pruned trials, which the paper does not have, stand behind all
    others, those that were pruned first at the end. None where there are too few."""
    import optuna
    from optuna.importance import PedAnovaImportanceEvaluator
    from optuna.trial import TrialState, create_trial

    seen = study.get_trials(deepcopy=False)
    pruned = [one for one in seen if one.state is TrialState.PRUNED]
    order = [*best_first(study), *sorted(pruned, key=lambda one: -(one.last_step or 0))]
    if len(order) < FEWEST:
        return None
    copy = optuna.create_study(direction="minimize")
    copy.add_trials(
        create_trial(params=one.params, distributions=one.distributions, value=place)
        for place, one in enumerate(order)
    )
    share = max(_TOP, ceil(len(order) / 10)) / len(order)
    found: dict[str, float] = optuna.importance.get_param_importances(
        copy, evaluator=PedAnovaImportanceEvaluator(target_quantile=share)
    )
    return found


def _heldout(order: Sequence[TrialRecord], goal: Goal) -> float | None:
    """The mean of both ways to choose on one half and measure on the other. Of equally good ones
    the first is chosen: the one that is best on all questions would know of the other half."""
    both = sorted((one for one in order if None not in one.halves), key=lambda one: one.number)
    if len(both) < 2:
        return None
    chosen = [goal.best([one.halves[half] for one in both]) for half in (0, 1)]
    first, second = (both[i] for i in chosen if i is not None)
    return _mean((first.halves[1], second.halves[0]))


def _mean(halves: tuple[float | None, float | None]) -> float | None:
    first, second = halves
    return None if first is None or second is None else (first + second) / 2
