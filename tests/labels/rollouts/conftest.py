"""A real policy whose every continuation has a known probability."""

import math

import pytest
import torch
from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast

from abc_chains import no_b_ends
from surefoot.labels.rollouts import Drawing
from surefoot.policies.base import Sampling
from surefoot.policies.local import LocalPolicy

TOKENS = ["<pad>", "<end>", "\n", "p", "q", "a\n", "b\n", "c\n", "a", "b", "c"]
NAMES = {"end": "<end>", "a": "a\n", "b": "b\n", "c": "c\n"}


@pytest.fixture(scope="session")
def abc_tokenizer():
    tokenizer = Tokenizer(models.WordLevel({t: i for i, t in enumerate(TOKENS)}, unk_token="p"))
    tokenizer.pre_tokenizer = pre_tokenizers.Split(Regex(r"."), "isolated")
    tokenizer.decoder = decoders.Fuse()
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, pad_token="<pad>", eos_token="<end>")


@pytest.fixture
def policy_of(small_model, abc_tokenizer):
    """A policy that writes the steps a, b, c and ends by itself with the given weights, whatever
    came before: `policy_of(a=2, b=1, end=1)`."""

    def make(max_positions=512, **weights):
        model = small_model(
            tokenizer=abc_tokenizer,
            tie_word_embeddings=False,
            max_position_embeddings=max_positions,
        )
        logits = torch.full((len(TOKENS),), -math.inf)
        for name, weight in weights.items():
            logits[TOKENS.index(NAMES[name])] = math.log(weight)
        model.lm_head = torch.nn.Linear(model.config.hidden_size, len(TOKENS))
        with torch.no_grad():
            model.lm_head.weight.zero_()
            model.lm_head.bias.copy_(logits)
        return LocalPolicy(model, abc_tokenizer, name="abc")

    return make


@pytest.fixture
def drawing_of(policy_of):
    """A way of drawing from such a policy: `drawing_of(a=2, b=1, end=1)`."""

    def make(seed=0, max_new_tokens=30, ends=no_b_ends, **weights):
        return Drawing(policy_of(**weights), ends, Sampling(max_new_tokens=max_new_tokens), seed)

    return make
