"""A session scores growing traces as they are scored whole, and pays for new tokens alone."""

import gc
import random
import weakref

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from session_contracts import (
    CONTRACTS,
    PROBLEM,
    WORDS,
    every_contract,
    make_scorers,
    same,
    tokens_in,
)
from surefoot.errors import TraceError, UnscorableError, UsageError
from surefoot.models.render import text_of
from surefoot.models.session import TreeSession
from surefoot.traces.types import Trace


@pytest.fixture(scope="module")
def scorers(small_model):
    return make_scorers(small_model)


@every_contract
@pytest.mark.parametrize("seed", range(2))
def test_random_growth_scores_as_whole_traces_do(scorers, kind, seed):
    scorer, twin = scorers(kind)
    chance = random.Random(seed)
    session = scorer.open(PROBLEM, reference="17")
    assert isinstance(session, TreeSession)
    branches = [session.root]
    seen = []
    for _ in range(6):
        scorer.engine.pack_tokens = chance.choice([17, 60, 640])
        extensions = [
            (
                chance.choice(branches),
                [chance.choice(WORDS) for _ in range(chance.choice([1, 1, 3]))],
            )
            for _ in range(3)
        ]
        for branch in session.extend(extensions):
            same(branch.scores, twin.score(Trace(PROBLEM, branch.steps, reference="17")))
            branches.append(branch)
            seen += branch.scores.values
        for _ in range(chance.choice([0, 1, 2])):
            if len(branches) > 2:
                session.drop(branches.pop(chance.randrange(1, len(branches))))
    assert len(session) == len(branches)
    assert max(seen) - min(seen) > 0.1
    for branch in branches[1:]:
        session.drop(branch)
    assert list(session.tree.nodes()) == []


@settings(max_examples=30, deadline=None)
@given(data=st.data())
def test_text_that_is_cut_otherwise_later_is_read_anew_or_refused(scorers, data):
    """Without cuts, what follows can change the tokens of what stood before."""
    pieces = st.sampled_from([*"ab.1 \n", " ки", "数", "<extra_0>", "13"])
    step = st.lists(pieces, min_size=1, max_size=4).map("".join).filter(lambda one: one.strip())
    for kind in ("no cuts", "no cuts, in pieces", "behind the slot"):
        scorer, twin = scorers(kind)
        session = scorer.open("p")
        branch = session.root
        for _ in range(3):
            steps = data.draw(st.lists(step, min_size=1, max_size=2))
            trace = Trace("p", [*branch.steps, *steps])
            try:
                wanted = twin.score(trace)
            except UnscorableError:
                with pytest.raises(UnscorableError):
                    session.extend([(branch, steps)])
                continue
            (branch,) = session.extend([(branch, steps)])
            same(branch.scores, wanted)


def prefixes_of(rows):
    return {tuple(row.ids[: i + 1]) for row in rows for i in range(len(row.ids))}


@pytest.mark.parametrize("kind", [kind for kind in CONTRACTS if kind != "two passes"])
def test_every_token_is_computed_once(scorers, kind):
    scorer, _ = scorers(kind)
    session = scorer.open(PROBLEM)
    scorer.engine.pack_tokens = 50
    known, branches = set(), [session.root]
    for depth in range(5):
        before = scorer.engine.usage.computed_tokens
        extensions = [(one, [f"{depth} {k} so"]) for one in branches for k in range(3)]
        grown = session.extend(extensions)
        traces = [Trace(PROBLEM, one.steps) for one in grown]
        rows = [row for item in scorer.items([*map(text_of, traces)]) for row in item.rows]
        new = prefixes_of(rows) - known
        known |= new
        assert scorer.engine.usage.computed_tokens - before == len(new)
        assert tokens_in(session) == len(known)
        branches = grown[::3]


def test_a_beam_costs_the_same_at_every_depth(scorers):
    """4 beams of 4, ten deep: with whole traces the cost of a depth would grow tenfold."""
    scorer, twin = scorers("a tag")
    session = scorer.open(PROBLEM)
    beams, costs = [session.root], []
    for depth in range(10):
        before = scorer.engine.usage.computed_tokens
        grown = session.extend(
            [
                (one, [f"{depth}: {i} {k} and so on"])
                for i, one in enumerate(beams)
                for k in range(4)
            ]
        )
        costs.append(scorer.engine.usage.computed_tokens - before)
        kept = grown[:16:4] if depth else grown
        for branch in [*beams, *grown]:
            if branch not in kept and branch is not session.root:
                session.drop(branch)
        beams = kept
    assert max(costs[1:]) <= min(costs[1:]) + 4 * 4
    same(beams[0].scores, twin.score(Trace(PROBLEM, beams[0].steps)))


