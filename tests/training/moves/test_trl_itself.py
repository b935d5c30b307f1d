"""TRL's own trainer, where it is installed: its losses and weights are ours, and what it leaves is
read and trained further."""

import json

import pytest
import torch
from transformers import AutoModelForTokenClassification, PreTrainedTokenizerFast

import surefoot as sf
from surefoot.models.export import export_plain
from surefoot.traces.convert import read_any
from surefoot.training.config import RewardConfig, TrainConfig

UPDATES, RATE, SEPARATOR = 4, 1e-3, "\n\n"


@pytest.fixture
def prm():
    """The module of TRL that had it, from 0.24 (under another name: 0.12) to 1.13."""
    return pytest.importorskip(
        "trl.experimental.prm", reason="needs trl<=1.13, which this project does not depend on"
    )


def their_training(prm, folder, rows, out):
    from datasets import Dataset

    model = AutoModelForTokenClassification.from_pretrained(folder, dtype=torch.float32)
    arguments = prm.PRMConfig(
        output_dir=str(out),
        max_steps=UPDATES,
        per_device_train_batch_size=len(rows),
        learning_rate=RATE,
        step_separator=SEPARATOR,
        bf16=False,
        gradient_checkpointing=False,
        use_cpu=True,
        report_to=[],
        save_strategy="no",
        logging_steps=1,
        disable_tqdm=True,
    )
    trainer = prm.PRMTrainer(
        model=model,
        args=arguments,
        processing_class=PreTrainedTokenizerFast.from_pretrained(folder),
        train_dataset=Dataset.from_list(rows),
    )
    trainer.train()
    trainer.save_model(out)
    return [entry["loss"] for entry in trainer.state.log_history if "loss" in entry]


def our_training(folder, file, number, out):
    loop = TrainConfig(
        num_updates=UPDATES,
        batch_size=number,
        optimizer="adamw",
        lr=RATE,
        weight_decay=0.0,
        schedule="linear",
        warmup=0.0,
        save_every=1,
    )
    config = RewardConfig(
        base=str(folder), profile="trl", separator=SEPARATOR, max_tokens=256, loop=loop
    )
    sf.train(list(read_any(file)), out, config)
    lines = (out / "metrics.jsonl").read_text().splitlines()
    return [entry["loss"] for entry in map(json.loads, lines) if "loss" in entry]


def test_losses_and_weights_are_its_own(prm, classifier, rows, written, tmp_path):
    theirs = their_training(prm, classifier, rows, tmp_path / "theirs")
    ours = our_training(classifier, written("trl.jsonl", rows), len(rows), tmp_path / "ours")
    assert ours == pytest.approx(theirs, abs=1e-4)  # it reports four digits
    assert theirs[0] - theirs[-1] > 1e-2
    export_plain(sf.load(tmp_path / "ours"), tmp_path / "plain")
    one, other = (
        AutoModelForTokenClassification.from_pretrained(tmp_path / name).state_dict()
        for name in ("theirs", "plain")
    )
    assert max(float((one[name] - other[name]).abs().max()) for name in one) < 1e-5


def test_its_checkpoint_is_read_and_trained_further(prm, classifier, rows, written, tmp_path):
    theirs = their_training(prm, classifier, rows, tmp_path / "theirs")
    file = written("trl.jsonl", rows)
    trace = next(iter(read_any(file)))
    scores = sf.load(tmp_path / "theirs", separator=SEPARATOR).score(trace)
    model = AutoModelForTokenClassification.from_pretrained(tmp_path / "theirs").eval()
    tokenizer = PreTrainedTokenizerFast.from_pretrained(tmp_path / "theirs")
    row = prm.PRMTrainer.tokenize_row(
        rows[0], tokenizer, SEPARATOR, None, None, train_on_last_step_only=False, is_eval=False
    )
    with torch.no_grad():
        logits = model(input_ids=torch.tensor([row["input_ids"]])).logits[0]
    right = torch.softmax(logits, -1)[[i for i, one in enumerate(row["labels"]) if one != -100], 1]
    assert scores.values == pytest.approx(right.tolist(), abs=1e-5)
    losses = our_training(tmp_path / "theirs", file, len(rows), tmp_path / "further")
    assert losses[-1] < losses[0] < theirs[-1]
