"""Everything that decides a training, in frozen dataclasses that survive JSON and can be changed by
dotted names, such as `loop.lr`.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any, Literal, get_args

from surefoot.errors import StorageError, UsageError
from surefoot.scores.development import METRICS
from surefoot.scores.fitting import Calibrate
from surefoot.training.kinds import check_kinds
from surefoot.training.losses import LOSSES
from surefoot.training.losses.cross_entropy import CrossEntropy
from surefoot.training.losses.joint import Joint
from surefoot.training.losses.loss import Loss
from surefoot.training.losses.pairwise import Pairwise
from surefoot.training.losses.squared_error import SquaredError
from surefoot.training.scratch import Shape
from surefoot.training.targets import LabelRule

Optimizer = Literal["muon", "adamw"]
Schedule = Literal["wsd", "cosine", "linear", "constant"]
Read = Literal["classes", "reward", "tokens", "log-ratio"]
Pairs = Literal["steps", "outcomes", "given"]


@dataclass(frozen=True, kw_only=True, slots=True)
class TrainConfig:
    """The loop: how long, how fast, and what is kept on the way."""

    num_updates: int = 1000
    batch_size: int = 16
    """Traces (or pairs of traces, where those are compared) in an update, over all processes and
    passes."""
    passes: int = 1
    """Forward and backward passes in which a process does its share of an update; more take less
    memory and change nothing else."""
    optimizer: Optimizer = "muon"
    """`muon` (matrices by Muon, the rest by AdamW) for models from scratch; `adamw` for tuning
    pretrained ones."""
    lr: float = 0.01
    """Of Muon's matrices, or of everything under AdamW."""
    other_lr: float = 6e-3
    """Of what Muon leaves to AdamW."""
    head_lr: float | None = None
    """Of a reward model's head; None is `lr` under AdamW and `other_lr` under Muon."""
    weight_decay: float = 0.01
    """Of AdamW alone."""
    schedule: Schedule = "wsd"
    """After the warmup: `wsd` stays and falls at the end, `cosine` and `linear` fall all the
    way."""
    warmup: float = 0.05
    """Share of the updates over which the rate rises."""
    decay: float = 0.5
    """Share of the updates, at the end, over which `wsd` falls to 2 %."""
    max_grad_norm: float = 1.0
    head_first: int = 0
    """Updates at the start in which only the head learns."""
    bf16: bool = False
    """Matrix products in bfloat16; weights, heads and losses stay in float32."""
    checkpointing: bool = False
    """Compute activations again in the backward pass, which takes less memory and more time."""
    fsdp: bool = False
    """Spread weights, gradients and optimizer state over the processes, a layer at a time, instead
    of a copy on each (FSDP2); for AdamW and several processes (torchrun)."""
    save_every: int = 250
    """Updates between checkpoints from which an interrupted run goes on."""
    eval_every: int | None = None
    """Updates between measurements on development traces; None measures at the end alone."""
    metric: str = "f1_heldout"
    """Which of them says what is best (`surefoot.scores.development.METRICS`)."""
    patience: int | None = None
    """Measurements without a new best after which training stops; None never does."""
    report_to: tuple[str, ...] = ()
    """Trackers that transformers knows, such as tensorboard, trackio or wandb."""
    seed: int = 0

    def __post_init__(self) -> None:
        object.__setattr__(self, "report_to", tuple(self.report_to))
        for name in ("num_updates", "batch_size", "passes", "save_every", "eval_every", "patience"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise UsageError(f"{name} is {value}; it must be at least 1")
        for name in ("lr", "other_lr", "head_lr", "max_grad_norm"):
            value = getattr(self, name)
            if value is not None and not 0 < value < math.inf:
                raise UsageError(f"{name} is {value}; it must be positive")
        if not 0 <= self.weight_decay < math.inf:
            raise UsageError(f"weight_decay is {self.weight_decay}; it must not be negative")
        if not (self.warmup >= 0 and self.decay >= 0 and self.warmup + self.decay <= 1):
            raise UsageError(
                f"warmup is {self.warmup} and decay {self.decay}; they are shares of the updates "
                "and must not be more than 1 together"
            )
        if self.fsdp and self.optimizer == "muon":
            raise UsageError("fsdp cuts matrices into pieces, which muon needs whole; take adamw")
        if self.patience is not None and self.eval_every is None:
            raise UsageError(
                f"patience is {self.patience} measurements, and none is made; set eval_every"
            )
        if not 0 <= self.head_first <= self.num_updates:
            raise UsageError(
                f"head_first is {self.head_first}; it must be at most the {self.num_updates} "
                "updates"
            )
        if not 0 <= self.seed < 2**32:
            raise UsageError(f"seed is {self.seed}; it must be at least 0 and below 2**32")
        _check_choice("metric", self.metric, tuple(METRICS))
        _check_choice("optimizer", self.optimizer, get_args(Optimizer))
        _check_choice("schedule", self.schedule, get_args(Schedule))


@dataclass(frozen=True, kw_only=True, slots=True)
class Lora:
    """Low-rank changes to the base instead of new weights (Hu et al. 2021, arXiv:2106.09685)."""

    rank: int = 16
    alpha: float = 32.0
    dropout: float = 0.0
    targets: tuple[str, ...] = ()
    """Names of the linear layers that are changed; all of the body where empty."""
    merge: bool = False
    """Save whole weights with the changes in them instead of an adapter."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "targets", tuple(self.targets))
        if self.rank < 1 or not 0 < self.alpha < math.inf or not 0 <= self.dropout < 1:
            raise UsageError(
                f"lora is of rank {self.rank}, alpha {self.alpha} and dropout {self.dropout}; rank "
                "must be at least 1, alpha positive and dropout in [0, 1)"
            )


@dataclass(frozen=True, kw_only=True, slots=True)
class RewardConfig:
    """What to train a reward model on, with and towards."""

    base: str | None = None
    """Folder or hub id of a causal language model, or of a reward model to go on from; None starts
    from nothing at `shape`."""
    profile: str | None = None
    """Write traces and read scores as this published family does (`surefoot models`); None is the
    layout of this project, a classifier at the end of every step."""
    separator: str | None = None
    """With the profile `trl`: what stands behind every step, where its label is."""
    read: Read = "classes"
    """Without a profile: `classes` is a new head of wrong and right (and neutral, where that is a
    class of its own), `reward` one of a single unbounded number, `tokens` the language model's own
    rows of two tokens, `log-ratio` the model against its base (an implicit PRM)."""
    tokens: tuple[str, str] = ("-", "+")
    """The bad and the good token of `tokens`."""
    coefficient: float = 0.05
    """Of a log-ratio: the beta of Yuan et al. 2024, arXiv:2412.01981."""
    labels: LabelRule = field(default_factory=LabelRule)
    loss: Loss = field(default_factory=CrossEntropy)
    loop: TrainConfig = field(default_factory=TrainConfig)
    pairs: Pairs = "steps"
    """What a pairwise loss compares: steps behind the same steps, right with wrong traces of one
    question, or the pairs that the rows name."""
    lora: Lora | None = None
    shape: Shape = field(default_factory=Shape)
    """Size of a model from nothing."""
    aggregate: str | None = None
    """What makes one number of a trace's scores; None is `last` for outcomes, otherwise `min`."""
    max_tokens: int = 1024
    """Longest trace. A longer one is left out and counted; none is ever cut."""
    one_class: bool = False
    """Go on although all labels are the same."""
    side_by_side: int = 8
    """So many traces of one question stay side by side in the order of training, so that what they
    share is computed once; 1 mixes all traces freely."""
    calibrate: Calibrate = "none"
    """What is fitted to development traces besides the threshold."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "tokens", tuple(self.tokens))
        _check_choice("read", self.read, get_args(Read))
        _check_choice("pairs", self.pairs, get_args(Pairs))
        _check_choice("calibrate", self.calibrate, get_args(Calibrate))
        if type(self.loss) not in LOSSES.values():
            raise UsageError(f"{self.loss!r} is no loss; there are {', '.join(LOSSES)}")
        _check_fit(self)
        for name in ("max_tokens", "side_by_side"):
            if getattr(self, name) < 1:
                raise UsageError(f"{name} is {getattr(self, name)}; it must be at least 1")
        if self.separator is not None and self.profile != "trl":
            raise UsageError("separator is for the profile trl; name that too")
        if self.base is None and (self.lora is not None or self.profile is not None):
            raise UsageError("lora and profile are for a base; name one")
        if self.base is None and self.read == "log-ratio":
            raise UsageError("a log-ratio is taken against a base; name one")

    def to_json(self) -> dict[str, Any]:
        """Every field; a loss is its name and options."""
        values: dict[str, Any] = json.loads(json.dumps(asdict(self)))
        values["loss"] = _named(self.loss)
        return values

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> RewardConfig:
        """The config of a JSON object; what is not named keeps its default.

        Raises:
            UsageError: a field is unknown or wrong.
        """
        given = dict(values)
        if "loss" in given:
            given["loss"] = _loss(given["loss"])
        for name, kind in (
            ("labels", LabelRule),
            ("loop", TrainConfig),
            ("lora", Lora),
            ("shape", Shape),
        ):
            if given.get(name) is not None:
                given[name] = made(kind, given[name], f"{name}.")
        config: RewardConfig = made(cls, given, "")
        return config

    @classmethod
    def load(cls, file: str | Path) -> RewardConfig:
        """The config in a JSON file.

        Raises:
            UsageError: it is not a config.
            StorageError: it cannot be read.
        """
        values = read_settings(file)
        try:
            return cls.from_json(values)
        except UsageError as error:
            raise UsageError(f"{file}: {error}") from None

    def changed(self, changes: Mapping[str, Any]) -> RewardConfig:
        """A copy with other values by dotted name, such as {"loop.lr": 1e-5, "loss": "binomial"}.

        Raises:
            UsageError: a name is unknown or a value wrong.
        """
        return RewardConfig.from_json(with_changes(self.to_json(), changes))

    def seeded(self, seed: int) -> RewardConfig:
        """A copy with another seed."""
        return replace(self, loop=replace(self.loop, seed=seed))


def read_settings(file: str | Path) -> dict[str, Any]:
    """The JSON object in a file of settings.

    Raises:
        UsageError: it holds something else.
        StorageError: it cannot be read.
    """
    try:
        values = json.loads(Path(file).read_text(encoding="utf-8"))
    except OSError as error:
        raise StorageError(f"{file} cannot be read: {error}") from None
    except (ValueError, RecursionError) as error:
        raise UsageError(f"{file} is not JSON: {error}") from None
    if not isinstance(values, dict):
        raise UsageError(f"{file} holds no JSON object of a training's settings")
    return values


def with_changes(values: dict[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """Settings, changed in place by dotted name; a mere name of a loss becomes an object.

    Raises:
        UsageError: a name leads into something that is no object.
    """
    for name, value in sorted(changes.items(), key=lambda one: one[0].count(".")):
        *path, last = name.split(".")
        place = values
        for part in path:
            if place.get(part) is None:
                place[part] = {}
            elif isinstance(place[part], str):
                place[part] = {"name": place[part]}
            if not isinstance(place[part], dict):
                raise UsageError(f"{name} is no setting of a training")
            place = place[part]
        place[last] = value
    return values


def _check_fit(config: RewardConfig) -> None:
    """Refuse a loss that the head or the labels are not made for."""
    loss = config.loss
    steps = loss.steps if isinstance(loss, Joint) else loss
    if isinstance(loss, Joint) and isinstance(steps, Pairwise):
        raise UsageError("a joint loss learns steps and outcomes; pairs are learned by themselves")
    if isinstance(steps, SquaredError) and steps.raw and config.read != "reward":
        raise UsageError("squared error on the raw number needs read = 'reward'")
    classes = config.read == "classes" and config.profile is None
    if config.labels.neutral == "own" and config.labels.target == "steps" and not classes:
        raise UsageError(
            "neutral steps can be a class of their own only of a new head of classes; take read = "
            "'classes' without a profile, or let them count as right, as wrong or not at all"
        )


def _named(loss: Loss) -> dict[str, Any]:
    """A loss as its name and options."""
    name = next(name for name, kind in LOSSES.items() if kind is type(loss))
    options = {f.name: getattr(loss, f.name) for f in fields(loss)}  # type: ignore[arg-type]
    if isinstance(loss, Joint):
        options["steps"] = _named(loss.steps)
    return {"name": name, **options}


def _loss(given: Any) -> Loss:
    """A loss of its name, or of its name and options."""
    options = {"name": given} if isinstance(given, str) else given
    if not isinstance(options, Mapping) or options.get("name") not in LOSSES:
        raise UsageError(f"loss is {given!r}; name one of {', '.join(LOSSES)}")
    rest = {name: value for name, value in options.items() if name != "name"}
    if "steps" in rest:
        rest["steps"] = _loss(rest["steps"])
    loss: Loss = made(LOSSES[options["name"]], rest, "loss.")
    return loss


def made(kind: Any, values: Any, where: str) -> Any:
    """A dataclass of settings from values by the names of its fields; `where` stands before those
    names in messages.

    Raises:
        UsageError: a name is unknown or a value of another kind.
    """
    if not isinstance(values, Mapping):
        raise UsageError(f"{where.rstrip('.')} is {values!r}; it must be an object")
    names = [f.name for f in fields(kind)]
    if unknown := sorted(where + name for name in values.keys() - {*names}):
        raise UsageError(f"unknown settings: {', '.join(unknown)}; there are {', '.join(names)}")
    check_kinds(kind, values, where)
    return kind(**values)


def _check_choice(name: str, value: object, choices: tuple[str, ...]) -> None:
    if value not in choices:
        raise UsageError(f"{name} is {value!r}; it must be one of {', '.join(choices)}")
