"""What is trained: a scorer's body and head behind one `forward`, from a batch to logits.

It runs the engine that scores later, with gradients: each token of a batch once, the last layer and
the head only at the places that are read. Everything happens inside `forward`, as sharded training
asks.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from surefoot.errors import ContractError, UsageError
from surefoot.models.contract import Contract, Reading
from surefoot.models.discriminative import HEAD_FILE, DiscriminativeModel, token_ids
from surefoot.models.engine import Engine
from surefoot.models.heads import Head, tokens_head
from surefoot.training.batches import Batch
from surefoot.training.config import Lora
from surefoot.training.sharding import gathered

OUTCOME_LAYER = "outcome"


class Trainee(nn.Module):
    """A discriminative scorer with weights that learn.

    Args:
        scorer: Its model and head are trained in place.
        outcome_head: Read one more number, by a new linear layer: the last column of the logits.

    Raises:
        ContractError: its head is of a kind that cannot be trained.
    """

    def __init__(self, scorer: DiscriminativeModel, *, outcome_head: bool = False) -> None:
        super().__init__()
        self.model = scorer.model
        self.engine: Engine = scorer.engine
        self.contract: Contract = scorer.contract
        reading = scorer.contract.reading
        if scorer.contract.template.second is not None or reading.head == "vocabulary-mean":
            raise ContractError(
                f"a head of the kind {reading.head!r} with this template can be read but not "
                "trained here; train a classifier, or two tokens in one pass"
            )
        self._token_ids = (
            token_ids(scorer.contract, scorer.renderer) if reading.head == "tokens" else None
        )
        self.loose = nn.ParameterList()
        self._has_bias: list[bool] = []
        if scorer.has_loose_head:
            for weight, bias in scorer.head.layers:
                if weight.dim() == 3:
                    raise ContractError("an ensemble of heads can be read but not trained here")
                self.loose.append(nn.Parameter(weight.detach().float().clone()))
                self._has_bias.append(bias is not None)
                if bias is not None:
                    self.loose.append(nn.Parameter(bias.detach().float().clone()))
        self.outcome = None
        if outcome_head:
            self.outcome = nn.Linear(scorer.head.width, 1)

    def forward(self, batch: Batch) -> Tensor:
        """The logits at the places of a batch, shape (S, C), in fp32."""
        states = torch.cat(self.engine.differentiable(batch.rows))
        with torch.autocast(states.device.type, enabled=False):
            states = states.float()
            logits = self.head()(states).squeeze(0).clone()  # a view would come apart in pieces
            if self.outcome is not None:
                logits = torch.cat([logits, self.outcome(states)], -1)
        return logits

    def head(self) -> Head:
        """The head with the weights as they are now."""
        if self._token_ids is not None:
            return tokens_head(self.contract.reading, self.model, self._token_ids, learning=True)
        if self.loose:
            return _head_of(iter(self.loose), self._has_bias)
        layers = []
        for name in self.contract.reading.layers:
            layer = _trained(self.model.get_submodule(self._place_of(name)))
            layers.append((layer.weight, layer.bias))
        return Head(tuple(layers))

    def head_names(self) -> set[str]:
        """The names of the weights of the head that are not also the body's."""
        heads = [*self.loose, *(self.outcome.parameters() if self.outcome is not None else ())]
        if not self.loose and self._token_ids is None:
            for name in self.contract.reading.layers:
                heads += _trained(self.model.get_submodule(self._place_of(name))).parameters()
        own = {id(parameter) for parameter in heads}
        return {name for name, parameter in self.named_parameters() if id(parameter) in own}

    def whole(self, *, merge: bool) -> dict[str, Tensor]:
        """All weights by name, in the main process; every process has to ask.

        Args:
            merge: Put the changes of an adapter into the weights first, for good.
        """
        if merge:
            self.model = self.model.merge_and_unload()
        return gathered(self)

    def write(
        self, folder: Path, weights: Mapping[str, Tensor], tokenizer: Any, contract: Contract
    ) -> None:
        """Write weights, tokenizer and contracts.

        Args:
            folder: Where to.
            weights: What `whole` gave.
            tokenizer: The model's own.
            contract: How its scores are read from now on.
        """
        self.model.save_pretrained(folder, state_dict=of_model(weights))
        loose: dict[str, Tensor] = {}
        if self.loose:
            rest = (weights[f"loose.{i}"] for i in range(len(self.loose)))
            loose |= _head_of(rest, self._has_bias).tensors(contract.reading)
        if self.outcome is not None:
            loose[f"{OUTCOME_LAYER}.weight"] = weights["outcome.weight"]
            loose[f"{OUTCOME_LAYER}.bias"] = weights["outcome.bias"]
            reading = Reading(layers=(OUTCOME_LAYER,), link="sigmoid", classes=1)
            beside = folder / OUTCOME_LAYER
            beside.mkdir()
            replace(
                contract,
                reading=reading,
                meaning="value",
                aggregate="last",
                threshold=0.5,
                calibration=None,
            ).save(beside)
        if loose:
            save_file(loose, folder / HEAD_FILE)
        tokenizer.save_pretrained(folder)
        contract.save(folder)

    def _place_of(self, layer: str) -> str:
        """The full name of a layer of the head: adapters put the model into others."""
        for name, _ in self.model.named_modules():
            if name == layer or name.endswith(f".model.{layer}"):
                return str(name)
        raise ContractError(f"the model has no layer {layer}")


def of_model(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Those weights of a trainee that are its model's, by the names that they have there."""
    own = {name: one for name, one in weights.items() if name.startswith("model.")}
    return {name.removeprefix("model."): one for name, one in own.items()}


def _head_of(tensors: Iterator[Tensor], has_bias: Sequence[bool]) -> Head:
    """The layers of weights and biases behind each other."""
    return Head(tuple((next(tensors), next(tensors) if has else None) for has in has_bias))


def _trained(layer: Any) -> Any:
    """A layer, or the copy of it that an adapter trains in its place."""
    copies = getattr(layer, "modules_to_save", None)
    return copies["default"] if copies is not None else layer


def checkpoint(model: Any) -> None:
    """Have activations computed again in the backward pass."""
    enable = getattr(model, "activation_checkpointing_enable", None)
    (enable or model.gradient_checkpointing_enable)()
    model.enable_input_require_grads()


def with_lora(model: Any, lora: Lora) -> Any:
    """The model with low-rank changes to learn; everything else but the head is frozen. Random
    numbers come from torch's generator.

    Raises:
        UsageError: the package peft is missing, or no layer has such a name.
    """
    try:
        from peft import LoraConfig, TaskType, get_peft_model
    except ImportError:
        raise UsageError("lora needs the package peft: pip install 'surefoot[lora]'") from None
    is_classifier = hasattr(model, "score")
    kind = TaskType.TOKEN_CLS if is_classifier else TaskType.CAUSAL_LM
    try:
        return get_peft_model(
            model,
            LoraConfig(
                r=lora.rank,
                lora_alpha=lora.alpha,
                lora_dropout=lora.dropout,
                target_modules=list(lora.targets) or _linear_layers(model.base_model),
                modules_to_save=["score"] if is_classifier else None,
                task_type=kind,
            ),
        )
    except ValueError as error:
        raise UsageError(f"lora.targets {', '.join(lora.targets)}: {error}") from None


def _linear_layers(body: nn.Module) -> list[str]:
    """The last parts of the names of the linear layers of a body."""
    names = [name for name, one in body.named_modules() if isinstance(one, nn.Linear)]
    return sorted({name.rpartition(".")[2] for name in names})
