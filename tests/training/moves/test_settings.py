"""Settings of other trainers become ours; what does not is told or refused."""

import json
import re

import pytest

from surefoot.errors import UsageError
from surefoot.training.config import RewardConfig
from surefoot.training.moves import SOURCES, from_axolotl, from_openrlhf, from_trl
from surefoot.training.moves.commands import arguments_in, options

AXOLOTL = """
base_model: Qwen/Qwen2.5-0.5B
model_type: AutoModelForTokenClassification
num_labels: 2
tokenizer_type: PreTrainedTokenizerFast
load_in_8bit: false
load_in_4bit: false
strict: false
process_reward_model: true
chat_template:
datasets:
  - path: steps.jsonl
    type: stepwise_supervised
    step_separator: "\\n\\n"
val_set_size: 0.1
output_dir: ./outputs/prm
sequence_len: 2048
micro_batch_size: 8
gradient_accumulation_steps: 2
num_epochs: 3
optimizer: adamw_torch
lr_scheduler: cosine
learning_rate: 0.0002
warmup_ratio: 0.1
bf16: true
gradient_checkpointing: true
flash_attention: true
weight_decay: 0.0
deepspeed:
"""

OPENRLHF = """
set -x
read -r -d '' training_commands <<EOF
openrlhf.cli.train_prm \\
   --save_path ./checkpoint/prm \\
   --save_steps 500 \\
   --eval_steps -1 \\
   --train_batch_size 256 \\
   --micro_train_batch_size 8 \\
   --pretrain mistralai/Mistral-7B-v0.1 \\
   --bf16 \\
   --max_epochs 1 \\
   --max_len 8192 \\
   --zero_stage 3 \\
   --learning_rate 1e-6 \\
   --dataset math-shepherd.jsonl \\
   --input_key input \\
   --label_key value \\
   --flash_attn \\
   --packing_samples \\
   --placeholder_token ки \\
   --reward_tokens + -
EOF
    # --use_wandb
deepspeed --module $training_commands
"""

TRL = """
accelerate launch --num_processes 2 examples/scripts/prm.py \\
    --model_name_or_path Qwen/Qwen2-0.5B --dataset_name=trl-lib/math_shepherd \\
    --per_device_train_batch_size 4 --gradient-accumulation-steps 2 \\
    --learning_rate 2e-5 --warmup_steps 10 --max_steps 100 --eval_steps 50 \\
    --use_peft --lora_r 8 --lora_target_modules all-linear \\
    --push_to_hub && echo done
"""


def test_an_axolotl_yaml():
    made = from_axolotl(AXOLOTL)
    config = made.config
    assert (config.base, config.profile, config.separator) == ("Qwen/Qwen2.5-0.5B", "trl", "\n\n")
    assert config.max_tokens == 2048
    loop = config.loop
    assert (loop.batch_size, loop.passes, loop.lr) == (16, 2, 2e-4)
    assert (loop.optimizer, loop.schedule, loop.warmup) == ("adamw", "cosine", 0.1)
    assert (loop.bf16, loop.checkpointing, loop.weight_decay, loop.seed) == (True, True, 0, 42)
    assert made.command("t.json") == (
        "surefoot train steps.jsonl --config t.json --epochs 3 --dev-share 0.1 --out ./outputs/prm"
    )
    assert made.notes == (
        "loop.batch_size is 16, that of one process; N had N times as much",
        "model_type, tokenizer_type, strict, flash_attention: not needed here",
    )


def test_what_axolotl_takes_for_granted():
    lines = "process_reward_model: true\nbase_model: b\nlearning_rate: 1e-5\n"
    made = from_axolotl(lines + "datasets: [{path: d, type: stepwise_supervised}]")
    loop = made.config.loop
    assert (loop.schedule, loop.warmup, loop.batch_size, made.epochs) == ("cosine", 0.03, 1, 1)
    assert (made.config.separator, made.config.max_tokens) == ("\n", 512)
    assert not made.config.loop.bf16


def test_an_openrlhf_script():
    made = SOURCES["openrlhf"](OPENRLHF)
    config, loop = made.config, made.config.loop
    assert (config.base, config.profile) == ("mistralai/Mistral-7B-v0.1", "openrlhf")
    assert (loop.batch_size, loop.passes, loop.lr, loop.warmup) == (256, 32, 1e-6, 0.03)
    assert (loop.schedule, loop.save_every, loop.eval_every) == ("cosine", 500, None)
    assert (config.max_tokens, loop.bf16, loop.weight_decay) == (8192, True, 0)
    assert made.command("t.json") == (
        "surefoot train math-shepherd.jsonl --config t.json --epochs 1 --out ./checkpoint/prm"
    )
    assert made.notes == (
        "loop.passes is 32, for one process; N processes need N times fewer",
        "--lr_scheduler cosine_with_min_lr: the rate falls to 0 here",
        "the betas 0.9 and 0.95 of AdamW are .9 and .999 here",
        "--zero_stage: no DeepSpeed; loop.fsdp spreads a model over processes",
        "--flash_attn, --packing_samples: not needed here",
    )


