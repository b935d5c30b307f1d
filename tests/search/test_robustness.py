"""Policies and scorers that misbehave: a search ends with what it has and says why."""

import time
from functools import partial

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from chains import chain_parts, chain_policy
from json_server import Reply, serve
from surefoot.errors import ModelError
from surefoot.models.baselines import RandomScores, StepLength
from surefoot.models.contract import Contract
from surefoot.models.discriminative import DiscriminativeModel
from surefoot.models.ensemble import Ensemble
from surefoot.models.http import Patience, Server
from surefoot.models.remote import RemoteModel
from surefoot.policies.base import Sampling
from surefoot.policies.local import LocalPolicy
from surefoot.search.beam import beam
from surefoot.search.best_of_n import best_of_n
from surefoot.search.losses import circle_of
from surefoot.search.mcts import mcts
from surefoot.search.running import search
from surefoot.search.settings import Settings
from surefoot.search.task import Limits
from surefoot.traces.rows import trace_from_row, trace_to_row
from surefoot.traces.types import Trace
from tabular import TabularPolicy, TabularScorer, found, table, timeless

METHODS = [
    partial(best_of_n, n=4),
    partial(beam, width=2, children=2),
    partial(mcts, n=4, children=2),
]
every_method = pytest.mark.parametrize("method", METHODS)
SHORT = Limits(step_tokens=8, solution_tokens=40, max_steps=12)


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch):
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


def prm(small_model, **options):
    """A real scorer with a session, which knows the words of the chains."""
    tokenizer = chain_parts()[1]
    model = small_model("llama", "scorer", tokenizer=tokenizer)
    contract = Contract.for_layout(tokenizer, **{"max_tokens": 64, **options})
    return DiscriminativeModel(model, tokenizer, contract, name="prm")


def always(small_model, *tokens):
    """A real policy that writes these tokens with equal chances, whatever came before."""
    tokenizer = chain_parts()[1]
    model = small_model("llama", tokenizer=tokenizer, tie_word_embeddings=False)
    head = torch.nn.Linear(model.config.hidden_size, len(tokenizer))
    with torch.no_grad():
        head.weight.zero_()
        head.bias.fill_(-1e9)
        head.bias[tokenizer.convert_tokens_to_ids(list(tokens))] = 0.0
    model.lm_head = head
    return LocalPolicy(model, tokenizer)


def assert_whole(result, *, ended, why):
    """It ended so, and every draw is in the tree or has its cause."""
    assert result.ended == ended
    assert why in (result.why or "")
    kept = sum(node.draws for node in result.tree if node.parent is not None)
    lost = sum(result.losses.values())
    dead = sum(node.draws for node in result.tree if node.status == "dead")
    assert kept + lost - dead <= result.usage.samples
    assert result.usage.new_tokens > 0


@every_method
def test_a_policy_that_never_ends_its_steps(small_model, method):
    result = found(always(small_model, "a", "b"), prm(small_model), method, limits=SHORT)
    assert_whole(result, ended="no solution", why="cut by the length limit")
    assert result.best is not None, "the beginning is there"
    assert not result.solutions[0].finished


@every_method
def test_a_policy_that_writes_nothing_but_line_ends(small_model, method):
    result = found(always(small_model, "\n"), prm(small_model), method, limits=SHORT)
    assert_whole(result, ended="no solution", why="no step was written")
    assert result.best is None
    assert [*result.losses] == ["no step was written"]


@every_method
def test_a_policy_that_ends_before_it_has_begun(small_model, method):
    result = found(always(small_model, "<end>"), prm(small_model), method, limits=SHORT)
    assert_whole(result, ended="no solution", why="no step was written")


@every_method
def test_special_tokens_are_text_to_the_scorer(small_model, method):
    result = found(always(small_model, "<pad>", "\n"), prm(small_model), method, limits=SHORT)
    assert_whole(result, ended=result.ended, why="")
    assert any("<pad>" in "".join(node.steps) for node in result.tree)
    assert all(node.status != "open" or node.scores for node in result.tree if node.steps)


