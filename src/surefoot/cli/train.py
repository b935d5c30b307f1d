"""`surefoot train`: a reward model from labelled traces."""

from __future__ import annotations

import sys
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import Parameter

from surefoot.cli.reading import Skipped, read_files
from surefoot.cli.say import Common, count, note, print_json
from surefoot.errors import TraceError, UsageError
from surefoot.traces.types import LabelSource, Trace

if TYPE_CHECKING:
    from surefoot.training.reward import LabelRule
    from surefoot.training.trainer import OnUpdate


def train(
    *files: str,
    out: Annotated[Path, Parameter(alias="-o")],
    base: Path | None = None,
    target: Literal["steps", "outcome"] = "steps",
    neutral: Literal["right", "wrong", "masked"] = "right",
    label_source: LabelSource | None = None,
    exclude: tuple[str, ...] = (),
    updates: int = 1000,
    batch_size: int = 16,
    lr: float | None = None,
    hidden_size: int = 128,
    layers: int = 4,
    vocab_size: int = 4096,
    max_tokens: int = 1024,
    seed: int = 0,
    source_format: Annotated[str | None, Parameter(name="--format")] = None,
    strict: Annotated[bool, Parameter(negative="")] = False,
    common: Common | None = None,
) -> None:
    """Train a reward model on labelled traces and save it with its contract.

    Traces without a usable label, longer than --max-tokens, or on a question of an --exclude file
    are left out and counted. An interrupted run goes on from its last checkpoint.

    Args:
        files: Labelled traces in any format that `surefoot convert` reads.
        out: Folder of the new model.
        base: Folder of a causal language model to start from; without it a small model starts
            from nothing.
        target: `steps` learns step labels (a PRM), `outcome` whether the answer is right (an ORM).
        neutral: How a neutral step counts.
        label_source: Labels of this source only.
        exclude: Files whose questions must not be trained on, such as those of a benchmark.
        updates: Optimizer updates.
        batch_size: Traces in an update.
        lr: Learning rate; .005 from nothing (Muon), 1e-5 on a base (AdamW) unless given.
        hidden_size: Width of a model from nothing.
        layers: Layers of a model from nothing.
        vocab_size: Tokens of a tokenizer from nothing.
        max_tokens: Longest trace, in tokens.
        source_format: Format of the files; found out if not given.
        strict: Stop at the first bad row.
    """
    from surefoot.training.reward import LabelRule
    from surefoot.training.run import Plan, train_on
    from surefoot.training.scratch import Shape
    from surefoot.training.trainer import TrainConfig

    if not files:
        raise UsageError("name at least one file of labelled traces")
    if base is not None and base.resolve() == out.resolve():
        raise UsageError(
            f"--out {out} is the folder of --base; name another, so that both are kept"
        )
    started = time.perf_counter()
    rule = LabelRule(
        target=target,
        source=label_source,
        neutral={"right": True, "wrong": False, "masked": None}[neutral],
    )
    plan = Plan(
        base=base,
        rule=rule,
        shape=Shape(
            hidden_size=hidden_size,
            num_layers=layers,
            vocab_size=vocab_size,
            max_positions=max_tokens,
        ),
        config=TrainConfig(
            num_updates=updates,
            batch_size=batch_size,
            optimizer="muon" if base is None else "adamw",
            lr=lr if lr is not None else 0.005 if base is None else 1e-5,
            other_lr=3e-3,
            seed=seed,
        ),
    )
    skipped, left_out = Skipped(), Counter[str]()
    excluded = _questions(exclude, source_format, skipped)
    traces = list(
        _usable(read_files(files, source_format, strict, skipped), rule, excluded, left_out)
    )
    if not traces:
        raise UsageError(f"no trace is left to learn from: {_reasons(left_out) or 'no good row'}")
    try:
        with training_progress() as on_update:
            trained = train_on(traces, out, plan, on_update)
    except KeyboardInterrupt as stop:
        stop.add_note("the same command goes on from the last checkpoint")
        raise
    if trained.num_too_long:
        left_out[f"more than {trained.max_tokens} tokens"] = trained.num_too_long
    seconds = round(time.perf_counter() - started, 1)
    if common and common.json:
        print_json(
            {
                "out": str(out),
                "traces": trained.num_traces,
                "steps": trained.num_steps,
                "share_right": trained.share_right,
                "left_out": dict(left_out),
                "skipped": skipped.to_json(),
                "final_loss": trained.final_loss,
                "seconds": seconds,
            }
        )
        return
    note(
        f"trained on {count(trained.num_steps, 'labelled step')} of "
        f"{count(trained.num_traces, 'trace')} ({trained.share_right:.1%} right) "
        f"in {seconds:.0f} s, final loss {trained.final_loss:.4f}; saved in {out}"
    )
    if left_out:
        note(f"left out: {_reasons(left_out)}")
    if summary := skipped.summary():
        note(summary)


def _questions(files: tuple[str, ...], source_format: str | None, skipped: Skipped) -> set[str]:
    from surefoot.traces.questions import question_key

    return {question_key(t.problem) for t in read_files(files, source_format, False, skipped)}


def _usable(
    traces: Iterable[Trace], rule: LabelRule, excluded: set[str], left_out: Counter[str]
) -> Iterator[Trace]:
    """The traces to learn from; the others are counted by reason."""
    from surefoot.traces.questions import question_key
    from surefoot.training.reward import targets_of

    for trace in traces:
        if excluded and question_key(trace.problem) in excluded:
            left_out["question of an excluded file"] += 1
            continue
        try:
            targets = targets_of(trace, rule)
        except TraceError:
            targets = []
        if any(target is not None for target in targets):
            yield trace
        else:
            left_out["no label to learn"] += 1


def _reasons(left_out: Counter[str]) -> str:
    return ", ".join(f"{number:,} for {reason}" for reason, number in left_out.items())


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
