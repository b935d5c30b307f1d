"""From states to scores: the small heads of reward models, and the links that read them.

Heads are a handful of tensors of ours, never code of a checkpoint. They run in fp32 whatever the
body runs in: in bf16 the logits have a grid of some .03, so that different steps would tie.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, NamedTuple

import torch
from torch import Tensor

from surefoot.errors import ContractError
from surefoot.models.calibration import Calibration, log_odds_of, probability_of
from surefoot.models.contract import Contract, Reading
from surefoot.traces.types import StepScores

_ROWS = 256
"""States that the whole vocabulary is computed for at once."""

Layer = tuple[Tensor, Tensor | None]
"""Weight (out, in), or (E, in, out) for an ensemble, and bias."""


class Read(NamedTuple):
    """What was read at one slot: the score, and its log-odds where it is a probability."""

    value: float
    log_odds: float | None


@dataclass(frozen=True, slots=True)
class Head:
    """Layers with ReLU between them, from states (S, H) to logits (E, S, C): E heads, C classes."""

    layers: tuple[Layer, ...]
    softcap: float | None = None
    """Logits are `softcap` * tanh(logits / `softcap`), as in Gemma 2."""
    factor: float = 1.0

    def __call__(self, states: Tensor) -> Tensor:
        """The logits, in fp32."""
        x = states.float()[None]
        for i, (weight, bias) in enumerate(self.layers):
            if i:
                x = torch.relu(x)
            matrix = weight.float() if weight.dim() == 3 else weight.float().T
            x = x @ matrix
            if bias is not None:
                x = x + (bias.float()[:, None] if weight.dim() == 3 else bias.float())
        x = x * self.factor
        return x if self.softcap is None else self.softcap * torch.tanh(x / self.softcap)

    @property
    def width(self) -> int:
        """The width H of the states that it reads."""
        return self.layers[0][0].shape[1]

    def tensors(self, reading: Reading) -> dict[str, Tensor]:
        """The layers under the names that they have in a checkpoint."""
        found: dict[str, Tensor] = {}
        for name, (weight, bias) in zip(reading.layers, self.layers, strict=True):
            found[f"{name}.weight"] = weight.contiguous()
            if bias is not None:
                found[f"{name}.bias"] = bias.contiguous()
        return found


def layers_head(reading: Reading, tensors: Mapping[str, Tensor]) -> Head:
    """The head of named layers.

    Args:
        reading: Names the layers.
        tensors: Of the checkpoint, by name.

    Raises:
        ContractError: a layer is missing, or does not fit the others or the classes.
    """
    layers = []
    for name in reading.layers:
        if f"{name}.weight" not in tensors:
            raise ContractError(f"the checkpoint has no {name}.weight, which the score needs")
        layers.append((tensors[f"{name}.weight"], tensors.get(f"{name}.bias")))
    shapes = [tuple(weight.shape) for weight, _ in layers]
    sizes = [shape[1:] if len(shape) == 3 else shape[::-1] for shape in shapes]
    if any(len(shape) not in (2, 3) for shape in shapes) or any(
        before[1] != after[0] for before, after in pairwise(sizes)
    ):
        raise ContractError(f"the layers {', '.join(reading.layers)} do not fit: {shapes}")
    if sizes[-1][1] != reading.classes:
        raise ContractError(
            f"the layer {reading.layers[-1]} gives {sizes[-1][1]} numbers, the contract says "
            f"{reading.classes}"
        )
    return Head(tuple(layers))


def tokens_head(
    reading: Reading, model: Any, token_ids: Sequence[int], *, learning: bool = False
) -> Head:
    """The rows of a language model's head that belong to some tokens; or their mean. Its weights
    pass on gradients if they are `learning`."""
    output = model.get_output_embeddings()
    bias = getattr(output, "bias", None)
    settings = _logit_settings(model.config)
    if reading.head == "vocabulary-mean":
        if settings["softcap"] is not None:
            raise ContractError(
                f"a {type(model).__name__} bends its logits, so their mean cannot be read alone"
            )
        weight = output.weight.detach().float().mean(0, keepdim=True)
        mean = None if bias is None else bias.detach().float().mean(0, keepdim=True)
        layer = weight, mean
    else:
        rows = torch.tensor(list(token_ids), device=output.weight.device)
        layer = output.weight[rows].float(), None if bias is None else bias[rows]
        if not learning:
            layer = layer[0].detach(), None if layer[1] is None else layer[1].detach()
    return Head((layer,), **settings)


def token_log_probs(model: Any, states: Tensor, token_ids: Tensor) -> Tensor:
    """The log-probability of each token (T,), read from the state (T, H) before it, in fp32."""
    output, settings = model.get_output_embeddings(), _logit_settings(model.config)
    found = []
    for start in range(0, len(token_ids), _ROWS):
        some, ids = states[start : start + _ROWS], token_ids[start : start + _ROWS]
        logits = output(some.to(output.weight.dtype)).float() * settings["factor"]
        if (softcap := settings["softcap"]) is not None:
            logits = softcap * torch.tanh(logits / softcap)
        chosen = logits.gather(1, ids[:, None])[:, 0]
        found.append(chosen - torch.logsumexp(logits, -1))
    return torch.cat(found)


def _logit_settings(config: Any) -> dict[str, Any]:
    """What some families do to their logits."""
    scaling = getattr(config, "logits_scaling", None)
    factor = 1 / scaling if scaling else getattr(config, "logit_scale", None)
    return {
        "softcap": getattr(config, "final_logit_softcapping", None),
        "factor": 1.0 if factor is None else factor,
    }


def check_logits(model: Any, head: Head, token_ids: Sequence[int]) -> None:
    """Hold a head made of a language model's rows against the model itself.

    Raises:
        ContractError: the model makes its logits in a way that is not known here.
    """
    ids = torch.arange(8, device=model.device)[None] % model.config.vocab_size
    with torch.no_grad():
        states = model.base_model(input_ids=ids, use_cache=False).last_hidden_state[0]
        logits = model(input_ids=ids, use_cache=False).logits[0].float()
    wanted = logits[:, list(token_ids)] if len(token_ids) else logits.mean(-1, keepdim=True)
    worst = float((head(states)[0] - wanted).abs().max())
    if not worst <= 2e-2 * max(1.0, float(wanted.abs().max())):
        raise ContractError(
            f"a {type(model).__name__} makes its logits otherwise than a linear head does (they "
            f"differ by {worst:.2g}), so scores of two of its tokens cannot be read alone"
        )


def signed(reads: Sequence[Read], contract: Contract, name: str) -> StepScores:
    """The scores of the steps of one trace, calibrated, with what the contract says of them."""
    if (calibration := contract.calibration) is not None:
        reads = [_calibrated(read, calibration) for read in reads]
    odds = tuple(read.log_odds for read in reads)
    known = all(one is not None and math.isfinite(one) for one in odds)
    return StepScores(
        tuple(read.value for read in reads),
        name,
        kind=contract.kind,
        default_aggregate=contract.aggregate,
        threshold=contract.threshold,
        log_odds=odds if known else None,
    )


def _calibrated(read: Read, calibration: Calibration) -> Read:
    odds = calibration(read.log_odds if read.log_odds is not None else log_odds_of(read.value))
    return Read(probability_of(odds), odds)


def link(logits: Tensor, reading: Reading) -> list[Read]:
    """The scores of logits (E, S, C); the heads of an ensemble are averaged."""
    if reading.link == "raw":
        return [Read(value, None) for value in logits.mean(0)[:, 0].tolist()]
    if reading.link == "difference":
        shares = torch.softmax(logits, -1)
        return [Read(value, None) for value in (shares[..., 1] - shares[..., 0]).mean(0).tolist()]
    odds = logits[..., 0] if reading.link == "sigmoid" else _log_odds(logits, reading.good)
    values = torch.sigmoid(odds).mean(0)
    if len(odds) > 1:
        log = torch.nn.functional.logsigmoid
        odds = torch.logsumexp(log(odds), 0) - torch.logsumexp(log(-odds), 0)
    else:
        odds = odds[0]
    return [Read(*pair) for pair in zip(values.tolist(), odds.tolist(), strict=True)]


def _log_odds(logits: Tensor, good: Sequence[int]) -> Tensor:
    others = [k for k in range(logits.shape[-1]) if k not in good]
    return torch.logsumexp(logits[..., list(good)], -1) - torch.logsumexp(logits[..., others], -1)
