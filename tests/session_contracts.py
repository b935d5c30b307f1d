"""Contracts of every kind that sessions score, each with a scorer and a twin that does not pack."""

import pytest
import torch

from published_tokenizers import llama2, llama3, qwen
from surefoot.models.contract import Contract, Reading
from surefoot.models.discriminative import DiscriminativeModel
from surefoot.models.heads import Head
from surefoot.models.template import Template

SIGNS = Reading(head="tokens", tokens=("<->", "<+>"))
LETTERS = Reading(head="tokens", tokens=("b", "a"))
CONTRACTS = {
    "a tag": (
        qwen,
        Template(
            prompt="{system}Judge.{user}{problem}{assistant}",
            step="{step}<extra_0>{slot}",
            end="{end}",
        ),
        Reading(),
    ),
    "pieces": (llama2, Template(prompt="{bos}{problem}{cut}\n{cut}"), Reading()),
    "turns": (
        llama3,
        Template(
            prompt="{user}{problem} ",
            between="{user}",
            step="{step}{assistant}{slot}+",
            end="{end}",
        ),
        Reading(head="tokens", tokens=("-", "+")),
    ),
    "no cuts": (
        qwen,
        Template(prompt="{problem} ", step="{numbered} ки{slot}", between="\n", end="\n"),
        LETTERS,
    ),
    "no cuts, in pieces": (
        llama2,
        Template(prompt="{problem} ", step="{numbered} ки{slot}", between=" ", end="."),
        LETTERS,
    ),
    "behind the slot": (
        qwen,
        Template(prompt="{problem}\n", step="{step}{slot}{cut}", between="\n\n"),
        Reading(shift=2),
    ),
    "before the slot": (
        qwen,
        Template(prompt="{problem}\n", step="{step}<extra_0>{slot}"),
        Reading(shift=-1),
    ),
    "prefixes": (
        llama3,
        Template(
            prompt="{user}{problem} [{reference}]{assistant}",
            past="{step}\n\n",
            step="{step}\n\n{end}{slot}",
        ),
        Reading(layers=("value",), link="sigmoid", classes=1),
    ),
    "two passes": (
        qwen,
        Template(
            prompt="{user}{problem}{assistant}",
            past="{step}",
            between="\n\n",
            step="Now: {step} A: {slot}<extra>, B: {slot}<extra>",
            second="Now: {step} A: {sign}, B: {sign}, C: {slot}<extra>",
            end="{end}",
        ),
        Reading(head="tokens", tokens=("<->", "<+>"), rejected=-1.0),
    ),
}
every_contract = pytest.mark.parametrize("kind", CONTRACTS)
PROBLEM = "What is 3 * 4 + 5? <extra_0>"


def make_scorers(small_model):
    """A function that gives for each contract a scorer and its twin, which runs the stock model on
    whole rows."""
    made = {}

    def get(kind, **more):
        key = (kind, *more.items())
        if key not in made:
            make, template, reading = CONTRACTS[kind]
            contract = Contract(template=template, reading=reading, **{"max_tokens": 512, **more})
            both = []
            for _ in range(2):
                model = small_model(tokenizer=make(), vocab_size=600, tie_word_embeddings=True)
                head = None
                if reading.head == "layers":
                    weight = torch.randn(
                        reading.classes, 32, generator=torch.Generator().manual_seed(1)
                    )
                    head = Head(((weight, None),))
                both.append(DiscriminativeModel(model, make(), contract, name="s", head=head))
            both[1].engine.reason = "the test wants the stock model"
            made[key] = tuple(both)
        return made[key]

    return get


def tokens_in(session):
    return sum(len(node.ids) for node in session.tree.nodes())


def same(one, other):
    assert one.values == pytest.approx(other.values, abs=1e-5)
    assert (one.log_odds is None) == (other.log_odds is None)
    if one.log_odds is not None:
        assert one.log_odds == pytest.approx(other.log_odds, abs=1e-3)
    assert (one.kind, one.model, one.default_aggregate, one.threshold) == (
        *(other.kind, other.model, other.default_aggregate, other.threshold),
    )


WORDS = ["3 * 4 = 12", "so", "12 + 5 = 17.", "<extra_0>", "ки", "x\n\n", " y", "数学", "\n+", "a b"]
