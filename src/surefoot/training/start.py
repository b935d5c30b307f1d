"""Where a training begins: a base with its head, or a small model from nothing, and the contract
that both sides keep.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import nn
from transformers import AutoModelForCausalLM, AutoModelForTokenClassification

from surefoot.errors import ModelError, UsageError
from surefoot.models.contract import CONTRACT_FILE, Contract, Meaning, Reading
from surefoot.models.discriminative import DiscriminativeModel
from surefoot.models.heads import Head
from surefoot.models.hub import contract_of, folder_of, load
from surefoot.models.loading import is_adapter, tensor_names
from surefoot.models.log_ratio import LogRatioModel
from surefoot.models.profiles import profiles
from surefoot.policies.checkpoints import first_few, read_weights, tokenizer_for
from surefoot.training.config import RewardConfig
from surefoot.training.losses.temporal_difference import TemporalDifference
from surefoot.training.scratch import fresh_config, fresh_tokenizer

CLASSES = {2: ("wrong", "right"), 3: ("wrong", "neutral", "right")}


Scorer = DiscriminativeModel | LogRatioModel


def start(config: RewardConfig, texts: Iterable[str], *, name: str) -> Scorer:
    """The scorer to train, on the CPU in float32. New weights come from the seed.

    Args:
        config: Says what to begin with.
        texts: What a tokenizer from nothing is made of.
        name: What its scores are signed with.

    Raises:
        ModelError: the base cannot be read, or weights of its body are missing.
        ContractError: base and profile do not fit each other.
        UsageError: a setting does not fit the base.
    """
    with torch.random.fork_rng():
        torch.manual_seed(config.loop.seed)
        if config.base is None:
            return _from_nothing(config, texts, name)
        folder = folder_of(config.base)
        if config.read == "log-ratio":
            return _against_itself(folder, config, name)
        if config.profile is None and (folder / CONTRACT_FILE).is_file() and not is_adapter(folder):
            return _gone_on(folder, config, name)
        return _on_base(folder, config, name)


def _against_itself(folder: Path, config: RewardConfig, name: str) -> LogRatioModel:
    """A language model twice: one learns, the other stays."""
    models = [_read(folder, AutoModelForCausalLM, None) for _ in range(2)]
    tokenizer = tokenizer_for(folder, models[0])
    contract = Contract.for_layout(
        tokenizer,
        reading=Reading(head="token-log-ratio", link="log-ratio", coefficient=config.coefficient),
        meaning="value",
        aggregate=config.aggregate or "min",
        threshold=0.0,
        max_tokens=_room(config.max_tokens, models[0]),
        reference=config.base,
    )
    model, reference = models
    return LogRatioModel(model, reference, tokenizer, contract, name=name)


def _read(folder: Path, auto_class: Any, settings: Any) -> Any:
    """A model of which nothing but a head may be new."""
    model, missing, _ = read_weights(folder, auto_class, settings)
    if settings is not None:
        missing = [one for one in missing if one.startswith(f"{model.base_model_prefix}.")]
    if missing:
        raise ModelError(
            f"{folder}: it lacks weights, which would be made up: {first_few(missing)}"
        )
    return model


def _from_nothing(config: RewardConfig, texts: Iterable[str], name: str) -> DiscriminativeModel:
    tokenizer = fresh_tokenizer(texts, config.shape.vocab_size)
    settings = fresh_config(tokenizer, config.shape)
    if config.read == "tokens":
        model = AutoModelForCausalLM.from_config(settings)
    else:
        settings.update(_head_settings(_num_classes(config)))
        model = AutoModelForTokenClassification.from_config(settings)
    return DiscriminativeModel(model, tokenizer, _contract(config, tokenizer, model), name=name)


def _gone_on(folder: Path, config: RewardConfig, name: str) -> DiscriminativeModel:
    """A reward model of this project, trained further: it is read as before, and its numbers mean
    what it is taught now.

    Raises:
        UsageError: it is no model of this kind, or has other classes than the labels.
    """
    scorer = load(folder, device="cpu")
    if not isinstance(scorer, DiscriminativeModel):
        raise UsageError(
            f"{folder} is a {type(scorer).__name__}, which is not trained further this way; name "
            "the language model that it was made from"
        )
    old, meaning = scorer.contract, _meaning(config)
    if old.reading.head == "layers" and old.reading.classes not in (1, _num_classes(config)):
        raise UsageError(
            f"{folder} reads {old.reading.classes} classes, these labels are of "
            f"{_num_classes(config)}; name the language model that it was made from"
        )
    usual = old.aggregate if meaning == old.meaning else _aggregate(config)
    contract = replace(
        old,
        meaning=meaning,
        aggregate=config.aggregate or usual,
        max_tokens=min(config.max_tokens, old.max_tokens),
        calibration=None,
    )
    return _renamed(scorer, contract, name)


def _on_base(folder: Path, config: RewardConfig, name: str) -> DiscriminativeModel:
    """A base written to as a published family is, or in the layout of this project."""
    contract = _published(folder, config)
    head = contract.reading.head if contract else config.read
    layers = contract.reading.layers if contract else ("score",)
    if contract and (head == "tokens" or {f"{one}.weight" for one in layers} <= _names(folder)):
        return _renamed(load(folder, contract=contract, device="cpu"), contract, name)
    classes = contract.reading.classes if contract else _num_classes(config)
    if head == "tokens":
        model = _read(folder, AutoModelForCausalLM, None)
    else:
        model = _read(folder, AutoModelForTokenClassification, _head_settings(classes))
    tokenizer = tokenizer_for(folder, model)
    loose = None
    if head != "tokens" and (layers != ("score",) or not hasattr(model, "score")):
        model = model.base_model
        loose = _fresh_head(model.config.hidden_size, layers, classes)
    agreed = contract or _contract(config, tokenizer, model)
    agreed = replace(agreed, max_tokens=_room(config.max_tokens, model))
    return DiscriminativeModel(model, tokenizer, agreed, name=name, head=loose)


def _published(folder: Path, config: RewardConfig) -> Contract | None:
    """The contract of the family that was asked for."""
    if config.profile is None:
        return None
    if config.profile not in profiles():
        raise UsageError(
            f"there is no profile {config.profile!r}; `surefoot models` lists them: "
            f"{', '.join(profiles())}"
        )
    profile = profiles()[config.profile]
    if profile.contract is None or profile.contract.reading.head == "token-log-ratio":
        raise UsageError(
            f"{profile.name} has no head that is trained this way; leave profile out, or name a "
            "family with a classifier or two tokens"
        )
    found = contract_of(folder, profile, asked=True, separator=config.separator, body=folder)
    return replace(found, max_tokens=min(found.max_tokens, config.max_tokens))


def _names(folder: Path) -> set[str]:
    return {*tensor_names(folder)}


def _renamed(scorer: Any, contract: Contract, name: str) -> DiscriminativeModel:
    return DiscriminativeModel(
        scorer.model,
        scorer.tokenizer,
        contract,
        name=name,
        head=scorer.head if scorer.has_loose_head else None,
    )


def _fresh_head(width: int, layers: tuple[str, ...], classes: int) -> Head:
    """A head of several layers, all but the last as wide as the states."""
    made = [nn.Linear(width, width) for _ in layers[1:]] + [nn.Linear(width, classes)]
    return Head(tuple((one.weight.detach(), one.bias.detach()) for one in made))


def _num_classes(config: RewardConfig) -> int:
    if config.read == "reward":
        return 1
    return 3 if config.labels.neutral == "own" and config.labels.target == "steps" else 2


def _head_settings(classes: int) -> dict[str, Any]:
    names = CLASSES.get(classes, ("reward",))
    return {
        "id2label": dict(enumerate(names)),
        "label2id": {name: number for number, name in enumerate(names)},
        "classifier_dropout": 0.0,
    }


def _contract(config: RewardConfig, tokenizer: Any, model: Any) -> Contract:
    """The contract of this project's own layout."""
    classes = _num_classes(config)
    if config.read == "tokens":
        reading = Reading(head="tokens", tokens=config.tokens)
    elif config.read == "reward":
        reading = Reading(link="raw", classes=1)
    else:
        reading = Reading(classes=classes, good=(classes - 1,))
    return Contract.for_layout(
        tokenizer,
        reading=reading,
        meaning=_meaning(config),
        aggregate=config.aggregate or _aggregate(config),
        threshold=0.0 if config.read == "reward" else 0.5,
        max_tokens=_room(config.max_tokens, model),
    )


def _meaning(config: RewardConfig) -> Meaning:
    if config.labels.target == "outcome" or isinstance(config.loss, TemporalDifference):
        return "value"
    return "prefix-correct" if config.labels.after_error == "wrong" else "step-correct"


def _aggregate(config: RewardConfig) -> str:
    return "last" if config.labels.target == "outcome" else "min"


def _room(max_tokens: int, model: Any) -> int:
    return min(max_tokens, getattr(model.config, "max_position_embeddings", None) or max_tokens)