def test_a_trl_script():
    made = SOURCES["trl"](TRL)
    config, loop = made.config, made.config.loop
    assert (config.base, config.separator, config.max_tokens) == ("Qwen/Qwen2-0.5B", "\n", 1024)
    assert (loop.batch_size, loop.passes, loop.lr) == (8, 2, 2e-5)
    assert (loop.num_updates, loop.warmup, loop.eval_every) == (100, 0.1, 50)
    assert (loop.schedule, loop.bf16, loop.checkpointing) == ("linear", True, True)
    assert (config.lora.rank, config.lora.alpha, config.lora.targets) == (8, 32, ())
    assert made.command("t.json") == (
        "surefoot train trl-lib/math_shepherd --config t.json --out prm"
    )
    assert made.notes[-1] == "--push_to_hub: not known here, and left out"


@pytest.mark.parametrize("source", SOURCES)
def test_a_move_is_a_training_json(source):
    text = {"trl": TRL, "axolotl": AXOLOTL, "openrlhf": OPENRLHF}[source]
    config = SOURCES[source](text).config
    assert RewardConfig.from_json(json.loads(json.dumps(config.to_json()))) == config


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("liger_rope: true", "liger_rope: not known here, and left out"),
        ("hub_model_id: me/prm", "hub_model_id: not known here, and left out"),
        ("weight_decay: 0.1", "weight_decay is of all weights here, not of matrices alone"),
        ("optimizer: adamw_bnb_8bit", "the optimizer adamw_bnb_8bit is AdamW here"),
        (
            "max_completion_length: 99",
            "max_completion_length: nothing is cut; traces of more",
        ),
        ("warmup_steps: 50", "warmup_steps 50: here it is a share of the updates; give it with"),
        ("deepspeed: zero2.json", "deepspeed: no DeepSpeed; loop.fsdp spreads a model over"),
        ("output_dir: $HOME/out", "output_dir: variables of a shell are not filled in"),
        ("bf16: auto", "bf16: auto is taken for yes"),
    ],
)
def test_what_is_not_carried_over_is_told(line, told):
    kept = [one for one in AXOLOTL.splitlines() if not one.startswith(line.partition(":")[0] + ":")]
    notes = from_axolotl("\n".join([*kept, line])).notes
    assert any(one.startswith(told) for one in notes), notes


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        ("process_reward_model: true", "reward_model: true", "only trainings that say"),
        ("num_labels: 2", "num_labels: 3", "num_labels is 3"),
        ("load_in_4bit: false", "load_in_4bit: true", "quantised weights"),
        ("lr_scheduler: cosine", "lr_scheduler: rex", "lr_scheduler is rex, which is not to be"),
        ("bf16: true", "fp16: true", "there is bf16"),
        ("type: stepwise_supervised", "type: alpaca", "one of the type alpaca"),
        ("strict: false", "adapter: qlora", "adapter is qlora; there is lora"),
        ("base_model: Qwen/Qwen2.5-0.5B", "", "base_model is not given"),
        ("num_epochs: 3", "num_epochs: many", "num_epochs is many; it must be a number"),
        ("micro_batch_size: 8", "micro_batch_size: 1.5", "must be a whole number"),
        ("val_set_size: 0.1", "train_on_last_step_only: true", "take the others out of the rows"),
        ("strict: false", "strict: [", "it is not YAML"),
    ],
)
def test_what_would_change_what_is_learned_is_refused(old, new, reason):
    assert old in AXOLOTL
    with pytest.raises(UsageError, match=reason):
        from_axolotl(AXOLOTL.replace(old, new))


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        ("--placeholder_token <step> --reward_tokens + -", "rows are read with ки, + and - alone"),
        ("--placeholder_token ки --reward_tokens good bad", "--reward_tokens good bad"),
        ("--placeholder_token ки --reward_tokens + - --load_in_4bit", "--load_in_4bit"),
        ("--placeholder_token ки --aux_loss_coef 0.01", "the balance of experts"),
        (
            "--placeholder_token ки --train_batch_size 10 --micro_train_batch_size 4",
            "10 is no multiple of the micro batch's 4",
        ),
        ("--placeholder_token ки --pretrain m", "--dataset is not given"),
        ("m --placeholder_token ки", "m is no option"),
    ],
)
def test_what_openrlhf_did_otherwise_is_refused(arguments, reason):
    with pytest.raises(UsageError, match=re.escape(reason)):
        from_openrlhf(arguments.split())


def test_the_whole_vocabulary_is_told_of():
    made = from_openrlhf(["--pretrain", "m", "--dataset", "d", "--placeholder_token", "ки"])
    assert made.notes[0].startswith("without --reward_tokens a label was compared with all tokens")


def test_commands_are_found_in_scripts():
    assert arguments_in("cd x\npython a/prm.py --x 'a b' | tee log", "prm") == ["--x", "a b"]
    assert arguments_in("deepspeed --module openrlhf.cli.train_prm --y", "train_prm") == ["--y"]
    with pytest.raises(UsageError, match="none of its commands runs prm"):
        arguments_in("python train_prm.py  # prm\necho 'half of a\nquotation'", "prm")


def test_options_keep_their_words():
    assert options(["--a", "--b", "1", "2", "--c=x=y", "--b", "-1", "-", "--d-e"]) == {
        "a": [],
        "b": ["-1", "-"],
        "c": ["x=y"],
        "d_e": [],
    }


def test_a_setting_of_zero_is_not_the_usual_one():
    kept = AXOLOTL.replace("warmup_ratio: 0.1", "warmup_ratio: 0\nmax_grad_norm: 0")
    loop = from_axolotl(kept).config.loop
    assert loop.warmup == 0
    assert loop.max_grad_norm == 1e9
    arguments = "--model_name_or_path m --dataset_name d --use_peft --lora_dropout 0.0"
    assert from_trl(arguments.split()).config.lora.dropout == 0
