"""The search on one problem: what grows, what is lost and why, and where it stops."""

import math
from collections import Counter

import pytest

from surefoot.errors import ModelError, UnscorableError, UsageError
from surefoot.search.running import search
from surefoot.search.task import Limits
from tabular import TabularPolicy, TabularScorer, found, table

ONE, TWO = "The answer is 1.", "The answer is 2."
FORK = {
    (): {"left": 0.75, "right": 0.25},
    ("left",): {ONE: 0.5, "on": 0.5},
    ("right",): {TWO: 1.0},
    ("left", "on"): {TWO: 1.0},
}


def scores(problem, steps):
    return {"left": 0.5, "right": 0.25, "on": 1.0, ONE: 0.5, TWO: 1.0}[steps[-1]]


def fork(**options):
    return TabularPolicy(table(FORK)), TabularScorer(scores, **options)


def draws(tree):
    return {node.steps: node.draws for node in tree if node.steps}


def by_path(tree):
    """The rows of a tree by all steps up to them."""
    paths = []
    for row in tree:
        paths.append(row.steps if row.parent is None else paths[row.parent] + row.steps)
    return dict(zip(paths, tree, strict=True))


def test_equal_draws_are_one_child_and_are_counted():
    def method(search):
        (own,) = yield from search.grow([search.root], 40)
        assert sum(child.draws for child in own) == 40
        assert [child.number for child in own] == [1, 2]
        for child in own:
            assert child.logprob == pytest.approx(math.log(FORK[()][child.steps[0]]))
            assert child.scores.values == (scores("p", child.steps),)

    result = found(*fork(), method)
    assert set(draws(result.tree)) == {("left",), ("right",)}
    assert result.usage.samples == 40
    assert result.usage.new_tokens == 40
    assert result.usage.scored_steps == 2
    assert result.usage.asks == 2
    assert (result.ended, result.why) == ("no solution", "no solution came to an end")
    assert result.best.texts == ("left",)
    assert not result.solutions[0].finished


def test_draws_of_two_calls_are_those_of_one():
    def at_once(search):
        yield from search.grow([search.root], 10, num_steps=None)

    def in_parts(search):
        for num in (3, 6, 1):
            yield from search.grow([search.root], num, num_steps=None)

    one, other = found(*fork(), at_once), found(*fork(), in_parts)
    assert one.tree == other.tree
    assert sum(draws(one.tree).values()) == 10


def test_a_pruned_child_that_is_drawn_again_is_open_again():
    def method(search):
        (own,) = yield from search.grow([search.root], 20)
        search.prune(own)
        (again,) = yield from search.grow([search.root], 20)
        assert again == own
        assert all(child.status == "open" for child in own)
        assert sum(child.draws for child in own) == 40
        yield from search.grow(again, 3)

    result = found(*fork(), method)
    assert result.answer == "2"
    row = by_path(result.tree)["right", TWO]
    assert (row.status, row.scores, row.value, row.draws) == ("finished", (1.0,), 0.25, 3)


def test_a_stated_answer_finishes_and_so_does_the_end_of_the_text():
    rows = {(): {"so 7": 1.0}}

    def method(search):
        (own,) = yield from search.grow([search.root], 3)
        assert own[0].status == "open"
        (again,) = yield from search.grow(own, 2)
        assert again == own
        assert own[0].status == "finished"
        assert own[0].ends == 2

    result = found(TabularPolicy(table(rows)), TabularScorer(lambda p, s: 0.5), method)
    assert result.answer == "7"
    assert result.ended == "done"
    assert len(result.tree) == 2
    direct = found(*fork(), lambda search: search.grow([search.root], 9, num_steps=None))
    assert {one.trace.answer for one in direct.solutions} == {"1", "2"}


