"""What happens at points of the training loop besides learning."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from torch import nn
from transformers import TrainerCallback

from surefoot.training.machines import by_main, wait
from surefoot.training.scratches import mark_whole, prune

OnUpdate = Callable[[int, int, float | None], None]
"""Called with (update, all updates, mean training loss since the last report, or None)."""

OnMeasure = Callable[[int, Mapping[str, float]], None]
"""Called with (update, every figure by its name) after a measurement on development traces and
before its checkpoint, in every process; what it raises ends the training."""

LOG_FILE = "metrics.jsonl"


class Whole(TrainerCallback):  # type: ignore[misc]
    """Marks checkpoints that are whole, and takes old ones away."""

    def on_train_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Know the best checkpoint where the folder is now."""
        if state.best_global_step is not None:
            best = Path(args.output_dir) / f"checkpoint-{state.best_global_step}"
            state.best_model_checkpoint = str(best)

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Report before every checkpoint, so that one taken up reports the same from then on."""
        control.should_log = control.should_log or control.should_save

    def on_save(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """After a checkpoint, once every process has written its part."""
        wait()
        scratch = Path(args.output_dir)

        def done() -> None:
            mark_whole(scratch / f"checkpoint-{state.global_step}")
            prune(scratch)

        by_main(done)


class Patience(TrainerCallback):  # type: ignore[misc]
    """Stops a training after so many measurements of a metric without a new best. It knows nothing
    that is not in the log, so that a training that is taken up stops where it would have."""

    def __init__(self, patience: int, metric: str) -> None:
        self.patience = patience
        self.metric = metric
        self.was_over = False

    def on_train_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """See whether it had stopped when it was interrupted."""
        self.was_over = self._is_over(state)

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Stop at once if so: the loop makes an update first, whose weights are not kept."""
        if self.was_over:
            control.should_log = control.should_evaluate = control.should_save = False
            control.should_training_stop = True

    def on_save(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """After a measurement and its checkpoint."""
        control.should_training_stop = control.should_training_stop or self._is_over(state)

    def _is_over(self, state: Any) -> bool:
        name, best = f"eval_{self.metric}", state.best_global_step
        later = [one for one in state.log_history if name in one and one["step"] > (best or 0)]
        return best is not None and len(later) >= self.patience


class HeadFirst(TrainerCallback):  # type: ignore[misc]
    """Lets only the head learn in the first updates."""

    def __init__(self, updates: int, head: frozenset[str]) -> None:
        self.updates = updates
        self.head = head
        self.frozen: list[nn.Parameter] = []

    def on_train_begin(
        self, args: Any, state: Any, control: Any, model: nn.Module, **_: Any
    ) -> None:
        """Freeze the body."""
        if state.global_step >= self.updates:
            return
        for name, parameter in model.named_parameters():
            if parameter.requires_grad and name not in self.head:
                parameter.requires_grad_(False)
                self.frozen.append(parameter)

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Let go of it."""
        if self.frozen and state.global_step >= self.updates:
            for parameter in self.frozen:
                parameter.requires_grad_(True)
            self.frozen = []

    def on_train_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Let go of it, should training end before."""
        for parameter in self.frozen:
            parameter.requires_grad_(True)


def is_figure(logs: Mapping[str, Any]) -> bool:
    """Whether an entry of the log says something of an update, rather than of the process that
    made the last of them."""
    return "train_runtime" not in logs


def log_text(entries: Iterable[Mapping[str, Any]]) -> str:
    """Entries as JSON lines; the order of their names is always the same."""
    return "".join(json.dumps(entry, sort_keys=True) + "\n" for entry in entries)


class Log(TrainerCallback):  # type: ignore[misc]
    """Writes every logged entry to a file of JSON lines, to be watched while training goes on."""

    def __init__(self, folder: Path) -> None:
        self.file = folder / LOG_FILE

    def on_train_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Begin with what was logged before an interruption."""
        if state.is_world_process_zero:
            self.file.write_text(log_text(state.log_history), encoding="utf-8")

    def on_log(
        self, args: Any, state: Any, control: Any, logs: Mapping[str, Any], **_: Any
    ) -> None:
        """After every entry."""
        if state.is_world_process_zero and is_figure(logs):
            with self.file.open("a", encoding="utf-8") as file:
                file.write(log_text([{**logs, "step": state.global_step}]))


class Reporter(TrainerCallback):  # type: ignore[misc]
    """Passes progress on."""

    def __init__(self, on_update: OnUpdate) -> None:
        self.on_update = on_update

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """After every update."""
        if state.is_world_process_zero:
            self.on_update(state.global_step, state.max_steps, None)

    def on_log(
        self, args: Any, state: Any, control: Any, logs: Mapping[str, Any], **_: Any
    ) -> None:
        """After every report."""
        if "loss" in logs and state.is_world_process_zero:
            self.on_update(state.global_step, state.max_steps, float(logs["loss"]))


class Measured(TrainerCallback):  # type: ignore[misc]
    """Passes figures on."""

    def __init__(self, on_measure: OnMeasure) -> None:
        self.on_measure = on_measure

    def on_evaluate(
        self, args: Any, state: Any, control: Any, metrics: Mapping[str, float], **_: Any
    ) -> None:
        """After every measurement."""
        figures = {name.removeprefix("eval_"): value for name, value in metrics.items()}
        self.on_measure(state.global_step, figures)
