"""The settings of a training and the traces it learns from, as `train` and `tune` take them."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from cyclopts import Parameter

from surefoot.cli.reading import Skipped, read_files
from surefoot.errors import UsageError
from surefoot.traces.types import LabelSource, Trace

if TYPE_CHECKING:
    from surefoot.training.config import RewardConfig


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


OF_EXCLUDED, OF_DEVELOPMENT = "question of an excluded file", "question of a development trace"
"""Why a trace is left out that teaches something."""

POINTWISE = ("cross-entropy", "binomial", "squared-error")
"""Losses that see every token by itself, so that one may stand for its step."""


def plan_of(
    file: Path | None,
    setting: Iterable[str],
    learning: Learning,
    loop: Loop,
    size: Size,
    **named: Any,
) -> RewardConfig:
    """The settings of a file, or those that fit the start, with what was given on top: `named` by
    the names of settings, with two underscores for a dot, and None for what was not given.

    Raises:
        UsageError: a setting is unknown or wrong.
        StorageError: the file cannot be read.
    """
    from surefoot.training.config import RewardConfig

    given = given_settings(setting, learning, loop, size, **named)
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


def given_settings(
    setting: Iterable[str], learning: Learning, loop: Loop, size: Size, **named: Any
) -> dict[str, Any]:
    """The settings that were given, by dotted name; `named` as in `plan_of`.

    Raises:
        UsageError: it is said twice how long to train, or a --set is no setting.
    """
    found = {
        **{name.replace("__", "."): value for name, value in named.items()},
        **_changes(learning, loop, size),
    }
    return {name: value for name, value in found.items() if value is not None} | _settings(setting)


@dataclass
class Lessons:
    """Traces to learn from and to measure on, and what was left out."""

    traces: list[Trace]
    development: list[Trace]
    skipped: Skipped
    left_out: Counter[str] = field(default_factory=Counter)
    excluded: list[Trace] = field(default_factory=list)
    """Those whose questions must not be learned."""

    def reasons(self) -> str:
        """How many traces were left out for which reason; empty if none was."""
        return ", ".join(f"{number:,} for {reason}" for reason, number in self.left_out.items())


def lessons_of(
    files: Sequence[str],
    can_teach: Callable[[Trace], bool],
    *,
    dev: Sequence[str],
    dev_share: float,
    exclude: Sequence[str],
    source_format: str | None,
    strict: bool,
    seed: int,
    lacking: str = "no label to learn",
) -> Lessons:
    """The traces of files from which something can be learned, without the questions of others.

    Args:
        files: Trace files.
        can_teach: Whether something can be learned from a trace.
        dev: Files to measure on.
        dev_share: Instead: the share of the questions put aside for that.
        exclude: Files whose questions must not be learned.
        source_format: Of all files.
        strict: Stop at the first bad row.
        seed: Of that share.
        lacking: Why a trace is left out that teaches nothing.

    Raises:
        UsageError: none is left, or it is said twice what to measure on.
        FormatError: none of the rows of a file can be read.
        RowError: a row is bad, and `strict` was asked for.
    """
    if dev_share and dev:
        raise UsageError("--dev and --dev-share both say what to measure on; give one")
    skipped, left_out = Skipped(), Counter[str]()
    development = list(read_files(dev, source_format, strict, skipped)) if dev else []
    excluded = list(read_files(exclude, source_format, False, skipped))
    closed = {OF_EXCLUDED: _questions(excluded), OF_DEVELOPMENT: _questions(development)}
    traces = []
    for trace in read_files(files, source_format, strict, skipped):
        reason = _closed_to(trace, closed) or (None if can_teach(trace) else lacking)
        if reason is None:
            traces.append(trace)
        else:
            left_out[reason] += 1
    found = Lessons(traces, development, skipped, left_out, excluded)
    if not traces:
        raise UsageError(f"no trace is left to learn from: {found.reasons() or 'no good row'}")
    if dev_share:
        from surefoot.training.guards import split_by_question

        split = split_by_question(traces, dev_share, seed=seed)
        found.traces, found.development = list(split.train), list(split.development)
    return found


def with_epochs(plan: RewardConfig, epochs: float | None, num_traces: int) -> RewardConfig:
    """The settings with as many updates as see each trace so often; None leaves them."""
    if epochs is None:
        return plan
    updates = max(1, math.ceil(epochs * num_traces / plan.loop.batch_size))
    return plan.changed({"loop.num_updates": updates})


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


def _questions(traces: Iterable[Trace]) -> set[str]:
    from surefoot.traces.questions import question_key

    return {question_key(trace.problem) for trace in traces}


def _closed_to(trace: Trace, closed: Mapping[str, set[str]]) -> str | None:
    """The reason for which the question of a trace must not be learned."""
    from surefoot.traces.questions import question_key

    key = question_key(trace.problem) if any(closed.values()) else ""
    return next((reason for reason, keys in closed.items() if key in keys), None)
