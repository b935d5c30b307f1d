"""A model in pieces: weights, gradients and optimizer state spread over the processes (FSDP2).

torch's `fully_shard` does it in place, a layer at a time (Zhao et al. 2023, arXiv:2304.11277): a
layer is whole only while it is computed. We call it ourselves, since accelerate shards on GPUs
alone: what is tested on two processes of a CPU is what runs on GPUs. Files hold whole tensors, as
those of any other training do.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.distributed.fsdp import FSDPModule, fully_shard
from torch.distributed.tensor import DTensor, distribute_tensor

from surefoot.training.machines import everywhere, is_main


class Sharded(nn.Module):
    """A sharded model as a trainer takes it: nothing has to wrap it once more.

    Args:
        model: One that `shard` has spread.
        bf16: Compute matrix products in bfloat16; the pieces stay in float32.
    """

    def __init__(self, model: nn.Module, *, bf16: bool) -> None:
        super().__init__()
        self.module: Any = model
        self.bf16 = bf16

    def forward(self, *given: Any) -> Any:
        """That of the model."""
        device = next(self.module.parameters()).device.type
        with torch.autocast(device, torch.bfloat16, enabled=self.bf16):
            return self.module(*given)

    @contextmanager
    def no_sync(self) -> Iterator[None]:
        """Leave gradients where they are: another pass of the same update follows."""
        self.module.set_requires_gradient_sync(False)
        try:
            yield
        finally:
            self.module.set_requires_gradient_sync(True)


def shard(model: nn.Module) -> None:
    """Spread a model over all processes, in place; each must have the same weights."""
    layers = {
        kind for part in model.modules() for kind in getattr(part, "_no_split_modules", None) or ()
    }
    for part in [part for part in model.modules() if type(part).__name__ in layers]:
        fully_shard(part)
    fully_shard(model)


def take_apart(model: nn.Module) -> None:
    """Leave a sharded model in pieces: a pass without a backward one does not, and an optimizer
    that is then made would hold weights that are thrown away."""
    for part in model.modules():
        if isinstance(part, FSDPModule):
            part.reshard()


def gathered(model: nn.Module) -> dict[str, Tensor]:
    """The whole weights of a model by name, in the main process; nothing in the others. Every
    process has to ask. Names that share a weight share the tensor."""
    take_apart(model)
    found: dict[str, Tensor] = {}
    known: dict[int, Tensor | None] = {}
    for name, tensor in model.state_dict(keep_vars=True).items():
        if id(tensor) not in known:
            known[id(tensor)] = _whole(tensor.detach())
        if (one := known[id(tensor)]) is not None:
            found[name] = one
    return found


def is_finite(model: nn.Module) -> bool:
    """Whether all weights are finite numbers; every process has to ask."""
    pieces = [p.to_local() if isinstance(p, DTensor) else p for p in model.parameters()]
    return everywhere(all(bool(piece.isfinite().all()) for piece in pieces))


def laid_out(tensors: Mapping[str, Tensor], model: nn.Module) -> dict[str, Tensor]:
    """Whole tensors in the pieces in which a model has its own."""
    own = model.state_dict()
    return {name: _as(tensor, own.get(name)) for name, tensor in tensors.items()}


def gathered_state(optimizer: torch.optim.Optimizer) -> dict[str, Any]:
    """The state of an optimizer with whole tensors, in the main process; without any in the others.
    Every process has to ask."""
    state = optimizer.state_dict()
    whole = {
        number: {name: _whole(value) for name, value in own.items()}
        for number, own in state["state"].items()
    }
    return {**state, "state": whole}


def laid_out_state(state: Mapping[str, Any], optimizer: torch.optim.Optimizer) -> dict[str, Any]:
    """Such a state in the pieces in which an optimizer has its weights."""
    weights = [weight for group in optimizer.param_groups for weight in group["params"]]
    spread = {
        number: {
            name: _as(value, weights[number]) if value.shape == weights[number].shape else value
            for name, value in own.items()
        }
        for number, own in state["state"].items()
    }
    return {**state, "state": spread}


def _whole(tensor: Tensor) -> Tensor | None:
    """A tensor as the main process is to have it."""
    full = tensor.full_tensor() if isinstance(tensor, DTensor) else tensor
    return full.cpu() if is_main() else None


def _as(tensor: Tensor, other: Tensor | None) -> Tensor:
    """A whole tensor in the pieces of another."""
    if not isinstance(other, DTensor):
        return tensor
    return distribute_tensor(
        tensor.to(other.device), other.device_mesh, other.placements, src_data_rank=None
    )
