"""`tune`: trial after trial, until so many were done on the data at hand; the best one is kept.

A study that is killed goes on where it was, several workers may share one, and one that was
finished goes on when the data change.
"""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args

from transformers.utils import logging

from surefoot.errors import ModelError, UsageError
from surefoot.traces.types import Trace
from surefoot.training.callbacks import OnUpdate
from surefoot.training.config import RewardConfig
from surefoot.training.learning import learning
from surefoot.training.tuning.database import address, database_errors, open_storage, shown
from surefoot.training.tuning.goal import Goal, development_goal
from surefoot.training.tuning.opening import opened
from surefoot.training.tuning.report import Tuned, ranked, report_of
from surefoot.training.tuning.runner import Work, run
from surefoot.training.tuning.shelf import REPORT_FILE, TRIAL_FILE, Shelf
from surefoot.training.tuning.space import Space
from surefoot.training.tuning.spelling import default_space, space_of
from surefoot.training.tuning.trials import TrialRecord, Trials

if TYPE_CHECKING:
    from optuna.pruners import BasePruner

Pruner = Literal["median", "hyperband", "none"]

OnTrial = Callable[[TrialRecord, "TrialRecord | None"], None]
"""Called with a trial when it begins and when it has ended, and the best one so far."""

_MEASUREMENTS = 10
"""How often a trial is measured while it learns, unless the settings say so."""

_UNPRUNED = 4
"""Trials that come to their end before one is pruned."""

_HOPELESS = 5
"""After so many trials that failed, and none that did not, the fault is not theirs."""


def tune(
    traces: Sequence[Trace],
    out: str | Path,
    config: RewardConfig | None = None,
    *,
    development: Sequence[Trace] = (),
    space: Mapping[str, Any] | None = None,
    goal: Goal | None = None,
    num_trials: int = 30,
    pruner: Pruner | None = None,
    keep: int = 3,
    seed: int = 0,
    storage: str | None = None,
    on_trial: OnTrial | None = None,
    on_update: OnUpdate | None = None,
) -> Tuned:
    """Train reward models with other and other settings, and keep the best in `out/best`.

    The first trial is the settings themselves, where they lie in the space. Trials that cannot work
    are recorded with the reason. The same call goes on with a study that was interrupted, and adds
    trials where `num_trials` is larger than before.

    Args:
        traces: What is learned from.
        out: Folder of the study, shared by all that work on it.
        config: What all trials have in common, and what the first one is.
        development: Traces to measure on; nothing is learned from them.
        space: What is tuned: names of settings, each with bounds or values as in
            `training.tuning.spelling`; None takes rates, batch size and the weight of wrong steps.
        goal: What the best trial is best at; None is `config.loop.metric` on `development`.
        num_trials: All trials on these data, those of earlier calls and of other workers included.
        pruner: Stops trials that are worse than most were at the same update (`median`), or by
            successive halving (`hyperband`; Li et al. 2018, arXiv:1603.06560); None is `median`
            where there are development traces, and otherwise `none`.
        keep: How many of the best models are kept.
        seed: Of the points that are drawn. That of the trainings is in `config.loop`, and all have
            the same.
        storage: Address of a database, such as `postgresql://user:password@host/name`; a file in
            `out` unless given.
        on_trial: Told of every trial of this call.
        on_update: Told of every update.

    Raises:
        UsageError: an option, the space or the goal cannot work, or `out` holds a study of other
            settings.
        StorageError: the folder or the database cannot be used; the trial at hand stays begun.
        ModelError: no trial came to its end.
    """
    base = config or RewardConfig()
    _check(num_trials, keep, pruner)
    import optuna

    goal = goal or development_goal(base.loop.metric, development, base)
    asked = space_of(base, default_space(base) if space is None else space)
    pruner = pruner or ("median" if goal.watch else "none")
    work = _work(traces, development, base, asked, goal, pruner)
    settings = {
        "config": work.config.to_json(),
        "space": dict(asked.given),
        "goal": goal.name,
        "pruner": pruner,
        "seed": seed,
    }
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    logging.disable_progress_bar()
    shelf = Shelf(Path(out))
    shelf.read()
    place = address(storage, shelf.folder)
    with database_errors(place):
        with shelf.locked():
            kept = open_storage(place)
            study = opened(shelf, kept, shown(place, shelf.folder), settings, work)
        trials = Trials(
            kept, shelf, study.editions, study.current, asked, goal, _pruner(pruner, work), seed
        )
        return _done(trials, work, num_trials, keep, on_trial, on_update)


