"""`surefoot train`: a reward model from labelled traces."""

from __future__ import annotations

import json
import math
import sys
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from cyclopts import Parameter

from surefoot.cli.launched import check_inputs
from surefoot.cli.reading import Skipped, read_files
from surefoot.cli.say import Common, count, note, print_json
from surefoot.cli.shown import show_development
from surefoot.errors import UsageError
from surefoot.traces.types import LabelSource, Trace

if TYPE_CHECKING:
    from surefoot.training.callbacks import OnUpdate
    from surefoot.training.config import RewardConfig
    from surefoot.training.guards import DataReport
    from surefoot.training.reward import Trained


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class Learning:
    """What is learned from labels."""

    target: Literal["steps", "outcome"] | None = None
    """`steps` learns step labels (a PRM), `outcome` whether the answer is right (an ORM)."""

    neutral: Literal["right", "wrong", "own", "masked"] | None = None
    """How a neutral step counts: as right (unless said), as wrong, as a class of its own, or not
    at all."""

    after_error: Literal["as-labelled", "masked", "wrong"] | None = None
    """What labels behind the first wrong step are."""

    label_source: tuple[LabelSource, ...] = ()
    """Labels of these sources only, all of one weight; the source of each trace's first labels
    unless given."""

    loss: str | None = None
    """cross-entropy unless given; binomial, squared-error, q-ranking, pairwise,
    temporal-difference, outcome, joint."""


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class Loop:
    """How it is learned."""

    updates: int | None = None
    """Optimizer updates; 1000 unless given."""

    epochs: float | None = None
    """Instead of --updates: how often each trace is seen."""

    batch_size: int | None = None
    """Traces in an update; 16 unless given."""

    lr: float | None = None
    """Learning rate; .005 from nothing (Muon), 1e-5 on a base (AdamW) unless given."""

    lora: int | None = None
    """Train low-rank changes of this rank instead of all weights."""

    bf16: bool | None = None
    """Matrix products in bfloat16."""

    eval_every: int | None = None
    """Updates between measurements on the --dev traces."""

    metric: str | None = None
    """Which of them chooses the best weights; f1_heldout unless given."""

    patience: int | None = None
    """Stop after so many measurements without a new best."""

    calibrate: Literal["none", "temperature", "isotonic"] | None = None
    """What is fitted to the --dev traces besides the threshold."""


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class Size:
    """Of a model from nothing."""

    hidden_size: int | None = None
    """Width; 128 unless given."""

    layers: int | None = None
    """4 unless given."""

    vocab_size: int | None = None
    """Tokens of its tokenizer; 4096 unless given."""


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
    profile: str | None = None,
    max_tokens: int | None = None,
    seed: int | None = None,
    learning: Learning = Learning(),
    loop: Loop = Loop(),
    size: Size = Size(),
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
    given = {
        "base": base,
        "profile": profile,
        "max_tokens": max_tokens,
        "loop.seed": seed,
        **_changes(learning, loop, size),
        **_settings(setting),
    }
    plan = _plan(config, {name: value for name, value in given.items() if value is not None})
    skipped, left_out = Skipped(), Counter[str]()
    development = list(read_files(dev, source_format, strict, skipped)) if dev else []
    excluded = _questions(read_files(exclude, source_format, False, skipped))
    traces = list(
        _usable(
            read_files(files, source_format, strict, skipped),
            plan,
            {
                "question of an excluded file": excluded,
                "question of a development trace": _questions(development),
            },
            left_out,
        )
    )
    if not traces:
        raise UsageError(f"no trace is left to learn from: {_reasons(left_out) or 'no good row'}")
    if dev_share:
        if dev:
            raise UsageError("--dev and --dev-share both say what to measure on; give one")
        from surefoot.training.guards import split_by_question

        split = split_by_question(traces, dev_share, seed=plan.loop.seed)
        traces, development = list(split.train), list(split.development)
    if features:
        told = _grown(traces, development, out, plan, learning, quiet=common.json)
    else:
        told = _learned(traces, development, out, plan, loop.epochs, quiet=common.json)
        if too_long := told["too_long"]:
            left_out[f"more than {told['max_tokens']} tokens"] = too_long
    seconds = round(time.perf_counter() - started, 1)
    if common.json:
        given = {"left_out": dict(left_out), "skipped": skipped.to_json(), "seconds": seconds}
        print_json({"out": str(out), **told, **given})
        return
    note(f"saved in {out} after {seconds:.0f} s")
    if left_out:
        note(f"left out: {_reasons(left_out)}")
    if summary := skipped.summary():
        note(summary)


