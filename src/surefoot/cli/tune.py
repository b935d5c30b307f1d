"""`surefoot tune`: many trainings with other settings, of which the best is kept."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from cyclopts import Parameter

from surefoot.cli.launched import check_alone
from surefoot.cli.reading import Skipped, read_files
from surefoot.cli.say import Common, count, note, print_json, visible
from surefoot.cli.teaching import Learning, Loop, Size, lessons_of, plan_of, with_epochs
from surefoot.errors import UsageError
from surefoot.traces.types import Trace

if TYPE_CHECKING:
    from surefoot.training.callbacks import OnUpdate
    from surefoot.training.config import RewardConfig
    from surefoot.training.tuning.goal import Goal
    from surefoot.training.tuning.report import Tuned
    from surefoot.training.tuning.study import OnTrial
    from surefoot.training.tuning.trials import TrialRecord

STORAGE = "SUREFOOT_STORAGE"
_MOST_SHOWN = 10


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class Search:
    """What is tried, and what the best is best at."""

    over: tuple[str, ...] = ()
    """A setting and its bounds: loop.lr=log:1e-5:1e-2, labels.wrong_weight=1:5,
    loop.batch_size=8,16,32, aggregate=min,product, threshold=0.3:0.7. Without any: rates, batch
    size and the weight of wrong steps, around the settings."""

    space: Path | None = None
    """A file of such bounds, JSON or TOML; --over comes on top."""

    trials: int = 30
    """All trials on these data, with those of earlier runs and of other workers."""

    pool: tuple[str, ...] = ()
    """In place of --metric: files of several traces for every problem, with outcomes, among which
    the best model chooses best. Nothing is learned from their questions."""

    best_of: int | None = None
    """Of how many of the --pool it chooses; as many as every problem has unless given."""

    choose: Literal["argmax", "vote"] = "argmax"
    """How it chooses among them."""

    pruner: Literal["median", "hyperband", "none"] | None = None
    """What stops hopeless trials; median where there are development traces unless given."""

    keep: int = 3
    """How many of the best models are kept."""

    storage: str | None = None
    """Address of a database that several workers share, such as postgresql://user@host/name; else
    the environment's SUREFOOT_STORAGE, else a file in --out."""


