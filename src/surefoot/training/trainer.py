"""The training loop that policies and reward models share: transformers' Trainer with our optimizer
and schedule.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from transformers import Trainer, TrainerCallback, TrainingArguments
from transformers.optimization import get_wsd_schedule
from transformers.trainer_utils import get_last_checkpoint

from surefoot.errors import UsageError
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
            if getattr(self, name) <= 0:
                raise UsageError(f"{name} is {getattr(self, name)}; it must be positive")
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

    Checkpoints go to `scratch`; if it holds some from an interrupted run of the same settings,
    training goes on from the last. The folder is removed at the end.
    """
    arguments = TrainingArguments(
        output_dir=str(scratch),
        per_device_train_batch_size=config.batch_size,
        max_steps=config.num_updates,
        max_grad_norm=config.max_grad_norm,
        train_sampling_strategy="group_by_length",
        save_strategy="steps",
        save_steps=config.save_every,
        save_total_limit=1,
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
        callbacks=[_Reporter(on_update)] if on_update else [],
    )
    trainer.loss = loss
    trainer.remove_callback(_printer())
    last = get_last_checkpoint(str(scratch)) if scratch.is_dir() else None
    trainer.train(resume_from_checkpoint=last)
    history = [entry for entry in trainer.state.log_history if "loss" in entry]
    shutil.rmtree(scratch, ignore_errors=True)
    model.eval()
    return history


class _LossTrainer(Trainer):  # type: ignore[misc]
    """A Trainer whose loss is a plain function."""

    loss: Loss

    def compute_loss(
        self, model: Any, inputs: Mapping[str, torch.Tensor], *_: Any, **__: Any
    ) -> torch.Tensor:
        """The loss of one batch."""
        return self.loss(model, inputs)


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


def _printer() -> type[TrainerCallback]:
    from transformers.trainer_callback import PrinterCallback

    return PrinterCallback  # type: ignore[no-any-return]


def _optimizer(model: Any, config: TrainConfig) -> torch.optim.Optimizer:
    if config.optimizer == "muon":
        return MuonWithAdamW(model, matrix_lr=config.lr, other_lr=config.other_lr)
    learning = [p for p in model.parameters() if p.requires_grad]
    return torch.optim.AdamW(learning, lr=config.lr, weight_decay=0.01)