@pytest.mark.parametrize(
    ("rows", "num_steps", "limits", "why"),
    [
        ({}, 1, {}, "no step was written"),
        ({(): {"a b c d": 1.0}}, 1, {"step_tokens": 3}, "cut by the length limit"),
        ({(): {"a b c d": 1.0}}, None, {"solution_tokens": 3}, "cut by the length limit"),
        (
            {(): {"a b": 1.0}, ("a b",): {"c d": 1.0}},
            1,
            {"solution_tokens": 3},
            "longer than a solution may be",
        ),
        ({("a",) * i: {"a": 1.0} for i in range(9)}, 1, {}, "writes the same step 3 times"),
        (
            {("a", "b", "a", "b")[:i]: {"ab"[i % 2]: 1.0} for i in range(4)},
            1,
            {"max_steps": 2},
            "2 steps without an end",
        ),
    ],
)
def test_what_comes_to_nothing_is_dead_and_counted(rows, num_steps, limits, why):
    def method(search):
        nodes = [search.root]
        while nodes:
            grown = yield from search.grow(nodes, 3, num_steps=num_steps)
            nodes = [node for own in grown for node in own]

    policy, scorer = TabularPolicy(table(rows)), TabularScorer(lambda p, s: 0.5)
    result = found(policy, scorer, method, limits=Limits(**limits))
    assert result.losses == {why: 3} or (limits.get("solution_tokens") and why in result.losses)
    assert result.ended == "no solution"
    assert why in result.why
    assert all(row.status in ("open", "dead") for row in result.tree)


def test_a_prefix_that_the_scorer_cannot_read_is_dead():
    result = found(*fork(unreadable=["right"]), lambda search: search.grow([search.root], 30))
    rows = by_path(result.tree)
    assert rows["right",].status == "dead"
    assert rows["right",].why == "cannot be scored: cannot read 'right'"
    assert result.losses == {"cannot be scored": rows["right",].draws}
    assert rows["left",].status == "open"
    assert rows["left",].value == 0.5


def test_no_request_goes_beyond_the_token_budget():
    def method(search):
        while True:
            yield from search.grow([search.root], 4, num_steps=None)

    for tokens in (1, 4, 15, 29, 100):
        policy, scorer = fork()
        result = found(policy, scorer, method, limits=Limits(tokens=tokens))
        assert result.ended == "budget"
        assert "tokens are spent" in result.why
        assert result.usage.new_tokens == policy.usage.new_tokens <= tokens
        assert tokens < 4 or result.usage.samples


def test_nothing_is_asked_for_after_the_time_is_over():
    policy, scorer = fork()
    result = found(
        policy, scorer, lambda search: search.grow([search.root], 4), limits=Limits(seconds=1e-9)
    )
    assert (result.ended, policy.usage.calls) == ("budget", 0)
    assert result.best is None
    assert result.answer is None


@pytest.mark.parametrize("name", ["max_steps", "step_tokens", "solution_tokens", "tokens"])
def test_limits_are_positive(name):
    with pytest.raises(UsageError, match=name):
        Limits(**{name: 0})


def test_temperature_zero_and_several_steps_in_one_request():
    def method(search):
        (own,) = yield from search.grow([search.root], 2, num_steps=2, temperature=0.0)
        assert [child.steps for child in own] == [("left", ONE)]
        assert own[0].draws == 2
        assert own[0].depth == 2
        assert own[0].logprob == pytest.approx(math.log(0.375))

    result = found(*fork(), method)
    assert result.tree[1].scores == (0.5, 0.5)
    assert result.tree[1].value == 0.25


def test_unscored_prefixes_are_scored_with_what_comes_behind_them():
    def method(search):
        (own,) = yield from search.grow([search.root], 20, score=False)
        assert all(child.scores is None for child in own)
        grown = yield from search.grow(own, 4)
        assert all(len(one.scores.values) == one.depth for some in grown for one in some)
        yield from search.score(own)
        assert all(len(child.scores.values) == 1 for child in own)

    rows = by_path(found(*fork(), method).tree)
    assert rows["left", ONE].scores == (0.5,)
    assert rows["left",].scores == (0.5,)


class Kept(TabularScorer):
    """Keeps its session, so that what is left in it can be counted."""

    def open(self, problem, *, reference=None):
        self.session = super().open(problem, reference=reference)
        return self.session


