"""Axolotl's trainings with `process_reward_model: true`, by their YAML. Axolotl runs TRL's trainer,
and keeps a copy of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from surefoot.errors import UsageError
from surefoot.training.moves.move import Given, Move, schedule
from surefoot.training.moves.trl import in_passes, length, like_trl

_NEEDLESS = (
    "model_type",
    "tokenizer_type",
    "strict",
    "chat_template",
    "remove_unused_columns",
    "sample_packing",
    "eval_sample_packing",
    "pad_to_sequence_len",
    "train_on_inputs",
    "group_by_length",
    "flash_attention",
    "sdp_attention",
    "xformers_attention",
    "attn_implementation",
    "logging_steps",
    "gradient_checkpointing_kwargs",
    "dataset_prepared_path",
    "dataset_processes",
    "eval_batch_size",
    "eval_max_new_tokens",
    "tf32",
)


def from_axolotl(text: str) -> Move:
    """The YAML of a training.

    Raises:
        UsageError: it is of another kind, or asks for what is not done here.
    """
    import yaml

    try:
        values = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise UsageError(f"it is not YAML: {error}") from None
    if not isinstance(values, Mapping) or values.get("process_reward_model") is not True:
        raise UsageError("only trainings that say `process_reward_model: true` can move here")
    given = Given({str(k): v for k, v in values.items() if v not in (None, "")})
    given.flag("process_reward_model")
    if (classes := given.whole("num_labels", 2)) != 2:
        raise UsageError(f"num_labels is {classes}; labels are right and wrong, which are two")
    data = _data_sets(given, "datasets")
    changes = like_trl(given)
    changes |= {
        "base": given.needed("base_model"),
        "max_tokens": given.whole("sequence_len", 512),
        "loop.lr": float(given.needed("learning_rate")),
        "loop.schedule": schedule(given, "lr_scheduler", "cosine"),
        "loop.bf16": given.flag("bf16"),
        "loop.checkpointing": given.flag("gradient_checkpointing"),
        "loop.report_to": _trackers(given),
        **in_passes(given, "micro_batch_size", 1),
        **_adapter(given),
    }
    for theirs, ours in (
        ("save_steps", "save_every"),
        ("eval_steps", "eval_every"),
        ("early_stopping_patience", "patience"),
    ):
        if number := given.whole(theirs, 0):
            changes[f"loop.{ours}"] = number
    epochs = length(given, changes, "num_epochs", 1, usual=0.03)
    given.tell(["saves_per_epoch"], "a checkpoint is written every loop.save_every updates")
    given.tell(["evals_per_epoch"], "give --eval-every, in updates")
    given.tell(_NEEDLESS, "not needed here")
    development = _data_sets(given, "test_datasets") if "test_datasets" in given.left else ()
    return given.move(
        changes,
        data=data,
        development=development,
        dev_share=given.number("val_set_size", 0.0),
        epochs=epochs,
        out=given.text("output_dir"),
    )


def _data_sets(given: Given, name: str) -> tuple[str, ...]:
    """The paths of data sets; what they say of themselves becomes settings like any other.

    Raises:
        UsageError: one is of another type, or they want different things.
    """
    sets = given.left.pop(name, None)
    if not isinstance(sets, list) or not all(isinstance(one, Mapping) for one in sets):
        raise UsageError(f"{name} is {sets!r}; it must be a list of data sets")
    paths = []
    for one in sets:
        own: dict[str, Any] = {key: value for key, value in one.items() if value is not None}
        paths.append(str(own.pop("path", "")))
        if (kind := own.pop("type", None)) != "stepwise_supervised":
            raise UsageError(f"{name} has one of the type {kind}; there is stepwise_supervised")
        for key, value in own.items():
            if given.left.setdefault(key, value) != value:
                raise UsageError(f"{key} differs among {name}; train on one after the other")
    return tuple(paths)


def _trackers(given: Given) -> list[str]:
    found = []
    if given.text("wandb_project"):
        found.append("wandb")
    if given.flag("use_tensorboard"):
        found.append("tensorboard")
    return found


def _adapter(given: Given) -> dict[str, Any]:
    kind = given.text("adapter")
    if kind is None:
        return {}
    if kind != "lora":
        raise UsageError(f"adapter is {kind}; there is lora")
    everywhere, targets = given.flag("lora_target_linear"), given.texts("lora_target_modules")
    return {
        "lora.rank": given.whole("lora_r", 16),
        "lora.alpha": given.whole("lora_alpha", 16),
        "lora.dropout": given.number("lora_dropout", 0.0),
        "lora.targets": [] if everywhere else targets,
    }