def tune(
    *files: str,
    out: Annotated[Path, Parameter(alias="-o")],
    base: str | None = None,
    dev: tuple[str, ...] = (),
    dev_share: float = 0.0,
    exclude: tuple[str, ...] = (),
    config: Path | None = None,
    setting: Annotated[tuple[str, ...], Parameter(name=["--set"])] = (),
    profile: str | None = None,
    max_tokens: int | None = None,
    seed: int | None = None,
    search: Search = Search(),
    learning: Learning = Learning(),  # noqa: B008 - frozen
    loop: Loop = Loop(),  # noqa: B008 - frozen
    size: Size = Size(),  # noqa: B008 - frozen
    source_format: Annotated[str | None, Parameter(name="--format")] = None,
    strict: Annotated[bool, Parameter(negative="")] = False,
    common: Common = Common(),  # noqa: B008 - frozen
) -> None:
    """Train reward models with other and other settings, and keep the best one.

    The first trial is the settings as they are given. What is hopeless is stopped early, what fails
    is recorded with the reason. An interrupted run goes on where it was; a finished one goes on
    with more --trials, or when the traces have changed. The best model is in OUT/best.

    Args:
        files: Labelled traces in any format that `surefoot convert` reads.
        out: Folder of the study; workers that share a --storage share it too.
        base: Folder or hub id of a causal language model to start from, or of a reward model to go
            on from; without it small models start from nothing.
        dev: Traces to measure on; nothing is learned from their questions.
        dev_share: Instead of --dev: put this share of the questions aside for that.
        exclude: Files whose questions must not be trained on, such as those of a benchmark.
        config: A training.json to begin with; the options given here come on top.
        setting: Any other setting of all trainings, such as loop.warmup=0.1.
        profile: Write traces and read scores as this published family does.
        max_tokens: Longest trace, in tokens; 1024 unless given.
        seed: Of everything that is drawn.
        source_format: Format of the files; found out if not given.
        strict: Stop at the first bad row.
    """
    if not files:
        raise UsageError("name at least one file of labelled traces")
    if not (dev or dev_share or search.pool):
        raise UsageError(
            "nothing is named to measure trials on: give --dev or --dev-share, or a --pool"
        )
    if search.best_of is not None and not search.pool:
        raise UsageError("--best-of is for a --pool; name one")
    check_alone("trials are drawn", "start tune without a launcher, once for every worker")
    started = time.perf_counter()
    plan = plan_of(
        *(config, setting, learning, loop, size),
        base=base,
        profile=profile,
        max_tokens=max_tokens,
        loop__seed=seed,
    )
    space = _space(search, plan)
    from surefoot.training.learning import can_teach

    lessons = lessons_of(
        files,
        lambda trace: can_teach(trace, plan),
        dev=dev,
        dev_share=dev_share,
        exclude=(*exclude, *search.pool),
        source_format=source_format,
        strict=strict,
        seed=plan.loop.seed,
    )
    plan = with_epochs(plan, loop.epochs, len(lessons.traces))
    goal = _goal(search, plan, lessons.development, source_format, lessons.skipped)
    from surefoot.reports.tuning import write_tuning
    from surefoot.training.tuning.shelf import PAGE_FILE, REPORT_FILE
    from surefoot.training.tuning.study import tune as tune_on

    try:
        with progress(search.trials) as (on_trial, on_update):
            tuned = tune_on(
                lessons.traces,
                out,
                plan,
                development=lessons.development,
                space=space,
                goal=goal,
                num_trials=search.trials,
                pruner=search.pruner,
                keep=search.keep,
                seed=plan.loop.seed,
                storage=search.storage or os.environ.get(STORAGE) or None,
                on_trial=on_trial,
                on_update=on_update,
            )
    except KeyboardInterrupt as stop:
        stop.add_note("the same command goes on with the trial at hand")
        raise
    report = tuned.to_json()
    write_tuning(out / PAGE_FILE, report)
    if common.json:
        seconds = round(time.perf_counter() - started, 1)
        left_out, skipped = dict(lessons.left_out), lessons.skipped.to_json()
        more = {"left_out": left_out, "skipped": skipped, "seconds": seconds}
        print_json({"out": str(out), "model": str(out / "best"), **report, **more})
        return
    _print_trials(tuned)
    _print_summary(tuned)
    if tuned.best is not None:
        note(f"the best model is in {out / 'best'}")
    note(f"every figure is in {out / REPORT_FILE}, for reading in {out / PAGE_FILE}")
    if lessons.left_out:
        note(f"left out: {lessons.reasons()}")
    if summary := lessons.skipped.summary():
        note(summary)


def _space(search: Search, plan: RewardConfig) -> dict[str, Any] | None:
    """The space that is asked for, checked before anything is read."""
    from surefoot.training.tuning.spelling import read_options, read_space, space_of

    given = read_space(search.space) if search.space is not None else {}
    given |= read_options(search.over)
    if given:
        space_of(plan, given)
    return given or None


def _goal(
    search: Search,
    plan: RewardConfig,
    development: list[Trace],
    source_format: str | None,
    skipped: Skipped,
) -> Goal | None:
    """Best-of-N on the pool; None where the goal is a figure of development traces."""
    if not search.pool:
        return None
    from surefoot.evals.pool_goal import pool_goal

    traces = list(read_files(search.pool, source_format, False, skipped))
    watch = plan.loop.metric if development else None
    return pool_goal(traces, num=search.best_of, choose=search.choose, watch=watch)


