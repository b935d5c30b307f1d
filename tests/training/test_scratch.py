"""Tokenizers and models that start from nothing."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from surefoot.errors import UsageError
from surefoot.policies.checkpoints import read_tokenizer
from surefoot.traces.layout import encode_texts
from surefoot.training.scratch import END, PAD, Shape, fresh_model, fresh_tokenizer

TEXTS = ["Step 1: add 8. 5 + 8 = 13, so the last digit is 3.", "The answer is 3.", "a\0b é\n\n"]
TOKENIZER = fresh_tokenizer(TEXTS * 5, 300)


def encode(text):
    return encode_texts([text], TOKENIZER)[0]


def decode(ids):
    return TOKENIZER.decode(ids, skip_special_tokens=False, clean_up_tokenization_spaces=False)


anything = st.text(alphabet=st.characters(exclude_categories=["Cs"]), max_size=60)
markers = st.lists(st.sampled_from([PAD, END, "<", "pad>", "\0", "\n", "12", "é", " ", "\r\n"]))


@given(anything | markers.map("".join))
def test_any_text_comes_back_and_never_holds_a_special_token(text):
    ids = encode(text)
    assert decode(ids) == text
    assert not {TOKENIZER.pad_token_id, TOKENIZER.eos_token_id} & set(ids)


@given(st.text("0123456789", min_size=1, max_size=8))
def test_every_digit_and_line_end_is_a_token(digits):
    pieces = [decode([one]) for one in encode(f"is {digits}\n{digits}")]
    assert pieces[-len(digits) - 1 :] == ["\n", *digits]
    assert pieces[-2 * len(digits) - 1 : -len(digits) - 1] == list(digits)


def test_the_special_tokens():
    assert (TOKENIZER.pad_token, TOKENIZER.eos_token) == (PAD, END)
    assert TOKENIZER.pad_token_id != TOKENIZER.eos_token_id
    assert decode([TOKENIZER.eos_token_id]) == END
    assert len(TOKENIZER) == 300


def test_a_saved_tokenizer_gives_the_same_ids(tmp_path):
    TOKENIZER.save_pretrained(tmp_path)
    loaded = read_tokenizer(tmp_path)
    texts = [*TEXTS, f"{PAD}{END}", "Step 12:  so\t\0é"]
    assert encode_texts(texts, loaded) == encode_texts(texts, TOKENIZER)
    assert (loaded.pad_token_id, loaded.eos_token_id) == (
        TOKENIZER.pad_token_id,
        TOKENIZER.eos_token_id,
    )


@pytest.mark.parametrize(
    "sizes",
    [
        {"hidden_size": 0},
        {"hidden_size": 12, "num_heads": 4},
        {"hidden_size": 20, "num_heads": 3},
        {"num_layers": 0},
        {"num_heads": 0},
        {"vocab_size": 257},
        {"max_positions": 0},
    ],
)
def test_sizes_that_cannot_work(sizes):
    with pytest.raises(UsageError, match=next(iter(sizes))):
        Shape(**sizes)


def test_a_seed_decides_the_weights_and_nothing_else_does(small_shape, same_weights):
    torch.manual_seed(5)
    one = fresh_model(TOKENIZER, small_shape, seed=3)
    drawn = torch.rand(1)
    torch.manual_seed(5)
    assert torch.equal(torch.rand(1), drawn)
    assert same_weights(one, fresh_model(TOKENIZER, small_shape, seed=3))
    assert not same_weights(one, fresh_model(TOKENIZER, small_shape, seed=4))
