"""The losses are what their formulas say, row by row, and nothing that has no label takes part."""

import math
from types import SimpleNamespace

import pytest
import torch

from surefoot.models.contract import Contract
from surefoot.models.discriminative import DiscriminativeModel
from surefoot.models.render import Renderer, text_of
from surefoot.traces.types import StepLabels, Trace
from surefoot.training import policy, reward
from surefoot.training.reward import LabelRule, fresh_scorer, step_targets
from surefoot.training.scratch import fresh_model, fresh_tokenizer


def fixed(logits):
    """A model whose head gives these logits, (B, T, 2), whatever it reads."""

    def body(input_ids):
        assert input_ids.shape == logits.shape[:2]
        return SimpleNamespace(last_hidden_state=logits)

    return SimpleNamespace(base_model=body, score=lambda hidden: hidden)


def test_the_loss_by_hand():
    # p = softmax(0, log 3) = 3/4; p = 1/2; p = softmax(0, -log 4) = 1/5
    third, fifth = math.log(3), -math.log(4)
    logits = torch.tensor(
        [[[9.0, -9.0], [0.0, third], [9.0, -9.0]], [[1.0, 1.0], [9.0, -9.0], [0.0, fifth]]]
    )
    batch = reward._collate(
        [
            {"input_ids": [5, 6, 7], "marks": [(1, 1.0)]},
            {"input_ids": [5, 6, 7], "marks": [(0, 0.25), (2, 0.0)]},
        ]
    )
    expected = -(math.log(3 / 4) + math.log(1 / 2) + math.log(4 / 5)) / 3
    assert float(reward._loss(fixed(logits), batch)) == pytest.approx(expected, abs=1e-6)


def scorer_and_rows(traces, shape, *, whole_steps=True):
    tokenizer = fresh_tokenizer((t.problem for t in traces), shape.vocab_size)
    contract = Contract.for_layout(tokenizer, max_tokens=shape.max_positions)
    rule = LabelRule(neutral=None)
    renderer = Renderer(contract.template, tokenizer)
    rendered = [row for (row,) in renderer([text_of(trace) for trace in traces])]
    rows = [
        {
            "input_ids": one.ids,
            "marks": reward._marks(one, step_targets(trace.labels[0], rule), whole_steps),
        }
        for trace, one in zip(traces, rendered, strict=True)
    ]
    return fresh_scorer(tokenizer, shape, seed=1), tokenizer, contract, rows


TRACES = [
    Trace("What is 2 + 3?", ["2 + 3 = 5.", "So 5."], labels=[StepLabels((1, 1))]),
    Trace("?", ["no", "It is 17 and", "hm", "a longer step."], labels=[StepLabels((-1, 0, 1, 1))]),
    Trace("And?", ["x"], labels=[StepLabels((-1,))]),
]


def test_padding_changes_nothing(small_shape):
    model, _, _, rows = scorer_and_rows(TRACES, small_shape)
    alone = [reward._loss(model, reward._collate([row])).item() for row in rows]
    sizes = [len(row["marks"]) for row in rows]
    expected = sum(a * n for a, n in zip(alone, sizes, strict=True)) / sum(sizes)
    together = reward._loss(model, reward._collate(rows)).item()
    assert together == pytest.approx(expected, abs=1e-6)
    assert len(set(sizes)) == 3


@pytest.mark.parametrize("whole_steps", [True, False])
def test_only_labelled_positions_get_a_gradient(small_shape, whole_steps):
    model, _, _, rows = scorer_and_rows(TRACES[1:2], small_shape, whole_steps=whole_steps)
    kept = []

    def keep(module, inputs, output):
        output.last_hidden_state.retain_grad()
        kept.append(output.last_hidden_state)

    model.base_model.register_forward_hook(keep)
    reward._loss(model, reward._collate(rows)).backward()
    size = kept[0].grad[0].abs().sum(-1)
    marked = {position for position, _ in rows[0]["marks"]}
    assert {p for p in range(len(size)) if size[p] > 0} == marked
    assert len(marked) < len(rows[0]["input_ids"]) - min(marked)  # the neutral step lies between


def test_labels_of_later_steps_cannot_leak(small_shape):
    model, tokenizer, contract, _ = scorer_and_rows(TRACES, small_shape)
    scorer = DiscriminativeModel(model, tokenizer, contract, name="small")
    before = scorer.score(Trace("What is 2?", ["It is 1.", "No, 3.", "Yes, 4."])).values
    after = scorer.score(Trace("What is 2?", ["It is 1.", "No, 3.", "Yes, 5."])).values
    assert before[:2] == after[:2]
    assert before[2] != after[2]
    longer = scorer.score(Trace("What is 2?", ["It is 1.", "No, 3.", "Rather 12345."])).values
    assert longer[:2] == pytest.approx(before[:2], abs=1e-6)


def test_the_rows_do_not_hold_the_labels(small_shape):
    turned = [
        Trace(t.problem, t.texts, labels=[StepLabels(tuple(-v for v in t.labels[0].values))])
        for t in TRACES
    ]
    *_, rows = scorer_and_rows(TRACES, small_shape)
    *_, others = scorer_and_rows(turned, small_shape)
    assert [row["input_ids"] for row in rows] == [row["input_ids"] for row in others]


def test_the_policy_learns_steps_and_end_but_not_the_problem(small_shape, world_traces):
    traces = world_traces(6)
    tokenizer = fresh_tokenizer((t.problem for t in traces), small_shape.vocab_size)
    model = fresh_model(tokenizer, small_shape, seed=0)
    rows = [
        {"input_ids": ids, "start": start}
        for ids, start in ([[7, 8, 9, 10, 1], 2], [[7, 8, 11, 1], 1], [[9, 12, 1], 2])
    ]
    with torch.no_grad():
        together = float(policy._loss(model, policy._collate(rows)))
        total, number = 0.0, 0
        for row in rows:
            ids = row["input_ids"]
            logprobs = torch.log_softmax(model(input_ids=torch.tensor([ids])).logits[0], -1)
            for position in range(row["start"], len(ids)):
                total -= float(logprobs[position - 1, ids[position]])
                number += 1
    assert number == 3 + 3 + 1
    assert together == pytest.approx(total / number, abs=1e-5)
