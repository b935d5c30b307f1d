"""Tree search: which node is next, worked out by hand, and what must never happen."""

import math
from functools import partial

import pytest
from hypothesis import given
from hypothesis import settings as effort
from hypothesis import strategies as st

import surefoot.search.mcts as searched
from surefoot.search.mcts import Place, mcts, select, value, wait
from surefoot.search.tree import Node
from tabular import TabularPolicy, TabularScorer, found, made_up_world, table


def place(parent, prior, reward, *, free=1):
    depth = parent.node.depth + 1
    node = Node(parent.node, ("s",), 0, depth)
    own = Place(node, parent, prior, math.log(reward), depth, free)
    parent.children.append(own)
    for one in parent.path():
        one.free += free
    return own


def planted():
    root = Place(Node(None, (), 0, 0), None, 1.0, None, 0, 0)
    left, right = place(root, 0.2, 0.8, free=0), place(root, 0.8, 0.4)
    far, near = place(left, 0.5, 0.6), place(left, 0.5, 0.33)
    return [root, left, right, far, near]


def taken(root, backup):
    chosen = select(root, 0.0)
    wait(chosen, backup)
    return chosen


def test_qualities_are_means_of_rewards_in_proportion_to_the_best_of_their_depth():
    # Depth 1: .8/.8 = 1 and .4/.8 = .5; depth 2: .6/.6 = 1 and .33/.6 = .55.
    places = planted()
    value(places, "mean")
    root, left, right, far, near = places
    assert [one.visits for one in places] == [5, 3, 1, 1, 1]
    assert (far.quality, near.quality, right.quality) == pytest.approx((1, 0.55, 0.5))
    assert left.quality == pytest.approx((1 + 1 + 0.55) / 3)
    assert root.quality == pytest.approx((0 + 2.55 + 0.5) / 5)


def test_a_maximum_is_over_what_can_still_be_gone_on_from():
    places = planted()
    root, left, _right, far, near = places
    value(places, "max")
    assert (root.quality, left.quality) == pytest.approx((1, 1))
    assert taken(root, "max") is far
    assert (left.quality, root.quality) == pytest.approx((0.55, 0.55))
    assert taken(root, "max") is near
    assert [taken(root, "max") for _ in range(root.free)] == [places[2]]


def test_the_rule_weighs_quality_against_prior_and_visits():
    # left: 2.55/3 + c .2 sqrt(5)/4; right: .5 + c .8 sqrt(5)/2. They are equal at c = .4472.
    equal = (2.55 / 3 - 0.5) / (math.sqrt(5) * (0.8 / 2 - 0.2 / 4))
    for factor, name in ((0.99, "far"), (1.01, "right")):
        places = planted()
        value(places, "mean")
        assert select(places[0], equal * factor) is places[{"far": 3, "right": 2}[name]]


def test_who_waits_for_children_counts_as_a_visit_of_value_0():
    places = planted()
    value(places, "mean")
    root, left, right, far, _near = places
    assert taken(root, "mean") is far
    assert (left.visits, far.visits, root.visits) == (4, 2, 6)
    assert left.quality == pytest.approx(2.55 / 4)
    assert far.quality == pytest.approx(0.5)
    assert (root.free, left.free, far.free, right.free) == (2, 1, 0, 1)


@pytest.mark.parametrize("backup", ["mean", "max"])
@pytest.mark.parametrize("rollouts", [False, True])
@effort(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10**6), at_once=st.integers(1, 4), c=st.sampled_from([0.0, 0.1, 3.0]))
def test_nothing_is_gone_on_from_twice(backup, rollouts, seed, at_once, c):
    policy, scorer = made_up_world(seed, depth=3)

    def endless(search, n):
        return False

    before, searched._is_spent = searched._is_spent, endless
    try:
        result = found(
            policy,
            scorer,
            lambda search: mcts(
                search, n=40, at_once=at_once, children=30, backup=backup, exploration=c,
                rollouts=rollouts,
            ),
        )  # fmt: skip
    finally:
        searched._is_spent = before
    asked = [
        (prefix.steps, sampling.max_new_steps)
        for prefixes, _, sampling in policy.asked
        for prefix in prefixes
    ]
    assert len(asked) == len(set(asked))
    # It ends by itself, when all there is was seen: no node is left without children.
    assert result.ended == "done"
    grown = {steps for steps, num in asked if num == 1}
    paths = []
    for row in result.tree:
        paths.append(() if row.parent is None else paths[row.parent] + row.steps)
        assert row.status == "finished" or paths[-1] in grown
        assert row.status != "finished" or paths[-1] not in grown


