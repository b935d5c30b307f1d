"""What happens at points of the training loop besides learning."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from torch import nn
from transformers import TrainerCallback

from surefoot.training.scratches import mark_whole

OnUpdate = Callable[[int, int, float | None], None]
"""Called with (update, all updates, mean training loss since the last report, or None)."""

LOG_FILE = "metrics.jsonl"


class Whole(TrainerCallback):  # type: ignore[misc]
    """Marks checkpoints that are whole."""

    def on_save(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """After a checkpoint."""
        if state.is_world_process_zero:
            mark_whole(Path(args.output_dir) / f"checkpoint-{state.global_step}")


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
            if parameter.requires_grad and name.removeprefix("module.") not in self.head:
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


class Log(TrainerCallback):  # type: ignore[misc]
    """Writes every logged entry to a file of JSON lines, to be watched while training goes on."""

    def __init__(self, folder: Path) -> None:
        self.file = folder / LOG_FILE

    def on_train_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Begin with what was logged before an interruption."""
        if state.is_world_process_zero:
            lines = [json.dumps(entry) + "\n" for entry in state.log_history]
            self.file.write_text("".join(lines), encoding="utf-8")

    def on_log(
        self, args: Any, state: Any, control: Any, logs: Mapping[str, Any], **_: Any
    ) -> None:
        """After every entry."""
        if state.is_world_process_zero:
            with self.file.open("a", encoding="utf-8") as file:
                file.write(json.dumps({**logs, "step": state.global_step}) + "\n")


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
