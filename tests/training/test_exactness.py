"""The loss and its gradients are those of plain rows one by one, however rows are put together."""

import math

import pytest
import torch
from transformers import (
    Gemma2Config,
    Gemma2ForTokenClassification,
    Qwen2Config,
    Qwen2ForCausalLM,
    Qwen2ForTokenClassification,
)

from surefoot.models import engine
from surefoot.models.contract import Contract, Reading
from surefoot.models.discriminative import DiscriminativeModel
from surefoot.models.heads import Head
from surefoot.models.template import Template
from surefoot.traces.types import StepLabels, Trace
from surefoot.training.batches import batched
from surefoot.training.examples import examples_of
from surefoot.training.losses.cross_entropy import CrossEntropy
from surefoot.training.scratch import fresh_tokenizer
from surefoot.training.targets import LabelRule, targets_of
from surefoot.training.trainee import Trainee, checkpoint

TRACES = [
    Trace("What is 2 + 3?", ["2 + 3 = 5.", "So 5."], labels=[StepLabels((1, 1))]),
    Trace("What is 2 + 3?", ["2 + 3 = 5.", "So 6!"], labels=[StepLabels((1, -1))]),
    Trace("What is 2 + 3?", ["Let me see", "2 + 3 = 5."], labels=[StepLabels((None, 0))]),
    Trace("?", ["no", "It is 17 and", "hm", "a longer step."], labels=[StepLabels((-1, 0, 1, 1))]),
    Trace("And?", ["x", "y"], labels=[StepLabels((0.25, None), scale="value")]),
]
SIZE = {
    "hidden_size": 48,
    "intermediate_size": 64,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 256,
}
LAST_TOKEN = Template(prompt="{problem}{cut}", step="{step}\n{slot}{cut}", past="{step}\n{cut}")


@pytest.fixture(autouse=True)
def memory_nobody_has_written_holds_nan(monkeypatch):
    monkeypatch.setattr(torch.utils.deterministic, "fill_uninitialized_memory", True)
    torch.use_deterministic_algorithms(True, warn_only=True)
    yield
    torch.use_deterministic_algorithms(False)


def scorer(kind):
    tokenizer = fresh_tokenizer((t.problem for t in TRACES), 280)
    size = {**SIZE, "vocab_size": len(tokenizer), "attention_dropout": 0.0}
    torch.manual_seed(0)
    head = None
    contract = Contract.for_layout(tokenizer, max_tokens=256)
    if kind == "tokens":
        model = Qwen2ForCausalLM(Qwen2Config(**size, tie_word_embeddings=True))
        reading = Reading(head="tokens", tokens=("-", "+"))
        contract = Contract.for_layout(tokenizer, max_tokens=256, reading=reading)
    elif kind == "windows":
        model = Gemma2ForTokenClassification(
            Gemma2Config(**size, head_dim=12, sliding_window=9, num_labels=2)
        )
    elif kind == "mlp":
        model = Qwen2ForCausalLM(Qwen2Config(**size)).model
        reading = Reading(layers=("score.0", "score.2"))
        contract = Contract.for_layout(tokenizer, max_tokens=256, reading=reading)
        sizes = [(48, 48), (2, 48)]
        head = Head(tuple((torch.randn(s) / 7, torch.randn(s[0])) for s in sizes))
    else:
        model = Qwen2ForTokenClassification(Qwen2Config(**size, num_labels=2))
        if kind == "last-token":
            contract = Contract(template=LAST_TOKEN, max_tokens=256)
    return DiscriminativeModel(model, tokenizer, contract, name=kind, head=head)


def gradients(trainee, loss):
    trainee.zero_grad()
    loss.backward()
    return {n: p.grad.clone() for n, p in trainee.named_parameters() if p.grad is not None}


def stock_logits(one, trainee, ids, place):
    """The head at one place of one row, through transformers' own code alone."""
    body = one.model if one.has_loose_head else one.model.base_model
    state = body(input_ids=torch.tensor([ids])).last_hidden_state[0, place]
    return trainee.head()(state[None])[0, 0]


def by_hand(one, trainee, rule):
    """The summed loss by its formula, a place at a time."""
    total, units = 0.0, 0.0
    for trace in TRACES:
        rows = one.renderer([next(iter(texts_of(trace)))])[0]
        for row in rows:
            for slot, step in zip(row.slots, row.steps, strict=True):
                label = trace.labels[0].values[step]
                if label is None or (trace.labels[0].scale == "rating" and label == 0):
                    continue
                good = label if trace.labels[0].scale == "value" else float(label > 0)
                z = stock_logits(one, trainee, row.ids, slot)
                p = torch.softmax(z, -1)
                total = total - good * p[1].log() - (1 - good) * p[0].log()
                units += 1
    return total, units


def texts_of(trace):
    from surefoot.models.render import text_of

    yield text_of(trace)