def _grown(
    traces: Sequence[Trace],
    development: Sequence[Trace],
    out: Path,
    plan: RewardConfig,
    learning: Learning,
    *,
    quiet: bool,
) -> dict[str, Any]:
    """Trees on features."""
    from surefoot.cli.train_features import train_features

    for name, value in (("--base", plan.base), ("--loss", learning.loss), ("--lora", plan.lora)):
        if value is not None:
            raise UsageError(f"{name} means nothing to --features, which grows trees; leave it out")
    labels = plan.labels
    if learning.after_error is None:
        labels = replace(labels, after_error="masked")
    return train_features(
        traces, out, development=development, labels=labels, seed=plan.loop.seed, quiet=quiet
    )


def _learned(
    traces: Sequence[Trace],
    development: Sequence[Trace],
    out: Path,
    plan: RewardConfig,
    epochs: float | None,
    *,
    quiet: bool,
) -> dict[str, Any]:
    """A language model with a head."""
    from surefoot.training.reward import train as train_on

    if epochs is not None:
        updates = max(1, math.ceil(epochs * len(traces) / plan.loop.batch_size))
        plan = plan.changed({"loop.num_updates": updates})
    try:
        with training_progress() as on_update:
            trained = train_on(
                traces,
                out,
                plan,
                development=development,
                on_data=None if quiet else _print_data,
                on_update=on_update,
            )
    except KeyboardInterrupt as stop:
        stop.add_note("the same command goes on from the last checkpoint")
        raise
    if not quiet:
        _print_summary(trained)
    return trained.to_json()


def _changes(learning: Learning, loop: Loop, size: Size) -> dict[str, Any]:
    """The options that were given, by the names of the settings."""
    if loop.epochs is not None and loop.updates is not None:
        raise UsageError("--epochs and --updates both say how long; give one")
    sources = dict.fromkeys(learning.label_source, 1.0)
    return {
        "labels.target": learning.target,
        "labels.neutral": learning.neutral,
        "labels.after_error": learning.after_error,
        "labels.sources": sources or None,
        "loss": learning.loss,
        "loop.num_updates": loop.updates,
        "loop.batch_size": loop.batch_size,
        "loop.lr": loop.lr,
        "loop.bf16": loop.bf16,
        "loop.eval_every": loop.eval_every,
        "loop.metric": loop.metric,
        "loop.patience": loop.patience,
        "lora.rank": loop.lora,
        "calibrate": loop.calibrate,
        "shape.hidden_size": size.hidden_size,
        "shape.num_layers": size.layers,
        "shape.vocab_size": size.vocab_size,
    }


def _settings(given: Iterable[str]) -> dict[str, Any]:
    """Pairs of name and value; a value is JSON, or else text."""
    found: dict[str, Any] = {}
    for one in given:
        name, equals, value = one.partition("=")
        if not equals or not name:
            raise UsageError(f"--set {one} is no setting; write it as loop.warmup=0.1")
        try:
            found[name] = json.loads(value)
        except ValueError:
            found[name] = value
    return found


def _plan(file: Path | None, given: dict[str, Any]) -> RewardConfig:
    """The settings of a file, or those that fit the start, with what was given on top."""
    from surefoot.training.config import RewardConfig

    if file is not None:
        return RewardConfig.load(file).changed(given)
    if given.get("base") is None:
        usual: dict[str, Any] = {
            "shape.hidden_size": 128,
            "shape.num_layers": 4,
            "shape.vocab_size": 4096,
            "shape.max_positions": given.get("max_tokens", 1024),
            "loop.lr": 0.005,
            "loop.other_lr": 3e-3,
            "labels.whole_steps": given.get("loss", "cross-entropy") in POINTWISE,
        }
    else:
        usual = {"loop.optimizer": "adamw", "loop.lr": 1e-5, "loop.head_lr": 1e-4}
    return RewardConfig().changed({**usual, **given})


POINTWISE = ("cross-entropy", "binomial", "squared-error")
"""Losses that see every token by itself, so that one may stand for its step."""


def _questions(traces: Iterable[Trace]) -> set[str]:
    from surefoot.traces.questions import question_key

    return {question_key(trace.problem) for trace in traces}


def _usable(
    traces: Iterable[Trace],
    plan: RewardConfig,
    closed: dict[str, set[str]],
    left_out: Counter[str],
) -> Iterator[Trace]:
    """The traces to learn from; the others are counted by reason."""
    from surefoot.traces.questions import question_key
    from surefoot.training.learning import can_teach

    for trace in traces:
        key = question_key(trace.problem) if any(closed.values()) else ""
        reason = next((name for name, keys in closed.items() if key in keys), None)
        if reason is None and not can_teach(trace, plan):
            reason = "no label to learn"
        if reason is None:
            yield trace
        else:
            left_out[reason] += 1


def _reasons(left_out: Counter[str]) -> str:
    return ", ".join(f"{number:,} for {reason}" for reason, number in left_out.items())


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
