"""Methods that write whole solutions: best-of-N, majority, self-consistency, adaptive compute."""

import math
from fractions import Fraction
from functools import partial

import pytest
from hypothesis import given
from hypothesis import settings as effort
from hypothesis import strategies as st

from surefoot.errors import UsageError
from surefoot.search.adaptive import adaptive
from surefoot.search.best_of_n import best_of_n
from surefoot.search.majority import majority
from surefoot.search.self_consistency import lead_certainty, self_consistency
from tabular import TabularPolicy, TabularScorer, found, table


def answers(**chances):
    """A policy that gives answers at once, of chances by name: a1 is the answer 1."""
    return TabularPolicy(
        table({(): {f"The answer is {name[1:]}.": one for name, one in chances.items()}})
    )


def scorer(**scores):
    return TabularScorer(lambda p, s: scores[f"a{s[-1].split()[-1][:-1]}"])


def test_best_of_n_scores_all_and_majority_none():
    policy, own = answers(a1=0.7, a2=0.3), scorer(a1=0.2, a2=0.9)
    result = found(policy, own, partial(best_of_n, n=40))
    assert (result.answer, result.usage.samples, result.usage.scored_steps) == ("2", 40, 2)
    result = found(policy, own, partial(majority, n=40), choice="majority")
    assert (result.answer, result.usage.samples, result.usage.scored_steps) == ("1", 40, 0)
    assert sum(votes_of(result).values()) == 40
    assert found(policy, None, majority, choice="majority").answer == "1"


def votes_of(result):
    return {one.trace.answer: one.votes for one in result.solutions}


@pytest.mark.parametrize(
    ("votes", "certainty"),
    [
        ([], 0),
        ([0], 1 / 2),
        ([1], 3 / 4),
        ([3], 15 / 16),
        ([4], 31 / 32),
        ([2, 2], 1 / 2),
        # Beta(3, 2): 1 - 4/8 ... of five throws minus one: P(at most 2 of 4 heads) = 11/16.
        ([2, 1], 11 / 16),
        ([2, 1, 1, 1], 11 / 16),
    ],
)
def test_certainty_of_the_lead(votes, certainty):
    assert lead_certainty(votes) == pytest.approx(certainty, rel=1e-15)


@effort(deadline=None)
@given(st.integers(0, 30), st.integers(0, 30))
def test_certainty_is_the_integral_of_the_beta_density(first, second):
    """Of p^v1 (1 - p)^v2 from 1/2 to 1, over that from 0 to 1, term by term and exactly."""
    whole, half = Fraction(0), Fraction(0)
    for k in range(second + 1):
        term = Fraction((-1) ** k * math.comb(second, k), first + k + 1)
        whole += term
        half += term * (1 - Fraction(1, 2 ** (first + k + 1)))
    assert lead_certainty([first, second]) == pytest.approx(float(half / whole), rel=1e-12)


def test_self_consistency_stops_as_soon_as_the_lead_is_certain():
    # 31/32 after four of a kind, 15/16 after three.
    sure = answers(a1=1.0)
    for options, samples in [
        ({"window": 1}, 4),
        ({"window": 3}, 6),
        ({"window": 1, "certainty": 0.93}, 3),
        ({"window": 1, "certainty": 1.0}, 16),
        ({"window": 1, "n": 3}, 3),
        ({"rule": "window", "window": 5}, 5),
        ({"rule": "window", "window": 17}, 16),
    ]:
        result = found(sure, None, partial(self_consistency, **options), choice="majority")
        assert result.usage.samples == samples, options
        assert votes_of(result) == {"1": samples}


def test_a_window_that_does_not_agree_is_followed_by_another():
    policy = answers(a1=0.6, a2=0.4)
    method = partial(self_consistency, n=30, window=3, rule="window")
    for seed in range(20):
        first = found(policy, None, partial(majority, n=30), choice="majority", seed=seed)
        result = found(policy, None, method, choice="majority", seed=seed)
        sizes = [n for _, n, _ in policy.asked[-result.usage.asks :]]
        assert set(sizes) == {3}
        assert result.usage.samples == 3 * len(sizes)
        assert result.usage.samples < 30 or len(sizes) == 10
        assert sum(votes_of(first).values()) == 30
    no_answer = TabularPolicy(table({(): {"so be it": 1.0}}))
    silent = found(no_answer, None, method, choice="majority")
    assert silent.usage.samples == 30
    assert silent.answer is None


def test_windows_go_on_with_the_draws_of_majority():
    policy = answers(a1=0.4, a2=0.3, a3=0.3)
    for seed in range(10):
        parts = partial(self_consistency, n=12, window=5, certainty=1.0)
        one = found(policy, None, parts, choice="majority", seed=seed)
        other = found(policy, None, partial(majority, n=12), choice="majority", seed=seed)
        assert votes_of(one) == votes_of(other)


def test_adaptive_spends_more_where_the_choice_is_not_clear():
    method = partial(adaptive, first=4, most=32, certainty=0.8, least=0.3)
    easy = found(answers(a1=1.0), scorer(a1=0.3), method)
    assert easy.usage.samples == 4
    poor = found(answers(a1=1.0), scorer(a1=0.29), method)
    assert poor.usage.samples == 32
    assert poor.usage.asks == 4 + 1, "4, 4, 8 and 16 solutions, of which the first was scored"
    # Half of the draws are 2, of weight 0.9 against 0.2 of the other: 0.82 of the votes at half.
    split = found(answers(a1=0.5, a2=0.5), scorer(a1=0.2, a2=0.9), partial(method, certainty=0.95))
    assert split.usage.samples == 32
    assert split.answer == "2"
    odd = found(answers(a1=0.5, a2=0.5), scorer(a1=0.9, a2=0.9), partial(adaptive, n=9))
    assert odd.usage.samples in (4, 8, 16, 18)


def test_weights_of_the_vote_make_the_choice_clear():
    # Equally many draws; 1 has a weight of 0.9 against 0.1, so a share of about 0.9.
    own = scorer(a1=0.9, a2=0.1)
    method = partial(adaptive, first=40, most=80, certainty=0.7)
    assert found(answers(a1=0.5, a2=0.5), own, method).usage.samples == 40
    own = scorer(a1=0.9, a2=0.9)
    assert found(answers(a1=0.5, a2=0.5), own, method).usage.samples == 80


@pytest.mark.parametrize(
    ("method", "words"),
    [
        (partial(self_consistency, window=0), "window is 0"),
        (partial(self_consistency, certainty=1.5), "certainty is 1.5"),
        (partial(self_consistency, rule="luck"), "no rule 'luck'"),
        (partial(majority, n=0), "n is 0"),
        (partial(best_of_n, n=0), "n is 0"),
        (partial(adaptive, first=9, most=8), "first is 9"),
    ],
)
def test_options_that_cannot_work_are_refused_before_anything_is_asked(method, words):
    policy = answers(a1=1.0)
    with pytest.raises(UsageError, match=words):
        found(policy, scorer(a1=0.5), method)
    assert policy.usage.calls == 0
