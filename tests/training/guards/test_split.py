"""No question is on both sides, and a question stays where it is."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from surefoot.errors import DataError, UsageError
from surefoot.traces.questions import question_key
from surefoot.traces.types import Trace
from surefoot.training.guards import split_by_question


def some(*problems):
    return [Trace(problem, [f"step {i}"]) for i, problem in enumerate(problems)]


def keys(traces):
    return {question_key(trace.problem) for trace in traces}


questions = st.lists(
    st.sampled_from(["What is x?", "what is $x$", "What is y?", "z", "Z!", "1", "2", "3"]),
    max_size=20,
)


@given(questions, st.floats(0.01, 0.99), st.integers(0, 2**32 - 1))
def test_the_sides_share_no_question_and_lose_no_trace(problems, share, seed):
    traces = some(*problems)
    if len(keys(traces)) < 2:
        with pytest.raises(DataError, match="cannot be split"):
            split_by_question(traces, share, seed)
        return
    split = split_by_question(traces, share, seed)
    aside = keys(split.development)
    assert aside
    assert keys(split.train)
    assert not aside & keys(split.train)
    assert list(split.train) == [t for t in traces if question_key(t.problem) not in aside]
    assert list(split.development) == [t for t in traces if question_key(t.problem) in aside]
    assert split.to_json() == {
        "train_traces": len(split.train),
        "development_traces": len(split.development),
        "train_questions": len(keys(traces)) - len(aside),
        "development_questions": len(aside),
    }
    assert split_by_question(traces[::-1], share, seed).development == split.development[::-1]


MANY = some(*(f"Question {i}?" for i in range(2000)))


def test_a_question_stays_where_it_is_when_others_come():
    whole = keys(split_by_question(MANY, 0.2, 7).development)
    part = keys(split_by_question(MANY[:1000], 0.2, 7).development)
    assert part == whole & keys(MANY[:1000])


def test_a_larger_share_takes_more_to_what_was_there():
    few, more = (keys(split_by_question(MANY, share, 7).development) for share in (0.1, 0.3))
    assert few < more


def test_the_share_is_that_of_questions():
    """Within four standard deviations of a binomial count."""
    for seed in range(3):
        found = split_by_question(MANY, 0.2, seed).development_questions
        assert abs(found - 400) < 4 * (2000 * 0.2 * 0.8) ** 0.5


def test_another_seed_is_another_split():
    one, other = (keys(split_by_question(MANY, 0.5, seed).development) for seed in (0, 1))
    assert 800 < len(one ^ other) < 1200


def test_the_split_is_the_same_on_every_machine():
    """By BLAKE2b of the key, 8 bytes, salted with the seed in 16."""
    split = split_by_question(MANY[:12], 0.3, 0)
    assert [trace.problem for trace in split.development] == ["Question 2?", "Question 10?"]


@pytest.mark.parametrize("share", [0, 1, -0.1, 1.5, float("nan")])
def test_a_share_that_is_none_is_refused(share):
    with pytest.raises(UsageError, match="must lie between 0 and 1"):
        split_by_question(MANY, share, 0)
