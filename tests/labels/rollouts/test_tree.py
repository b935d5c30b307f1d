"""The tree: exact values whatever is reused, no endless search, and the choice of OmegaPRM."""

import math
import random
from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from abc_chains import by_chance, chain, value
from surefoot.errors import UsageError
from surefoot.labels.rollouts import RolloutRule, label_rollouts
from surefoot.labels.rollouts.draws import Rollout
from surefoot.labels.rollouts.ends import CUT, NO_ANSWER, Ending
from surefoot.labels.rollouts.label import chains_of
from surefoot.labels.rollouts.positions import positions_of
from surefoot.labels.rollouts.tree import Tree, TreeRule, grow, reuse

RIGHT, WRONG = Ending(True), Ending(False)


def test_a_chain_counts_between_its_start_and_its_end():
    tree = Tree("wrong")
    tree.add(("a",), [Rollout(("b", "c", "d"), RIGHT, 9), Rollout(("b", "x"), WRONG, 5)])
    tree.add(("a", "b"), [Rollout(("c", "e"), WRONG, 7)])
    counts = {"".join(steps): one.counts for steps, one in tree.states.items()}
    assert counts == {"a": (1, 2), "ab": (1, 3), "abc": (1, 2)}
    assert tree.states["a", "b"].drawn == 1
    assert tree.states["a",].tokens == 14
    assert set(tree.chains) == {tuple("abcd"), tuple("abx"), tuple("abce")}


def test_what_was_cut_or_judged_by_nobody_counts_where_it_may():
    tree = Tree("wrong")
    tree.add((), [Rollout(("a", "b", "c"), RIGHT, 1)])
    tree.add((), [Rollout(("a", "b", "c"), Ending(None, CUT), 1)])
    tree.add((), [Rollout(("a", "b"), Ending(None, NO_ANSWER), 1)])
    tree.add((), [Rollout(("a", "b"), Ending(None, "status 500"), 1)])
    assert tree.states["a",].counts == (1, 3)
    assert tree.states["a", "b"].counts == (1, 2)
    assert tree.states[()].causes == {CUT: 1, NO_ANSWER: 1, "status 500": 1}


def test_the_choice_is_that_of_the_paper():
    """By equations 2 and 3 of OmegaPRM, worked out here."""
    tree = Tree("wrong")
    for steps, k, n, lengths in ((("s",), 3, 4, (5, 2)), (("t",), 1, 4, (2, 3))):
        state = tree.state(steps)
        state.right, state.wrong = k, n - k
        for length in lengths:
            tree.passes(steps, (f"{steps[0]}{length}",) * length, WRONG)
    never = tree.state(("u",))
    never.wrong = 4
    tree.passes(("u",), ("x",) * 2, WRONG)
    rule = TreeRule(alpha=0.5, beta=0.9, length=5, c=0.125)
    visits = {"s": 0, "t": 0}
    left = [("s", 5), ("s", 2), ("t", 2), ("t", 3)]
    while left:

        def worth(one):
            state, length = one
            quality = 0.5 ** (1 - {"s": 3 / 4, "t": 1 / 4}[state]) * 0.9 ** (length / 5)
            return quality + 0.125 * math.sqrt(sum(visits.values())) / (1 + visits[state])

        best = max(left, key=worth)
        left.remove(best)
        visits[best[0]] += 1
        picked = tree.pick(rule)
        assert (picked.state[0], len(picked.steps)) == best
    assert tree.pick(rule) is None, "a state of value 0 holds nothing to search"
    assert tree.visits == {("s",): 2, ("t",): 2}


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 6), st.integers(1, 60))
def test_it_comes_to_an_end_whatever_is_written(seed, n, most):
    """A policy that writes at random, often the same: no state is filled twice, and what is drawn
    stays within the limit and one search."""
    rng = random.Random(seed)
    found = positions_of(chain("ab" * 4, rng.random() < 0.5), Ending(False), "wrong")
    found.own = Ending(found.trace.outcome)
    plan, asked, drawn = grow(found, n, TreeRule(num_rollouts=most, own=True)), [], 0
    asks = next(plan)
    with suppress(StopIteration):
        while True:
            answers = []
            for one in asks:
                asked.append(one.steps)
                drawn += one.n
                assert 1 <= one.n <= n
                answers.append(
                    [
                        Rollout(
                            tuple(rng.choices("ab", k=rng.randint(0, 4))),
                            rng.choice([RIGHT, WRONG, WRONG, Ending(None, CUT)]),
                            1,
                        )
                        for _ in range(one.n)
                    ]
                )
            asks = plan.send(answers)
    assert len(set(asked)) == len(asked)
    assert drawn <= most + n * 4
    everywhere = [*found.evidence(), *found.elsewhere]
    assert sum(one.drawn for one in everywhere) == drawn


