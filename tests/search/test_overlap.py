"""The policy writes for some searches while others are scored, with the results it would have
otherwise, whatever the timing."""

import random
import threading
import time
from functools import partial

import pytest

from chains import chain_parts, chain_policy
from completions import Completions
from json_server import Reply, serve
from surefoot.models.contract import Contract
from surefoot.models.discriminative import DiscriminativeModel
from surefoot.policies.server import ServerPolicy
from surefoot.search.beam import beam
from surefoot.search.best_of_n import best_of_n
from surefoot.search.mcts import mcts
from surefoot.search.task import Limits
from tabular import TabularPolicy, TabularScorer, found, made_up_world, timeless

PROBLEMS = [*"pqppqqp"]
SHORT = Limits(step_tokens=8, solution_tokens=40)


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch):
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


def words(problem, steps):
    return {"a": 0.9, "b": 0.6, "c": 0.7}.get(steps[-1], 0.5)


def at_random_times(seed):
    """A server of chains that takes its time, another one for each request."""
    answer, rng = Completions(chain_policy()), random.Random(seed)
    return lambda request: Reply(answer(request), after_s=0.005 * rng.random())


def on_a_server(method, scorer, *, seed, overlaps, at_once=4, **options):
    with serve(at_random_times(seed)) as server:
        policy = ServerPolicy(server.url, "m", tokenizer=chain_parts()[1], num_connections=8)
        policy.is_elsewhere = overlaps
        return timeless(
            found(policy, scorer, method, *PROBLEMS, at_once=at_once, limits=SHORT, **options)
        )


@pytest.mark.parametrize(
    "method",
    [
        partial(best_of_n, n=3),
        partial(beam, width=2, children=2),
        partial(mcts, n=4, children=2),
    ],
)
def test_results_are_those_of_taking_turns_whatever_the_timing(method):
    scorer = TabularScorer(words)
    expected = on_a_server(method, scorer, seed=0, overlaps=False)
    assert [one.problem for one in expected] == PROBLEMS
    for seed in (1, 2):
        assert on_a_server(method, scorer, seed=seed, overlaps=True) == expected


def test_a_scorer_with_a_session_gives_the_same_scores(small_model):
    tokenizer = chain_parts()[1]
    model = small_model("llama", "scorer", tokenizer=tokenizer)
    contract = Contract.for_layout(tokenizer, max_tokens=64)
    scorer = DiscriminativeModel(model, tokenizer, contract, name="prm")
    method = partial(beam, width=2, children=2)
    expected = on_a_server(method, scorer, seed=0, overlaps=False)
    results = on_a_server(method, scorer, seed=1, overlaps=True)
    assert sum(one.usage.scored_tokens for one in results) > 0
    for one, other in zip(results, expected, strict=True):
        assert [node.steps for node in one.tree] == [node.steps for node in other.tree]
        for node, twin in zip(one.tree, other.tree, strict=True):
            assert node.scores == pytest.approx(twin.scores, abs=1e-5)


class Noted:
    """When something began and ended."""

    def __init__(self):
        self.spans = []

    def note(self, what):
        begun = time.monotonic()
        time.sleep(0.02)
        self.spans.append((what, begun, time.monotonic(), threading.current_thread()))

    def overlap(self, what, other):
        return [
            (one, two)
            for one in self.spans
            for two in self.spans
            if one is not two and one[0] == what and two[0] == other
            if one[1] < two[2] and two[1] < one[2]
        ]


def noted_world(*, is_elsewhere):
    noted, (policy, scorer) = Noted(), made_up_world(3)

    class Policy(TabularPolicy):
        def continue_prefixes(self, prefixes, n, *, seed, sampling=None):
            noted.note("write")
            return super().continue_prefixes(prefixes, n, seed=seed, sampling=sampling)

    class Scorer(TabularScorer):
        def score_batch(self, traces):
            noted.note("score")
            return super().score_batch(traces)

    slow = Policy(policy.chances)
    if is_elsewhere:
        slow.is_elsewhere = True
    return noted, slow, Scorer(scorer.step_score)


def test_a_policy_elsewhere_writes_while_others_are_scored():
    noted, policy, scorer = noted_world(is_elsewhere=True)
    apart = found(policy, scorer, partial(beam, width=2, children=2), *"abcdef")
    assert noted.overlap("write", "score")
    assert not noted.overlap("score", "score"), "a session is for one thread"
    here = {span[3] for span in noted.spans if span[0] == "score"}
    assert here == {threading.main_thread()}
    noted, policy, scorer = noted_world(is_elsewhere=False)
    together = found(policy, scorer, partial(beam, width=2, children=2), *"abcdef")
    assert timeless(apart) == timeless(together)


def test_a_policy_here_is_asked_by_one_thread_and_in_one_call_for_all():
    noted, policy, scorer = noted_world(is_elsewhere=False)
    found(policy, scorer, partial(beam, width=2, children=2), *"abcdef")
    assert {span[3] for span in noted.spans} == {threading.main_thread()}
    assert not noted.overlap("write", "score")
    assert len(policy.asked[0][0]) == 6


def test_one_search_alone_waits_for_nobody():
    noted, policy, scorer = noted_world(is_elsewhere=True)
    result = found(policy, scorer, partial(beam, width=2, children=2))
    assert result.usage.asks == len(noted.spans)


def test_what_a_thread_raises_is_raised_by_the_search():
    class Interrupted(TabularPolicy):
        is_elsewhere = True

        def continue_prefixes(self, prefixes, n, *, seed, sampling=None):
            raise KeyboardInterrupt

    _, scorer = made_up_world(0)
    with pytest.raises(KeyboardInterrupt):
        found(Interrupted(lambda problem, steps: {}), scorer, partial(best_of_n, n=2), "a", "b")
