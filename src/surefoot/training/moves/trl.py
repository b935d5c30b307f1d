"""Trainings with TRL's PRMTrainer (to be had up to TRL 1.13), by the options of its script."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from surefoot.training.moves.commands import options
from surefoot.training.moves.move import Given, Move, layers, most_norm, schedule, warmup

QUANTISED = ("load_in_8bit", "load_in_4bit")

_NEEDLESS = (
    "dataset_num_proc",
    "remove_unused_columns",
    "logging_steps",
    "logging_strategy",
    "logging_first_step",
    "save_strategy",
    "eval_strategy",
    "save_total_limit",
    "do_train",
    "do_eval",
    "attn_implementation",
    "torch_dtype",
    "dtype",
    "gradient_checkpointing_kwargs",
    "disable_dropout",
    "per_device_eval_batch_size",
    "trust_remote_code",
    "overwrite_output_dir",
)
_OF_ADAMW = ("adam_beta1", "adam_beta2", "adam_epsilon")


def from_trl(arguments: Sequence[str]) -> Move:
    """The options of TRL's `examples/scripts/prm.py`, or of a script that parses `PRMConfig` and
    `ModelConfig`.

    Raises:
        UsageError: an option asks for what is not done here.
    """
    given = Given(options(arguments), "--")
    given.tell(["config"], "that file is not read; put its settings behind the command")
    changes = like_trl(given)
    changes |= {
        "base": given.needed("model_name_or_path"),
        "max_tokens": given.whole("max_length", 1024),
        "loop.lr": given.number("learning_rate", 1e-5),
        "loop.schedule": schedule(given, "lr_scheduler_type", "linear"),
        "loop.bf16": given.flag("bf16", True),
        "loop.checkpointing": given.flag("gradient_checkpointing", True),
        "loop.save_every": given.whole("save_steps", 500),
        "loop.report_to": [one for one in given.texts("report_to") if one != "none"],
        **in_passes(given, "per_device_train_batch_size", 8),
    }
    if every := given.whole("eval_steps", 0):
        changes["loop.eval_every"] = every
    if given.flag("use_peft"):
        changes |= {
            "lora.rank": given.whole("lora_r", 16),
            "lora.alpha": given.whole("lora_alpha", 32),
            "lora.dropout": given.number("lora_dropout", 0.05),
            "lora.targets": layers(given.texts("lora_target_modules")),
        }
    epochs = length(given, changes, "num_train_epochs", 3)
    given.tell(_NEEDLESS, "not needed here")
    return given.move(
        changes,
        data=(given.needed("dataset_name"),),
        epochs=epochs,
        out=given.text("output_dir"),
    )


def like_trl(given: Given) -> dict[str, Any]:
    """What TRL and those who build on its trainer have in common.

    Raises:
        UsageError: a setting asks for what is not done here.
    """
    for name in QUANTISED:
        given.refuse(name, "nothing is trained on quantised weights here")
    given.refuse(
        "train_on_last_step_only",
        "only the last label of a row would count; take the others out of the rows (null)",
    )
    given.refuse("fp16", "there is bf16")
    given.tell(
        ["max_completion_length"],
        "nothing is cut; traces of more than max_tokens tokens are left out and counted",
    )
    given.tell(_OF_ADAMW, "AdamW takes .9, .999 and 1e-8 here")
    given.tell(
        ["dataset_config", "dataset_train_split", "dataset_test_split", "split", "data_files"],
        "name the files of that part of the data",
    )
    given.tell(["deepspeed"], "no DeepSpeed; loop.fsdp spreads a model over processes")
    optimizer = given.text("optim") or given.text("optimizer")
    if optimizer not in _ADAMW:
        given.notes.append(f"the optimizer {optimizer} is AdamW here")
    decay = given.number("weight_decay", 0.0)
    if decay:
        given.notes.append("weight_decay is of all weights here, not of matrices alone")
    return {
        "profile": "trl",
        "separator": given.text("step_separator") or "\n",
        "loop.weight_decay": decay,
        "loop.max_grad_norm": most_norm(given, "max_grad_norm"),
        "loop.seed": given.whole("seed", 42),
    }


_ADAMW = (None, "adamw_torch", "adamw_torch_fused", "adamw_hf", "adamw")


def in_passes(given: Given, name: str, default: int) -> dict[str, Any]:
    """The batch of an update, on one process."""
    each = given.whole(name, default)
    passes = given.whole("gradient_accumulation_steps", 1)
    given.notes.append(
        f"loop.batch_size is {each * passes}, that of one process; N had N times as much"
    )
    return {"loop.batch_size": each * passes, "loop.passes": passes}


def length(
    given: Given, changes: dict[str, Any], name: str, default: float, *, usual: float = 0.0
) -> float | None:
    """How long it takes: the changes are told of updates and warmup; gives epochs where those say
    it."""
    updates = given.whole("max_steps", -1)
    epochs = given.number(name, default)
    share, steps = given.number("warmup_ratio", usual), given.number("warmup_steps", 0.0)
    if steps >= 1:
        if updates > 0:
            share = steps / updates
        else:
            given.notes.append(
                f"warmup_steps {steps:g}: here it is a share of the updates; give it with --set "
                "loop.warmup=..."
            )
    elif steps:
        share = steps  # transformers 5 takes a share under this name
    changes |= warmup(share)
    if updates > 0:
        changes["loop.num_updates"] = updates
        return None
    return epochs
