"""Muon for weight matrices, AdamW for everything else, as one optimizer.

Muon (Jordan et al. 2024; torch.optim.Muon) orthogonalises the update of each hidden matrix and
learns small models from scratch in markedly fewer updates. Embeddings, heads, norms and biases keep
AdamW.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch


class MuonWithAdamW(torch.optim.Optimizer):
    """Both optimizers behind one `step`; schedulers see the parameter groups of both."""

    def __init__(self, model: torch.nn.Module, *, matrix_lr: float, other_lr: float) -> None:
        matrices, others = _split(model)
        self.parts: list[torch.optim.Optimizer] = [
            torch.optim.Muon(matrices, lr=matrix_lr, weight_decay=0.0),
            torch.optim.AdamW(others, lr=other_lr, weight_decay=0.0, betas=(0.9, 0.95)),
        ]
        super().__init__([*matrices, *others], {})
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


def _split(
    model: torch.nn.Module,
) -> tuple[list[torch.nn.Parameter], list[torch.nn.Parameter]]:
    """Hidden weight matrices, and all other parameters that learn."""
    inputs_and_outputs = {"embed_tokens", "wte", "lm_head", "score"}
    matrices: list[torch.nn.Parameter] = []
    others: list[torch.nn.Parameter] = []
    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            hidden = parameter.ndim == 2 and not inputs_and_outputs & set(name.split("."))
            (matrices if hidden else others).append(parameter)
    return matrices, others
