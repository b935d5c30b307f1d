"""What several tests share."""

from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Public labelled data that lies beside the repository; never part of it."""
    folder = Path(__file__).resolve().parents[2] / "shared" / "data"
    if not folder.is_dir():
        pytest.skip("the public data folder ../shared/data is not beside this checkout")
    return folder


def learned_tokenizer(pattern, text, vocab_size):
    """A byte-level BPE tokenizer that cuts text by a pattern, and knows the pieces of a text."""
    from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, trainers

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(pattern), "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocab_size,
        special_tokens=["<pad>", "<end>", "<|im_end|>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator([text] * 3, trainer)
    return tokenizer


@pytest.fixture(scope="session")
def small_tokenizer():
    """A byte-level BPE tokenizer learned here; its rules for cutting text are its own."""
    from transformers import PreTrainedTokenizerFast

    text = "Step 1: add 8. 5 + 8 = 13, so the last digit is 3."
    tokenizer = learned_tokenizer(r"\d|\n|[^\d\n]+", text, 320)
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, pad_token="<pad>", eos_token="<end>")


CHAT_TEMPLATE = (
    "{{ bos_token or '' }}{% for one in messages %}"
    "{{ one.role }}:\n{{ one.content | trim }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}assistant:\n{% endif %}"
)


@pytest.fixture(scope="session")
def chat_tokenizer():
    """A small tokenizer of words with a chat template, and with further tokens: of thought, and of
    white space."""
    from transformers import PreTrainedTokenizerFast

    text = "Yes No yes no Yes No Step 1: so the last digit is 13."
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=learned_tokenizer(r" ?\p{L}+|\d|\s+|[^\p{L}\d\s]+", text, 320),
        pad_token="<pad>",
        eos_token="<|im_end|>",
        chat_template=CHAT_TEMPLATE,
    )
    tokenizer.add_tokens(["<think>", "</think>", "\n\n"])
    return tokenizer


@pytest.fixture(scope="session")
def small_model(small_tokenizer):
    """Make a small random model: `small_model("qwen2" or "llama", "causal" or "scorer", ...)`.

    Weights are large, so that different texts get clearly different numbers.
    """
    import torch
    import transformers

    def make(family="qwen2", task="causal", *, seed=0, tokenizer=small_tokenizer, **settings):
        name = {"qwen2": "Qwen2", "llama": "Llama"}[family]
        ending = {"causal": "ForCausalLM", "scorer": "ForTokenClassification"}[task]
        config = getattr(transformers, f"{name}Config")(
            **{
                "vocab_size": len(tokenizer),
                "hidden_size": 32,
                "intermediate_size": 48,
                "num_hidden_layers": 2,
                "num_attention_heads": 4,
                "num_key_value_heads": 2,
                "max_position_embeddings": 512,
                "initializer_range": 0.3,
                "pad_token_id": tokenizer.pad_token_id,
                "eos_token_id": tokenizer.eos_token_id,
                "bos_token_id": None,
                **settings,
            }
        )
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            return getattr(transformers, name + ending)(config).eval()

    return make
