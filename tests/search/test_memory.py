"""What searches leave behind: nothing in the scorer's session, and a cache within its bound."""

from functools import partial
from itertools import islice

import pytest

from chains import chain_parts, chain_policy
from surefoot.models.contract import Contract
from surefoot.models.discriminative import DiscriminativeModel
from surefoot.models.session import TreeSession
from surefoot.search.beam import beam
from surefoot.search.best_of_n import best_of_n
from surefoot.search.mcts import mcts
from surefoot.search.running import search
from surefoot.search.settings import Settings
from surefoot.search.task import Limits

SHORT = Settings(limits=Limits(step_tokens=8, solution_tokens=30))


class Kept(DiscriminativeModel):
    """Shows the session that it opened last."""

    def open(self, problem, *, reference=None):
        self.session = super().open(problem, reference=reference)
        return self.session


@pytest.fixture(scope="module")
def scorer(small_model):
    tokenizer = chain_parts()[1]
    model = small_model("llama", "scorer", tokenizer=tokenizer)
    return Kept(model, tokenizer, Contract.for_layout(tokenizer, max_tokens=64), name="prm")


def assert_nothing_is_left(session):
    assert isinstance(session, TreeSession)
    assert len(session) == 1, "the first root stays as long as its session"
    assert (list(session.tree.nodes()), session._holds) == ([], {})
    assert (session._new, session._laid) == ([], [])


@pytest.mark.parametrize(
    ("method", "num"),
    [
        (partial(beam, width=2, children=2), 300),
        (partial(mcts, n=4, children=2), 40),
        (partial(best_of_n, n=4), 40),
    ],
)
def test_hundreds_of_problems_leave_nothing(scorer, method, num):
    policy = chain_policy(cache_tokens=100)
    problems = ("pq"[i % 2] for i in range(num))
    most = scored_tokens = 0
    for result in search(problems, policy, scorer, method, settings=SHORT, at_once=32):
        scored_tokens += result.usage.scored_tokens
        most = max(most, len(scorer.session))
        assert policy.cache.num_tokens <= 100
    assert most < 32 * 20, "those that have ended are forgotten before the others do"
    assert scored_tokens > 0, "scored by tokens, those of equal prefixes once"
    assert_nothing_is_left(scorer.session)
    held = sum(len(node.ids) for node in policy.cache._tree.nodes())
    assert held == policy.cache.num_tokens > 0


def test_who_stops_listening_leaves_nothing(scorer):
    results = search("pq" * 20, chain_policy(), scorer, partial(beam, n=4, width=2), settings=SHORT)
    assert len([*islice(results, 3)]) == 3
    results.close()
    assert_nothing_is_left(scorer.session)


@pytest.mark.parametrize("error", [KeyboardInterrupt, ZeroDivisionError])
def test_an_interrupt_leaves_nothing(scorer, error):
    policy = chain_policy()
    continue_prefixes, calls = policy.continue_prefixes, []

    def interrupted(*args, **options):
        calls.append(None)
        if len(calls) == 3:
            raise error
        return continue_prefixes(*args, **options)

    policy.continue_prefixes = interrupted
    with pytest.raises(error):
        [*search("pq" * 4, policy, scorer, partial(beam, width=2, children=2), settings=SHORT)]
    assert_nothing_is_left(scorer.session)


def test_a_fault_of_a_method_leaves_nothing(scorer):
    def method(search):
        (own,) = yield from search.grow([search.root], 4)
        yield from search.grow(own, 2)
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        [*search("pq", chain_policy(), scorer, method, settings=SHORT)]
    assert_nothing_is_left(scorer.session)
