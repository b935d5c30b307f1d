"""Particles follow policy times reward."""

from collections import Counter
from functools import partial

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as effort
from hypothesis import strategies as st

from surefoot.errors import UsageError
from surefoot.search.particles import particles, systematic
from surefoot.search.reward import Reward
from tabular import TabularPolicy, TabularScorer, found, table

CHANCES = {"a": 0.6, "b": 0.4}
FIRST = {"a": 0.2, "b": 0.9}
SECOND = {("a", 1): 0.9, ("a", 2): 0.1, ("b", 1): 0.3, ("b", 2): 0.5}
ENDS = {1: 0.7, 2: 0.3}


def say(number):
    return f"The answer is {number}."


ROWS = {(): CHANCES, **{(a,): {say(i): p for i, p in ENDS.items()} for a in CHANCES}}
SCORES = {(a,): p for a, p in FIRST.items()} | {(a, say(i)): p for (a, i), p in SECOND.items()}
TARGET = {
    (a, say(i)): CHANCES[a] * ENDS[i] * FIRST[a] * SECOND[a, i] for a in CHANCES for i in ENDS
}


def shares(num_runs, n, *, weight=0.0, aggregate="product"):
    policy = TabularPolicy(table(ROWS))
    scorer = TabularScorer(lambda p, s: SCORES[s], aggregate=aggregate)
    held = Counter()
    for seed in range(num_runs):
        result = found(
            policy, scorer, partial(particles, n=n), seed=seed, reward=Reward(logprob_weight=weight)
        )
        draws = {one.trace.texts: result.tree[one.node].draws for one in result.solutions}
        assert sum(draws.values()) == n
        held.update(draws)
    return held


@pytest.mark.parametrize(
    ("weight", "aggregate", "target"),
    [
        (0.0, "product", TARGET),
        (0.0, "last", {k: CHANCES[k[0]] * ENDS[int(k[1][-2])] * SCORES[k] for k in TARGET}),
        (1.0, "product", {k: v * CHANCES[k[0]] * ENDS[int(k[1][-2])] for k, v in TARGET.items()}),
    ],
)
def test_they_are_drawn_in_proportion_to_policy_times_reward(weight, aggregate, target):
    num_runs, n = 60, 300
    held = shares(num_runs, n, weight=weight, aggregate=aggregate)
    total = sum(target.values())
    for steps, one in target.items():
        expected = one / total
        # Weights make a particle count for less than an independent draw; 3 times is generous.
        error = 4 * np.sqrt(expected * (1 - expected) / (num_runs * n) * 3)
        assert held[steps] / (num_runs * n) == pytest.approx(expected, abs=error)


def test_chi_square_of_one_particle_per_run():
    """One particle of each run, so that they are independent; the 0.1% point of 3 degrees of
    freedom is 16.27."""
    policy = TabularPolicy(table(ROWS))
    scorer = TabularScorer(lambda p, s: SCORES[s])
    rng, drawn, num_runs = np.random.default_rng(0), Counter(), 300
    for seed in range(num_runs):
        result = found(policy, scorer, partial(particles, n=60), seed=seed)
        weights = np.array([result.tree[one.node].draws for one in result.solutions])
        drawn[result.solutions[rng.choice(len(weights), p=weights / 60)].trace.texts] += 1
    total = sum(TARGET.values())
    expected = {steps: num_runs * one / total for steps, one in TARGET.items()}
    chi = sum((drawn[steps] - one) ** 2 / one for steps, one in expected.items())
    assert chi < 16.27


def test_finished_ones_stay_and_dead_ones_are_replaced():
    # Half of the particles end at once; those that go on come to nothing.
    rows = {(): {say(1): 0.5, "on": 0.5}, ("on",): {"lost": 1.0}}
    scorer = TabularScorer(lambda p, s: 0.5, unreadable=["lost"])
    result = found(TabularPolicy(table(rows)), scorer, partial(particles, n=20), choice="majority")
    (only,) = result.solutions
    assert (only.trace.answer, only.votes) == ("1", 20)
    assert "cannot be scored" in next(iter(result.losses))
    none = found(
        TabularPolicy(table(rows)),
        TabularScorer(lambda p, s: 0.5, unreadable=["lost", say(1)]),
        partial(particles, n=20),
    )
    assert none.ended == "no solution"


def test_texts_that_the_policy_ends_hold_as_many_particles_as_ended():
    rows = {(): {"so 7": 1.0}, ("so 7",): {None: 0.5, say(8): 0.5}}
    scorer = TabularScorer(lambda p, s: 1.0)
    result = found(TabularPolicy(table(rows)), scorer, partial(particles, n=60), choice="majority")
    votes = {one.trace.answer: one.votes for one in result.solutions}
    assert sum(votes.values()) == 60
    assert 15 < votes["7"] < 45


def test_a_score_of_0_is_left_to_no_particle():
    scorer = TabularScorer(lambda p, s: 0.0 if s[0] == "a" else 0.5)
    result = found(TabularPolicy(table(ROWS)), scorer, partial(particles, n=50))
    assert {one.trace.texts[0] for one in result.solutions} == {"b"}


def test_a_step_without_a_score_changes_no_weight():
    scorer = TabularScorer(lambda p, s: None if len(s) == 1 else SCORES[s])
    result = found(TabularPolicy(table(ROWS)), scorer, partial(particles, n=300))
    held = {one.trace.texts: result.tree[one.node].draws / 300 for one in result.solutions}
    target = {k: CHANCES[k[0]] * ENDS[int(k[1][-2])] * SCORES[k] for k in TARGET}
    for steps, one in target.items():
        assert held[steps] == pytest.approx(one / sum(target.values()), abs=0.1)


@effort(deadline=None)
@given(
    st.lists(st.floats(0, 10), min_size=1, max_size=8).filter(lambda some: max(some) > 1e-6),
    st.integers(1, 50),
    st.floats(0, 1, exclude_max=True),
)
def test_systematic_draws_are_never_a_whole_draw_off(weights, n, start):
    drawn = systematic(np.array(weights), n, start)
    assert len(drawn) == n
    for i, weight in enumerate(weights):
        assert abs((drawn == i).sum() - n * weight / sum(weights)) < 1 + 1e-6
        assert weight > 0 or i not in drawn


def test_rewards_must_have_a_logarithm():
    scorer = TabularScorer(lambda p, s: 0.5)
    with pytest.raises(UsageError, match="no scorer"):
        found(TabularPolicy(table(ROWS)), None, particles)
    with pytest.raises(UsageError, match="n is 0"):
        found(TabularPolicy(table(ROWS)), scorer, partial(particles, n=0))
