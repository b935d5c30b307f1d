"""The training loop that policies and reward models share: transformers' Trainer with our optimizer
and schedule, killed at any moment and taken up again with the same result.
"""

from __future__ import annotations

import hashlib
import math
import os
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from transformers import Trainer, TrainerCallback, TrainingArguments
from transformers.optimization import get_wsd_schedule
from transformers.trainer_callback import PrinterCallback
from transformers.utils import is_accelerate_available

from surefoot.errors import ModelError, StorageError, UsageError
from surefoot.traces.records import storage_errors
from surefoot.training.optimizer import MuonWithAdamW

OnUpdate = Callable[[int, int, float | None], None]
"""Called with (update, all updates, mean training loss since the last report, or None)."""

Loss = Callable[[Any, Mapping[str, torch.Tensor]], torch.Tensor]
"""From a model and a batch to a scalar loss."""


@dataclass(frozen=True, kw_only=True, slots=True)
class TrainConfig:
    """How to train."""

    num_updates: int = 1000
    batch_size: int = 16
    optimizer: str = "muon"
    """`muon` (matrices by Muon, the rest by AdamW) for models from scratch; `adamw` for tuning
    pretrained ones.
    """
    lr: float = 0.01
    """Of Muon's matrices, or of everything under AdamW."""
    other_lr: float = 6e-3
    """Of what Muon leaves to AdamW."""
    warmup: float = 0.05
    """Share of the updates over which the rate rises."""
    decay: float = 0.5
    """Share of the updates, at the end, over which it falls to 2 %."""
    max_grad_norm: float = 1.0
    save_every: int = 250
    """Updates between checkpoints from which an interrupted run goes on."""
    seed: int = 0

    def __post_init__(self) -> None:
        for name in ("num_updates", "batch_size", "save_every"):
            if getattr(self, name) < 1:
                raise UsageError(f"{name} is {getattr(self, name)}; it must be at least 1")
        for name in ("lr", "other_lr", "max_grad_norm"):
            if not 0 < getattr(self, name) < math.inf:
                raise UsageError(f"{name} is {getattr(self, name)}; it must be positive")
        if not (self.warmup >= 0 and self.decay >= 0 and self.warmup + self.decay <= 1):
            raise UsageError(
                f"warmup is {self.warmup} and decay {self.decay}; they are shares of the updates "
                "and must not be more than 1 together"
            )
        if not 0 <= self.seed < 2**32:
            raise UsageError(f"seed is {self.seed}; it must be at least 0 and below 2**32")
        if self.optimizer not in ("muon", "adamw"):
            raise UsageError(f"optimizer is {self.optimizer!r}; it must be muon or adamw")


def fit(
    model: Any,
    rows: Sequence[Mapping[str, Any]],
    collate: Callable[[list[Mapping[str, Any]]], dict[str, torch.Tensor]],
    loss: Loss,
    config: TrainConfig,
    *,
    scratch: Path,
    on_update: OnUpdate | None = None,
) -> list[dict[str, float]]:
    """Train a model in place on rows that hold `input_ids`; gives the logged losses.

    Checkpoints go to the folder `scratch`. If it holds some of an interrupted run with the same
    settings, rows and first weights, training goes on from the last whole one and ends with the
    same weights; those of any other run are thrown away. The caller removes the folder once it has
    kept the model.

    Raises:
        UsageError: the package accelerate is missing.
        ModelError: the loss or the weights are no longer finite.
        StorageError: the folder cannot be written.
    """
    if not is_accelerate_available():
        raise UsageError("training needs the package accelerate: pip install 'surefoot[train]'")
    last = _claim(scratch, _fingerprint(model, rows, config))
    arguments = TrainingArguments(
        output_dir=str(scratch),
        per_device_train_batch_size=config.batch_size,
        max_steps=config.num_updates,
        max_grad_norm=config.max_grad_norm,
        train_sampling_strategy="group_by_length",
        save_strategy="steps",
        save_steps=config.save_every,
        save_total_limit=2,
        logging_steps=min(50, config.num_updates),
        report_to=[],
        disable_tqdm=True,
        remove_unused_columns=False,
        dataloader_pin_memory=torch.cuda.is_available(),
        seed=config.seed,
    )
    optimizer = _optimizer(model, config)
    schedule = get_wsd_schedule(
        optimizer,
        num_warmup_steps=max(1, round(config.warmup * config.num_updates)),
        num_decay_steps=max(1, round(config.decay * config.num_updates)),
        num_training_steps=config.num_updates,
        decay_type="linear",
        min_lr_ratio=0.02,
    )
    trainer = _LossTrainer(
        model=model,
        args=arguments,
        train_dataset=rows,
        data_collator=collate,
        optimizers=(optimizer, schedule),
        callbacks=[_Order(last), *([_Reporter(on_update)] if on_update else [])],
    )
    trainer.loss = loss
    trainer.remove_callback(PrinterCallback)
    trainer.train(resume_from_checkpoint=str(last) if last else None)
    if not all(bool(p.isfinite().all()) for p in model.parameters()):
        raise ModelError("the last update left weights that are not finite; lower the rate")
    model.eval()
    return [entry for entry in trainer.state.log_history if "loss" in entry]