@pytest.mark.parametrize(
    ("circle", "said"),
    [("a", "the same step"), ("ab", "the same 2 steps"), ("abc", "the same 3 steps")],
)
def test_a_policy_that_goes_in_circles(circle, said):
    policy = TabularPolicy(lambda _, steps: {circle[len(steps) % len(circle)]: 1.0})
    result = found(policy, TabularScorer(lambda p, s: 1.0), partial(beam, width=1, children=1))
    assert_whole(result, ended="no solution", why=f"writes {said} 3 times")
    assert result.best.texts == tuple((3 * circle)[:-1]), "up to where it had not gone round yet"


def test_work_that_repeats_itself_with_a_difference_is_no_circle():
    agent = [one for i in range(9) for one in ("look", f"open drawer {i}", "close it")]
    assert circle_of(agent) is None
    assert circle_of(["next page", "read", "next page", "read", "next page", "note it"]) is None
    assert circle_of([*"abab"]) is None
    assert circle_of([*"xababab"]) == 2
    assert circle_of([*"abcabcab"]) is None
    assert circle_of([" a", "a ", "a"]) == 1


@given(st.lists(st.sampled_from("abc"), max_size=12))
def test_a_circle_is_three_equal_blocks_at_the_end(steps):
    periods = [
        k
        for k in (1, 2, 3)
        if len(steps) >= 3 * k and "".join(steps).endswith(3 * "".join(steps[-k:]))
    ]
    assert circle_of(steps) == (min(periods) if periods else None)


@every_method
def test_a_scorer_that_cannot_read_long_prefixes(small_model, method):
    """One cause for all of them, with one of the reasons; what it can read is chosen from."""
    policy = chain_policy()
    results = found(policy, prm(small_model, max_tokens=5), method, *"pqpq", limits=SHORT)
    assert sum(one.losses["cannot be scored"] for one in results if one.losses) > 0
    for one in results:
        assert {*one.losses} <= {
            "cannot be scored",
            "no step was written",
            "writes the same step 3 times",
        }
        dead = [node for node in one.tree if (node.why or "").startswith("cannot be scored")]
        assert all("prm" in node.why or "tokens" in node.why for node in dead)
        if one.ended == "no solution":
            assert "most often" in one.why


class FailsAfter(TabularScorer):
    """Fails for good after so many calls."""

    def __init__(self, calls):
        super().__init__(lambda problem, steps: 0.5)
        self.calls = calls

    def score_batch(self, traces):
        self.calls -= 1
        if self.calls < 0:
            raise ModelError("the card fell out")
        return super().score_batch(traces)


@every_method
@pytest.mark.parametrize("calls", [0, 1, 2])
def test_a_scorer_that_fails_for_good_midway(method, calls):
    results = []
    settings = Settings(limits=SHORT)
    found_one_by_one = search("pq", chain_policy(), FailsAfter(calls), method, settings=settings)
    if method is METHODS[0] and calls:
        assert [one.ended for one in found_one_by_one] == ["done", "done"], "it scores once"
        return
    with pytest.raises(ModelError, match="the card fell out"):
        results.extend(found_one_by_one)
    assert len(results) == 2
    assert any(one.ended == "failed" for one in results)
    for one in results:
        assert one.best is not None
        if one.ended == "failed":
            assert_whole(one, ended="failed", why="the scorer failed: the card fell out")


@every_method
def test_a_scorer_that_abstains_on_everything(method):
    abstains = TabularScorer(lambda problem, steps: None)
    for one in found(chain_policy(), abstains, method, *"pq", limits=SHORT):
        assert one.ended in ("done", "no solution")
        assert all(node.value is None for node in one.tree)
        assert all(solution.reward is None for solution in one.solutions)
        assert one.best is not None


@every_method
@pytest.mark.parametrize("tokens", [1, 4, 5, 9])
def test_a_budget_too_small_for_a_step(method, tokens):
    policy = always_long()
    result = found(policy, TabularScorer(lambda p, s: 0.5), method, limits=Limits(tokens=tokens))
    assert result.usage.new_tokens <= tokens
    if tokens < 4:
        assert (result.ended, result.best) == ("budget", None)
        assert "tokens are spent" in result.why
    else:
        assert result.ended in ("budget", "no solution")
        assert "token" in result.why
        assert {*result.losses} == {"cut by the token budget"}