def memory_of(session):
    return [one for node in session.tree.nodes() for pair in node.memory for one in pair]


@every_contract
def test_dropped_branches_free_their_memory(scorers, kind):
    scorer, _ = scorers(kind)
    session = scorer.open(PROBLEM)
    first, other = session.extend([(session.root, ["one so"]), (session.root, ["two so"])])
    (deep,) = session.extend([(first, ["three so", "four so"])])
    everything = tokens_in(session)
    gone = [weakref.ref(one) for one in memory_of(session)]
    assert gone
    session.drop(first)
    assert len(session) == 3
    again = session.extend([(deep, ["five so"])])[0]
    session.drop(again)
    session.drop(other)
    assert 0 < tokens_in(session) < everything
    storages = {
        one.untyped_storage().data_ptr(): one.untyped_storage() for one in memory_of(session)
    }
    needed = sum(one.numel() * one.element_size() for one in memory_of(session))
    assert sum(one.nbytes() for one in storages.values()) == needed
    session.drop(deep)
    gc.collect()
    assert list(session.tree.nodes()) == []
    assert not any(one() is not None for one in gone)
    (after,) = session.extend([(session.root, ["one so"])])
    same(after.scores, first.scores)


def test_thousands_of_branches(scorers):
    scorer, twin = scorers("a tag")
    scorer.engine.pack_tokens = 640
    session = scorer.open("p")
    branches = [session.root]
    chance = random.Random(0)
    while len(branches) < 2000:
        parents = [chance.choice(branches) for _ in range(500)]
        branches += session.extend([(one, [str(chance.random())[:4]]) for one in parents])
    assert len(session) == len(branches) > 2000
    for branch in chance.sample(branches[1:], 5):
        same(branch.scores, twin.score(Trace("p", branch.steps)))
    for branch in branches[1:]:
        session.drop(branch)
    assert (len(session), tokens_in(session)) == (1, 0)


def test_the_same_steps_may_be_taken_twice_and_dropped_once(scorers):
    scorer, twin = scorers("a tag")
    session = scorer.open("p")
    one, other = session.extend([(session.root, ["a"]), (session.root, ["a"])])
    assert one is not other
    session.drop(one)
    (grown,) = session.extend([(other, ["b"])])
    same(grown.scores, twin.score(Trace("p", ["a", "b"])))


def test_several_steps_at_once_are_as_one_after_the_other(scorers):
    scorer, _ = scorers("a tag")
    session = scorer.open("p")
    (once,) = session.extend([(session.root, ["a", "b", "c"])])
    branch = session.root
    for step in "abc":
        (branch,) = session.extend([(branch, [step])])
    same(once.scores, branch.scores)
    assert (session.root.steps, session.root.scores) == ((), None)


def test_no_extensions_give_no_branches(scorers):
    assert scorers("a tag")[0].open("p").extend([]) == []


def test_what_is_not_of_the_session_is_refused(scorers):
    scorer, _ = scorers("a tag")
    session, other = scorer.open("p"), scorer.open("p")
    (branch,) = session.extend([(session.root, ["a"])])
    for call in (lambda: other.extend([(branch, ["b"])]), lambda: other.drop(branch)):
        with pytest.raises(UsageError, match="dropped, or belongs to another session"):
            call()
    session.drop(branch)
    with pytest.raises(UsageError, match="dropped, or belongs to another session"):
        session.extend([(session.root, ["x"]), (branch, ["b"])])
    with pytest.raises(UsageError, match="dropped, or belongs to another session"):
        session.drop(branch)
    with pytest.raises(UsageError, match="the root stays"):
        session.drop(session.root)
    assert (len(session), tokens_in(session), len(other)) == (1, 0, 1)