def _done(
    trials: Trials,
    work: Work,
    num_trials: int,
    keep: int,
    on_trial: OnTrial | None,
    on_update: OnUpdate | None,
) -> Tuned:
    """Trial after trial."""
    with trials.shelf.locked():
        trials.drop_older()
    tuned = _put_away(trials, work, keep)
    failures = 0
    while (held := trials.take(num_trials)) is not None:
        with held.lock:
            if on_trial:
                on_trial(trials.record(held), tuned.best)
            failures = 0 if run(held, trials, work, on_update) else failures + 1
            tuned = _put_away(trials, work, keep)
            ended = trials.record(held)
            if on_trial:
                on_trial(ended, tuned.best)
        if failures == _HOPELESS and tuned.best is None:
            raise ModelError(
                f"{failures} trials one after the other failed, the last one: {ended.reason}; mend "
                "that and ask for more trials"
            )
    if tuned.best is None and not any(one.state == "running" for one in tuned.current):
        reasons = sorted({one.reason for one in tuned.current if one.reason})
        raise ModelError(f"no trial came to its end: {'; '.join(reasons)}")
    return tuned


def _put_away(trials: Trials, work: Work, keep: int) -> Tuned:
    """Publish the best model, take away those not among the best, and say what is known."""
    shelf = trials.shelf
    with shelf.locked():
        study = shelf.read()
        assert study is not None
        tuned = report_of(trials, study, work.space, work.goal)
        if study.current != trials.current:
            return tuned
        order = ranked(tuned.current, tuned.direction)
        if order:
            shelf.publish(order[0].number, order[0].to_json())
        best = {one.number for one in order[:keep]} | _best_before(tuned)
        for one in tuned.trials:
            if one.state in ("complete", "pruned", "failed"):
                shelf.put(f"trials/{one.number:04}/{TRIAL_FILE}", one.to_json())
                if order and one.number not in best:
                    shelf.forget_model(one.number)
        shelf.put(REPORT_FILE, tuned.to_json())
        return tuned


def _best_before(tuned: Tuned) -> set[int]:
    """The best trial on each of the older data, should they come back."""
    found = set()
    for edition in range(len(tuned.study.editions)):
        if edition != tuned.study.current:
            own = [one for one in tuned.trials if one.edition == edition]
            found |= {one.number for one in ranked(own, tuned.direction)[:1]}
    return found


def _work(
    traces: Sequence[Trace],
    development: Sequence[Trace],
    base: RewardConfig,
    space: Space,
    goal: Goal,
    pruner: Pruner,
) -> Work:
    """What is the same in every trial.

    Raises:
        UsageError: what is asked for does not fit together.
        DataError: there is nothing to learn.
    """
    if space.aggregates and not goal.depends_on_aggregate:
        raise UsageError(
            f"{goal.name} does not depend on the aggregate, so none can be chosen by it; leave "
            "aggregate out, or take outcome_auroc, outcome_auroc_within or a pool"
        )
    if not development:
        for what, asked in (
            ("a threshold", bool(space.thresholds)),
            ("a pruner", pruner != "none"),
            ("eval_every", base.loop.eval_every is not None),
        ):
            if asked:
                raise UsageError(f"{what} needs development traces; give some, or leave it out")
    changes: dict[str, Any] = {}
    if goal.watch is not None:
        changes["loop.metric"] = goal.watch
        if base.loop.eval_every is None and pruner != "none":
            changes["loop.eval_every"] = max(1, base.loop.num_updates // _MEASUREMENTS)
    config = base.changed(changes)
    learning(traces, config)
    return Work(traces, development, config, space, goal, pruner != "none")


def _pruner(name: Pruner, work: Work) -> BasePruner:
    """The one of a name; resources are updates."""
    from optuna.pruners import HyperbandPruner, MedianPruner, NopPruner

    longest = work.space.trained.get("loop.num_updates")
    updates = int(max((longest and longest.values()) or (work.config.loop.num_updates,)))
    every = work.config.loop.eval_every or updates
    if name == "median":
        return MedianPruner(n_startup_trials=_UNPRUNED, n_warmup_steps=updates // 5)
    if name == "hyperband":
        return HyperbandPruner(min_resource=every, max_resource=max(every, updates))
    return NopPruner()


def _check(num_trials: int, keep: int, pruner: Pruner | None) -> None:
    for name, value in (("num_trials", num_trials), ("keep", keep)):
        if value < 1:
            raise UsageError(f"{name} is {value}; it must be at least 1")
    if pruner not in (None, *get_args(Pruner)):
        raise UsageError(f"pruner is {pruner!r}; it must be one of {', '.join(get_args(Pruner))}")
    if int(os.environ.get("WORLD_SIZE", "1")) > 1:
        raise UsageError(
            "a trial is trained by one process; start several workers with one storage instead of "
            "torchrun"
        )
    if importlib.util.find_spec("optuna") is None:
        raise UsageError("tuning needs the package optuna: pip install 'surefoot[tune]'")
