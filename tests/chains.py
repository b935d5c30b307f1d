"""A real causal language model that has learned to write steps by known chances, each depending on
the step before."""

import functools
import random

import torch
import transformers
from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers

from surefoot.policies.local import LocalPolicy

ONE, TWO = "The answer is 1.", "The answer is 2."
END = "<end>"
CHANCES = {
    "p": {"a": 0.5, "b": 0.3, "c": 0.2},
    "q": {"c": 0.6, "b": 0.4},
    "a": {"b": 0.6, ONE: 0.4},
    "b": {"c": 0.7, TWO: 0.3},
    "c": {ONE: 0.5, TWO: 0.3, "a": 0.2},
    ONE: {END: 1.0},
    TWO: {END: 1.0},
}
"""What comes after a problem or a step, and how probable it is."""
CHAT_TEMPLATE = "{% for one in messages %}{{ one.content }}\n{% endfor %}"


@functools.cache
def chain_parts():
    """Its model and tokenizer, a token for each step and for each line end."""
    # transformers writes "abcdef" to find out how tokens look that may hold a stop text
    vocabulary = ["<pad>", END, "\n", *CHANCES, "abcdef"]
    tokenizer = Tokenizer(
        models.WordLevel({token: i for i, token in enumerate(vocabulary)}, unk_token="<pad>")
    )
    tokenizer.pre_tokenizer = pre_tokenizers.Split(Regex(r"\n|[^\n]+"), "isolated")
    tokenizer.decoder = decoders.Fuse()
    fast = transformers.PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token="<pad>",
        eos_token=END,
        chat_template=CHAT_TEMPLATE,
    )
    config = transformers.LlamaConfig(
        vocab_size=len(vocabulary),
        hidden_size=32,
        intermediate_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        max_position_embeddings=64,
        tie_word_embeddings=False,
        pad_token_id=0,
        eos_token_id=1,
        bos_token_id=None,
    )
    rng = random.Random(0)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = transformers.LlamaForCausalLM(config)
        optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2)
        for _ in range(120):
            rows = [_row(rng, vocabulary) for _ in range(64)]
            width = max(map(len, rows))
            ids = torch.tensor([row + [0] * (width - len(row)) for row in rows])
            # what a problem is comes from outside
            labels = ids.masked_fill(ids == 0, -100)
            labels[:, 0] = -100
            model(input_ids=ids, labels=labels).loss.backward()
            optimizer.step()
            optimizer.zero_grad()
    return model.eval(), fast


def _row(rng, vocabulary):
    path = [rng.choice("pq")]
    while path[-1] != END:
        chances = CHANCES[path[-1]]
        path.append(rng.choices([*chances], [*chances.values()])[0])
    ids = [vocabulary.index(one) for one in path]
    return [token for one in ids[:-1] for token in (one, 2)] + [ids[-1]]


def chain_policy(**options):
    """The policy of this model."""
    return LocalPolicy(*chain_parts(), **options)
