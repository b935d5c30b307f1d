"""Continuations for many traces: what is drawn depends on prefix, number and seed alone."""

import math
from collections import Counter

import pytest

from abc_chains import chain, no_b_ends
from surefoot.labels.rollouts.draws import Ask, Drawing, run
from surefoot.labels.rollouts.ends import CUT, EMPTY, Ending
from surefoot.policies.base import Continuation, Sampling

P, Q = chain("ab"), chain("ab", problem="q")


def drawn(drawing, *asked):
    return [[one.steps for one in some] for some in drawing.draw(asked)]


def test_what_a_prefix_gets_does_not_depend_on_what_else_is_asked(drawing_of):
    drawing = drawing_of(a=2, b=1, end=1)
    alone = drawn(drawing, (P, Ask(("a",), 6)))[0]
    assert len(set(alone)) > 2
    drawing.policy.batch_size = 7
    among = drawn(drawing, (Q, Ask((), 3)), (P, Ask(("a",), 6)), (Q, Ask(("a",), 6)))
    assert among[1] == alone
    assert among[2] != alone
    assert drawn(drawing_of(a=2, b=1, end=1, seed=1), (P, Ask(("a",), 6)))[0] != alone


def test_two_and_then_four_more_are_the_six_that_come_at_once(drawing_of):
    drawing = drawing_of(a=2, b=1, end=1)
    (six,) = drawn(drawing, (P, Ask(("a",), 6)))
    (two,), (four,) = (drawn(drawing, (P, Ask(("a",), n, first))) for n, first in ((2, 0), (4, 2)))
    assert two + four == six


def test_an_equal_prefix_is_continued_once_and_judged_for_each_trace(drawing_of):
    def by_reference(chains):
        return [Ending(one.trace.reference == one.steps[-1]) for one in chains]

    drawing = drawing_of(a=2, b=1, end=1, ends=by_reference)
    other = chain("aab")
    first, second = drawing.draw([(P, Ask(("a",), 40)), (other, Ask(("a",), 40))])
    assert [one.steps for one in first] == [one.steps for one in second]
    written = drawing.policy.usage.new_tokens
    assert written == sum(one.num_tokens for one in first)


def test_samples_follow_the_policy(drawing_of):
    """Pearson's chi-square of whole continuations against their exact probabilities."""
    n = 4000
    (found,) = drawing_of(a=2, b=1, end=1).draw([(P, Ask(("a",), n))])
    counts = Counter(one.steps for one in found)
    chances = {steps: 0.5 ** steps.count("a") * 0.25 ** (steps.count("b") + 1) for steps in counts}
    large = {steps: n * p for steps, p in chances.items() if n * p >= 5}
    cells = [(counts[steps], mean) for steps, mean in large.items()]
    cells.append((n - sum(counts[s] for s in large), n - sum(large.values())))
    statistic = sum((seen - mean) ** 2 / mean for seen, mean in cells)
    freedom = len(cells) - 1
    assert freedom > 20
    assert abs(statistic - freedom) / math.sqrt(2 * freedom) < 4


def test_no_end_is_judged_where_there_is_none(drawing_of):
    def never(chains):
        assert not chains
        return []

    (empty,) = drawing_of(end=1, ends=never).draw([(P, Ask((), 3))])
    assert [(one.ending, one.num_tokens) for one in empty] == [(Ending(None, EMPTY), 1)] * 3
    (endless,) = drawing_of(a=1, ends=never, max_new_tokens=9).draw([(P, Ask((), 2))])
    assert [one.ending for one in endless] == [Ending(None, CUT)] * 2
    assert endless[0].steps == ("a",) * 9


def test_a_prefix_that_is_too_long_keeps_no_other_from_its_rollouts(policy_of):
    policy = policy_of(max_positions=24, a=2, b=1, end=1)
    drawing = Drawing(policy, no_b_ends, Sampling(max_new_tokens=10))
    long = chain("a" * 15)
    asked = [(P, Ask(("a",) * k, 2)) for k in range(3)]
    found = drawing.draw([*asked[:2], (long, Ask(("a",) * 12, 2)), asked[2]])
    assert found[:2] + found[3:] == drawing.draw(asked)
    for one in found[2]:
        assert one.ending.right is None
        assert "has 26 tokens, abc has 24 positions" in one.ending.cause


def test_plans_go_forward_together(drawing_of):
    """Plans of different lengths share every call, and each gets its own answers."""

    def plan(rounds):
        seen = []
        for k in range(rounds):
            (some,) = yield [Ask(("a",) * k, 2)]
            seen.append([one.steps for one in some])
        return seen

    def silent():
        return "nothing"
        yield

    drawing = drawing_of(a=2, b=1, end=1)
    calls = []
    draw = drawing.policy.continue_prefixes
    drawing.policy.continue_prefixes = lambda prefixes, n, **options: (
        calls.append(len(prefixes)) or draw(prefixes, n, **options)
    )
    found = run([(P, plan(3)), (Q, silent()), (Q, plan(1)), (Q, plan(2))], drawing)
    assert found[1] == "nothing"
    assert [len(found[i]) for i in (0, 2, 3)] == [3, 1, 2]
    assert calls == [2, 2, 1]
    (alone,) = run([(P, plan(3))], drawing)
    assert found[0] == alone


def test_what_a_server_failed_on_is_no_end():
    class Failing:
        name = "failing"

        def continue_prefixes(self, prefixes, n, *, seed, sampling=None):
            return [[Continuation((), None, 0, False, failed="status 500")] * n for _ in prefixes]

    (found,) = Drawing(Failing(), no_b_ends, Sampling()).draw([(P, Ask((), 2))])
    assert [one.ending for one in found] == [Ending(None, "status 500")] * 2


@pytest.mark.parametrize("steps", ["a", "abab"])
def test_a_chain_is_judged_whole(drawing_of, steps):
    seen = []

    def ends(chains):
        seen.extend(chains)
        return [Ending(True) for _ in chains]

    (found,) = drawing_of(a=1, end=1, ends=ends).draw([(P, Ask(tuple(steps), 5))])
    whole = [one for one in found if one.steps]
    assert [one.steps for one in seen] == [tuple(steps) + one.steps for one in whole]
