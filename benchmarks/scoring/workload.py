"""What is scored, and the models that score it: made-up traces, random weights of real shapes."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any

import torch
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast, Qwen2Config, Qwen2ForCausalLM, Qwen2Model

from surefoot import Trace
from surefoot.models.contract import Contract, Reading
from surefoot.models.discriminative import DiscriminativeModel
from surefoot.models.heads import Head
from surefoot.models.render import Rendered, text_of
from surefoot.models.template import Template
from surefoot.token_tree import TokenTree

VOCABULARY = 151_936
SHAPES = {
    "small": {
        "hidden_size": 512,
        "intermediate_size": 2816,
        "num_hidden_layers": 8,
        "num_attention_heads": 8,
        "num_key_value_heads": 2,
    },
    "half": {
        "hidden_size": 896,
        "intermediate_size": 4864,
        "num_hidden_layers": 24,
        "num_attention_heads": 14,
        "num_key_value_heads": 2,
    },
}
"""Qwen2 with 39.8 million parameters beside embeddings, and Qwen2.5-0.5B with 357.8 million."""

WORDS = 20_000
SPECIAL = ["<|im_start|>", "<|im_end|>", "<extra_0>"]
CHAT = "{% for m in messages %}<|im_start|>{{m.role}} nl {{m.content}} <|im_end|> nl {% endfor %}"

TAGGED = Template(prompt="{problem}{cut}", step="Step {n} {step} ки{slot}{cut}")
TURNS = Template(prompt="{user}{problem} ", step="{step}{assistant}{slot}+", between="{user}")
CLASSES = Template(
    prompt="{system}" + "reason " * 18 + "{user}{problem}{assistant}", step="{step}<extra_0>{slot}"
)
"""With a system message as long as that of Qwen2.5-Math-PRM."""


def tokenizer() -> Any:
    """One token for each word, so that lengths are as asked for."""
    words = ["?", "+", "-", "ки", "Step", "system", "user", "assistant", "reason", "nl"]
    words += [*map(str, range(1, 100)), *(f"w{i}" for i in range(WORDS))]
    backend = Tokenizer(models.WordLevel({w: i for i, w in enumerate(words)}, unk_token="?"))
    backend.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    made = PreTrainedTokenizerFast(tokenizer_object=backend, unk_token="?")
    made.add_special_tokens({"additional_special_tokens": SPECIAL})
    made.chat_template = CHAT
    return made


def words(draw: random.Random, number: int) -> str:
    """Text of that many tokens."""
    return " ".join(f"w{draw.randrange(WORDS)}" for _ in range(number))


def candidates(
    number: int,
    *,
    prompt: int = 80,
    steps: tuple[int, int] = (5, 15),
    tokens: tuple[int, int] = (15, 45),
    seed: int = 0,
) -> list[Trace]:
    """Traces of one problem; the numbers of steps and of a step's tokens lie between bounds."""
    draw = random.Random(seed)
    problem = words(draw, prompt)
    return [
        Trace(problem, [words(draw, draw.randint(*tokens)) for _ in range(draw.randint(*steps))])
        for _ in range(number)
    ]


def tag_scorer(shape: str, template: Template) -> DiscriminativeModel:
    """A language model of which two tokens are read."""
    contract = Contract(
        template=template, reading=Reading(head="tokens", tokens=("-", "+")), max_tokens=8192
    )
    return DiscriminativeModel(
        random_model(Qwen2ForCausalLM, shape), tokenizer(), contract, name="ours"
    )


def class_scorer(shape: str) -> DiscriminativeModel:
    """A body with the head of Qwen2.5-Math-PRM: a square layer, ReLU and two classes."""
    reading = Reading(layers=("score.0", "score.2"))
    contract = Contract(template=CLASSES, reading=reading, max_tokens=8192)
    body = random_model(Qwen2Model, shape)
    width = body.config.hidden_size
    draw = torch.Generator().manual_seed(1)
    layers = tuple(
        (torch.randn(out, width, generator=draw) * 2 / width**0.5, torch.zeros(out))
        for out in (width, 2)
    )
    return DiscriminativeModel(body, tokenizer(), contract, name="ours", head=Head(layers))


def random_model(kind: Any, shape: str) -> Any:
    """A model of a class of transformers in one of the shapes."""
    config = Qwen2Config(
        **SHAPES[shape],
        vocab_size=VOCABULARY,
        max_position_embeddings=8192,
        tie_word_embeddings=False,
        initializer_range=0.05,
    )
    torch.manual_seed(0)
    return kind(config).eval()


def rows_of(scorer: DiscriminativeModel, traces: Sequence[Trace]) -> list[Rendered]:
    """Ids and slots of each trace: the other methods are given them for nothing."""
    return [row for item in scorer.items([text_of(t) for t in traces]) for row in item.rows]


def unique_tokens(rows: Sequence[Rendered]) -> int:
    """Tokens that differ in what stands before them."""
    tree = TokenTree()
    for row in rows:
        tree.add(row.ids)
    return sum(len(node.ids) for node in tree.nodes())


def body_parameters(scorer: DiscriminativeModel) -> int:
    """Parameters of the layers, without embeddings and head."""
    body = scorer.model.base_model
    return sum(p.numel() for p in body.parameters()) - body.get_input_embeddings().weight.numel()
