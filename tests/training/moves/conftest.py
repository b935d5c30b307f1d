"""What other libraries leave behind: checkpoints and rows in their layouts."""

import json
import random

import pytest
import torch
from transformers import Qwen2Config, Qwen2ForCausalLM, Qwen2ForTokenClassification

from surefoot.training.scratch import fresh_tokenizer

SIZE = {
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 256,
    "initializer_range": 0.2,
}
"""With weights large enough for every label to matter."""


def questions(number=6):
    """Made-up questions with two answers each, as lists of steps."""
    draw = random.Random(0)
    for i in range(number):
        a, b = draw.randrange(10, 99), draw.randrange(10, 99)
        for wrong in (0, 1):
            steps = [f"{a} + {b} = {a + b + wrong}.", f"So it is {a + b + wrong}."]
            yield f"What is {a} + {b}? ({i})", [*steps, *["Sure."] * draw.randrange(3)], wrong


@pytest.fixture
def rows():
    """Rows of TRL's stepwise supervision."""
    return [
        {"prompt": prompt, "completions": steps, "labels": [not wrong] * len(steps)}
        for prompt, steps, wrong in questions()
    ]


@pytest.fixture
def tokenizer(rows):
    """With a token for the tag of OpenRLHF's rows."""
    made = fresh_tokenizer((row["prompt"] for row in rows), 290)
    made.add_special_tokens({"additional_special_tokens": ["ки"]})
    return made


def saved(model, tokenizer, folder):
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def config_for(tokenizer):
    return Qwen2Config(
        **SIZE,
        vocab_size=len(tokenizer),
        pad_token_id=tokenizer.pad_token_id,
        eos_token_id=tokenizer.eos_token_id,
        bos_token_id=tokenizer.bos_token_id,
        tie_word_embeddings=False,
    )


@pytest.fixture
def classifier(tmp_path, tokenizer):
    """A checkpoint as TRL's trainer saves it: two classes and nothing else that says what it is."""
    torch.manual_seed(1)
    model = Qwen2ForTokenClassification(config_for(tokenizer))
    return saved(model, tokenizer, tmp_path / "classifier")


@pytest.fixture
def language_model(tmp_path, tokenizer):
    """A language model, as OpenRLHF's trainer begins with and saves."""
    torch.manual_seed(2)
    model = Qwen2ForCausalLM(config_for(tokenizer))
    return saved(model, tokenizer, tmp_path / "language-model")


@pytest.fixture
def written(tmp_path):
    """A file of rows."""

    def write(name, rows):
        path = tmp_path / name
        path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
        return path

    return write
