"""Models and tokenizers that start from nothing: small, of a stock architecture, saved like any
other checkpoint.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import torch
from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerFast, Qwen2Config, Qwen2ForCausalLM

from surefoot.errors import UsageError

PAD, END = "<pad>", "<end>"
SMALLEST_VOCABULARY = 256 + 2
"""Every byte, and the two special tokens."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Shape:
    """Size of a fresh model."""

    hidden_size: int = 64
    num_layers: int = 3
    num_heads: int = 4
    vocab_size: int = 400
    max_positions: int = 1024

    def __post_init__(self) -> None:
        for name in self.__slots__:
            least = SMALLEST_VOCABULARY if name == "vocab_size" else 1
            if getattr(self, name) < least:
                raise UsageError(f"{name} is {getattr(self, name)}; it must be at least {least}")
        if self.hidden_size % (2 * self.num_heads):
            raise UsageError(
                f"hidden_size is {self.hidden_size}; with {self.num_heads} heads it must be a "
                f"multiple of {2 * self.num_heads}"
            )


def fresh_tokenizer(texts: Iterable[str], vocab_size: int) -> Any:
    """A byte-level BPE tokenizer learned from texts; digits and line ends are tokens of their own.

    Any text can be encoded, since every byte is in the vocabulary.
    """
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(r"\d|\n|[^\d\n]+"), "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocab_size,
        special_tokens=[PAD, END],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, pad_token=PAD, eos_token=END)


def fresh_config(tokenizer: Any, shape: Shape) -> Any:
    """Qwen2's architecture at this size, for this tokenizer."""
    return Qwen2Config(
        vocab_size=len(tokenizer),
        hidden_size=shape.hidden_size,
        intermediate_size=round(shape.hidden_size * 2.75),
        num_hidden_layers=shape.num_layers,
        num_attention_heads=shape.num_heads,
        num_key_value_heads=shape.num_heads,
        max_position_embeddings=shape.max_positions,
        tie_word_embeddings=True,
        attention_dropout=0.0,
        pad_token_id=tokenizer.pad_token_id,
        eos_token_id=tokenizer.eos_token_id,
        bos_token_id=None,
    )


def fresh_model(tokenizer: Any, shape: Shape, *, seed: int) -> Any:
    """A causal language model of Qwen2's architecture with random weights."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return Qwen2ForCausalLM(fresh_config(tokenizer, shape))
