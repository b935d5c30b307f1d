"""Typesetting does not make a question another one; words and numbers do."""

import gzip
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from surefoot.traces.questions import question_key


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("What is $x^2$?", "what is x^2"),
        (r"Find \(\frac{1}{2}\) of it.", r"Find $\frac12$ of it."),
        (r"Find $\dfrac{1}{2}\,$ of it.", r"Find $\frac{1}{2}$ of it."),
        (r"$\left( a + b \right)$", "(a+b)"),
        ("It costs 1,000 dollars.", "It costs 1000 dollars"),
        ("ﬁve ² caf\u00e9", "five 2 cafe\u0301"),
        (r"in \text{cm}", r"in $\mathrm{cm}$"),
        ("two\nlines  here", "two lines here"),
    ],
)
def test_typesetting_does_not_matter(one, other):
    assert question_key(one) == question_key(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Tom has 3 apples.", "Tom has 4 apples."),
        ("Tom has 3 apples.", "Tom has 3 pears."),
        (r"Find $\frac{1}{2}$ of it.", r"Find $\frac{1}{3}$ of it."),
        ("Start with 1. Add 23.", "Start with 12. Add 3."),
        ("?", "!"),
    ],
)
def test_words_and_numbers_do(one, other):
    assert question_key(one) != question_key(other)


words = st.lists(st.sampled_from(["tom", "has", "3", "12", "apples", "x"]), min_size=1)


@given(words, st.sampled_from([" ", "\n", ", ", " $", r" \, "]))
def test_only_letters_and_digits_count(parts, between):
    assert question_key(between.join(parts)) == "".join(parts)


@given(st.text(min_size=1))
def test_no_question_is_without_a_key(text):
    assert question_key(text)


BENCHMARKS = ("processbench_gsm8k_math", "bon_gsm8k_32", "bon_math500_32")
OVERLAPS = {
    "prm800k_val2pct_dedup": 81,
    "prm800k_phase1": 142,
    "parc": 110,
    "mr_gsm8k_partial": 149,
    "verify_then_generate": 98,
    "prmbench_originals": 184,
    "mr_ben": 0,
    "bigbench_mistake": 0,
}
"""Rows whose question occurs in a benchmark, by a study that normalised in its own way."""


def questions(folder, name):
    with gzip.open(folder / f"{name}.jsonl.gz", "rt", encoding="utf-8") as lines:
        return [json.loads(line)["question"] for line in lines]


@pytest.fixture(scope="module")
def benchmark_keys(shared_data):
    return {question_key(q) for name in BENCHMARKS for q in questions(shared_data, name)}


@pytest.mark.parametrize("name", OVERLAPS)
def test_known_overlaps_are_found(shared_data, benchmark_keys, name):
    found = sum(question_key(q) in benchmark_keys for q in questions(shared_data, name))
    assert OVERLAPS[name] <= found <= 1.05 * OVERLAPS[name]
