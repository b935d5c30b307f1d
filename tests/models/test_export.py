"""Plain token classifiers: what transformers' own pipeline reads in them, and what is refused."""

from dataclasses import replace

import pytest
import torch
from transformers import (
    AutoModelForTokenClassification,
    AutoTokenizer,
    PreTrainedTokenizerFast,
    pipeline,
)
from transformers.utils import logging

import surefoot as sf
from surefoot import Trace
from surefoot.errors import ContractError, ModelError, StorageError
from surefoot.models.calibration import Calibration
from surefoot.models.contract import Contract, Reading
from surefoot.models.discriminative import DiscriminativeModel
from surefoot.models.export import export_plain
from surefoot.models.heads import Head
from surefoot.models.render import render, text_of

TRACE = Trace("What is 3*4+5?", ["3*4 = 12.", "12+5 = 18."])
KNOTS = Calibration(kind="isotonic", x=(-1.0, 2.0), y=(-3.0, 1.0))


@pytest.fixture
def scorer(small_model, small_tokenizer):
    """Make a classifier: `scorer(Reading(...), calibration=...)`."""

    def make(reading=None, *, family="qwen2", **rest):
        reading = reading or Reading()
        model = small_model(family, "scorer", num_labels=reading.classes)
        contract = Contract.for_layout(small_tokenizer, reading=reading, max_tokens=256, **rest)
        return DiscriminativeModel(model, small_tokenizer, contract, name="scorer")

    return make


def row_of(scorer):
    ((row,),) = render([text_of(TRACE)], scorer.contract, scorer.renderer)
    return row


@torch.no_grad()
def logits(folder, row):
    """At the slots of a row, by transformers alone."""
    model = AutoModelForTokenClassification.from_pretrained(folder).eval()
    return model(input_ids=torch.tensor([row.ids])).logits[0, list(row.slots)]


def test_the_pipeline_of_transformers_reads_the_same_probabilities(scorer, tmp_path):
    logging.disable_progress_bar()
    own = scorer()
    assert export_plain(own, tmp_path / "plain").classes == ("wrong", "right")
    row = row_of(own)
    text = own.tokenizer.decode(row.ids)
    assert own.tokenizer(text)["input_ids"] == list(row.ids)
    plain = pipeline(
        "token-classification",
        model=str(tmp_path / "plain"),
        tokenizer=PreTrainedTokenizerFast.from_pretrained(tmp_path / "plain"),
        ignore_labels=[],
    )
    found = plain(text)
    assert len(found) == len(row.ids)
    for slot, score in zip(row.slots, own.score(TRACE).values, strict=True):
        assert found[slot]["entity"] == ("right" if score > 0.5 else "wrong")
        assert float(found[slot]["score"]) == pytest.approx(max(score, 1 - score), abs=1e-5)


@pytest.mark.parametrize("family", ["qwen2", "llama"])
@pytest.mark.parametrize(
    ("reading", "classes"),
    [
        (Reading(), ("wrong", "right")),
        (Reading(link="sigmoid", classes=1), ("wrong", "right")),
        (Reading(classes=3, good=(2,)), ("wrong", "neutral", "right")),
        (Reading(classes=3, good=(1, 2)), ("wrong 0", "right 1", "right 2")),
    ],
)
def test_the_softmax_of_a_plain_forward_is_the_score(scorer, reading, classes, family, tmp_path):
    own = scorer(reading, family=family)
    assert export_plain(own, tmp_path / "plain").classes == classes
    shares = logits(tmp_path / "plain", row_of(own)).softmax(-1)
    good = [k for k, name in enumerate(classes) if name.startswith("right")]
    wanted = own.score(TRACE).values
    assert shares[:, good].sum(-1).tolist() == pytest.approx(wanted, abs=1e-5)
    assert sf.load(tmp_path / "plain").score(TRACE).values == pytest.approx(wanted, abs=1e-5)


def test_a_tokenizer_that_transformers_would_read_otherwise_is_told(scorer, tmp_path):
    told = {
        family: any("AutoTokenizer" in one for one in exported.notes)
        for family in ("qwen2", "llama")
        for exported in [export_plain(scorer(family=family), tmp_path / family)]
    }
    for family, one in told.items():
        own = scorer(family=family).tokenizer
        plain = AutoTokenizer.from_pretrained(tmp_path / family)
        text = "Step 1: 12+5 = 18,\nso it is 18."
        assert one == (plain(text)["input_ids"] != own(text)["input_ids"])
    assert told["qwen2"]


def test_a_reward_stays_one_logit(scorer, tmp_path):
    own = scorer(Reading(link="raw", classes=1), threshold=0.0)
    exported = export_plain(own, tmp_path / "plain")
    assert exported.classes == ("reward",)
    assert any("no softmax" in one for one in exported.notes)
    found = logits(tmp_path / "plain", row_of(own))[:, 0].tolist()
    assert found == pytest.approx(own.score(TRACE).values, abs=1e-5)


