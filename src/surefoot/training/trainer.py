"""The training loop that policies and reward models share: transformers' Trainer with our
optimizer, schedule, order of rows and exact normalisation of the loss.

A training that is killed at any moment is taken up again and ends with the same weights. How an
update is cut into passes and spread over processes does not change its loss: it is a sum over units
divided by the number of units in the whole update.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import nn
from transformers import TrainingArguments
from transformers.trainer_callback import PrinterCallback
from transformers.utils import is_accelerate_available

from surefoot.errors import ModelError, UsageError
from surefoot.traces.records import storage_errors
from surefoot.training.callbacks import (
    HeadFirst,
    Log,
    Measured,
    OnMeasure,
    OnUpdate,
    Patience,
    Reporter,
    Whole,
    is_figure,
)
from surefoot.training.config import TrainConfig
from surefoot.training.loop import Loop, Task
from surefoot.training.machines import by_main, processes
from surefoot.training.scratches import claim, discard, fingerprint
from surefoot.training.sharding import is_finite, shard
from surefoot.training.trackers import check_trackers, place_events


@dataclass(frozen=True)
class Course:
    """How a training went: every logged entry, and the update whose weights are kept."""

    log: tuple[Mapping[str, float], ...]
    kept: int

    @property
    def final_loss(self) -> float:
        """Mean loss of the updates last reported."""
        return float([entry["loss"] for entry in self.log if "loss" in entry][-1])


def check(config: TrainConfig, *, measures: bool) -> None:
    """Refuse what cannot work here, before anything is read; `fit` does so too.

    Args:
        config: All settings of the loop.
        measures: Whether there are development rows.

    Raises:
        UsageError: the package accelerate or that of a tracker is missing, the settings do not fit
            the processes, or there is nothing to measure on.
    """
    if not is_accelerate_available():
        raise UsageError("training needs the package accelerate: pip install 'surefoot[train]'")
    check_trackers(config.report_to)
    number = processes().num_processes
    if config.fsdp and not torch.distributed.is_initialized():
        raise UsageError(
            "fsdp spreads a model over processes, and this is the only one; start them with "
            "torchrun (torchrun --nproc-per-node 2 -m surefoot train ...), or leave fsdp out"
        )
    if config.batch_size % (number * config.passes):
        raise UsageError(
            f"batch_size is {config.batch_size}; it must be a multiple of {config.passes} passes "
            f"in each of {number} processes"
        )
    if config.eval_every is not None and not measures:
        raise UsageError("eval_every measures on development traces; give some")


def fit(
    model: nn.Module,
    task: Task,
    config: TrainConfig,
    *,
    scratch: Path,
    on_update: OnUpdate | None = None,
    on_measure: OnMeasure | None = None,
) -> Course:
    """Train a model in place.

    Checkpoints go to the folder `scratch`. If it holds some of an interrupted run with the same
    settings, rows and first weights, training goes on from the last whole one and ends with the
    same weights; those of any other run are thrown away. The caller removes the folder once it has
    kept the model.

    Raises:
        UsageError: as `check`, or the development rows do not define the metric.
        ModelError: the loss or the weights are no longer finite, or a checkpoint is damaged.
        StorageError: the folder cannot be written.
    """
    check(config, measures=task.measure is not None)
    arguments = _arguments(config, task, scratch)
    last = claim(scratch, fingerprint(model, task.rows, config, task.settings))
    try:
        if config.fsdp:
            shard(model)
        trainer = Loop(model, task, config, arguments)
        if config.eval_every is not None:
            trainer.check_metric()
    except UsageError:
        if last is None:
            by_main(lambda: discard(scratch))
        raise
    trainer.remove_callback(PrinterCallback)
    place_events(trainer.callback_handler.callbacks, scratch)
    for callback in (
        HeadFirst(config.head_first, task.head),
        Log(scratch),
        Whole(),
        *([Reporter(on_update)] if on_update else []),
        *([Measured(on_measure)] if on_measure else []),
        *([Patience(config.patience, config.metric)] if config.patience else []),
    ):
        trainer.add_callback(callback)
    with storage_errors(str(scratch), "write"):
        trainer.train(resume_from_checkpoint=str(last) if last else None)
    if not is_finite(model):
        raise ModelError("the last update left weights that are not finite; lower the rate")
    model.eval()
    state = trainer.state
    log = tuple(entry for entry in state.log_history if is_figure(entry))
    return Course(log, state.best_global_step or state.global_step)


def _arguments(config: TrainConfig, task: Task, scratch: Path) -> TrainingArguments:
    share = config.batch_size // (processes().num_processes * config.passes)
    measures = task.measure is not None and config.eval_every is not None
    every = config.eval_every if measures and config.eval_every else config.save_every
    arguments = TrainingArguments(
        output_dir=str(scratch),
        per_device_train_batch_size=share,
        gradient_accumulation_steps=config.passes,
        max_steps=config.num_updates,
        max_grad_norm=config.max_grad_norm,
        save_strategy="steps",
        save_steps=every,
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
        ddp_find_unused_parameters=config.head_first > 0,
        dataloader_pin_memory=torch.cuda.is_available(),
        bf16=config.bf16,
        use_cpu=not torch.cuda.is_available(),
        seed=config.seed,
    )
    if arguments.n_gpu > 1:  # a process takes one; more are for processes that a launcher starts
        arguments._n_gpu = 1
    return arguments
