"""Muon for weight matrices, AdamW for everything else, as one optimizer.

Muon (Jordan et al. 2024; torch.optim.Muon) orthogonalises the update of each hidden matrix and
learns small models from scratch in markedly fewer updates. Embeddings, heads, norms and biases keep
AdamW.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Any

import torch
from transformers.optimization import (
    get_constant_schedule_with_warmup,
    get_cosine_schedule_with_warmup,
    get_linear_schedule_with_warmup,
    get_wsd_schedule,
)

from surefoot.training.config import TrainConfig


class MuonWithAdamW(torch.optim.Optimizer):
    """Both optimizers behind one `step`; schedulers see the parameter groups of both."""

    def __init__(
        self,
        model: torch.nn.Module,
        *,
        matrix_lr: float,
        other_lr: float,
        head: Collection[str] = (),
        head_lr: float | None = None,
    ) -> None:
        matrices, others, of_head = _split(model, head)
        groups = [(others, other_lr), (of_head, other_lr if head_lr is None else head_lr)]
        self.parts: list[torch.optim.Optimizer] = [
            torch.optim.Muon(matrices, lr=matrix_lr, weight_decay=0.0),
            torch.optim.AdamW(
                [{"params": some, "lr": lr} for some, lr in groups if some],
                lr=other_lr,
                weight_decay=0.0,
                betas=(0.9, 0.95),
            ),
        ]
        super().__init__([*matrices, *others, *of_head], {})
        self.param_groups = [group for part in self.parts for group in part.param_groups]

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:  # type: ignore[override]
        """One update of every parameter."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for part in self.parts:
            part.step()
        return loss

    def state_dict(self) -> dict[str, Any]:
        """State of both, in order."""
        return {"parts": [part.state_dict() for part in self.parts]}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take up a saved state."""
        for part, state in zip(self.parts, state_dict["parts"], strict=True):
            part.load_state_dict(state)
        self.param_groups = [group for part in self.parts for group in part.param_groups]


def optimizer_of(
    model: torch.nn.Module, config: TrainConfig, head: Collection[str]
) -> torch.optim.Optimizer:
    """The optimizer of a training; `head` names the weights that learn at the head's rate."""
    if config.optimizer == "muon":
        return MuonWithAdamW(
            model,
            matrix_lr=config.lr,
            other_lr=config.other_lr,
            head=head,
            head_lr=config.head_lr,
        )
    learning = [(_plain(name), p) for name, p in model.named_parameters() if p.requires_grad]
    body = [p for name, p in learning if name not in head]
    of_head = [p for name, p in learning if name in head]
    rates = [(body, config.lr), (of_head, config.head_lr or config.lr)]
    groups = [{"params": some, "lr": lr} for some, lr in rates if some]
    return torch.optim.AdamW(groups, lr=config.lr, weight_decay=config.weight_decay, fused=True)


def schedule_of(optimizer: torch.optim.Optimizer, config: TrainConfig) -> Any:
    """The rate at every update, as a factor."""
    warmup = max(1, round(config.warmup * config.num_updates)) if config.warmup else 0
    if config.schedule == "wsd":
        return get_wsd_schedule(
            optimizer,
            num_warmup_steps=warmup,
            num_decay_steps=max(1, round(config.decay * config.num_updates)),
            num_training_steps=config.num_updates,
            decay_type="linear",
            min_lr_ratio=0.02,
        )
    if config.schedule == "constant":
        return get_constant_schedule_with_warmup(optimizer, warmup)
    falling = {
        "cosine": get_cosine_schedule_with_warmup,
        "linear": get_linear_schedule_with_warmup,
    }[config.schedule]
    return falling(optimizer, warmup, config.num_updates)


def _plain(name: str) -> str:
    """The name of a weight without what spreading over processes puts before it."""
    return name.removeprefix("module.")


def _split(
    model: torch.nn.Module, head: Collection[str]
) -> tuple[list[torch.nn.Parameter], list[torch.nn.Parameter], list[torch.nn.Parameter]]:
    """Hidden weight matrices, all other parameters that learn, and those of the head."""
    inputs_and_outputs = {"embed_tokens", "wte", "lm_head", "score"}
    matrices: list[torch.nn.Parameter] = []
    others: list[torch.nn.Parameter] = []
    of_head: list[torch.nn.Parameter] = []
    for name, parameter in model.named_parameters():
        if not parameter.requires_grad:
            continue
        if _plain(name) in head:
            of_head.append(parameter)
        elif parameter.ndim == 2 and not inputs_and_outputs & set(name.split(".")):
            matrices.append(parameter)
        else:
            others.append(parameter)
    return matrices, others, of_head