def test_it_finds_the_best_end_where_the_best_beginning_misleads():
    one, two = "The answer is 1.", "The answer is 2."
    rows = {(): {"a": 0.5, "b": 0.5}, ("a",): {"a1": 1.0}, ("b",): {"b1": 1.0},
            ("a", "a1"): {one: 1.0}, ("b", "b1"): {two: 1.0}}  # fmt: skip
    scores = {"a": 0.9, "b": 0.5, "a1": 0.1, "b1": 0.9, one: 0.5, two: 0.5}
    policy, scorer = TabularPolicy(table(rows)), TabularScorer(lambda p, s: scores[s[-1]])
    # The root; a, 1 against .5/.9; a1, the only one of its depth; b only then; b1 is left.
    for num, answer in ((3, "1"), (4, "1"), (5, "2"), (99, "2")):
        policy.asked.clear()
        method = partial(mcts, n=999, children=8, at_once=1, simulations=num, backup="max")
        assert found(policy, scorer, method).answer == answer
        grown = [prefix.steps for prefixes, _, _ in policy.asked for prefix in prefixes]
        assert grown == [(), ("a",), ("a", "a1"), ("b",), ("b", "b1")][:num]


def test_simulations_are_nodes_that_got_children():
    policy = TabularPolicy(lambda p, s: {f"x{len(s)}": 0.5, f"y{len(s)}": 0.5})
    scorer = TabularScorer(lambda p, s: 0.5)
    for num in (1, 2, 5):
        policy.asked.clear()
        found(policy, scorer, partial(mcts, simulations=num, at_once=3, children=4))
        assert sum(len(prefixes) for prefixes, _, _ in policy.asked) == num


def test_it_writes_as_much_as_n_solutions_have():
    """Every solution here has 7 steps of a word and 4 words of answer."""
    rows = {0.2: "x", 0.3: "y", 0.5: "z"}
    policy = TabularPolicy(
        lambda p, s: (
            {f"{name}{len(s)}": chance for chance, name in rows.items()}
            if len(s) < 7
            else {"The answer is 1.": 1.0}
        )
    )
    scorer = TabularScorer(lambda p, s: 0.9)
    for n in (8, 16, 32):
        result = found(policy, scorer, partial(mcts, n=n))
        assert 0 <= result.usage.new_tokens - 11 * n < 4 * 8 * max(1, n // 16)


def test_rollouts_stand_for_where_they_begin():
    # a looks better than b, but its only end is bad; with rollouts, the first word is on ends.
    one, two = "The answer is 1.", "The answer is 2."
    rows = {(): {"a": 0.5, "b": 0.5}, ("a",): {"a1": 1.0}, ("b",): {"b1": 1.0},
            ("a", "a1"): {one: 1.0}, ("b", "b1"): {two: 1.0}}  # fmt: skip
    scores = {"a": 0.9, "b": 0.5, "a1": 0.9, "b1": 0.9, one: 0.1, two: 0.9}
    policy, scorer = TabularPolicy(table(rows)), TabularScorer(lambda p, s: scores[s[-1]])
    for rollouts, second in ((False, "a"), (True, "b")):
        policy.asked.clear()
        method = partial(mcts, children=9, at_once=1, simulations=2, rollouts=rollouts)
        result = found(policy, scorer, method)
        steps = [p.steps for asked, _, how in policy.asked if how.max_new_steps for p in asked]
        assert steps == [(), (second,)]
        assert (result.answer == "2") == rollouts
