"""Policies that write known steps by known chances, for tests of rollouts, and exact values."""

from __future__ import annotations

import math

import torch
from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast

from surefoot.labels.rollouts.draws import Rollout
from surefoot.labels.rollouts.ends import EMPTY, Ending
from surefoot.policies.local import LocalPolicy
from surefoot.traces.types import Trace

STEPS = {"a": "a", "b": "b", "c": "c", "five": "The answer is 5.", "six": "The answer is 6."}
TOKENS = ["<pad>", "<end>", "\n", *"pqabc", *(f"{step}\n" for step in STEPS.values())]


def abc_policy(small_model, max_positions=512, **weights):
    """A real policy that writes the steps a, b, c, five and six and ends by itself with the given
    weights, whatever came before: `abc_policy(small_model, a=2, b=1, end=1)`."""
    tokenizer = Tokenizer(models.WordLevel({t: i for i, t in enumerate(TOKENS)}, unk_token="p"))
    tokenizer.pre_tokenizer = pre_tokenizers.Split(Regex(r".|\n"), "isolated")
    tokenizer.decoder = decoders.Fuse()
    fast = PreTrainedTokenizerFast(tokenizer_object=tokenizer, pad_token="<pad>", eos_token="<end>")
    model = small_model(
        tokenizer=fast,
        tie_word_embeddings=False,
        max_position_embeddings=max_positions,
        num_hidden_layers=1,
    )
    logits = torch.full((len(TOKENS),), -1e9)
    for name, weight in weights.items():
        logits[TOKENS.index("<end>" if name == "end" else f"{STEPS[name]}\n")] = math.log(weight)
    with torch.no_grad():
        for weight in model.parameters():
            weight.zero_()
        model.model.embed_tokens.weight.fill_(1)  # so that every position holds ones
        model.model.norm.weight.fill_(1)
        model.lm_head.weight[:, 0] = logits
    return LocalPolicy(model, fast, name="abc")


def no_b_ends(chains):
    """A chain is right if it holds no b. One that holds c gives no answer."""
    return [
        Ending(None, "no answer") if "c" in chain.steps else Ending("b" not in chain.steps)
        for chain in chains
    ]


def chain(steps, outcome=None, problem="p", **fields):
    """A trace of one-letter steps, such as `chain("aab", False)`."""
    return Trace(problem, list(steps), outcome=outcome, reference="no b", **fields)


def value(a, b, end):
    """The exact value of a prefix without b: one step at least, then no b before the end."""
    return a * (end / (end + b)) / (a + b)


def by_chance(rng):
    """What a policy writes that adds a, b or the end with chances 3, 1 and 1."""

    def answer(ask):
        found = []
        for _ in range(ask.n):
            steps = "".join(iter(lambda: rng.choice("aaab."), "."))
            ending = Ending("b" not in (*ask.steps, *steps)) if steps else Ending(None, EMPTY)
            found.append(Rollout(tuple(steps), ending, 1))
        return found

    return answer