def scratch_of(out: Path) -> Path:
    """The folder beside `out` that keeps checkpoints while its model is trained.

    Raises:
        StorageError: `out` cannot be a folder.
    """
    final = out.resolve()
    if not final.name or (final.exists() and not final.is_dir()):
        raise StorageError(f"{out} cannot hold a model: name a new folder")
    return final.with_name(f".{final.name}.training")


def _fingerprint(model: Any, rows: Sequence[Mapping[str, Any]], config: TrainConfig) -> str:
    """A hash of all that decides the result: settings, rows and first weights."""
    digest = hashlib.sha256(repr(asdict(config)).encode())
    for row in rows:
        digest.update(repr(row).encode())
    for name, weight in model.state_dict().items():
        digest.update(name.encode())
        digest.update(weight.detach().cpu().reshape(-1).view(torch.uint8).numpy())
    return digest.hexdigest()


def _claim(scratch: Path, fingerprint: str) -> Path | None:
    """Make the folder this run's own; gives its last whole checkpoint, if it has one."""
    owner = scratch / "run.sha256"
    with storage_errors(str(scratch), "write"):
        if not owner.is_file() or owner.read_text() != fingerprint:
            shutil.rmtree(scratch, ignore_errors=True)
            scratch.mkdir(parents=True)
            owner.write_text(fingerprint)
        whole = [file.parent for file in scratch.glob(f"checkpoint-*/{_Order.FILE}")]
    return max(whole, key=lambda folder: int(folder.name.rpartition("-")[2]), default=None)


class _LossTrainer(Trainer):  # type: ignore[misc]
    """A Trainer whose loss is a plain function."""

    loss: Loss

    def compute_loss(
        self, model: Any, inputs: Mapping[str, torch.Tensor], *_: Any, **__: Any
    ) -> torch.Tensor:
        """The loss of one batch."""
        loss = self.loss(model, inputs)
        if not loss.isfinite():
            raise ModelError(
                f"the loss of update {self.state.global_step + 1} is {loss.item()}; lower the rate"
            )
        return loss


class _Order(TrainerCallback):  # type: ignore[misc]
    """Gives an epoch that is taken up again the order of rows it had.

    The order is drawn from torch's generator when the epoch begins. A checkpoint is taken in the
    middle of it and Trainer keeps the generator of that moment only, so the one of the beginning
    is kept here, in a file that is written last: a checkpoint that has it is whole.
    """

    FILE = "epoch_begin.pt"

    def __init__(self, last: Path | None) -> None:
        self.last = last
        self.begin = torch.get_rng_state()

    def on_epoch_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Before the order is drawn."""
        if self.last is not None:
            torch.set_rng_state(torch.load(self.last / self.FILE, weights_only=True))
            self.last = None
        self.begin = torch.get_rng_state()

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """No checkpoint after the last update: Trainer would go beyond it when it resumes there."""
        if state.global_step >= state.max_steps:
            control.should_save = False

    def on_save(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """After a checkpoint."""
        file = Path(args.output_dir) / f"checkpoint-{state.global_step}" / self.FILE
        partial = file.with_suffix(".partial")
        torch.save(self.begin, partial)
        os.replace(partial, file)


class _Reporter(TrainerCallback):  # type: ignore[misc]
    """Passes progress on."""

    def __init__(self, on_update: OnUpdate) -> None:
        self.on_update = on_update

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """After every update."""
        self.on_update(state.global_step, state.max_steps, None)

    def on_log(
        self, args: Any, state: Any, control: Any, logs: Mapping[str, Any], **_: Any
    ) -> None:
        """After every report."""
        if "loss" in logs:
            self.on_update(state.global_step, state.max_steps, float(logs["loss"]))


def _optimizer(model: Any, config: TrainConfig) -> torch.optim.Optimizer:
    if config.optimizer == "muon":
        return MuonWithAdamW(model, matrix_lr=config.lr, other_lr=config.other_lr)
    learning = [p for p in model.parameters() if p.requires_grad]
    return torch.optim.AdamW(learning, lr=config.lr, weight_decay=0.01)
