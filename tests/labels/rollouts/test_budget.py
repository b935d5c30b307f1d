"""A shared budget: kept, spent where there is doubt, and the same in any order."""

import math
import random

import pytest

from abc_chains import by_chance, chain
from surefoot.errors import UsageError
from surefoot.labels.rollouts import RolloutRule, label_rollouts
from surefoot.labels.rollouts.budget import BudgetRule, beta_below, doubt, spend
from surefoot.labels.rollouts.ends import Ending
from surefoot.labels.rollouts.positions import positions_of

TRACES = [chain("aab" + "a" * k, False, problem="p" * (1 + k % 7)) for k in range(30)]


def label(drawing, traces=TRACES, **budget):
    return label_rollouts(
        traces, RolloutRule(method="budget", budget=BudgetRule(**budget)), drawing
    )


@pytest.mark.parametrize("threshold", [0.1, 0.5, 0.8])
@pytest.mark.parametrize(("k", "n"), [(0, 0), (0, 1), (3, 8), (8, 8)])
def test_the_posterior_is_that_of_beta(threshold, k, n):
    """The integral of its density, by the midpoint rule."""
    scale = math.factorial(n + 1) / math.factorial(k) / math.factorial(n - k)
    steps = 20_000
    mass = sum(
        scale * (x := threshold * (i + 0.5) / steps) ** k * (1 - x) ** (n - k) for i in range(steps)
    )
    below = mass * threshold / steps
    assert beta_below(k, n, threshold) == pytest.approx(below, abs=1e-6)
    entropy = -below * math.log2(below) - (1 - below) * math.log2(1 - below)
    assert doubt(k, n, threshold) == pytest.approx(entropy, abs=1e-5)


@pytest.mark.parametrize(("tokens", "batch"), [(1, 1), (40, 1), (1, 64), (300, 16), (300, 64)])
def test_it_ends_within_one_batch_of_the_budget(drawing_of, batch, tokens):
    drawing = drawing_of(a=3, b=1, end=1, max_new_tokens=12)
    label(drawing, tokens=tokens, batch=batch)
    spent = drawing.policy.usage.new_tokens
    assert tokens <= spent < tokens + batch * 12


def test_no_prefix_gets_more_than_its_most(drawing_of):
    drawing = drawing_of(a=3, b=1, end=1)
    found = label(drawing, TRACES[:5], tokens=10**9, most=3)
    assert {one.meta["rollout"]["rollouts"] for one in found} == {
        3 * (len(one.steps) - 1) for one in found
    }


def test_it_goes_where_there_is_doubt():
    """Behind a b the value is 0, before it 0.375: of these 0.35 is hard to tell from the second."""
    answer = by_chance(random.Random(0))

    class Chance:
        def draw(self, asked):
            return [answer(ask) for _, ask in asked]

    traces = [chain("aaaabaaaa", False, problem="p" * (k + 1)) for k in range(6)]
    founds = [positions_of(one, Ending(False), "wrong") for one in traces]
    tokens = 2000
    assert tokens <= spend(founds, BudgetRule(tokens=tokens, most=500, threshold=0.35), Chance())
    before, after = (
        sum(one.steps[k].n for one in founds for k in part) for part in (range(4), range(4, 8))
    )
    assert before > 3 * after > 0


def test_prefixes_that_are_the_same_are_rolled_out_once(drawing_of):
    drawing = drawing_of(a=3, b=1, end=1)
    twice = [chain("aaa", False), chain("aab", False)]
    first, second = label(drawing, twice, tokens=10**9, most=4)
    assert first.labels[0].counts[:2] == second.labels[0].counts[:2]
    assert first.meta["rollout"]["tokens"] == drawing.policy.usage.new_tokens


@pytest.mark.parametrize("given", [{"tokens": 0}, {"threshold": 0.0}, {"most": 0}, {"batch": 0}])
def test_a_budget_that_cannot_be_is_refused(given):
    with pytest.raises(UsageError, match="is "):
        BudgetRule(**{"tokens": 5, **given})
