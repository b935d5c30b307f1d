"""The sequential test: its error rates by simulation, by theory and by its own sums."""

import itertools
import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from abc_chains import chain
from surefoot.errors import UsageError
from surefoot.labels.rollouts import RolloutRule, label_rollouts
from surefoot.labels.rollouts.sequential import SequentialTest


def simulated(test, value, times, seed=0):
    rng = random.Random(seed)
    right = rollouts = 0
    for _ in range(times):
        k = n = 0
        while (says := test.verdict(k, n)) is None:
            k, n = k + (rng.random() < value), n + 1
        right += says
        rollouts += n
    return right / times, rollouts / times


@pytest.mark.parametrize(
    ("low", "high", "false_right", "false_wrong"),
    [(0.2, 0.6, 0.05, 0.1), (0.4, 0.6, 0.1, 0.1), (0.0, 0.3, 0.05, 0.05)],
)
def test_error_rates_are_within_walds_bounds(low, high, false_right, false_wrong):
    test = SequentialTest(
        low=low, high=high, false_right=false_right, false_wrong=false_wrong, most=2000
    )
    times = 4000
    for value in (low, high):
        exact = test.operating(value)
        right, rollouts = simulated(test, value, times)
        margin = 4 * math.sqrt(exact.says_right * (1 - exact.says_right) / times) + 1e-12
        assert right == pytest.approx(exact.says_right, abs=margin)
        assert rollouts == pytest.approx(exact.num_rollouts, rel=0.08)
    errors = test.operating(low).says_right, 1 - test.operating(high).says_right
    assert errors[0] <= false_right / (1 - false_wrong)
    assert errors[1] <= false_wrong / (1 - false_right)
    assert sum(errors) <= false_right + false_wrong


def test_a_limit_costs_errors_and_they_are_known():
    """Against every path of 6 rollouts, written out."""
    test = SequentialTest(low=0.3, high=0.6, false_right=0.05, false_wrong=0.05, most=6)
    for value in (0.3, 0.6):
        right = length = 0.0
        for path in itertools.product((0, 1), repeat=6):
            n = next(n for n in range(1, 7) if test.verdict(sum(path[:n]), n) is not None)
            chance = math.prod(value if x else 1 - value for x in path)
            right += chance * test.verdict(sum(path[:n]), n)
            length += chance * n
        assert test.operating(value) == pytest.approx((right, length))
    assert test.operating(0.3).says_right > 0.05 / 0.95


@pytest.mark.parametrize("most", [1, 4, 8])
def test_of_a_low_of_0_it_is_curtailed_brute_force(most):
    """One right end settles it; else all are drawn: by the formulas of a geometric law."""
    test = SequentialTest(low=0.0, high=0.3, most=most)
    for value in (0.0, 0.1, 0.5, 1.0):
        found = test.operating(value)
        assert found.says_right == pytest.approx(1 - (1 - value) ** most)
        assert found.num_rollouts == pytest.approx(sum((1 - value) ** j for j in range(most)))


def test_the_estimate_at_the_stop_is_biased_as_the_docs_say():
    p, rng = 0.5, random.Random(1)
    found = []
    for _ in range(20_000):
        n = 1
        while rng.random() >= p:
            n += 1
        found.append(1 / n)
    assert -p * math.log(p) / (1 - p) == pytest.approx(0.693, abs=1e-3)
    assert sum(found) / len(found) == pytest.approx(0.693, abs=0.01)


@given(st.floats(0, 0.9), st.floats(0.01, 1), st.integers(0, 30), st.integers(0, 30))
def test_more_right_ends_never_speak_for_wrong(low, gap, k, wrong):
    if low + gap > 1:
        return
    test = SequentialTest(low=low, high=low + gap, most=10_000)
    order = {False: 0, None: 1, True: 2}
    n = k + wrong
    assert order[test.verdict(k + 1, n + 1)] >= order[test.verdict(k, n + 1)]


def test_labels_are_those_of_brute_force_at_a_part_of_its_tokens(drawing_of):
    traces = [chain("aaab", False), chain("abaa", False), chain("aaaa", True), chain("ba", False)]
    brute, sequential = drawing_of(a=2, b=1, end=1), drawing_of(a=2, b=1, end=1)
    every = label_rollouts(traces, RolloutRule(n=8, hard=True), brute)
    some = label_rollouts(traces, RolloutRule(method="sequential"), sequential)
    for one, other in zip(every, some, strict=True):
        assert one.labels[0].values == other.labels[0].values
        assert one.labels[0].annotator == "abc brute"
        assert other.labels[0].annotator == "abc sequential"
        for (k, n), (most_k, most_n) in zip(
            other.labels[0].counts, one.labels[0].counts, strict=True
        ):
            assert n <= most_n
            assert k <= min(most_k, 1)
            assert k == 0 or n < 8 or most_n == 8
    assert sequential.policy.usage.new_tokens < 0.75 * brute.policy.usage.new_tokens


def test_one_that_is_not_clear_at_the_limit_is_told(drawing_of):
    test = SequentialTest(low=0.3, high=0.5, false_right=0.01, false_wrong=0.01, most=3)
    (found,) = label_rollouts(
        [chain("aaab", False)],
        RolloutRule(method="sequential", test=test),
        drawing_of(a=2, b=1, end=1),
    )
    assert found.meta["rollout"]["not_clear"] == [0, 1, 2]
    assert None not in found.labels[0].values


@pytest.mark.parametrize(
    "given",
    [{"low": 0.5, "high": 0.5}, {"low": -0.1}, {"high": 1.1}, {"false_right": 0}, {"most": 0}],
)
def test_a_test_that_cannot_be_is_refused(given):
    with pytest.raises(UsageError, match="is "):
        SequentialTest(**given)
