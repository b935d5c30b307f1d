"""One trial: a training with its settings, stopped early where it is hopeless, and what it reaches.

A trial that was begun before goes on from the last checkpoint of its training, and one that was
trained is only measured again.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from surefoot.errors import StorageError, SurefootError
from surefoot.traces.types import Trace
from surefoot.training.callbacks import OnUpdate
from surefoot.training.config import RewardConfig
from surefoot.training.reward import train
from surefoot.training.scratches import discard, scratch_of
from surefoot.training.tuning.goal import Goal
from surefoot.training.tuning.settling import Settled, settle
from surefoot.training.tuning.space import Space
from surefoot.training.tuning.trials import Held, Trials

OnFailure = Callable[[str], None]


class Hopeless(Exception):  # noqa: N818 - no error: it ends a training that is not worth its time
    """A trial that is not worth going on with."""


@dataclass(frozen=True)
class Work:
    """What is the same in every trial."""

    traces: Sequence[Trace]
    development: Sequence[Trace]
    config: RewardConfig
    space: Space
    goal: Goal
    prunes: bool
    """Whether hopeless trials are stopped."""

    def config_of(self, held: Held) -> RewardConfig:
        """The settings of a trial.

        Raises:
            UsageError: they do not fit each other.
        """
        return self.config.changed(self.space.changes(held.params))


def run(held: Held, trials: Trials, work: Work, on_update: OnUpdate | None = None) -> bool:
    """Do a trial, and put into the database what came of it; says whether it did not fail.

    Raises:
        StorageError: the folder or the database cannot be written; the trial stays begun.
    """
    from optuna.trial import TrialState

    clock = _Clock(held)
    number = held.number
    try:
        settled = _settled(held, trials, work, clock, on_update)
    except Hopeless:
        clock.note()
        trials.shelf.forget_model(number)
        trials.study.tell(held.trial.number, state=TrialState.PRUNED)
        return True
    except StorageError:
        clock.note()
        raise
    except (SurefootError, RuntimeError) as error:
        if not isinstance(error, SurefootError) and "memory" not in str(error):
            raise
        clock.note()
        trials.shelf.forget_model(number)
        held.trial.set_user_attr("reason", str(error))
        trials.study.tell(held.trial.number, state=TrialState.FAIL)
        return False
    found = settled.found
    clock.note()
    for name, value in (
        ("low", found.low),
        ("high", found.high),
        ("halves", list(settled.halves)),
        ("aggregate", settled.aggregate),
        ("threshold", settled.threshold),
    ):
        held.trial.set_user_attr(name, value)
    trials.study.tell(held.trial.number, found.value)
    return True


class _Clock:
    """The time that is spent on a trial, over all its sittings."""

    def __init__(self, held: Held) -> None:
        self.held = held
        self.began = time.perf_counter()

    def note(self) -> None:
        spent = self.held.seconds + time.perf_counter() - self.began
        self.held.trial.set_user_attr("seconds", round(spent, 2))


def _settled(
    held: Held, trials: Trials, work: Work, clock: _Clock, on_update: OnUpdate | None
) -> Settled:
    shelf, config = trials.shelf, work.config_of(held)
    model = shelf.model(held.number)
    if shelf.is_trained(held.number):
        discard(scratch_of(model))
    else:
        train(
            work.traces,
            model,
            config,
            development=work.development,
            on_update=on_update,
            on_measure=partial(_judge, held, trials, work, config, clock),
        )
    return settle(model, work.goal, work.space, work.development, work.config)


def _judge(
    held: Held,
    trials: Trials,
    work: Work,
    config: RewardConfig,
    clock: _Clock,
    update: int,
    figures: Mapping[str, float],
) -> None:
    """Note what is measured, and end what is hopeless; the last update is there already."""
    assert work.goal.watch is not None
    clock.note()
    figure = figures.get(work.goal.watch)
    if figure is None:
        return
    hopeless = trials.report(held, update, figure)
    if hopeless and work.prunes and update < config.loop.num_updates:
        raise Hopeless