def test_a_temperature_goes_into_the_weights(scorer, tmp_path):
    bend = Calibration(temperature=2.5, bias=0.7)
    own = scorer(calibration=bend)
    notes = export_plain(own, tmp_path / "plain").notes
    assert not any("calibrated" in one for one in notes)
    wanted = own.score(TRACE).values
    assert wanted != pytest.approx(scorer().score(TRACE).values, abs=1e-2)
    shares = logits(tmp_path / "plain", row_of(own)).softmax(-1)[:, 1]
    assert shares.tolist() == pytest.approx(wanted, abs=1e-5)
    again = sf.load(tmp_path / "plain")
    assert again.contract.calibration is None
    assert again.score(TRACE).values == pytest.approx(wanted, abs=1e-5)


@pytest.mark.parametrize(
    ("reading", "calibration"),
    [(Reading(), KNOTS), (Reading(classes=3, good=(2,)), Calibration(temperature=2.0))],
)
def test_another_calibration_stays_in_the_contract_and_is_told(
    scorer, reading, calibration, tmp_path
):
    own = scorer(reading, calibration=calibration)
    notes = export_plain(own, tmp_path / "plain").notes
    assert any("not calibrated" in one for one in notes)
    again = sf.load(tmp_path / "plain")
    assert again.contract.calibration == calibration
    assert again.score(TRACE).values == pytest.approx(own.score(TRACE).values, abs=1e-5)


def test_what_is_not_one_layer_is_refused_with_the_reason(scorer, small_model, tmp_path):
    own = scorer()
    width = own.model.config.hidden_size
    bent = Head(((torch.ones(2, width), None),), softcap=30.0)
    many = Head(((torch.ones(3, width, 2), None),))
    body = small_model()
    for head, reason in ((bent, "softcap"), (many, "ensemble of 3")):
        other = DiscriminativeModel(body, own.tokenizer, own.contract, name="o", head=head)
        with pytest.raises(ContractError, match=reason):
            export_plain(other, tmp_path / "plain")
    with pytest.raises(ContractError, match="ArithmeticChecker"):
        export_plain(sf.load("arithmetic"), tmp_path / "plain")
    assert not (tmp_path / "plain").exists()


def test_an_architecture_without_a_plain_classifier_is_refused(small_tokenizer, tmp_path):
    from transformers import OlmoConfig, OlmoForCausalLM

    settings = {"hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 1}
    model = OlmoForCausalLM(
        OlmoConfig(
            vocab_size=len(small_tokenizer),
            num_attention_heads=2,
            max_position_embeddings=256,
            pad_token_id=0,
            eos_token_id=1,
            **settings,
        )
    )
    contract = Contract.for_layout(
        small_tokenizer, reading=Reading(head="tokens", tokens=("-", "+")), max_tokens=256
    )
    other = DiscriminativeModel(model, small_tokenizer, contract, name="olmo")
    with pytest.raises(ModelError, match="no token classifier with a OlmoModel"):
        export_plain(other, tmp_path / "plain")


def test_the_scorer_stays_what_it_was(scorer, tmp_path):
    own = scorer(calibration=Calibration(temperature=2.0))
    before = own.score(TRACE)
    export_plain(own, tmp_path / "plain")
    assert own.score(TRACE) == before
    assert own.model.config.id2label != {0: "wrong", 1: "right"}
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError):
        export_plain(own, tmp_path / "file")


def test_what_a_family_multiplies_its_logits_by_goes_into_the_weights(scorer, tmp_path):
    own = scorer()
    layer = own.head.layers[0][0], torch.tensor([0.3, -0.2])
    scaled = DiscriminativeModel(
        own.model.base_model,
        own.tokenizer,
        own.contract,
        name="scaled",
        head=Head((layer,), factor=0.25),
    )
    export_plain(scaled, tmp_path / "plain")
    shares = logits(tmp_path / "plain", row_of(own)).softmax(-1)[:, 1]
    assert shares.tolist() == pytest.approx(scaled.score(TRACE).values, abs=1e-5)


def test_two_tokens_of_a_language_model_become_a_classifier(small_model, small_tokenizer, tmp_path):
    contract = Contract.for_layout(
        small_tokenizer, reading=Reading(head="tokens", tokens=("-", "+")), max_tokens=256
    )
    own = DiscriminativeModel(small_model(), small_tokenizer, contract, name="two")
    export_plain(own, tmp_path / "plain")
    shares = logits(tmp_path / "plain", row_of(own)).softmax(-1)[:, 1]
    assert shares.tolist() == pytest.approx(own.score(TRACE).values, abs=1e-5)
    assert replace(sf.load(tmp_path / "plain").contract, reading=contract.reading) == contract
