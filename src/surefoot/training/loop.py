"""transformers' Trainer made to run a plain task: our optimizer, schedule, order of rows and
normalisation of the loss, and weights that may lie in pieces on several processes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from transformers import Trainer, TrainerControl, TrainingArguments

from surefoot.errors import ModelError, StorageError, UsageError
from surefoot.training.batches import Order
from surefoot.training.config import TrainConfig
from surefoot.training.machines import agreed
from surefoot.training.optimizer import optimizer_of, schedule_of
from surefoot.training.scratches import best_checkpoint
from surefoot.training.sharding import (
    Sharded,
    gathered,
    gathered_state,
    laid_out,
    laid_out_state,
    take_apart,
)

Inputs = Mapping[str, Any]

WEIGHTS_FILE = "model.safetensors"
OPTIMIZER_FILE = "optimizer.pt"
SCHEDULER_FILE = "scheduler.pt"


@dataclass(frozen=True, kw_only=True)
class Task:
    """What is learned from which rows.

    `loss` gives the loss of a batch summed over its units, `units` how many those are. `measure`
    gives figures on development rows, of which `metric` says what is best.
    """

    rows: Sequence[Any]
    collate: Callable[[list[tuple[int, Any]]], Inputs]
    loss: Callable[[nn.Module, Inputs], Tensor]
    units: Callable[[Inputs], Tensor]
    groups: Sequence[str] = ()
    """What each row belongs to; up to `side_by_side` rows of one group stay together."""
    side_by_side: int = 1
    head: frozenset[str] = frozenset()
    """Names of the weights that are the head's."""
    measure: Callable[[nn.Module], Mapping[str, float | None]] | None = None
    higher_is_better: bool = True
    settings: Mapping[str, Any] = field(default_factory=dict)
    """What else decides the result, so that another run's checkpoints are not taken up."""


class _Numbered(torch.utils.data.Dataset[tuple[int, Any]]):
    """Rows with their numbers."""

    def __init__(self, rows: Sequence[Any]) -> None:
        self.rows = rows

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, number: int) -> tuple[int, Any]:
        return number, self.rows[number]