def always_long():
    return TabularPolicy(table({(): {"a b c d e f": 0.5, "g h i j k l": 0.5}}))


def test_seconds_end_a_search_with_what_it_has():
    class Slow(TabularPolicy):
        def continue_prefixes(self, prefixes, n, *, seed, sampling=None):
            time.sleep(0.05)
            return super().continue_prefixes(prefixes, n, seed=seed, sampling=sampling)

    policy = Slow(lambda _, steps: {f"step {len(steps)}": 1.0})
    limits = Limits(seconds=0.3)
    result = found(
        policy, TabularScorer(lambda p, s: 0.5), partial(beam, n=2, width=1), limits=limits
    )
    assert_whole(result, ended="budget", why="0.3 seconds are over")
    assert result.usage.seconds < 2
    assert 1 <= len(result.best.texts) <= 7


QUICK = Patience(timeout_s=10, num_retries=2, first_wait_s=0.01)


def score_server(scorer, *, fails=lambda: False):
    """A Surefoot server of scores, with a real scorer behind it."""
    (sample,) = scorer.score([Trace("p", ["a"])])
    said = {
        "surefoot": 1,
        "name": scorer.name,
        "kind": sample.kind,
        "default_aggregate": sample.default_aggregate,
        "threshold": sample.threshold,
        "abstains": False,
    }

    def one(row):
        trace = trace_from_row(row)
        scored = trace.with_scores(scorer.score(trace))
        return {"id": row["id"], **trace_to_row(scored)["scores"][-1]}

    def answer(request):
        if request.path == "/model":
            return said
        if fails():
            return Reply({"error": "no memory"}, 500)
        return {"surefoot": 1, "scores": [one(row) for row in request.body["traces"]]}

    return answer


@every_method
def test_a_scorer_behind_an_address_gives_what_it_gives_here(method):
    scorer = RandomScores(3)
    here = found(chain_policy(), scorer, method, *"pqp", limits=SHORT)
    with serve(score_server(scorer)) as server:
        remote = RemoteModel.connect(Server(server.url, patience=QUICK))
        there = found(chain_policy(), remote, method, *"pqp", limits=SHORT)
    for one, other in zip(timeless(there), timeless(here), strict=True):
        assert (one.solutions, one.tree, one.losses) == (other.solutions, other.tree, other.losses)
        assert one.usage.scored_steps == other.usage.scored_steps
        assert one.usage.scored_tokens is None, "a server does not say how much it computed"


@every_method
def test_an_ensemble_of_a_session_and_an_address(small_model, method):
    far, near = RandomScores(3), prm(small_model)
    here = found(chain_policy(), Ensemble([near, far]), method, *"pq", limits=SHORT)
    with serve(score_server(far)) as server:
        remote = RemoteModel.connect(Server(server.url, patience=QUICK))
        there = found(chain_policy(), Ensemble([near, remote]), method, *"pq", limits=SHORT)
    for one, other in zip(there, here, strict=True):
        assert [node.steps for node in one.tree] == [node.steps for node in other.tree]
        assert [s.reward for s in one.solutions] == pytest.approx(
            [s.reward for s in other.solutions]
        )
        for node in one.tree:
            if node.scores is not None:
                assert all(0 <= value <= 1 for value in node.scores)


def test_a_scorer_behind_an_address_that_dies_ends_the_searches_with_what_they_have():
    calls = []

    def fails():
        calls.append(None)
        return len(calls) > 1

    results = []
    with serve(score_server(StepLength(), fails=fails)) as server:
        remote = RemoteModel.connect(Server(server.url, patience=QUICK))
        with pytest.raises(ModelError):
            results.extend(
                search("pq", chain_policy(), remote, METHODS[1], settings=Settings(limits=SHORT))
            )
    assert len(results) == 2
    for one in results:
        assert_whole(one, ended="failed", why="the scorer failed")
        assert one.best is not None


def test_a_policy_with_no_room_for_a_prefix_loses_that_prefix_alone():
    policy = chain_policy()
    long = "p" * 200
    results = found(policy, None, partial(best_of_n, n=2), "p", long, sampling=Sampling())
    assert results[0].ended == "done"
    assert len(results) == 2
