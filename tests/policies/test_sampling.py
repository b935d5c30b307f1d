"""What may be drawn with top_k and top_p, against transformers' own rules."""

import math

import pytest
import torch
from transformers import TopKLogitsWarper, TopPLogitsWarper

from surefoot.errors import UsageError
from surefoot.policies.base import Prefix, Sampling
from surefoot.policies.local import LocalPolicy
from surefoot.policies.sampling import draw

SPOTS = 20_000


def shares(logits, sampling):
    """How often each token is drawn from spots that lie evenly in [0, 1)."""
    spots = (torch.arange(SPOTS)[:, None] + 0.5) / SPOTS
    tokens, logprobs = draw(logits.expand(SPOTS, -1), sampling, spots)
    assert torch.allclose(logprobs, logits.log_softmax(-1)[0, tokens], rtol=0, atol=2e-6)
    return torch.bincount(tokens, minlength=logits.shape[-1]) / SPOTS


@pytest.mark.parametrize("temperature", [0.5, 1, 2])
@pytest.mark.parametrize("top_k", [None, 1, 5, 30, 100])
@pytest.mark.parametrize("top_p", [0.01, 0.5, 0.95, 1])
def test_what_is_drawn_is_what_transformers_would_draw(temperature, top_k, top_p):
    logits = torch.randn(1, 40, generator=torch.Generator().manual_seed(0)) * 2
    expected = logits / temperature
    if top_k is not None:
        expected = TopKLogitsWarper(top_k)(None, expected)
    if top_p < 1:
        expected = TopPLogitsWarper(top_p)(None, expected)
    expected = expected.softmax(-1)[0]
    found = shares(logits, Sampling(temperature=temperature, top_k=top_k, top_p=top_p))
    assert torch.equal(found[expected == 0], torch.zeros(int((expected == 0).sum())))
    assert torch.allclose(found, expected, atol=2 / SPOTS)


def test_equally_probable_tokens_are_cut_one_by_one_by_top_p_alone():
    found = shares(torch.zeros(1, 10), Sampling(top_p=0.45))
    assert found.tolist() == pytest.approx([0.2] * 5 + [0] * 5, abs=1e-3)
    assert shares(torch.zeros(1, 10), Sampling(top_k=3)).tolist() == pytest.approx([0.1] * 10)


def test_temperature_0_takes_the_most_probable_whatever_the_spot():
    logits = torch.tensor([[0.0, 3.0, 2.0]])
    assert shares(logits, Sampling(temperature=0, top_k=2)).tolist() == [0, 1, 0]


def test_a_policy_obeys_them_too(small_model, small_tokenizer):
    policy = LocalPolicy(small_model(), small_tokenizer)
    greedy, narrow, one = (
        policy.continue_prefixes([Prefix("Step 1: add 8.")], 3, seed=0, sampling=sampling)
        for sampling in (
            Sampling(temperature=0, max_new_tokens=20),
            Sampling(top_p=1e-6, max_new_tokens=20),
            Sampling(top_k=1, max_new_tokens=20),
        )
    )
    assert greedy == narrow == one


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        ({"top_p": 0}, "top_p is 0"),
        ({"top_p": 1.1}, "top_p is 1.1"),
        ({"top_p": math.nan}, "top_p is nan"),
        ({"top_k": 0}, "top_k is 0"),
    ],
)
def test_limits_that_cannot_be_are_refused(given, reason):
    with pytest.raises(UsageError, match=reason):
        Sampling(**given)
