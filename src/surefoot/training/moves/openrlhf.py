"""Trainings with OpenRLHF's `train_prm`, which it had until March 2026, by their command line."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from surefoot.errors import UsageError
from surefoot.training.moves.commands import options
from surefoot.training.moves.move import Given, Move, layers, most_norm, schedule, warmup

PLACEHOLDER, GOOD, BAD = "ки", "+", "-"

_NEEDLESS = (
    "logging_steps",
    "flash_attn",
    "attn_implementation",
    "packing_samples",
    "load_checkpoint",
    "ckpt_path",
    "max_ckpt_num",
    "max_ckpt_mem",
    "use_liger_kernel",
    "disable_fast_tokenizer",
    "gradient_checkpointing_use_reentrant",
    "specialize_reward_tokens",
    "local_rank",
    "wandb_org",
    "wandb_group",
    "wandb_project",
    "wandb_run_name",
)
_DEEPSPEED = (
    "zero_stage",
    "zpg",
    "adam_offload",
    "overlap_comm",
    "grad_accum_dtype",
    "deepcompile",
    "ds_tensor_parallel_size",
    "dist_backend",
    "use_ds_universal_ckpt",
)


def from_openrlhf(arguments: Sequence[str]) -> Move:
    """The options of the command.

    Raises:
        UsageError: an option asks for what is not done here.
    """
    given = Given(options(arguments), "--")
    _check_tokens(given)
    for name in ("load_in_4bit", "packing_method"):
        given.refuse(name, "not done here")
    if given.number("aux_loss_coef", 0.0):
        raise UsageError("--aux_loss_coef: the balance of experts is no part of a loss here")
    batch, micro = given.whole("train_batch_size", 128), given.whole("micro_train_batch_size", 1)
    if micro < 1 or batch % micro:
        raise UsageError(f"--train_batch_size {batch} is no multiple of the micro batch's {micro}")
    given.notes.append(
        f"loop.passes is {batch // micro}, for one process; N processes need N times fewer"
    )
    rank = given.whole("lora_rank", 0)
    changes: dict[str, Any] = {
        "base": given.needed("pretrain"),
        "profile": "openrlhf",
        "max_tokens": given.whole("max_len", 2048),
        "loop.lr": given.number("learning_rate", 1e-6),
        "loop.batch_size": batch,
        "loop.passes": batch // micro,
        "loop.weight_decay": given.number("l2", 0.0),
        "loop.max_grad_norm": most_norm(given, "max_norm"),
        "loop.schedule": schedule(given, "lr_scheduler", "cosine_with_min_lr"),
        "loop.bf16": given.flag("bf16") or given.text("param_dtype") == "bf16",
        "loop.checkpointing": given.flag("gradient_checkpointing"),
        "loop.seed": given.whole("seed", 42),
        "loop.report_to": ["wandb"] if given.text("use_wandb") is not None else [],
        **warmup(given.number("lr_warmup_ratio", 0.03)),
    }
    for theirs, ours in (("save_steps", "save_every"), ("eval_steps", "eval_every")):
        if (every := given.whole(theirs, -1)) > 0:
            changes[f"loop.{ours}"] = every
    if rank:
        changes |= {
            "lora.rank": rank,
            "lora.alpha": given.whole("lora_alpha", 16),
            "lora.dropout": given.number("lora_dropout", 0.0),
            "lora.targets": layers(given.texts("target_modules")),
        }
    betas = [float(one) for one in given.texts("adam_betas")] or [0.9, 0.95]
    if betas != [0.9, 0.999]:
        given.notes.append(f"the betas {betas[0]:g} and {betas[1]:g} of AdamW are .9 and .999 here")
    for name, column in (("input_key", "input"), ("label_key", "value")):
        if (key := given.text(name)) not in (None, column):
            given.notes.append(f"--{name} {key}: rename that column of the rows to {column}")
    given.tell(["dataset_split", "eval_split"], "name the files of that part of the data")
    given.tell(["dataset_probs", "max_samples"], "all rows of all files are learned from")
    given.tell(_DEEPSPEED, "no DeepSpeed; loop.fsdp spreads a model over processes")
    given.tell(_NEEDLESS, "not needed here")
    return given.move(
        changes,
        data=tuple(given.needed("dataset").split(",")),
        development=tuple(given.texts("eval_dataset")),
        epochs=given.number("max_epochs", 1.0),
        out=given.text("save_path"),
    )


def _check_tokens(given: Given) -> None:
    """Whether rows can be read, and what is compared where.

    Raises:
        UsageError: a token is another than those that rows are read with.
    """
    placeholder, tokens = given.text("placeholder_token"), given.texts("reward_tokens")
    if placeholder != PLACEHOLDER or not {*tokens} <= {GOOD, BAD} or len(tokens) == 1:
        raise UsageError(
            f"--placeholder_token is {placeholder} and --reward_tokens {' '.join(tokens)}; rows "
            f"are read with {PLACEHOLDER}, {GOOD} and {BAD} alone: write them in the rows and here"
        )
    given.refuse("placeholder_token_in_tokenizer", f"rows are written with {PLACEHOLDER} alone")
    given.refuse("reward_tokens_in_tokenizer", f"rows are read with {GOOD} and {BAD} alone")
    if not tokens:
        given.notes.append(
            "without --reward_tokens a label was compared with all tokens there are; here it is "
            f"with {GOOD} and {BAD} alone"
        )
