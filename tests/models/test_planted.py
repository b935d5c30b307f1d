"""One session for many problems: scored together, counted, and not stopped by one long prefix."""

import gc
import re
import weakref

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from session_contracts import WORDS, every_contract, make_scorers, same, tokens_in
from surefoot.errors import ModelError, TraceError, UnscorableError, UsageError
from surefoot.models.base import BatchScorer
from surefoot.models.baselines import StepLength
from surefoot.models.render import text_of
from surefoot.models.session import TreeSession
from surefoot.traces.types import StepScores, Trace

TASKS = [("What is 3 * 4 + 5? <extra_0>", "17"), ("p", None), ("What is 3?", "3"), ("p", "4")]
"""Problems and references. The contract of prefixes shows the reference."""


@pytest.fixture(scope="module")
def scorers(small_model):
    return make_scorers(small_model)


def planted(scorer, tasks=TASKS):
    """A session of all tasks, and their roots."""
    (problem, reference), *others = tasks
    session = scorer.open(problem, reference=reference)
    return session, [session.root, *(session.plant(p, reference=r) for p, r in others)]


def rows_of(scorer, *problems_and_steps):
    texts = [text_of(Trace(*one)) for one in problems_and_steps]
    return [row for item in scorer.items(texts) for row in item.rows]


def longest_row(scorer, *problems_and_steps):
    return max(len(row.ids) for row in rows_of(scorer, *problems_and_steps))


def assert_nothing_is_held(session):
    assert len(session) == len(session._kept) == 1
    if isinstance(session, TreeSession):
        assert (list(session.tree.nodes()), session._holds) == ([], {})
        assert (session._new, session._laid) == ([], [])


steps = st.lists(st.sampled_from(WORDS), min_size=1, max_size=2)
calls = st.lists(st.tuples(st.integers(0, 99), steps), min_size=1, max_size=5)


@every_contract
@pytest.mark.parametrize("packs", [True, False])
@settings(max_examples=6, deadline=None)
@given(
    rounds=st.lists(st.tuples(calls, st.lists(st.integers(0, 99), max_size=3)), max_size=4),
    pack_tokens=st.sampled_from([17, 60, 640]),
)
def test_random_trees_over_problems_score_as_whole_traces_and_count_every_token(
    scorers, kind, packs, rounds, pack_tokens
):
    """Any branches of any problems in one call, roots and branches dropped in between."""
    both = scorers(kind)
    scorer, other = both if packs else both[::-1]
    engine = scorer.engine
    engine.pack_tokens = pack_tokens
    session, roots = planted(scorer)
    assert isinstance(session, TreeSession) == packs
    task_of = dict(zip(roots, TASKS, strict=True))
    for extensions, drops in rounds:
        branches = list(task_of)
        asked = [(branches[i % len(branches)], more) for i, more in extensions]
        before = engine.usage.computed_tokens
        grown = session.extend(asked)
        assert sum(one.num_tokens for one in grown) == engine.usage.computed_tokens - before
        for branch, (parent, more) in zip(grown, asked, strict=True):
            problem, reference = task_of[branch] = task_of[parent]
            assert branch.steps == (*parent.steps, *more)
            wanted = other.score(Trace(problem, branch.steps, reference=reference))
            same(branch.scores, wanted)
        for i in drops:
            free = [one for one in task_of if one is not session.root]
            if free:
                session.drop(gone := free[i % len(free)])
                del task_of[gone]
        assert len(session) == len(task_of)
    for branch in task_of:
        if branch is not session.root:
            session.drop(branch)
    assert_nothing_is_held(session)


@every_contract
def test_all_problems_go_through_the_model_at_once(scorers, kind):
    scorer, _ = scorers(kind)
    scorer.engine.pack_tokens = 10_000
    session, roots = planted(scorer)
    before = scorer.engine.usage.passes
    grown = session.extend([(root, [f"{k} so"]) for root in roots for k in range(3)])
    session.extend([(one, ["so 12"]) for one in grown])
    num_passes = 2 if kind == "two passes" else 1
    assert scorer.engine.usage.passes - before == 2 * num_passes


