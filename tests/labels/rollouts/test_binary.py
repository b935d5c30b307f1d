"""The binary search against the truth, its cost, and what it cannot see."""

import pytest

from abc_chains import chain
from surefoot.labels.rollouts import RolloutRule, label_rollouts
from surefoot.labels.rollouts.binary import BEHIND, TOO_HARD, binary
from surefoot.labels.rollouts.draws import Rollout
from surefoot.labels.rollouts.ends import Ending
from surefoot.labels.rollouts.positions import positions_of
from surefoot.labels.rollouts.sequential import SequentialTest

RULE = RolloutRule(method="binary", test=SequentialTest(high=0.2, most=14))


def searched(trace, truth, *, start=True):
    """The labels when the rollouts of a prefix of k steps end as truth[k - 1] says, and which
    prefixes were asked for."""
    found = positions_of(trace, Ending(trace.outcome), "wrong")
    plan, asked = binary(found, SequentialTest(most=4)), []
    try:
        asks = next(plan)
        while True:
            asked += [len(one.steps) for one in asks]
            ends = [start if not one.steps else truth[len(one.steps) - 1] for one in asks]
            asks = plan.send([[Rollout(("x",), Ending(end), 5)] for end in ends])
    except StopIteration as stop:
        return stop.value, asked, found


@pytest.mark.parametrize("num", [1, 2, 3, 6, 9])
def test_every_first_error_is_found(num):
    for first in range(num):
        trace = chain("a" * num, False)
        labels, asked, _ = searched(trace, [k < first for k in range(num)])
        assert labels == [1] * first + [-1] + [None] * (num - first - 1)
        assert len(set(asked)) <= num.bit_length() + 2
        assert num not in asked, "the end has an outcome of its own"


def test_real_rollouts_find_the_first_b(drawing_of):
    traces = [chain("a" * k + "b" + "a" * (6 - k), False) for k in range(7)]
    drawing = drawing_of(a=2, b=1, end=1)
    for k, found in enumerate(label_rollouts(traces, RULE, drawing)):
        labels, took = found.labels[0], found.meta["rollout"]
        assert labels.values == (*([1] * k), -1, *([None] * (6 - k)))
        assert labels.scale == "rating"
        assert labels.first_error() == k
        assert all(took["causes"][str(j)] == BEHIND for j in range(k + 1, 7))
        probed = [j for j, pair in enumerate(labels.counts) if pair]
        assert len(probed) <= 4
        assert all(labels.counts[j][0] == (j < k) for j in probed)


def test_a_chain_that_ends_right_is_right_and_costs_nothing(drawing_of):
    drawing = drawing_of(a=2, b=1, end=1)
    (found,) = label_rollouts([chain("aba", True)], RULE, drawing)
    assert found.labels[0].values == (1, 1, 1)
    assert drawing.policy.usage.calls == 0


def test_a_value_that_comes_back_is_found_by_the_neighbour():
    """Prefix 4 seems lost though prefix 5 is not: the search goes on behind it."""
    trace = chain("a" * 8, False)
    labels, _, found = searched(trace, [True, True, True, False, True, True, False, False])
    assert labels == [1, 1, 1, 1, 1, 1, -1, None]
    assert found.more == {"not_monotone": 1}


def test_a_problem_that_the_policy_never_solves_says_nothing_of_its_steps():
    labels, _, found = searched(chain("aaaa", False), [False] * 4, start=False)
    assert labels == [None] * 4
    assert set(found.silent.values()) == {TOO_HARD}
    labels, _, _ = searched(chain("aaaa", False), [False] * 4, start=True)
    assert labels == [-1, None, None, None]


def test_a_prefix_of_which_nothing_is_known_ends_the_search(drawing_of):
    (found,) = label_rollouts([chain("aaab", False)], RULE, drawing_of(end=1))
    assert found.labels[0].values == (None,) * 4
    assert found.meta["rollout"]["causes"]["0"] == "14 x no steps"


def test_a_trace_of_unknown_end_is_not_searched(drawing_of):
    (found,) = label_rollouts([chain("aac")], RULE, drawing_of(a=2, b=1, end=1))
    assert found.labels[0].values == (None,) * 3
    assert found.meta["rollout"]["causes"]["0"] == "no answer"
