"""The training loop that policies and reward models share: transformers' Trainer with our
optimizer, schedule, order of rows and exact normalisation of the loss.

A training that is killed at any moment is taken up again and ends with the same weights. How an
update is cut into passes and spread over processes does not change its loss: it is a sum over units
divided by the number of units in the whole update.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import save_file
from torch import Tensor, nn
from transformers import EarlyStoppingCallback, Trainer, TrainerControl, TrainingArguments
from transformers.trainer_callback import PrinterCallback
from transformers.utils import is_accelerate_available

from surefoot.errors import ModelError, StorageError, UsageError
from surefoot.traces.records import storage_errors
from surefoot.training.batches import Order
from surefoot.training.callbacks import HeadFirst, Log, OnUpdate, Reporter, Whole
from surefoot.training.config import TrainConfig
from surefoot.training.optimizer import optimizer_of, schedule_of
from surefoot.training.scratches import claim, fingerprint

Inputs = Mapping[str, Any]


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


@dataclass(frozen=True)
class Course:
    """How a training went: every logged entry, and the update whose weights are kept."""

    log: tuple[Mapping[str, float], ...]
    kept: int

    @property
    def final_loss(self) -> float:
        """Mean loss of the updates last reported."""
        return float([entry["loss"] for entry in self.log if "loss" in entry][-1])


def fit(
    model: nn.Module,
    task: Task,
    config: TrainConfig,
    *,
    scratch: Path,
    on_update: OnUpdate | None = None,
) -> Course:
    """Train a model in place.

    Checkpoints go to the folder `scratch`. If it holds some of an interrupted run with the same
    settings, rows and first weights, training goes on from the last whole one and ends with the
    same weights; those of any other run are thrown away. The caller removes the folder once it has
    kept the model.

    Raises:
        UsageError: the package accelerate is missing, or the settings do not fit the processes.
        ModelError: the loss or the weights are no longer finite, or a checkpoint is damaged.
        StorageError: the folder cannot be written.
    """
    if not is_accelerate_available():
        raise UsageError("training needs the package accelerate: pip install 'surefoot[train]'")
    last = claim(scratch, fingerprint(model, task.rows, config, task.settings))
    trainer = _Trainer(model, task, config, _arguments(config, task, scratch))
    trainer.remove_callback(PrinterCallback)
    for callback in (
        HeadFirst(config.head_first, task.head),
        Log(scratch),
        Whole(),
        *([Reporter(on_update)] if on_update else []),
        *([EarlyStoppingCallback(config.patience)] if config.patience and task.measure else []),
    ):
        trainer.add_callback(callback)
    with storage_errors(str(scratch), "write"):
        trainer.train(resume_from_checkpoint=str(last) if last else None)
    if not all(bool(p.isfinite().all()) for p in model.parameters()):
        raise ModelError("the last update left weights that are not finite; lower the rate")
    if task.measure and trainer.state.best_global_step is None:
        trainer.evaluate()
    model.eval()
    state = trainer.state
    return Course(tuple(state.log_history), state.best_global_step or state.global_step)


def _arguments(config: TrainConfig, task: Task, scratch: Path) -> TrainingArguments:
    from accelerate import PartialState

    processes = PartialState().num_processes
    share, rest = divmod(config.batch_size, processes * config.passes)
    if rest or not share:
        raise UsageError(
            f"batch_size is {config.batch_size}; it must be a multiple of {config.passes} passes "
            f"in each of {processes} processes"
        )
    measures = task.measure is not None and config.eval_every is not None
    every = config.eval_every if measures and config.eval_every else config.save_every
    return TrainingArguments(
        output_dir=str(scratch),
        per_device_train_batch_size=share,
        gradient_accumulation_steps=config.passes,
        max_steps=config.num_updates,
        max_grad_norm=config.max_grad_norm,
        save_strategy="steps",
        save_steps=every,
        save_total_limit=2,
        eval_strategy="steps" if measures else "no",
        eval_steps=every if measures else None,
        load_best_model_at_end=measures,
        metric_for_best_model=f"eval_{config.metric}" if measures else None,
        greater_is_better=task.higher_is_better if measures else None,
        logging_steps=min(50, config.num_updates, config.eval_every or 50),
        logging_nan_inf_filter=False,
        report_to=list(config.report_to),
        disable_tqdm=True,
        remove_unused_columns=False,
        dataloader_pin_memory=torch.cuda.is_available(),
        bf16=config.bf16,
        use_cpu=not torch.cuda.is_available(),
        seed=config.seed,
    )


class _Numbered(torch.utils.data.Dataset[tuple[int, Any]]):
    """Rows with their numbers."""

    def __init__(self, rows: Sequence[Any]) -> None:
        self.rows = rows

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, number: int) -> tuple[int, Any]:
        return number, self.rows[number]


class _Trainer(Trainer):  # type: ignore[misc]
    """A Trainer of a plain task."""

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

    def evaluate(self, *_: Any, **__: Any) -> dict[str, float]:
        """The task's own figures on development rows."""
        assert self.task.measure is not None
        model = self.model_wrapped
        model.eval()
        with torch.no_grad():
            found = self.task.measure(model)
        model.train()
        if found.get(self.config.metric) is None:
            raise UsageError(
                f"{self.config.metric} cannot be measured on the development traces: it needs "
                "steps of both kinds, and for f1 traces with and without an error"
            )
        metrics = {f"eval_{name}": float(v) for name, v in found.items() if v is not None}
        self.log(metrics)
        self.control: TrainerControl = self.callback_handler.on_evaluate(
            self.args, self.state, self.control, metrics
        )
        return metrics

    def _save(self, output_dir: str | None = None, state_dict: Any = None) -> None:
        """The weights alone, each once."""
        tensors: dict[str, Tensor] = {}
        seen: set[int] = set()
        for name, tensor in (state_dict or self.model.state_dict()).items():
            if tensor.data_ptr() not in seen:
                tensors[name] = tensor.contiguous()
                seen.add(tensor.data_ptr())
        folder = Path(output_dir or self.args.output_dir)
        folder.mkdir(parents=True, exist_ok=True)
        save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})

    def _issue_warnings_after_load(self, load_result: Any) -> None:
        """Weights that share memory were saved once; anything else that is missing is damage."""
        tensors = self.model.state_dict()
        there = {t.data_ptr() for n, t in tensors.items() if n not in load_result.missing_keys}
        lost = [n for n in load_result.missing_keys if tensors[n].data_ptr() not in there]
        if lost or load_result.unexpected_keys:
            raise ModelError(
                f"a checkpoint in {self.args.output_dir} is not of this model; remove that folder"
            )

    def _save_checkpoint(self, *given: Any, **named: Any) -> None:
        """A checkpoint; what a full disk makes of it is never marked as whole."""
        try:
            super()._save_checkpoint(*given, **named)
        except (OSError, RuntimeError, SafetensorError) as error:
            raise StorageError(
                f"no checkpoint can be written to {self.args.output_dir}: {error}"
            ) from None
