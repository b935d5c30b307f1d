"""Policies of which every token is known."""

import math

import pytest

from letters import LETTERS


@pytest.fixture(scope="session")
def letters():
    from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    vocabulary = {token: i for i, token in enumerate(LETTERS)}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="a"))
    tokenizer.pre_tokenizer = pre_tokenizers.Split(Regex(r"b\n|.|\n"), "isolated")
    tokenizer.decoder = decoders.Fuse()
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, pad_token="<pad>", eos_token="<end>")


@pytest.fixture
def fixed(small_model, letters):
    """A policy whose every token has the given weights, whatever came before: `fixed(a=2, b=1)`."""
    import torch

    from surefoot.policies.local import LocalPolicy

    def make(*, cache_tokens=0, **weights):
        model = small_model(tokenizer=letters, tie_word_embeddings=False)
        names = {
            "end": "<end>",
            "pad": "<pad>",
            "line": "\n",
            "space": " ",
            "b_line": "b\n",
            "c_line_d": "c\nd",
        }
        logits = torch.full((len(LETTERS),), -math.inf)
        for name, weight in weights.items():
            logits[LETTERS.index(names.get(name, name))] = math.log(weight)
        model.lm_head = torch.nn.Linear(model.config.hidden_size, len(LETTERS))
        with torch.no_grad():
            model.lm_head.weight.zero_()
            model.lm_head.bias.copy_(logits)
        return LocalPolicy(model, letters, cache_tokens=cache_tokens)

    return make
