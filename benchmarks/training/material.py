"""What is trained on, and the models that train: the shapes and words of `benchmarks/scoring`."""

from __future__ import annotations

import random
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from transformers import Qwen2Config, Qwen2ForCausalLM, Qwen2ForTokenClassification, Qwen2Model

from surefoot import Trace
from surefoot.models.contract import Contract, Reading
from surefoot.models.discriminative import DiscriminativeModel
from surefoot.models.template import Template
from surefoot.traces.types import StepLabels
from surefoot.training.batches import Batch, batched
from surefoot.training.examples import examples_of
from surefoot.training.targets import LabelRule, targets_of

sys.path.append(str(Path(__file__).parents[1] / "scoring"))
import workload

QUESTIONS, COMPLETIONS = 2, 4
"""Of a batch; side by side, as the order of training puts them."""

STEPS = Template(prompt="{problem}{cut}", step="{step}{cut}<extra_0>{slot}{cut}")
"""TRL's way of writing: the question, and a separator behind every step."""

Rows = list[tuple[list[int], list[int]]]


def batches(scorer: DiscriminativeModel, number: int, *, questions: int = QUESTIONS) -> list[Batch]:
    """Labelled traces in batches, each of other questions."""
    return [
        _batch(scorer, range(questions * i, questions * (i + 1)), random.Random(i))
        for i in range(number)
    ]


def _batch(scorer: DiscriminativeModel, seeds: range, draw: random.Random) -> Batch:
    traces = [
        _labelled(trace, draw)
        for seed in seeds
        for trace in workload.candidates(COMPLETIONS, seed=seed)
    ]
    targets = [targets_of(trace, LabelRule()) for trace in traces]
    made = examples_of(traces, targets, scorer.contract, scorer.renderer)
    return batched([one for one in made if one is not None])


def _labelled(trace: Trace, draw: random.Random) -> Trace:
    values = tuple(draw.choice((-1.0, 1.0)) for _ in trace.steps)
    return Trace(trace.problem, trace.texts, labels=[StepLabels(values)])


def classifier() -> DiscriminativeModel:
    """A body of the shape `small` with one layer of two classes."""
    model = workload.random_model(Qwen2ForTokenClassification, "small")
    model.dropout.p = 0.0
    contract = Contract(template=STEPS, reading=Reading(), max_tokens=8192)
    return DiscriminativeModel(model, workload.tokenizer(), contract, name="ours")


def language_model() -> DiscriminativeModel:
    """A language model of the shape `small` of which two tokens are read."""
    model = workload.random_model(Qwen2ForCausalLM, "small")
    reading = Reading(head="tokens", tokens=("-", "+"))
    contract = Contract(template=STEPS, reading=reading, max_tokens=8192)
    return DiscriminativeModel(model, workload.tokenizer(), contract, name="ours")


def body(width: int) -> Any:
    """A body of four layers, as a model from nothing has it."""
    heads = 4 if width <= 128 else width // 32
    config = Qwen2Config(
        hidden_size=width,
        intermediate_size=width * 11 // 4,
        num_hidden_layers=4,
        num_attention_heads=heads,
        num_key_value_heads=heads,
        vocab_size=1000,
        max_position_embeddings=2048,
    )
    torch.manual_seed(0)
    return Qwen2Model(config).train()


def _star(draw: random.Random, questions: int, prompt: int, each: int, own: range) -> list[Any]:
    found = []
    for _ in range(questions):
        stem = _tokens(draw, prompt)
        found += [stem + _tokens(draw, draw.choice(own)) for _ in range(each)]
    return found


def _deep(draw: random.Random) -> list[Any]:
    """A binary tree of steps, four deep."""
    found = [_tokens(draw, 40)]
    for _ in range(4):
        found = [stem + _tokens(draw, 25) for stem in found for _ in range(2)]
    return found


def _tokens(draw: random.Random, number: int) -> list[int]:
    return [draw.randrange(1000) for _ in range(number)]


SHAPES = {
    "long": lambda draw: _star(draw, 2, 80, 4, range(150, 450)),
    "short": lambda draw: _star(draw, 4, 15, 4, range(20, 60)),
    "alone": lambda draw: _star(draw, 16, 40, 1, range(60, 200)),
    "even": lambda draw: _star(draw, 16, 75, 1, range(75, 76)),
    "stem": lambda draw: _star(draw, 2, 300, 8, range(40, 100)),
    "deep": _deep,
}
"""Batches of token ids: long and short answers to shared questions, rows that share nothing, of
many lengths and of one, a long shared prompt, and steps that branch."""


def rows(shape: str) -> Iterator[tuple[list[int], list[int]]]:
    """A batch of token ids with places in it, some twenty tokens apart."""
    for ids in SHAPES[shape](random.Random(0)):
        yield ids, [*range(len(ids) // 2, len(ids) - 1, 20), len(ids) - 1]
