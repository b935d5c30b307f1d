"""What holds of every method, on worlds that are made up at random."""

import inspect

import pytest
from hypothesis import given
from hypothesis import settings as effort
from hypothesis import strategies as st

from surefoot.errors import UsageError
from surefoot.search.methods import METHODS, about, method
from surefoot.search.results import result_to_json
from surefoot.search.reward import Reward
from surefoot.search.task import Limits
from tabular import found, made_up_world, timeless

SCORED = [name for name, one in METHODS.items() if one.scored]
names = pytest.mark.parametrize("name", METHODS)
worlds = st.integers(0, 10**6)


def test_the_methods_are_these():
    assert [*METHODS] == [
        "best-of-n", "majority", "self-consistency", "beam", "dvts", "lookahead", "mcts",
        "particles", "adaptive",
    ]  # fmt: skip
    assert {name for name, one in METHODS.items() if not one.scored} == {
        "majority",
        "self-consistency",
    }


@names
def test_each_can_be_told_from_the_others(name):
    one = about(name)
    assert "n" in one.options
    assert one.summary
    assert one.choice == ("argmax" if one.scored and name != "particles" else "majority")
    assert inspect.isgeneratorfunction(one.function)
    assert "arXiv" in inspect.getmodule(one.function).__doc__ or name == "dvts"


@names
@effort(max_examples=15, deadline=None)
@given(world=worlds, n=st.integers(1, 12), seed=st.integers(0, 99), weight=st.sampled_from([0, 1]))
def test_a_search_keeps_its_bounds_and_chooses_the_best(name, world, n, seed, weight):
    policy, scorer = made_up_world(world)
    options = {"most": n} if name == "adaptive" else {}
    result = found(
        policy,
        scorer if about(name).scored else None,
        method(name, n=n, **options),
        choice=about(name).choice,
        seed=seed,
        reward=Reward(logprob_weight=weight),
    )
    per_call = [len(prefixes) * num for prefixes, num, _ in policy.asked]
    assert sum(per_call) == result.usage.samples
    assert max(per_call) <= n
    assert result.usage.new_tokens == policy.usage.new_tokens
    assert result.ended == "done"
    assert all(one.finished for one in result.solutions)
    assert len(result.solutions) == sum(row.status == "finished" for row in result.tree)
    texts = [one.trace.texts for one in result.solutions]
    if name != "lookahead":
        assert len(texts) == len(set(texts)), "equal draws are one"
    if about(name).choice == "argmax":
        rewards = [one.reward for one in result.solutions]
        assert rewards == sorted(rewards, reverse=True)
    else:
        votes = [one.votes for one in result.solutions]
        assert votes == sorted(votes, reverse=True)


@names
@effort(max_examples=15, deadline=None)
@given(world=worlds, tokens=st.integers(1, 120))
def test_no_search_writes_more_than_its_budget(name, world, tokens):
    policy, scorer = made_up_world(world)
    result = found(
        policy,
        scorer if about(name).scored else None,
        method(name, n=8),
        limits=Limits(tokens=tokens),
        choice=about(name).choice,
    )
    assert policy.usage.new_tokens == result.usage.new_tokens <= tokens
    assert result.ended in ("done", "budget", "no solution")
    assert result.solutions or result.why
    result_to_json(result)


@names
@effort(max_examples=8, deadline=None)
@given(world=worlds, seed=st.integers(0, 9))
def test_a_problem_gets_what_it_would_get_alone(name, world, seed):
    def run(*problems, at_once=64):
        policy, scorer = made_up_world(world)
        results = found(
            policy,
            scorer if about(name).scored else None,
            method(name, n=6),
            *problems,
            choice=about(name).choice,
            seed=seed,
            at_once=at_once,
        )
        return timeless(results if isinstance(results, list) else [results])

    problems = ["p", "q", "p", "r", "s"]
    together = run(*problems)
    assert together == [one for problem in problems for one in run(problem)]
    assert together == run(*problems, at_once=2)


@names
def test_problems_are_asked_about_together(name):
    def calls(*problems):
        policy, scorer = made_up_world(5)
        found(
            policy, scorer, method(name, n=8), *problems, choice=about(name).choice,
        )  # fmt: skip
        return len(policy.asked), max(len(prefixes) for prefixes, _, _ in policy.asked)

    alone = calls("p")[0]
    together, widest = calls(*(f"p{i}" for i in range(20)))
    assert widest >= 20
    assert together < 20 * alone / 2


@pytest.mark.parametrize("name", [name for name in SCORED if name != "best-of-n"])
def test_who_goes_by_scores_says_that_it_needs_a_scorer(name):
    policy, _ = made_up_world(1)
    with pytest.raises(UsageError, match="there is no scorer"):
        found(policy, None, method(name))
    assert not policy.asked


@pytest.mark.parametrize(
    ("name", "options", "words"),
    [
        ("bean", {}, "no search method 'bean'; choose one of best-of-n"),
        ("beam", {"depth": 3}, "beam has no option 'depth'; it has n, width, children"),
        ("beam", {"n": 0}, "beam: n is 0; it must be a whole number, at least 1"),
        ("beam", {"n": 2.5}, "n is 2.5; it must be a whole number"),
        ("beam", {"width": "4"}, "width is '4'; it must be a number"),
        ("majority", {"n": True}, "n is True"),
        ("mcts", {"backup": "median"}, "backup is 'median'; choose mean or max"),
        ("mcts", {"rollouts": 1}, "rollouts is 1; it must be true or false"),
        ("mcts", {"exploration": float("nan")}, "exploration is nan"),
        ("self-consistency", {"certainty": -1}, "certainty is -1; it must be a number, not"),
    ],
)
def test_what_cannot_work_is_refused_with_a_word_on_what_can(name, options, words):
    with pytest.raises(UsageError, match=words):
        method(name, **options)


def test_what_is_not_given_is_left_at_its_default():
    made = method("beam", n=32, width=None)
    assert made.keywords == {"n": 32}
    assert about("best-of-n").options == {"n": 16}
