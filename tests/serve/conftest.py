"""A policy and a reward model of random weights, and a gateway that serves them."""

import pytest

from abc_chains import abc_policy
from gateway_process import started
from surefoot.models.contract import Contract
from surefoot.models.discriminative import DiscriminativeModel
from surefoot.traces.layout import Layout


@pytest.fixture(scope="session")
def models(small_model, small_tokenizer, tmp_path_factory):
    """Folders of a policy that writes a few steps and an answer, and of a PRM."""
    folder = tmp_path_factory.mktemp("models")
    abc_policy(small_model, a=3, b=3, c=1, five=1, six=1, end=2).save(folder / "policy")
    contract = Contract.for_layout(small_tokenizer, Layout(), max_tokens=256)
    prm = DiscriminativeModel(small_model(task="scorer"), small_tokenizer, contract, name="prm")
    prm.save(folder / "prm")
    return folder


@pytest.fixture(scope="session")
def gateway(models):
    policy, prm = models / "policy", models / "prm"
    options = ["--method", "best-of-n-4", "--max-n", 16, "--max-bytes", 20_000]
    with started("--policy", policy, "--model", prm, *options) as running:
        yield running