def test_what_branches_share_counts_for_the_first(scorers):
    scorer, _ = scorers("a tag")
    session = scorer.open("p")
    extensions = [(session.root, ["a", "b"]), (session.root, ["a"]), (session.root, ["a", "c"])]
    one, two, three = session.extend(extensions)
    (again,) = session.extend([(session.root, ["a", "b"])])
    (whole,), (short,) = rows_of(scorer, ("p", ["a", "b"])), rows_of(scorer, ("p", ["a"]))
    shared = whole.slots[0] + 1
    assert one.num_tokens == len(whole.ids)
    assert two.num_tokens == len(short.ids) - shared
    assert three.num_tokens == len(whole.ids) - shared
    assert again.num_tokens == 0


def test_a_planted_root_may_go_before_its_branches(scorers):
    scorer, twin = scorers("a tag")
    session = scorer.open("p")
    root = session.plant("q", reference="r")
    assert (root.steps, root.scores, root.num_tokens) == ((), None, None)
    (branch,) = session.extend([(root, ["a"])])
    session.drop(root)
    assert len(session) == 2
    for call in (lambda: session.drop(root), lambda: session.extend([(root, ["a"])])):
        with pytest.raises(UsageError, match="was dropped"):
            call()
    (grown,) = session.extend([(branch, ["b"])])
    same(grown.scores, twin.score(Trace("q", ["a", "b"])))
    with pytest.raises(UsageError, match="the root stays"):
        session.drop(session.root)
    session.drop(branch)
    memory = [weakref.ref(one) for node in session.tree.nodes() for kv in node.memory for one in kv]
    session.drop(grown)
    del branch
    gc.collect()
    assert memory
    assert not any(one() is not None for one in memory)
    assert_nothing_is_held(session)


@pytest.mark.parametrize(
    ("problem", "reason"), [(" \n", "the problem is empty"), (3, "problem is int; it must be text")]
)
def test_what_is_no_problem_is_not_planted(scorers, problem, reason):
    session = scorers("a tag")[0].open("p")
    with pytest.raises(TraceError, match=reason):
        session.plant(problem)
    assert len(session) == 1


def ten(roots, long="much " * 150, place=6):
    """Ten extensions over three problems, one of them with a long step."""
    asked = [(roots[k % 3], [f"{k} so", "and so"]) for k in range(10)]
    asked[place] = (asked[place][0], ["fine", long])
    return asked


@every_contract
@pytest.mark.parametrize("packs", [True, False])
def test_one_prefix_that_is_too_long_costs_the_others_nothing(scorers, kind, packs):
    both = scorers(kind, max_tokens=150)
    scorer, other = both if packs else both[::-1]
    engine = scorer.engine
    engine.pack_tokens = 10_000
    session, roots = planted(scorer, TASKS[:3])
    asked = ten(roots)
    before, passes = engine.usage.computed_tokens, engine.usage.passes
    with pytest.raises(UnscorableError, match="the contract allows 150"):
        session.extend(asked)
    assert (len(session), engine.usage.computed_tokens) == (3, before)
    found = session.try_extend(asked)
    assert [i for i, one in enumerate(found) if isinstance(one, UnscorableError)] == [6]
    assert "the contract allows 150" in str(found[6])
    assert found[6].__traceback__ is None
    assert len(session) == 3 + 9
    branches = [one for one in found if one is not found[6]]
    assert sum(one.num_tokens for one in branches) == engine.usage.computed_tokens - before
    if packs:
        assert engine.usage.passes - passes == (2 if kind == "two passes" else 1)
    for k, branch in enumerate(found):
        if k != 6:
            problem, reference = TASKS[k % 3]
            same(branch.scores, other.score(Trace(problem, branch.steps, reference=reference)))
    (grown,) = session.try_extend([(found[0], ["so"])])
    same(grown.scores, other.score(Trace(TASKS[0][0], grown.steps, reference="17")))
    for branch in [*branches, grown, *roots[1:]]:
        session.drop(branch)
    assert_nothing_is_held(session)


