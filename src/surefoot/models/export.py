"""A scorer as a plain `AutoModelForTokenClassification` checkpoint, for programs that know nothing
of ours, such as vLLM.

That class has one linear layer over the states, so a scorer whose head is one can be written as it,
whatever it was before: a classifier of another name, a head in a file of its own, two rows of a
language model's head, an adapter. The softmax of its logits at a slot is then what the scorer
reads there. Slots are still for the writer to know: at the tokens that `contract.json` says, which
goes along and by which `surefoot.load` reads the new checkpoint like any other.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from transformers import AutoModelForTokenClassification, AutoTokenizer

from surefoot.errors import ContractError, ModelError
from surefoot.models.base import RewardModel
from surefoot.models.contract import CONTRACT_FILE, Contract, Reading
from surefoot.models.discriminative import DiscriminativeModel
from surefoot.models.render import probe_of
from surefoot.policies.checkpoints import whole_folder

LAYER = "score"
"""What the linear layer is called in transformers' own classes."""


@dataclass(frozen=True, slots=True)
class Exported:
    """What was written: the names of the classes, in order, and what a program that reads nothing
    but the plain checkpoint does not know, in sentences."""

    classes: tuple[str, ...]
    notes: tuple[str, ...]


def export_plain(scorer: RewardModel, out: str | Path) -> Exported:
    """Write a scorer to a folder as a plain token classifier.

    A sigmoid becomes a softmax over two classes, and a calibration by temperature goes into the
    weights, so that plain programs read the calibrated probabilities.

    Raises:
        ContractError: its head is not one linear layer, with the reason.
        ModelError: transformers has no token classifier of this architecture.
        StorageError: the folder cannot be written.
    """
    if not isinstance(scorer, DiscriminativeModel):
        raise ContractError(
            f"{scorer.name} is a {type(scorer).__name__}, whose scores are not read off one state "
            "by one layer; only classifiers and pairs of tokens can be plain token classifiers"
        )
    weight, bias = _linear(scorer)
    contract, weight, bias = _plain_reading(scorer.contract, weight, bias)
    classes = _names(contract)
    model = _classifier(scorer.model, weight, bias, classes)
    with whole_folder(out, last=CONTRACT_FILE) as partial:
        model.save_pretrained(partial)
        scorer.tokenizer.save_pretrained(partial)
        contract.save(partial)
        notes = [*_notes(contract), *_cut_otherwise(partial, scorer.tokenizer)]
    return Exported(classes, tuple(notes))


def _linear(scorer: DiscriminativeModel) -> tuple[Tensor, Tensor]:
    """The one layer of a head: weight (C, H) and bias (C,), in fp32."""
    head, reason = scorer.head, None
    if scorer.contract.template.second is not None:
        reason = "it passes twice over a trace, and shows the second pass what the first found"
    elif len(head.layers) > 1:
        reason = f"its head has {len(head.layers)} layers"
    elif head.layers[0][0].dim() == 3:
        reason = f"it is an ensemble of {len(head.layers[0][0])} heads"
    elif head.softcap is not None:
        reason = "its logits are bent (softcap)"
    if reason is not None:
        raise ContractError(
            f"{scorer.name} cannot be a plain token classifier, which reads one linear layer: "
            f"{reason}; serve it with surefoot"
        )
    weight, bias = head.layers[0]
    plain = weight.detach().float() * head.factor
    if bias is None:
        return plain, torch.zeros(len(plain), device=plain.device)
    return plain, bias.detach().float() * head.factor


def _plain_reading(
    contract: Contract, weight: Tensor, bias: Tensor
) -> tuple[Contract, Tensor, Tensor]:
    """The contract by which the layer is read, as a softmax where it can be, and the layer."""
    old = contract.reading
    link, good = old.link, old.good
    if link == "sigmoid":
        weight = torch.cat([torch.zeros_like(weight), weight])
        bias = torch.cat([torch.zeros_like(bias), bias])
        link, good = "softmax", (1,)
    calibration = contract.calibration
    if (
        calibration is not None
        and calibration.kind == "temperature"
        and link == "softmax"
        and (len(weight), good) == (2, (1,))
    ):
        weight, bias = weight / calibration.temperature, bias / calibration.temperature
        bias[1] += calibration.bias
        calibration = None
    reading = Reading(layers=(LAYER,), link=link, classes=len(weight), good=good, shift=old.shift)
    return replace(contract, reading=reading, calibration=calibration), weight, bias


def _names(contract: Contract) -> tuple[str, ...]:
    classes, good = contract.reading.classes, contract.reading.good
    if classes == 1:
        return ("reward",)
    if (classes, good) == (2, (1,)):
        return ("wrong", "right")
    if (classes, good) == (3, (2,)):
        return ("wrong", "neutral", "right")
    return tuple(f"{'right' if k in good else 'wrong'} {k}" for k in range(classes))


def _classifier(model: Any, weight: Tensor, bias: Tensor, classes: tuple[str, ...]) -> Any:
    """transformers' token classifier with a model's body and a layer."""
    body = model.base_model
    config = copy.deepcopy(model.config)
    config.update(
        {
            "id2label": dict(enumerate(classes)),
            "label2id": {name: number for number, name in enumerate(classes)},
            "classifier_dropout": 0.0,
        }
    )
    try:
        with torch.device("meta"):
            plain = AutoModelForTokenClassification.from_config(config)
    except ValueError:
        plain = None
    if type(getattr(plain, getattr(plain, "base_model_prefix", ""), None)) is not type(
        body
    ) or not isinstance(getattr(plain, LAYER, None), nn.Linear):
        raise ModelError(
            f"transformers has no token classifier with a {type(body).__name__} and a layer "
            f"{LAYER!r}; serve the model with surefoot"
        )
    setattr(plain, plain.base_model_prefix, body)
    layer = nn.Linear(weight.shape[1], len(weight), device="meta")
    layer.weight, layer.bias = nn.Parameter(weight), nn.Parameter(bias)
    setattr(plain, LAYER, layer)
    return plain.eval()


def _notes(contract: Contract) -> list[str]:
    """What the plain checkpoint does not say by itself."""
    notes = ["scores stand at the tokens that contract.json says, and nowhere else"]
    if contract.reading.link == "raw":
        notes.append("its one logit is a reward as it is: apply no softmax")
    if contract.reading.link == "difference":
        notes.append("a score is P(right) - P(wrong)")
    if len(contract.reading.good) > 1:
        notes.append("a score is the sum of the probabilities of the classes called right")
    if contract.reading.shift:
        notes.append(f"scores are read {contract.reading.shift} tokens behind their slots")
    if contract.calibration is not None:
        notes.append("its probabilities are not calibrated: contract.json holds what does that")
    return notes


def _cut_otherwise(folder: Path, tokenizer: Any) -> list[str]:
    """Whether plain programs would cut text otherwise than the scorer does: transformers takes the
    tokenizer class of the architecture, which may put rules of its own in the place of a file's."""
    plain = AutoTokenizer.from_pretrained(folder, trust_remote_code=False, local_files_only=True)
    if probe_of(plain) == probe_of(tokenizer):
        return []
    return [
        f"transformers' AutoTokenizer takes a {type(plain).__name__} for it, which cuts text "
        "otherwise; read tokenizer.json with PreTrainedTokenizerFast instead"
    ]