@pytest.mark.parametrize(
    ("steps", "error", "reason"),
    [
        ("ab", UsageError, "the further steps are 'ab'; give at least one, in a list"),
        ([], UsageError, r"the further steps are \[\]"),
        (["a", ""], TraceError, "step 1: a step is empty"),
        ([" \n"], TraceError, "step 0: a step is empty"),
        ([3], TraceError, "step 0: step text is int"),
        (["\ud800"], TraceError, "lone surrogate"),
    ],
)
def test_steps_are_checked_as_those_of_traces_are(scorers, steps, error, reason):
    session = scorers("a tag")[0].open("p")
    with pytest.raises(error, match=reason):
        session.extend([(session.root, ["fine"]), (session.root, steps)])
    assert (len(session), tokens_in(session)) == (1, 0)


def test_an_empty_problem_is_refused(scorers):
    session = scorers("a tag")[0].open(" ")
    with pytest.raises(TraceError, match="the problem is empty"):
        session.extend([(session.root, ["a"])])


@every_contract
def test_a_prefix_that_is_too_long_leaves_the_session_as_it_was(scorers, kind):
    scorer, twin = scorers(kind, max_tokens=150)
    session = scorer.open("p")
    (branch,) = session.extend([(session.root, ["a"])])
    tokens, used = tokens_in(session), scorer.engine.usage.computed_tokens
    with pytest.raises(UnscorableError, match="the contract allows 150"):
        session.extend([(branch, ["fine"]), (branch, ["much " * 150]), (session.root, ["b"])])
    assert (len(session), tokens_in(session)) == (2, tokens)
    assert scorer.engine.usage.computed_tokens == used
    (grown,) = session.extend([(branch, ["fine"])])
    same(grown.scores, twin.score(Trace("p", ["a", "fine"])))


def test_a_second_pass_that_is_too_long_leaves_the_session_as_it_was(scorers):
    _, twin = scorers("two passes")
    longest = max(
        len(row.ids) for item in twin.items([text_of(Trace("p", ["a so"]))]) for row in item.rows
    )
    scorer, _ = scorers("two passes", max_tokens=longest)
    session = scorer.open("p")
    with pytest.raises(UnscorableError, match=f"the contract allows {longest}"):
        session.extend([(session.root, ["a so"])])
    assert (len(session), tokens_in(session)) == (1, 0)


@every_contract
@pytest.mark.parametrize("survive", [0, 1, 2])
def test_a_call_that_is_stopped_leaves_the_session_as_it_was(scorers, kind, survive):
    scorer, twin = scorers(kind)
    scorer.engine.pack_tokens = 25
    session = scorer.open("p")
    (branch,) = session.extend([(session.root, ["a so"])])
    tokens = tokens_in(session)
    left = iter(range(survive))

    def stop(module, inputs):
        if next(left, None) is None:
            raise KeyboardInterrupt

    hook = scorer.model.model.layers[0].mlp.register_forward_pre_hook(stop)
    extensions = [(branch, [f"{k} so " + "long " * 20]) for k in range(3)]
    try:
        with pytest.raises(KeyboardInterrupt):
            session.extend(extensions)
    finally:
        hook.remove()
    assert (len(session), tokens_in(session)) == (2, tokens)
    for grown in session.extend(extensions):
        same(grown.scores, twin.score(Trace("p", grown.steps)))


def test_a_scorer_that_does_not_pack_scores_whole_prefixes(scorers):
    scorer, twin = scorers("a tag")
    session = twin.open(PROBLEM)
    assert not isinstance(session, TreeSession)
    (branch,) = session.extend([(session.root, ["a"])])
    (branch,) = session.extend([(branch, ["b", "c"])])
    same(branch.scores, scorer.score(Trace(PROBLEM, ["a", "b", "c"])))
    session.drop(branch)
    assert len(session) == 2


def test_sessions_of_one_scorer_do_not_mix(scorers):
    scorer, twin = scorers("a tag")
    problems = ["p", "q", "p"]
    sessions = [scorer.open(problem) for problem in problems]
    branches = [one.extend([(one.root, ["a"])])[0] for one in sessions]
    for session, branch, problem in zip(sessions, branches, problems, strict=True):
        (grown,) = session.extend([(branch, ["b"])])
        same(grown.scores, twin.score(Trace(problem, ["a", "b"])))
    scorer.score(Trace("p", ["z"]))
    (grown,) = sessions[0].extend([(branches[0], ["c"])])
    same(grown.scores, twin.score(Trace("p", ["a", "c"])))