@pytest.mark.parametrize("places", [[0], [4], [2, 9], [3, 4], list(range(10))])
def test_what_only_shows_in_a_second_pass_is_found_by_halves(scorers, places):
    """The second pass is longer: rows that fit exactly in the first do not fit in it."""
    _, twin = scorers("two passes")
    long = "so " * 20
    longest = longest_row(twin, ("p", [long]))
    scorer, _ = scorers("two passes", max_tokens=longest)
    session = scorer.open("p")
    roots = [session.root, session.plant("q"), session.plant("r")]
    asked = [(roots[k % 3], [long if k in places else "so"]) for k in range(10)]
    found = session.try_extend(asked)
    refused = [i for i, one in enumerate(found) if isinstance(one, UnscorableError)]
    assert refused == places
    for k, branch in enumerate(found):
        if k not in places:
            same(branch.scores, twin.score(Trace("pqr"[k % 3], ["so"])))
    assert len(session) == 3 + 10 - len(places)
    for branch in [*roots[1:], *(one for one in found if not isinstance(one, UnscorableError))]:
        session.drop(branch)
    assert_nothing_is_held(session)


@settings(max_examples=30, deadline=None)
@given(data=st.data())
def test_a_step_that_cannot_be_read_stops_no_other(scorers, data):
    """Without cuts, what follows can reach into the token that ends a step."""
    pieces = st.sampled_from([*"ab.1 \n", " ки", "数", "<extra_0>", "13"])
    step = st.lists(pieces, min_size=1, max_size=4).map("".join)
    scorer, twin = scorers("no cuts, in pieces")
    session = scorer.open("p")
    branches = [(session.root, "p"), (session.plant("q"), "q")]
    for _ in range(2):
        asked = data.draw(st.lists(st.tuples(st.sampled_from(branches), step), max_size=4))
        found = session.try_extend([(branch, [text]) for (branch, _), text in asked])
        for one, ((branch, problem), text) in zip(found, asked, strict=True):
            if isinstance(one, UnscorableError):
                with pytest.raises((UnscorableError, TraceError), match=re.escape(str(one))):
                    twin.score(Trace(problem, [*branch.steps, text]))
            else:
                same(one.scores, twin.score(Trace(problem, [*branch.steps, text])))
                branches.append((one, problem))


def test_wrong_calls_are_no_prefix_that_cannot_be_scored(scorers):
    session = scorers("a tag")[0].open("p")
    (gone,) = session.try_extend([(session.root, ["a"])])
    session.drop(gone)
    for extension in ((gone, ["b"]), (session.root, []), (session.root, "ab")):
        with pytest.raises(UsageError):
            session.try_extend([(session.root, ["x"]), extension])
    assert_nothing_is_held(session)
    assert session.try_extend([]) == []


class Failing(BatchScorer):
    """Refuses texts that say `no`, and breaks down at the n-th batch."""

    name = "failing"

    def __init__(self, breaks_at=None, error=None):
        self.batches, self.breaks_at, self.error = [], breaks_at, error

    def score_batch(self, traces):
        self.batches.append(len(traces))
        if len(self.batches) == self.breaks_at:
            raise self.error
        if any("no" in one.texts for one in traces):
            raise UnscorableError("says no")
        return [StepScores((0.5,) * len(one.steps), self.name) for one in traces]


def test_halves_are_tried_where_the_model_does_not_tell_before():
    """Of 8 with one bad: 8, 4 and 4, 2 and 2, 1 and 1."""
    scorer = Failing()
    session = scorer.open("p")
    other = session.plant("q")
    asked = [((session.root, other)[k % 2], ["no" if k == 5 else "yes"]) for k in range(8)]
    found = session.try_extend(asked)
    assert [isinstance(one, UnscorableError) for one in found] == [k == 5 for k in range(8)]
    assert scorer.batches == [8, 4, 4, 2, 1, 1, 2]
    assert [one.num_tokens for one in found if one is not found[5]] == [None] * 7
    assert len(session) == 2 + 7


