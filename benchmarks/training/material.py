"""What is trained on, and the models that train: the shapes and words of `benchmarks/scoring`."""

from __future__ import annotations

import random
import sys
from collections.abc import Iterator
from pathlib import Path

from transformers import Qwen2ForCausalLM, Qwen2ForTokenClassification

from surefoot import Trace
from surefoot.models.contract import Contract, Reading
from surefoot.models.discriminative import DiscriminativeModel
from surefoot.models.template import Template
from surefoot.traces.types import StepLabels
from surefoot.training.batches import Batch, batched
from surefoot.training.examples import examples_of
from surefoot.training.targets import LabelRule, targets_of
from surefoot.training.trainee import Trainee

sys.path.append(str(Path(__file__).parents[1] / "scoring"))
import workload

QUESTIONS, COMPLETIONS = 2, 4
"""Of a batch; side by side, as the order of training puts them."""

STEPS = Template(prompt="{problem}{cut}", step="{step}{cut}<extra_0>{slot}{cut}")
"""TRL's way of writing: the question, and every step with a separator behind it."""


def batches(trainee: Trainee, scorer: DiscriminativeModel, number: int) -> Iterator[Batch]:
    """Labelled traces in batches, each of other questions."""
    for seed in range(number):
        traces = [
            _labelled(trace, seed)
            for question in range(QUESTIONS)
            for trace in workload.candidates(COMPLETIONS, seed=QUESTIONS * seed + question)
        ]
        targets = [targets_of(trace, LabelRule()) for trace in traces]
        made = examples_of(traces, targets, trainee.contract, scorer.renderer)
        yield batched([one for one in made if one is not None])


def _labelled(trace: Trace, seed: int) -> Trace:
    draw = random.Random(f"{seed} {trace.id}")
    values = tuple(draw.choice((-1.0, 1.0)) for _ in trace.steps)
    return Trace(trace.problem, trace.texts, labels=[StepLabels(values)])


def classifier(shape: str = "small") -> DiscriminativeModel:
    """A body with one layer of two classes."""
    model = workload.random_model(Qwen2ForTokenClassification, shape)
    model.dropout.p = 0.0
    contract = Contract(template=STEPS, reading=Reading(), max_tokens=8192)
    return DiscriminativeModel(model, workload.tokenizer(), contract, name="ours")


def language_model(shape: str = "small") -> DiscriminativeModel:
    """A language model of which two tokens are read."""
    model = workload.random_model(Qwen2ForCausalLM, shape)
    reading = Reading(head="tokens", tokens=("-", "+"))
    contract = Contract(template=STEPS, reading=reading, max_tokens=8192)
    return DiscriminativeModel(model, workload.tokenizer(), contract, name="ours")
