"""`surefoot export` writes what transformers reads by itself, of an adapter too."""

import json

import pytest
import torch
from transformers import AutoModelForTokenClassification

import surefoot as sf
from surefoot.models.render import render, text_of
from surefoot.policies.local import LocalPolicy
from surefoot.traces.types import StepLabels, Trace
from surefoot.training.config import Lora, RewardConfig, TrainConfig
from surefoot.training.scratch import Shape, fresh_model, fresh_tokenizer

TRACE = Trace("What is 3*4+5?", ["3*4 = 12.", "12+5 = 18."])


@pytest.fixture(scope="module")
def adapter(tmp_path_factory):
    """A reward model trained here as an adapter of a base that lies beside it."""
    folder = tmp_path_factory.mktemp("export")
    shape = Shape(hidden_size=16, num_layers=1, num_heads=2, vocab_size=280, max_positions=128)
    tokenizer = fresh_tokenizer(["What is 1 + 2?"], shape.vocab_size)
    LocalPolicy(fresh_model(tokenizer, shape, seed=0), tokenizer).save(folder / "base")
    loop = TrainConfig(num_updates=3, batch_size=2, optimizer="adamw", lr=0.1)
    traces = [Trace(f"What is {i}?", ["a", "b"], labels=[StepLabels((1, -1))]) for i in range(6)]
    settings = RewardConfig(base=str(folder / "base"), loop=loop, lora=Lora(rank=2), max_tokens=128)
    sf.train(traces, folder / "prm", settings)
    assert (folder / "prm" / "adapter_config.json").is_file()
    return folder / "prm"


def test_an_adapter_becomes_a_whole_plain_classifier(surefoot, adapter, tmp_path):
    done = surefoot("export", adapter, "--out", tmp_path / "plain", "--json")
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)
    assert (result["classes"], result["to"]) == (["wrong", "right"], "token-classification")
    own = sf.load(adapter)
    ((row,),) = render([text_of(TRACE)], own.contract, own.renderer)
    plain = AutoModelForTokenClassification.from_pretrained(tmp_path / "plain").eval()
    with torch.no_grad():
        shares = plain(input_ids=torch.tensor([row.ids])).logits[0].softmax(-1)
    wanted = own.score(TRACE).values
    assert shares[list(row.slots), 1].tolist() == pytest.approx(wanted, abs=1e-5)
    assert sf.load(tmp_path / "plain").score(TRACE).values == pytest.approx(wanted, abs=1e-5)


def test_the_model_is_never_written_over(surefoot, adapter):
    done = surefoot("export", adapter, "--out", adapter)
    assert done.returncode == 2
    assert "name another" in done.stderr