@pytest.mark.parametrize("error", [ModelError("the server is dead"), KeyboardInterrupt()])
@pytest.mark.parametrize("breaks_at", [1, 3, 6])
def test_an_error_that_is_of_no_prefix_keeps_nothing(error, breaks_at):
    """Also if it comes after half of the batch was scored."""
    scorer = Failing(breaks_at, error)
    session = scorer.open("p")
    other = session.plant("q")
    asked = [((session.root, other)[k % 2], ["no" if k == 5 else "yes"]) for k in range(8)]
    with pytest.raises(type(error)):
        session.try_extend(asked)
    assert len(scorer.batches) == breaks_at
    assert len(session) == 2
    scorer.error = UnscorableError("no more")
    assert len(session.extend([(other, ["yes"])])) == 1


@pytest.mark.parametrize("survive", [0, 1, 2])
def test_a_stopped_call_over_problems_leaves_the_session_as_it_was(scorers, survive):
    scorer, twin = scorers("a tag")
    scorer.engine.pack_tokens = 25
    session, roots = planted(scorer, TASKS[:3])
    (branch,) = session.extend([(roots[1], ["a so"])])
    tokens = tokens_in(session)
    left = iter(range(survive))

    def stop(module, inputs):
        if next(left, None) is None:
            raise KeyboardInterrupt

    hook = scorer.model.model.layers[0].mlp.register_forward_pre_hook(stop)
    asked = [*ten(roots, "fine"), (branch, ["b"])]
    try:
        with pytest.raises(KeyboardInterrupt):
            session.try_extend(asked)
    finally:
        hook.remove()
    assert (len(session), tokens_in(session)) == (4, tokens)
    before = scorer.engine.usage.computed_tokens
    *_, grown = found = session.try_extend(asked)
    same(grown.scores, twin.score(Trace("p", ["a so", "b"])))
    assert sum(one.num_tokens for one in found) == scorer.engine.usage.computed_tokens - before


def test_equal_traces_count_once_where_nothing_is_packed(scorers):
    _, twin = scorers("a tag")
    session = twin.open("p")
    one, two = session.extend([(session.root, ["a"])] * 2)
    assert (one.num_tokens, two.num_tokens) == (longest_row(twin, ("p", ["a"])), 0)


def test_what_reads_no_tokens_costs_none():
    session = StepLength().open("p")
    (one,) = session.extend([(session.plant("q"), ["a"])])
    assert (one.num_tokens, one.scores) == (0, StepLength().score(Trace("q", ["a"])))


def test_memory_follows_what_is_kept(scorers):
    """64 problems come and go, four at a time."""
    scorer, _ = scorers("a tag")
    session = scorer.open("p")
    sizes = []
    for start in range(0, 64, 4):
        roots = [session.plant(f"problem {start + k:02d}") for k in range(4)]
        grown = session.extend([(root, ["a", f"{k}"]) for root in roots for k in range(3)])
        deeper = session.extend([(one, ["b"]) for one in grown])
        sizes.append(tokens_in(session))
        for branch in [*roots, *grown, *deeper]:
            session.drop(branch)
    assert max(sizes) <= min(sizes) + 4
    assert_nothing_is_held(session)


def test_a_step_that_another_begins_with_is_read_again_and_counted(scorers):
    """Its last token was computed and not read: states are not kept, so the row is run again
    when its tag, which is new, has been computed."""
    scorer, twin = scorers("before the slot")
    session = scorer.open("p")
    session.extend([(session.root, ["so a b so"])])
    before = scorer.engine.usage.computed_tokens
    (one,) = session.extend([(session.root, ["so a b"])])
    same(one.scores, twin.score(Trace("p", ["so a b"])))
    assert one.num_tokens == scorer.engine.usage.computed_tokens - before
    assert one.num_tokens == 1 + longest_row(twin, ("p", ["so a b"]))