@pytest.mark.parametrize(
    ("narrow", "most"),
    [(0, 1000), (0, 25), (0, 1), (1000, 1000)],
    ids=["tree", "packs", "nodes", "padded"],
)
@pytest.mark.parametrize("kind", ["classes", "tokens", "mlp", "windows", "last-token"])
def test_a_batch_has_the_loss_and_gradients_of_its_rows(kind, narrow, most, monkeypatch):
    monkeypatch.setattr(engine, "NARROW", narrow)
    monkeypatch.setitem(engine.LEARNING_TOKENS, "cpu", most)
    one = scorer(kind)
    assert one.engine.reason is None
    trainee = Trainee(one)
    rule = LabelRule(neutral="masked")
    targets = [targets_of(trace, rule) for trace in TRACES]
    examples = examples_of(TRACES, targets, one.contract, one.renderer)
    batch = batched(examples)
    loss = CrossEntropy()
    with one.engine.held():
        packed = loss(trainee(batch), batch.targets)
        ours = gradients(trainee, packed)
    expected, units = by_hand(one, trainee, rule)
    theirs = gradients(trainee, expected)
    assert packed.item() == pytest.approx(expected.item(), rel=1e-5)
    assert float(loss.units(batch.targets)) == units == 8
    assert ours.keys() == theirs.keys()
    for name, gradient in ours.items():
        scale = float(theirs[name].abs().max()) + 1e-8
        assert float((gradient - theirs[name]).abs().max()) <= 1e-5 * max(scale, 1), name
    parts = [batched(examples[:2]), batched(examples[2:])]
    with one.engine.held():
        cut = sum(loss(trainee(part), part.targets).item() for part in parts)
    assert cut == pytest.approx(packed.item(), rel=1e-5)


@pytest.mark.parametrize("most", [1000, 25], ids=["one-pass", "packs"])
@pytest.mark.parametrize("kind", ["classes", "mlp", "windows"])
def test_checkpointing_changes_no_gradient(kind, most, monkeypatch):
    monkeypatch.setattr(engine, "NARROW", 0)
    monkeypatch.setitem(engine.LEARNING_TOKENS, "cpu", most)
    one = scorer(kind)
    trainee = Trainee(one)
    targets = [targets_of(trace, LabelRule()) for trace in TRACES]
    batch = batched(examples_of(TRACES, targets, one.contract, one.renderer))
    found = []
    for checkpointing in (False, True):
        one.model.train()
        if checkpointing:
            checkpoint(one.model)
        with one.engine.held():
            found.append(gradients(trainee, CrossEntropy()(trainee(batch), batch.targets)))
    plain, again = found
    assert plain.keys() == again.keys()
    for name, gradient in plain.items():
        assert torch.allclose(gradient, again[name], atol=1e-6), name


def test_only_what_is_taught_is_read():
    one = scorer("classes")
    targets = [targets_of(trace, LabelRule(neutral="masked")) for trace in TRACES]
    examples = examples_of(TRACES, targets, one.contract, one.renderer)
    last = examples[4]
    assert [place.step for place in last.places] == [0]  # what lies behind teaches nothing
    whole = examples_of(TRACES, targets, one.contract, one.renderer, every_step=True)[4]
    assert [place.step for place in whole.places] == [0, 1]
    assert last.rows[0] == whole.rows[0][: len(last.rows[0])]
    tokens = examples_of(TRACES, targets, one.contract, one.renderer, whole_steps=True)[4]
    assert len(tokens.places) > 1
    assert tokens.places[-1].position == last.places[-1].position
    assert {place.target for place in tokens.places} == {targets[4].steps[0]}


def test_labels_are_not_in_the_rows():
    one = scorer("classes")
    turned = [
        Trace(t.problem, t.texts, labels=[StepLabels(tuple(-v for v in t.labels[0].values))])
        for t in TRACES[:2]
    ]
    rows = [
        [
            example.rows
            for example in examples_of(
                some,
                [targets_of(trace, LabelRule()) for trace in some],
                one.contract,
                one.renderer,
            )
        ]
        for some in (TRACES[:2], turned)
    ]
    assert rows[0] == rows[1]


def test_the_label_of_a_step_changes_no_later_logit():
    one = scorer("classes")
    trainee = Trainee(one)
    logits = []
    for value in (1, -1):
        trace = Trace("?", ["no", "It is 17", "hm"], labels=[StepLabels((value, 1, 1))])
        batch = batched(
            examples_of([trace], [targets_of(trace, LabelRule())], one.contract, one.renderer)
        )
        with one.engine.held(), torch.no_grad():
            logits.append(trainee(batch))
    assert torch.equal(*logits)


def test_what_is_too_long_is_no_example():
    one = scorer("classes")
    long = Trace("?", ["1 2 3 4 5 6 7 8 9 " * 30], labels=[StepLabels((1,))])
    short, none = examples_of(
        [TRACES[0], long],
        [targets_of(trace, LabelRule()) for trace in (TRACES[0], long)],
        one.contract,
        one.renderer,
    )
    assert short is not None
    assert none is None
    assert math.isclose(sum(p.target.good for p in short.places), 2)