@pytest.mark.parametrize("method", ["reuse", "tree"])
def test_values_are_exact_on_average(method):
    """Right ends of all chains through a state, whatever was reused and however it was chosen."""
    answer, n = by_chance(random.Random(0)), [0] * 3
    right = [0] * 3
    for _ in range(600):
        found = positions_of(chain("aaab", False), Ending(False), "wrong")
        rule = TreeRule(num_rollouts=24)
        plan = grow(found, 6, rule) if method == "tree" else reuse(found, 6, rule)
        asks = next(plan)
        with suppress(StopIteration):
            while True:
                asks = plan.send([answer(ask) for ask in asks])
        for k in range(3):
            right[k] += found.steps[k].right
            n[k] += found.steps[k].n
    for k in range(3):
        assert right[k] / n[k] == pytest.approx(value(3, 1, 1), abs=0.03)


def test_reuse_gives_every_prefix_its_n_for_fewer_tokens(drawing_of):
    traces = [chain("aaab", False), chain("aaba", False, problem="q")]
    brute, reusing = (drawing_of(a=3, b=1, end=1) for _ in range(2))
    label_rollouts(traces, RolloutRule(n=8, start=True), brute)
    for found in label_rollouts(traces, RolloutRule(method="reuse", n=8), reusing):
        for pair in found.labels[0].counts[:-1]:
            assert pair[1] >= 4, "empty rollouts do not count and are not drawn again"
    assert reusing.policy.usage.new_tokens < 0.8 * brute.policy.usage.new_tokens


def test_a_trace_counts_as_its_own_rollout_where_it_may(drawing_of):
    (with_it,), (without,) = (
        label_rollouts(
            [chain("aab", False)],
            RolloutRule(method="reuse", n=1, tree=TreeRule(own=own)),
            drawing_of(a=1, c=1, end=1),
        )
        for own in (True, False)
    )
    assert with_it.labels[0].counts[:2] == ((0, 1), (0, 1))
    assert with_it.meta["rollout"]["rollouts"] == 1
    assert without.meta["rollout"]["rollouts"] > 1


def test_chains_that_were_kept_come_back_as_traces(drawing_of):
    rule = RolloutRule(method="tree", n=6, tree=TreeRule(num_rollouts=20, keep_chains=True))
    (found,) = label_rollouts([chain("aab", False)], rule, drawing_of(a=2, b=1, end=1))
    grown = chains_of(found, source="abc")
    assert len(grown) > 5
    for one in grown:
        assert one.outcome == ("b" not in one.texts)
        assert one.labels[0].counts[-1] == (int(one.outcome), 1)
        if "b" in one.texts[:-1]:
            first = one.texts.index("b")
            assert all(v in (0.0, None) for v in one.labels[0].values[first:])
    own = found.meta["rollout"]["chains"]
    assert len({tuple(one["steps"]) for one in own}) == len(own)


@pytest.mark.parametrize("given", [{"num_rollouts": 0}, {"alpha": 0}, {"beta": 1.5}])
def test_a_tree_that_cannot_grow_is_refused(given):
    with pytest.raises(UsageError, match="is "):
        TreeRule(**given)
