import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from surefoot.errors import UsageError
from surefoot.search.choosing import (
    answer_groups,
    argmax,
    majority,
    vote_in_subsets,
    weighted_vote,
)


def test_argmax_shares_ties():
    assert argmax([0.1, 0.9, 0.9, -3.0]).tolist() == [0, 0.5, 0.5, 0]
    assert argmax([-7.5]).tolist() == [1]


def test_a_candidate_without_reward_is_chosen_only_if_none_has_one():
    none = -np.inf
    assert argmax([none, -100.0, none]).tolist() == [0, 1, 0]
    assert argmax([none, none]).tolist() == [0.5, 0.5]


def test_majority_is_shown_by_a_random_candidate_with_that_answer():
    assert majority(["7", "8", "7", "9"]).tolist() == [0.5, 0, 0.5, 0]


def test_majority_shares_between_equally_frequent_answers():
    # 7 and 8 win half of the time each; 8 was given once by one of two candidates.
    assert majority(["7", "8", "7", "8", "9"]).tolist() == [0.25, 0.25, 0.25, 0.25, 0]
    assert majority([1, (2, 3)]).tolist() == [0.5, 0.5]


def test_an_answer_beats_any_number_of_missing_ones():
    assert majority([None, None, None, "7"]).tolist() == [0, 0, 0, 1]
    assert weighted_vote([0.9, 0.9, 0.0], [None, None, "7"]).tolist() == [0, 0, 1]
    assert majority([None, None]).tolist() == [0.5, 0.5]
    assert weighted_vote([0.9, 0.1], [None, None]).tolist() == [0.5, 0.5]


def test_weighted_vote_adds_rewards_and_shows_the_best_candidate():
    # 7 has 0.4 + 0.5 = 0.9 against 0.8; its best candidate scores 0.5.
    assert weighted_vote([0.4, 0.8, 0.5], ["7", "8", "7"]).tolist() == [0, 0, 1]
    assert weighted_vote([0.3, 0.8, 0.3], ["7", "8", "7"]).tolist() == [0, 1, 0]
    # 7 and 8 tie at 0.8: half each, and the half of 7 is shared by its two equal candidates.
    assert weighted_vote([0.4, 0.8, 0.4], ["7", "8", "7"]).tolist() == [0.25, 0.5, 0.25]


def test_the_order_of_summation_breaks_no_tie():
    # In floating point 0.1 + 0.2 + 0.3 and 0.3 + 0.2 + 0.1 differ; both answers hold the same.
    chosen = weighted_vote([0.1, 0.2, 0.3, 0.3, 0.2, 0.1], ["7"] * 3 + ["8"] * 3)
    assert chosen.tolist() == [0, 0, 0.5, 0.5, 0, 0]


def test_rounding_breaks_no_tie_between_rewards():
    up, down = 0.1 + 0.2, 0.3
    assert up != down
    assert argmax([up, down, 0.29]).tolist() == [0.5, 0.5, 0]
    assert argmax([1e-30, 2e-30]).tolist() == [0, 1]
    assert weighted_vote([up, down], ["7", "7"]).tolist() == [0.5, 0.5]


def test_all_weights_zero_leaves_the_answers_equal():
    assert weighted_vote([0, 0, 0], ["7", "7", "8"]).tolist() == [0.25, 0.25, 0.5]
    assert weighted_vote([-np.inf, -np.inf], ["7", None]).tolist() == [1, 0]


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda: argmax([]), "at least one"),
        (lambda: majority([]), "at least one"),
        (lambda: argmax([0.1, float("nan")]), "candidate 1 is nan"),
        (lambda: argmax([float("inf")]), "candidate 0 is inf"),
        (lambda: weighted_vote([-0.1, 0.2], [1, 2]), "must not be negative"),
        (lambda: weighted_vote([0.1, 0.2], [1]), "2 rewards for 1 answers"),
    ],
)
def test_what_cannot_be_chosen_from_is_refused(call, says):
    with pytest.raises(UsageError, match=says):
        call()


def test_answer_groups_number_answers_in_order_of_appearance():
    assert answer_groups(["b", None, "a", "b"]).tolist() == [0, -1, 1, 0]


candidates = st.lists(
    st.tuples(st.sampled_from([0.0, 0.25, 0.5, 1.0]), st.sampled_from([None, 1, 2, 3])),
    min_size=1,
    max_size=8,
)


@given(candidates, st.integers(0, 2**31))
def test_subsets_at_once_equal_one_problem_at_a_time(pairs, seed):
    weights = np.array([weight for weight, _ in pairs])
    answers = [answer for _, answer in pairs]
    members = np.random.default_rng(seed).random((5, len(pairs))) < 0.6
    members[:, 0] = True
    at_once = vote_in_subsets(weights, answer_groups(answers), members)
    for row, inside in zip(at_once, members, strict=True):
        who = np.flatnonzero(inside)
        alone = weighted_vote(weights[who], [answers[i] for i in who])
        np.testing.assert_allclose(row[who], alone)
        assert row[~inside].sum() == 0


@given(candidates)
def test_choices_are_distributions_over_the_right_candidates(pairs):
    rewards, answers = [w for w, _ in pairs], [a for _, a in pairs]
    for chosen in (argmax(rewards), majority(answers), weighted_vote(rewards, answers)):
        assert chosen.sum() == pytest.approx(1)
        assert (chosen >= 0).all()
    given_any = any(answer is not None for answer in answers)
    for chosen in (majority(answers), weighted_vote(rewards, answers)):
        silent = sum(p for p, answer in zip(chosen, answers, strict=True) if answer is None)
        assert silent == (0 if given_any else pytest.approx(1))
