"""Tokenizers of SentencePiece models without a tokenizer.json, as older repositories hold them."""

import io
import json

import pytest

from published_tokenizers import TEXTS
from surefoot.errors import ModelError
from surefoot.policies.checkpoints import read_tokenizer

UNLIKE = ["a + ки", " two  spaces\n\n and lines\n", "naïve 数学 \U0001f600", "-"]


@pytest.fixture
def pieces(tmp_path):
    """Train a model in a folder: gives its processor."""
    from sentencepiece import SentencePieceProcessor, SentencePieceTrainer

    def train(**settings):
        writer = io.BytesIO()
        SentencePieceTrainer.train(
            sentence_iterator=iter(line for text in TEXTS for line in text.split("\n")),
            model_writer=writer,
            minloglevel=2,
            **{
                "vocab_size": 330,
                "model_type": "bpe",
                "byte_fallback": True,
                "normalization_rule_name": "identity",
                "remove_extra_whitespaces": False,
                "hard_vocab_limit": False,
                **settings,
            },
        )
        (tmp_path / "tokenizer.model").write_bytes(writer.getvalue())
        config = {"tokenizer_class": "LlamaTokenizer", "legacy": True}
        (tmp_path / "tokenizer_config.json").write_text(json.dumps(config))
        return SentencePieceProcessor(model_proto=writer.getvalue())

    return train


@pytest.mark.parametrize("model_type", ["llama", "mistral"])
def test_text_is_cut_as_sentencepiece_cuts_it(pieces, tmp_path, model_type):
    """Whatever class transformers would take for the architecture."""
    (tmp_path / "config.json").write_text(json.dumps({"model_type": model_type}))
    own = pieces()
    tokenizer = read_tokenizer(tmp_path)
    for text in [*UNLIKE, *TEXTS[:4]]:
        assert tokenizer(text, add_special_tokens=False)["input_ids"] == own.encode(text)


@pytest.mark.parametrize(
    "settings",
    [
        {"normalization_rule_name": "nmt_nfkc"},
        {"add_dummy_prefix": False},
        {"remove_extra_whitespaces": True},
    ],
)
def test_one_that_transformers_would_read_otherwise_is_refused(pieces, tmp_path, settings):
    pieces(**settings)
    with pytest.raises(ModelError, match=r"tokenizer\.model cuts text otherwise .*tokenizer\.json"):
        read_tokenizer(tmp_path)


def test_a_damaged_one_is_refused(pieces, tmp_path):
    pieces()
    file = tmp_path / "tokenizer.model"
    file.write_bytes(file.read_bytes()[:100])
    with pytest.raises(ModelError, match="its tokenizer cannot be read"):
        read_tokenizer(tmp_path)
