"""Scorers that are not of our frame in one session for many problems, with sessions or without."""

import weakref

import pytest

from session_contracts import make_scorers, same
from surefoot.errors import ModelError, TraceError, UnscorableError, UsageError
from surefoot.models.baselines import StepLength
from surefoot.models.ensemble import Ensemble
from surefoot.models.foreign import framed
from surefoot.traces.types import StepScores, Trace


@pytest.fixture(scope="module")
def scorers(small_model):
    return make_scorers(small_model)


class OneProblem:
    """A session with no more than `root`, `extend` and `drop`, of a real scorer."""

    spoil = None

    def __init__(self, session):
        self.inner, self.root = session, session.root

    def extend(self, extensions):
        grown = self.inner.extend(extensions)
        return grown if self.spoil is None else self.spoil(self.inner, grown)

    def drop(self, branch):
        self.inner.drop(branch)


class Foreign:
    """Has sessions of its own and none of our classes."""

    name = "foreign"

    def __init__(self, model, spoil=None):
        self.model, self.spoil, self.opened = model, spoil, []

    def score(self, traces):
        return self.model.score(traces)

    def open(self, problem, *, reference=None):
        if problem == "closed":
            raise ModelError("no more sessions")
        session = OneProblem(self.model.open(problem, reference=reference))
        session.spoil = self.spoil
        self.opened.append(weakref.ref(session))
        return session

    @property
    def alive(self):
        return [one().inner for one in self.opened if one() is not None]


class Whole:
    """Only scores."""

    name = "whole"

    def score(self, traces):
        if isinstance(traces, Trace):
            return self.score([traces])[0]
        return [StepScores((len(one.problem) / 10,) * len(one.steps), "whole") for one in traces]


def test_a_scorer_of_our_frame_stays_what_it_is():
    scorer = StepLength()
    assert framed(scorer) is scorer


def test_without_sessions_whole_prefixes_are_scored():
    session = framed(Whole()).open("p")
    one, two = session.extend([(session.root, ["a"]), (session.plant("pp"), ["b", "c"])])
    assert (one.scores.values, two.scores.values) == ((0.1,), (0.2, 0.2))
    assert (one.num_tokens, two.num_tokens) == (None, None)


def test_one_session_for_each_problem_gives_the_scores_of_whole_traces(scorers):
    scorer, twin = scorers("a tag")
    foreign = Foreign(scorer)
    session = framed(foreign).open("p")
    tasks = {session.root: ("p", None), session.plant("q", reference="r"): ("q", "r")}
    tasks[session.plant("p")] = ("p", None)
    branches = list(tasks)
    before = scorer.engine.usage.computed_tokens
    for _ in range(3):
        grown = session.extend([(one, [f"{k} so"]) for one in branches for k in range(2)])
        for i, one in enumerate(grown):
            tasks[one] = tasks[branches[i // 2]]
            problem, reference = tasks[one]
            same(one.scores, twin.score(Trace(problem, one.steps, reference=reference)))
        branches = grown[::2]
    counted = sum(one.num_tokens or 0 for one in tasks)
    assert counted == scorer.engine.usage.computed_tokens - before > 0
    assert len(foreign.alive) == 3


def test_a_foreign_session_lives_as_long_as_a_branch_of_it(scorers):
    foreign = Foreign(scorers("a tag")[0])
    session = framed(foreign).open("p")
    root = session.plant("q")
    (branch,) = session.extend([(root, ["a"])])
    session.drop(root)
    (grown,) = session.extend([(branch, ["b"])])
    session.drop(branch)
    assert [len(one) for one in foreign.alive] == [1, 2]
    session.drop(grown)
    assert [len(one) for one in foreign.alive] == [1]
    assert (len(session), len(session._twins)) == (1, 1)
    with pytest.raises(UsageError, match="the root stays"):
        session.drop(session.root)


def test_where_no_session_can_be_opened_nothing_is_planted(scorers):
    session = Ensemble([scorers("a tag")[0], Foreign(scorers("a tag")[0])]).open("p")
    with pytest.raises(ModelError, match="no more sessions"):
        session.plant("closed")
    with pytest.raises(TraceError, match="the problem is empty"):
        session.plant("")
    assert [len(one) for one in (session, *session._sessions)] == [1, 1, 1]


def test_if_one_of_the_sessions_refuses_nothing_is_kept_in_the_others(scorers):
    scorer, twin = scorers("a tag", max_tokens=150)
    foreign = Foreign(scorer)
    session = framed(foreign).open("p")
    roots = [session.root, session.plant("q"), session.plant("r")]
    asked = [(roots[k % 3], [f"{k} so"]) for k in range(10)]
    asked[7] = (roots[1], ["much " * 150])
    with pytest.raises(UnscorableError, match="the contract allows 150"):
        session.extend(asked)
    assert [len(one) for one in (session, *foreign.alive)] == [3, 1, 1, 1]
    found = session.try_extend(asked)
    assert [k for k, one in enumerate(found) if isinstance(one, UnscorableError)] == [7]
    assert [len(one) for one in (session, *foreign.alive)] == [12, 5, 3, 4]
    for k in (0, 1, 9):
        same(found[k].scores, twin.score(Trace("pqr"[k % 3], [f"{k} so"])))


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (lambda inner, grown: grown[:-1], "grew 1 of 2 branches"),
        (
            lambda inner, grown: inner.extend([(one, ["more"]) for one in grown]),
            "gave 2 scores for the 1 steps",
        ),
    ],
)
def test_a_session_that_miscounts_is_found_out(scorers, spoil, reason):
    session = framed(Foreign(scorers("a tag")[0], spoil)).open("p")
    with pytest.raises(ModelError, match=reason):
        session.extend([(session.root, ["a"]), (session.root, ["b"])])
    assert len(session) == 1
