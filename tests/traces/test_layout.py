"""Pieces end to end: where steps end is known, whatever the texts hold."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from surefoot.errors import ContractError
from surefoot.traces.layout import Layout, encode_texts

TRAPS = [
    "\n",
    "\n\n",
    "<pad>",
    "<end>",
    "<|im_end|>",
    "ки",
    "\0",
    "Step 1:",
    " ",
    "\r\n",
    "é",
    "\ufffd",
]

texts = st.lists(st.one_of(st.sampled_from(TRAPS), st.text(max_size=6)), max_size=4).map("".join)
traces = st.tuples(texts, st.lists(texts, min_size=1, max_size=5))
ends = st.sampled_from(["\n", "\n\n", " ки\n", "<end>", "."])


def plain_ids(tokenizer, text):
    """Ids of one text, by the tokenizer's backend with its special tokens unmarked."""
    backend = tokenizer.backend_tokenizer
    backend.encode_special_tokens = True
    return backend.encode(text, add_special_tokens=False).ids


def test_positions_worked_out_by_hand(small_tokenizer):
    ids = {char: plain_ids(small_tokenizer, char)[0] for char in "12\n"}
    (one,) = Layout().encode([("1", ["2", "1"])], small_tokenizer)
    assert one.ids == [ids[char] for char in "1\n2\n1\n"]
    assert (one.start, one.ends) == (2, [3, 5])


def test_an_end_of_several_tokens_is_read_at_its_last(small_tokenizer):
    (one,) = Layout("", "1\n2").encode([("3", ["4", ""])], small_tokenizer)
    assert small_tokenizer.decode(one.ids) == "341\n21\n2"
    assert (one.start, one.ends) == (1, [4, 7])


@given(items=st.lists(traces, max_size=4), problem_end=st.one_of(st.just(""), ends), step_end=ends)
def test_a_trace_is_its_pieces_end_to_end(small_tokenizer, items, problem_end, step_end):
    encoded = Layout(problem_end, step_end).encode(items, small_tokenizer)
    assert len(encoded) == len(items)
    for (problem, steps), one in zip(items, encoded, strict=True):
        pieces = [[problem, problem_end], *([step, step_end] for step in steps)]
        parts = [[i for text in pair for i in plain_ids(small_tokenizer, text)] for pair in pieces]
        assert one.ids == [i for part in parts for i in part]
        assert one.start == len(parts[0])
        lengths = [sum(map(len, parts[: k + 1])) for k in range(len(parts))]
        assert one.ends == [length - 1 for length in lengths[1:]]


@given(trace=traces, trap=st.sampled_from(TRAPS), place=st.integers(0, 4))
def test_what_one_step_holds_changes_no_other(small_tokenizer, trace, trap, place):
    problem, steps = trace
    place %= len(steps)
    trapped = [*steps[:place], steps[place] + trap, *steps[place + 1 :]]
    plain, other = Layout().encode([(problem, steps), (problem, trapped)], small_tokenizer)

    def parts(one):
        starts = [one.start, *(end + 1 for end in one.ends)]
        return [one.ids[a:b] for a, b in pairwise(starts)]

    assert other.ids[: other.start] == plain.ids[: plain.start]
    assert parts(other)[:place] == parts(plain)[:place]
    assert parts(other)[place + 1 :] == parts(plain)[place + 1 :]
    assert len(other.ends) == len(steps)


@given(texts)
def test_no_text_becomes_a_special_token(small_tokenizer, text):
    (ids,) = encode_texts([text + "<pad><end><|im_end|>"], small_tokenizer)
    assert not set(ids) & set(small_tokenizer.all_special_ids)
    assert {"<pad>", "<end>"} <= set(small_tokenizer.all_special_tokens)


def test_nothing_to_encode(small_tokenizer):
    assert encode_texts([], small_tokenizer) == []
    assert Layout().encode([], small_tokenizer) == []


def test_an_end_must_be_text_and_must_be_there():
    with pytest.raises(ContractError, match="step_end is empty"):
        Layout(step_end="")
    with pytest.raises(ContractError, match="problem_end is None; it must be text"):
        Layout(problem_end=None)


def test_an_end_that_the_tokenizer_does_not_write_is_refused():
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    words = Tokenizer(models.WordLevel({"a": 0, "?": 1}, unk_token="?"))
    words.pre_tokenizer = pre_tokenizers.Whitespace()
    with pytest.raises(ContractError, match="with no token"):
        Layout().encode([("a", ["a"])], PreTrainedTokenizerFast(tokenizer_object=words))