class Loop(Trainer):  # type: ignore[misc]
    """A Trainer of a plain task; with `config.fsdp` of a model that `sharding.shard` has spread."""

    def __init__(
        self, model: nn.Module, task: Task, config: TrainConfig, arguments: TrainingArguments
    ) -> None:
        self.task = task
        self.config = config
        rows = _Numbered(task.rows)
        super().__init__(
            model=model,
            args=arguments,
            train_dataset=rows,
            eval_dataset=rows if task.measure else None,
            data_collator=task.collate,
        )
        self.model_accepts_loss_kwargs = True
        if self.is_fsdp_enabled or self.is_deepspeed_enabled:
            raise UsageError(
                "the launcher was asked to shard the model; leave that out there, and say fsdp in "
                "the settings of the training (--set loop.fsdp=true)"
            )

    def create_optimizer(self, model: nn.Module | None = None) -> torch.optim.Optimizer:
        """Ours, for the weights as they are once the model is spread over processes."""
        if self.optimizer is None:
            trained = self.model if model is None else model
            self.optimizer: Any = optimizer_of(trained, self.config, self.task.head)
        optimizer: torch.optim.Optimizer = self.optimizer
        return optimizer

    def create_scheduler(
        self, num_training_steps: int, optimizer: torch.optim.Optimizer | None = None
    ) -> Any:
        """Ours."""
        if self.lr_scheduler is None:
            self.lr_scheduler: Any = schedule_of(optimizer or self.optimizer, self.config)
        return self.lr_scheduler

    def _get_train_sampler(self, *_: Any) -> Order:
        """One order for the whole training."""
        config = self.config
        return Order(
            self.task.groups or [str(i) for i in range(len(self.task.rows))],
            config.num_updates * config.batch_size,
            seed=config.seed,
            most=self.task.side_by_side,
        )

    def _get_num_items_in_batch(self, batch_samples: list[Inputs], device: torch.device) -> Tensor:
        """The units of a whole update, on all processes."""
        units = torch.stack([self.task.units(one) for one in batch_samples]).sum().to(device)
        if self.args.world_size > 1:
            units = self.accelerator.gather(units[None]).sum()
        return units

    def compute_loss(
        self,
        model: nn.Module,
        inputs: Inputs,
        return_outputs: bool = False,
        num_items_in_batch: Tensor | None = None,
    ) -> Tensor:
        """This pass's share of the update's loss; gradients are averaged over processes."""
        assert num_items_in_batch is not None
        units = num_items_in_batch.clamp(min=torch.finfo(torch.float32).tiny)
        loss: Tensor = self.task.loss(model, inputs) * self.args.world_size / units
        if not loss.isfinite():
            raise ModelError(
                f"the loss of update {self.state.global_step + 1} is {loss.item()}; lower the rate"
            )
        return loss

    def check_metric(self) -> None:
        """Refuse a metric that the development rows do not define, before any time is spent."""
        if self._measured(self.model).get(self.config.metric) is None:
            raise UsageError(
                f"the development traces do not define {self.config.metric}: figures of steps need "
                "labelled steps of both kinds, f1 needs traces with and without an error (of two "
                "questions or more if held out), and those of outcomes traces of both"
            )

    def evaluate(self, *_: Any, **__: Any) -> dict[str, float]:
        """The task's own figures on development rows."""
        model = self.model_wrapped
        model.eval()
        found = self._measured(model)
        model.train()
        metrics = {f"eval_{name}": float(v) for name, v in found.items() if v is not None}
        self.log(metrics)
        self.control: TrainerControl = self.callback_handler.on_evaluate(
            self.args, self.state, self.control, metrics
        )
        return metrics

    def _measured(self, model: nn.Module) -> Mapping[str, float | None]:
        """Every process computes all figures; those of the main one count, so that all go the same
        way."""
        assert self.task.measure is not None
        found = agreed(self.task.measure(model))
        take_apart(self.model)
        return found

    def _wrap_model(self, model: nn.Module, *given: Any, **named: Any) -> nn.Module:
        """A sharded model is ready as it is."""
        if not self.config.fsdp:
            wrapped: nn.Module = super()._wrap_model(model, *given, **named)
            return wrapped
        return model if isinstance(model, Sharded) else Sharded(model, bf16=self.config.bf16)

    def _move_model_to_device(self, model: nn.Module, device: torch.device) -> None:
        """The pieces of a sharded model are where they belong."""
        if not self.config.fsdp:
            super()._move_model_to_device(model, device)

    def _save_checkpoint(self, *given: Any, **named: Any) -> None:
        """A checkpoint; what a full disk makes of it is never marked as whole."""
        try:
            super()._save_checkpoint(*given, **named)
        except (OSError, RuntimeError, SafetensorError) as error:
            raise StorageError(
                f"no checkpoint can be written to {self.args.output_dir}: {error}"
            ) from None

    def save_model(self, output_dir: str | None = None, _internal_call: bool = False) -> None:
        """The weights alone, each once, by the main process."""
        folder = Path(output_dir or self.args.output_dir)
        tensors: dict[str, Tensor] = {}
        seen: set[int] = set()
        for name, tensor in gathered(self.model).items():
            if tensor.data_ptr() not in seen:
                tensors[name] = tensor.contiguous()
                seen.add(tensor.data_ptr())
        if self.args.should_save:
            folder.mkdir(parents=True, exist_ok=True)
            save_file(tensors, folder / WEIGHTS_FILE, metadata={"format": "pt"})

    def _load_from_checkpoint(
        self, resume_from_checkpoint: str | Path, model: nn.Module | None = None
    ) -> None:
        """The weights of a checkpoint; weights that share memory were saved once."""
        tensors = load_file(Path(resume_from_checkpoint) / WEIGHTS_FILE)
        result = self.model.load_state_dict(laid_out(tensors, self.model), strict=False)
        own = self.model.state_dict(keep_vars=True)
        there = {_place(own[name]) for name in tensors.keys() & own.keys()}
        lost = [name for name in result.missing_keys if _place(own[name]) not in there]
        if lost or result.unexpected_keys:
            raise ModelError(
                f"{resume_from_checkpoint} is not of this model; remove the folder it is in"
            )

    def _load_best_model(self) -> None:
        """The weights of the best checkpoint."""
        scratch = Path(self.args.output_dir)
        self._load_from_checkpoint(best_checkpoint(scratch, self.state.best_global_step))

    def _save_optimizer_and_scheduler(self, output_dir: str) -> None:
        """State of a sharded model in whole tensors."""
        if not self.config.fsdp:
            super()._save_optimizer_and_scheduler(output_dir)
            return
        state = gathered_state(self.optimizer)
        if self.args.should_save:
            torch.save(state, Path(output_dir) / OPTIMIZER_FILE)
            torch.save(self.lr_scheduler.state_dict(), Path(output_dir) / SCHEDULER_FILE)

    def _load_optimizer_and_scheduler(self, checkpoint: str | None) -> None:
        """The same back into pieces."""
        if not self.config.fsdp or checkpoint is None:
            super()._load_optimizer_and_scheduler(checkpoint)
            return
        folder = Path(checkpoint)
        state = torch.load(
            folder / OPTIMIZER_FILE, map_location="cpu", mmap=True, weights_only=True
        )
        self.optimizer.load_state_dict(laid_out_state(state, self.optimizer))
        self.lr_scheduler.load_state_dict(torch.load(folder / SCHEDULER_FILE, weights_only=True))


def _place(tensor: Tensor) -> int:
    """What tensors that share memory have in common."""
    return id(tensor) if isinstance(tensor, nn.Parameter) else tensor.data_ptr()