def test_nothing_is_kept_of_searches_that_have_ended():
    scorer = Kept(scores)

    def method(search):
        (own,) = yield from search.grow([search.root], 8)
        yield from search.grow(own, 8)

    results = found(TabularPolicy(table(FORK)), scorer, method, *"abc")
    assert len(results) == 3
    assert len(scorer.session) == 1, "the first root stays as long as its session"


def test_outcomes_weigh_in_and_what_could_not_be_rated_comes_last():
    outcome = TabularScorer(lambda p, s: 0.9 if s[-1] == ONE else 0.1, aggregate="last")
    whole = lambda search: search.grow([search.root], 30, num_steps=None)  # noqa: E731
    assert found(*fork(), whole).answer == "2"
    rated = found(*fork(), whole, outcome=outcome)
    assert rated.answer == "1"
    assert rated.solutions[0].reward == pytest.approx(0.25 * 0.9)

    outcome.unreadable = [ONE]
    partly = found(*fork(), whole, outcome=outcome)
    assert partly.answer == "2"
    assert [one.reward for one in partly.solutions if one.trace.answer == "1"] == [None]
    assert sum(partly.losses.values()) == 1


class FailingPolicy(TabularPolicy):
    """Answers so many calls and then fails for good."""

    calls = 1

    def continue_prefixes(self, prefixes, n, *, seed, sampling=None):
        if self.calls == 0:
            raise ModelError("gone")
        self.calls -= 1
        return super().continue_prefixes(prefixes, n, seed=seed, sampling=sampling)


class FailingScorer(TabularScorer):
    """Likewise."""

    calls = 1

    def score_batch(self, traces):
        if self.calls == 0:
            raise ModelError("gone")
        self.calls -= 1
        return super().score_batch(traces)


def two_rounds(search):
    (_own,) = yield from search.grow([search.root], 8, num_steps=None)
    yield from search.grow([search.root], 8)


def test_a_policy_that_fails_for_good_ends_the_search_with_what_it_has():
    results = []
    policy = FailingPolicy(table(FORK))
    with pytest.raises(ModelError, match="gone"):
        results.extend(search(["p", "q"], policy, TabularScorer(scores), two_rounds))
    assert [one.ended for one in results] == ["failed", "failed"]
    assert all("the policy failed: gone" in one.why for one in results)
    assert all(one.answer is not None for one in results)


def test_a_scorer_that_fails_for_good_ends_the_search_with_what_it_has():
    results = []
    policy, failing = TabularPolicy(table(FORK)), FailingScorer(scores)
    with pytest.raises(ModelError, match="gone"):
        results.extend(search(["p", "q"], policy, failing, two_rounds))
    assert all(one.ended == "failed" and one.solutions[0].finished for one in results)
    assert all("the scorer failed: gone" in one.why for one in results)


def test_a_prefix_that_the_policy_cannot_continue_fails_alone():
    class Short(TabularPolicy):
        def continue_prefixes(self, prefixes, n, *, seed, sampling=None):
            if any(prefix.steps == ("left",) for prefix in prefixes):
                raise UnscorableError("too long")
            return super().continue_prefixes(prefixes, n, seed=seed, sampling=sampling)

    def method(search):
        (own,) = yield from search.grow([search.root], 20)
        yield from search.grow(own, 5)

    policy = Short(table(FORK))
    result = found(policy, TabularScorer(scores), method)
    assert result.losses == {"the policy failed: too long": 5}
    assert result.answer == "2"
    assert result.ended == "done"


def test_the_first_losses_are_the_reason_of_no_solution():
    rows = {(): {"a b c": 0.9, "d": 0.1}}
    result = found(
        TabularPolicy(table(rows)),
        TabularScorer(lambda p, s: 0.5, unreadable=["d"]),
        lambda search: search.grow([search.root], 50),
        limits=Limits(step_tokens=2),
    )
    assert Counter(result.losses).total() == 50
    assert "cut by the length limit" in result.why