@contextmanager
def progress(num_trials: int) -> Iterator[tuple[OnTrial, OnUpdate | None]]:
    """A line for each trial that has ended, and two bars for a watching terminal: of the trials,
    and of the training at hand."""
    if not sys.stderr.isatty():
        yield lambda one, best: _tell(one, best, note), None
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn
    from rich.text import Text

    console = Console(stderr=True, highlight=False)
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.completed}/{task.total}  {task.fields[said]}", markup=False),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, transient=True) as bars:
        trials = bars.add_task("trials", total=num_trials, said="")
        training = bars.add_task("trial", total=None, said="")

        def on_trial(one: TrialRecord, best: TrialRecord | None) -> None:
            _tell(one, best, lambda line: bars.print(Text(visible(line))))
            if best is not None:
                bars.update(trials, said=f"best {best.value:.4g}, trial {best.number}")
            if one.state == "running":
                bars.reset(training, description=f"trial {one.number}", total=None, said="")
            else:
                bars.advance(trials)

        def on_update(done: int, total: int, loss: float | None) -> None:
            bars.update(training, completed=done, total=total)
            if loss is not None:
                bars.update(training, said=f"loss {loss:.4f}")

        yield on_trial, on_update


def _tell(one: TrialRecord, best: TrialRecord | None, say: Any) -> None:
    """How a trial ended."""
    if one.state == "running":
        return
    if one.state == "failed":
        how = f"failed: {one.reason}"
    elif one.state == "pruned":
        how = f"stopped early at update {max(one.measured, default=0)}"
    else:
        how = f"{one.value:.4g}"
        if best is not None and best.number == one.number:
            how += ", the best so far"
    mark = " (as given)" if one.given else ""
    say(f"trial {one.number}{mark}: {how}  [{_settings(one.settings)}]")


def _settings(settings: Mapping[str, Any]) -> str:
    from surefoot.reports.tuning_plots import said

    return ", ".join(f"{name} {said(value)}" for name, value in settings.items())


def _print_trials(tuned: Tuned) -> None:
    """The best trials, a line each."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from surefoot.reports.tuning_plots import said
    from surefoot.training.tuning.report import ranked

    rows = ranked(tuned.current, tuned.direction)
    table = Table(title=tuned.goal, title_justify="left", box=None, pad_edge=False)
    names = [*tuned.study.settings["space"]]
    for heading in ("trial", "value", "95 % interval", *names):
        table.add_column(Text(heading), justify="right")
    for one in rows[:_MOST_SHOWN]:
        ends = "" if one.low is None else f"[{one.low:.3f}, {one.high:.3f}]"
        cells = [str(one.number) + (" as given" if one.given else ""), f"{one.value:.3f}", ends]
        after = {"aggregate": one.aggregate, "threshold": one.threshold}
        cells += [said({**after, **one.settings}[name]) for name in names]
        table.add_row(*(Text(visible(cell)) for cell in cells))
    Console(highlight=False).print(table)
    if len(rows) > _MOST_SHOWN:
        note(f"and {len(rows) - _MOST_SHOWN} more")


def _print_summary(tuned: Tuned) -> None:
    """What to make of the best one."""
    states = [one.state for one in tuned.current]
    note(
        f"{count(len(states), 'trial')}: {states.count('complete')} came to their end, "
        f"{states.count('pruned')} stopped early, {states.count('failed')} failed"
    )
    if others := states.count("running") + states.count("waiting"):
        note(f"{count(others, 'trial')} still with other workers")
    if older := len(tuned.trials) - len(states):
        note(f"{count(older, 'trial')} on older data, whose values cannot be compared")
    if tuned.is_exhausted:
        note("every point of the space was tried")
    if tuned.given is None:
        note("the settings as given lie outside the space, or did not come to their end")
    if tuned.baselines:
        plain = ", ".join(f"{name} {value:.3f}" for name, value in tuned.baselines.items())
        note(f"without any of these models: {plain}")
    for name in tuned.unbeaten:
        note(f"does harm: the best trial does not beat {name}")
    if tuned.heldout is not None:
        given = tuned.given_halves
        held = "" if given is None else f" (as given: {given:.3f})"
        note(
            f"chosen on one half of the questions and measured on the other: {tuned.heldout:.3f}"
            f"{held}"
        )
    if tuned.importances:
        shares = [f"{name} {100 * share:.0f} %" for name, share in tuned.importances.items()]
        note(f"what mattered (PED-ANOVA): {', '.join(shares)}")
    note(tuned.note)
