"""`surefoot train`: a reward model from labelled traces."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from surefoot.cli.launched import check_alone, check_inputs
from surefoot.cli.say import Common, count, note, print_json
from surefoot.cli.shown import show_development
from surefoot.cli.teaching import (
    OF_DEVELOPMENT,
    OF_EXCLUDED,
    Learning,
    Lessons,
    Loop,
    Size,
    given_settings,
    lessons_of,
    plan_of,
    with_epochs,
)
from surefoot.cli.train_critic import NO_VERDICT, critic_plan, has_verdicts, train_critic
from surefoot.errors import UsageError
from surefoot.traces.types import LabelSource, Trace

if TYPE_CHECKING:
    from surefoot.training.callbacks import OnUpdate
    from surefoot.training.config import RewardConfig
    from surefoot.training.critic_config import CriticConfig
    from surefoot.training.guards import DataReport
    from surefoot.training.reward import Trained


def train(
    *files: str,
    out: Annotated[Path, Parameter(alias="-o")],
    base: str | None = None,
    dev: tuple[str, ...] = (),
    dev_share: float = 0.0,
    exclude: tuple[str, ...] = (),
    config: Path | None = None,
    setting: Annotated[tuple[str, ...], Parameter(name=["--set"])] = (),
    features: Annotated[bool, Parameter(negative="")] = False,
    critic: str | None = None,
    agree_with: LabelSource | None = None,
    profile: str | None = None,
    max_tokens: int | None = None,
    seed: int | None = None,
    learning: Learning = Learning(),  # noqa: B008 - frozen
    loop: Loop = Loop(),  # noqa: B008 - frozen
    size: Size = Size(),  # noqa: B008 - frozen
    source_format: Annotated[str | None, Parameter(name="--format")] = None,
    strict: Annotated[bool, Parameter(negative="")] = False,
    common: Common = Common(),  # noqa: B008 - frozen
) -> None:
    """Train a reward model on labelled traces and save it with its contract.

    Traces without a usable label, longer than --max-tokens, or on a question of an --exclude or
    --dev file are left out and counted. An interrupted run goes on from its last checkpoint.

    Args:
        files: Labelled traces in any format that `surefoot convert` reads.
        out: Folder of the new model.
        base: Folder or hub id of a causal language model to start from, or of a reward model to go
            on from; without it a small model starts from nothing.
        dev: Traces to measure on, choose the best weights by, and fit threshold and calibration to.
        dev_share: Instead of --dev: put this share of the questions aside for that.
        exclude: Files whose questions must not be trained on, such as those of a benchmark.
        config: A training.json to begin with; the options given here come on top.
        setting: Any other setting of a training, such as loop.warmup=0.1 or loss.zeta=2.
        features: Grow trees on features of each step and what stands before it, instead of a
            language model: minutes on a CPU, and no weights to begin with.
        critic: Teach the base to write verdicts as this profile asks for them (judge, judge-steps,
            genprm, ...; or a file such as critic.json), from what `surefoot label judge` kept.
        agree_with: With --critic: learn no verdict that contradicts the labels of this source.
        profile: Write traces and read scores as this published family does.
        max_tokens: Longest trace, in tokens; 1024 unless given.
        seed: Of everything that is drawn.
        source_format: Format of the files; found out if not given.
        strict: Stop at the first bad row.
    """
    if not files:
        raise UsageError("name at least one file of labelled traces")
    if base is not None and Path(base).resolve() == out.resolve():
        raise UsageError(
            f"--out {out} is the folder of --base; name another, so that both are kept"
        )
    check_inputs((*files, *dev, *exclude))
    started = time.perf_counter()
    named = {"base": base, "profile": profile, "max_tokens": max_tokens, "loop__seed": seed}
    read = partial(
        lessons_of,
        files,
        dev=dev,
        dev_share=dev_share,
        exclude=exclude,
        source_format=source_format,
        strict=strict,
    )
    if critic is not None:
        if features or loop.epochs is not None:
            other = "--features" if features else "--epochs"
            raise UsageError(f"--critic and {other} do not go together; leave one of them out")
        given = given_settings(setting, learning, loop, size, **named)
        judge = critic_plan(critic, agree_with, config, given)
        lessons = read(has_verdicts, seed=judge.loop.seed, lacking=NO_VERDICT)
        told = _written(lessons, out, judge, quiet=common.json)
    elif agree_with is not None:
        raise UsageError("--agree-with is about the verdicts that --critic learns; leave it out")
    else:
        plan = plan_of(config, setting, learning, loop, size, **named)
        lessons = read(partial(_can_teach, plan), seed=plan.loop.seed)
        if features:
            told = _grown(lessons, out, plan, learning, quiet=common.json)
        else:
            told = _learned(lessons, out, plan, loop.epochs, quiet=common.json)
            if too_long := told["too_long"]:
                lessons.left_out[f"more than {told['max_tokens']} tokens"] = too_long
    seconds = round(time.perf_counter() - started, 1)
    if common.json:
        left_out, skipped = dict(lessons.left_out), lessons.skipped.to_json()
        more = {"left_out": left_out, "skipped": skipped, "seconds": seconds}
        print_json({"out": str(out), **told, **more})
        return
    note(f"saved in {out} after {seconds:.0f} s")
    if lessons.left_out:
        note(f"left out: {lessons.reasons()}")
    if summary := lessons.skipped.summary():
        note(summary)


def _can_teach(plan: RewardConfig, trace: Trace) -> bool:
    from surefoot.training.learning import can_teach

    return can_teach(trace, plan)


def _grown(
    lessons: Lessons,
    out: Path,
    plan: RewardConfig,
    learning: Learning,
    *,
    quiet: bool,
) -> dict[str, Any]:
    """Trees on features."""
    check_alone("--features grows trees", "start it without a launcher")
    from surefoot.cli.train_features import train_features

    for name, value in (("--base", plan.base), ("--loss", learning.loss), ("--lora", plan.lora)):
        if value is not None:
            raise UsageError(f"{name} means nothing to --features, which grows trees; leave it out")
    labels = plan.labels
    if learning.after_error is None:
        labels = replace(labels, after_error="masked")
    return train_features(
        lessons.traces,
        out,
        development=lessons.development,
        labels=labels,
        seed=plan.loop.seed,
        quiet=quiet,
    )


def _learned(
    lessons: Lessons,
    out: Path,
    plan: RewardConfig,
    epochs: float | None,
    *,
    quiet: bool,
) -> dict[str, Any]:
    """A language model with a head."""
    from surefoot.training.reward import train as train_on

    plan = with_epochs(plan, epochs, len(lessons.traces))
    with _going_on(out), training_progress() as on_update:
        trained = train_on(
            lessons.traces,
            out,
            plan,
            development=lessons.development,
            excluded=lessons.excluded,
            left_out={
                "excluded": lessons.left_out[OF_EXCLUDED],
                "development": lessons.left_out[OF_DEVELOPMENT],
            },
            on_data=None if quiet else _print_data,
            on_update=on_update,
        )
    if not quiet:
        _print_summary(trained)
    return trained.to_json()


def _written(lessons: Lessons, out: Path, plan: CriticConfig, *, quiet: bool) -> dict[str, Any]:
    """A language model that writes its verdicts."""
    with _going_on(out), training_progress() as on_update:
        return train_critic(
            lessons.traces,
            out,
            plan,
            development=lessons.development,
            on_update=on_update,
            quiet=quiet,
        )


@contextmanager
def _going_on(out: Path) -> Iterator[None]:
    """Say what becomes of a model that is there already, and that an interrupt loses nothing."""
    if (out / "config.json").is_file():
        note(f"{out} holds a model already; it is replaced once this training is done")
    try:
        yield
    except KeyboardInterrupt as stop:
        stop.add_note("the same command goes on from the last checkpoint")
        raise


def _print_data(data: DataReport) -> None:
    from surefoot.training.guards import summary

    note(summary(data) + "\n")


def _print_summary(trained: Trained) -> None:
    note(
        f"trained on {count(trained.num_steps, 'labelled step')} of "
        f"{count(trained.num_traces, 'trace')} ({trained.share_right:.1%} right), final loss "
        f"{trained.final_loss:.4f}"
    )
    if trained.development is not None:
        how = (
            f"with the weights of update {trained.kept_update} and the threshold "
            f"{trained.contract.threshold:.4g}"
        )
        show_development(trained.development, how)
    for said in trained.fit.notes if trained.fit is not None else ():
        note(f"not fitted: {said}")


@contextmanager
def training_progress() -> Iterator[OnUpdate]:
    """A bar with the loss for a watching terminal; a line now and then otherwise."""
    if not sys.stderr.isatty():

        def line(done: int, total: int, loss: float | None) -> None:
            if loss is not None and done % max(1, total // 10) < 50:
                note(f"update {done} of {total}, loss {loss:.4f}")

        yield line
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (
        TextColumn("training"),
        BarColumn(),
        TextColumn("{task.completed}/{task.total}  loss {task.fields[loss]}"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True)) as bars:
        task = bars.add_task("training", total=None, loss="-")

        def update(done: int, total: int, loss: float | None) -> None:
            bars.update(task, completed=done, total=total)
            if loss is not None:
                bars.update(task, loss=f"{loss:.4f}")

        yield update
