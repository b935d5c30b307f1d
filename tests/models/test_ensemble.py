"""Ensembles, against numbers worked out by hand, and their sessions against whole scoring."""

import math
import statistics
from decimal import Decimal, localcontext

import pytest
from hypothesis import given
from hypothesis import strategies as st

from surefoot.errors import ModelError, UnscorableError, UsageError
from surefoot.models.base import BatchScorer, Scored, Session
from surefoot.models.baselines import RandomScores, StepLength
from surefoot.models.checkers import ArithmeticChecker
from surefoot.models.ensemble import RULES, Ensemble
from surefoot.traces.types import StepScores, Trace


class Says(BatchScorer):
    """Gives each step what it was told to."""

    def __init__(self, name, values, log_odds=None, **rest):
        self.name = name
        self.scores = StepScores(tuple(values), name, log_odds=log_odds, **rest)

    def score_batch(self, traces):
        return [self.scores for _ in traces]


def trace(num_steps):
    return Trace("p", [f"step {i}" for i in range(num_steps)])


def combined(rule, *members, **options):
    return Ensemble(members, rule, **options).score(trace(len(members[0].scores.values)))


A = Says("a", [0.9, None, 0.4, None])
B = Says("b", [0.5, 0.2, None, None])
C = Says("c", [0.1, 0.8, 0.4, None])


def test_the_mean_leaves_out_who_abstains():
    """(.9 + .5 + .1) / 3; (.2 + .8) / 2; (.4 + .4) / 2; nobody."""
    scores = combined("mean", A, B, C)
    assert scores.values == (pytest.approx(0.5), 0.5, 0.4, None)
    assert (scores.model, scores.kind, scores.log_odds) == ("mean(a, b, c)", "probability", None)
    assert (scores.default_aggregate, scores.threshold) == ("min", 0.5)


def test_the_least():
    scores = combined("min", A, B, C)
    assert scores.values == (0.1, 0.2, 0.4, None)
    assert scores.model == "min(a, b, c)"


def test_disagreement_is_the_population_deviation_and_the_range():
    """.9, .5, .1: mean .5, squares .16, 0, .16, so the root of .32 / 3. .2 and .8: half of .6."""
    (found,) = Ensemble([A, B, C]).disagreement([trace(4)])
    assert found.deviations == (pytest.approx(math.sqrt(0.32 / 3)), pytest.approx(0.3), 0.0, None)
    assert found.ranges == (pytest.approx(0.8), pytest.approx(0.6), 0.0, None)
    assert found.members == (A.scores, B.scores, C.scores)
    assert found.scores == combined("mean", A, B, C)


def test_one_opinion_is_no_agreement():
    members = [Says("a", [0.5, 0.5]), Says("b", [None, 0.5])]
    (found,) = Ensemble(members).disagreement([trace(2)])
    assert found.deviations == found.ranges == (None, 0.0)


def test_log_odds_of_the_mean_by_hand():
    """sigmoid(log 3) = 3/4 and sigmoid(-log 3) = 1/4: the mean is 1/2, whose log-odds are 0.
    sigmoid(log 7) = 7/8 and sigmoid(0) = 1/2: the mean is 11/16, log-odds log(11/5)."""
    a = Says("a", [0.75, 7 / 8], (math.log(3), math.log(7)))
    b = Says("b", [0.25, 0.5], (-math.log(3), 0.0))
    assert combined("mean", a, b).log_odds == pytest.approx((0.0, math.log(11 / 5)), abs=1e-15)
    assert combined("min", a, b).log_odds == (-math.log(3), 0.0)


def test_log_odds_tell_apart_what_rounds_to_one():
    """1 - p = e^-z nearly, so the mean of 1 - p is (e^-40 + e^-50) / 2, and nothing of that is left
    in the values."""
    a, b = Says("a", [1.0, 1.0], (40.0, 800.0)), Says("b", [1.0, 1.0], (50.0, 900.0))
    scores = combined("mean", a, b)
    assert scores.values == (1.0, 1.0)
    expected = -math.log((math.exp(-40) + math.exp(-50)) / 2)
    assert scores.log_odds == pytest.approx((expected, 800 + math.log(2)), rel=1e-14)
    turned = [Says(m.name, [0.0, 0.0], tuple(-z for z in m.scores.log_odds)) for m in (a, b)]
    assert combined("mean", *turned).log_odds == pytest.approx((-expected, -800 - math.log(2)))
    assert combined("min", a, b).log_odds == (40.0, 800.0)


def test_a_member_without_log_odds_counts_by_its_scores():
    """0 and sigmoid(0) = 1/2: the mean is 1/4. 1 and 1/2: 3/4. The third abstains."""
    a = Says("a", [0.0, 1.0, None])
    b = Says("b", [0.5, 0.5, 0.25], (0.0, 0.0, -math.log(3)))
    assert combined("mean", a, b).log_odds == pytest.approx(
        (-math.log(3), math.log(3), -math.log(3))
    )


def test_log_odds_that_are_infinite_are_none():
    a = Says("a", [0.0, 0.5])
    b = Says("b", [0.0, 0.5], (-800.0, 0.0))
    assert combined("mean", a, b).log_odds is not None
    assert combined("min", a, b).log_odds is None
    assert combined("mean", a, a).log_odds is None


@given(
    st.lists(st.lists(st.floats(-60, 60), min_size=1, max_size=4), min_size=1, max_size=4).filter(
        lambda rows: len({len(row) for row in rows}) == 1
    )
)
def test_log_odds_of_the_mean_to_the_last_digits(rows):
    members = [
        Says(f"m{i}", [1 / (1 + math.exp(-z)) for z in row], tuple(row))
        for i, row in enumerate(rows)
    ]
    found = combined("mean", *members).log_odds
    with localcontext(prec=60):
        for step, z in zip(zip(*rows, strict=True), found, strict=True):
            p = [1 / (1 + (-Decimal(one)).exp()) for one in step]
            good = sum(p) / len(p)
            bad = sum(1 - one for one in p) / len(p)
            assert z == pytest.approx(float((good / bad).ln()), rel=1e-12, abs=1e-12)


probabilities = st.lists(
    st.lists(st.none() | st.floats(0, 1), min_size=3, max_size=3), min_size=1, max_size=5
)


@given(probabilities)
def test_each_step_is_combined_by_itself(rows):
    members = [Says(f"m{i}", row) for i, row in enumerate(rows)]
    mean, least = (combined(rule, *members) for rule in ("mean", "min"))
    (apart,) = Ensemble(members).disagreement([trace(3)])
    for i, step in enumerate(zip(*rows, strict=True)):
        given_ = [value for value in step if value is not None]
        if not given_:
            assert mean.values[i] is least.values[i] is apart.deviations[i] is None
            continue
        assert mean.values[i] == pytest.approx(statistics.fmean(given_), rel=1e-12, abs=1e-300)
        assert min(given_) <= mean.values[i] <= max(given_)
        assert least.values[i] == min(given_)
        if len(given_) > 1:
            assert apart.ranges[i] == max(given_) - min(given_)
            assert apart.deviations[i] <= apart.ranges[i] / 2 * (1 + 1e-12)


@given(st.lists(st.integers(1, 5), max_size=8), st.sampled_from(sorted(RULES)))
def test_traces_keep_their_order_and_their_steps(sizes, rule):
    traces = [
        Trace(f"p {i}", ["x" * (k + i + 1) for k in range(size)]) for i, size in enumerate(sizes)
    ]
    ensemble = Ensemble([StepLength(), RandomScores(7)], rule)
    found = ensemble.score(traces)
    assert [len(scores.values) for scores in found] == sizes
    assert found == [ensemble.score(one) for one in traces]
    assert [apart.scores for apart in ensemble.disagreement(traces)] == found


def test_an_ensemble_of_one_is_that_one():
    text = Trace("p", ["1 + 1 = 3", "hm"])
    scores = Ensemble([ArithmeticChecker()]).score(text)
    assert scores.values == ArithmeticChecker().score(text).values


def test_ensembles_nest():
    inner = Ensemble([A, B], name="inner")
    assert Ensemble([inner, C], "min").score(trace(4)).values == (0.1, 0.2, 0.4, None)
    assert Ensemble([inner, C], "min").name == "min(inner, c)"


@pytest.mark.parametrize(
    ("members", "reason"),
    [
        (
            [Says("a", [0.5]), Says("b", [0.5], kind="value")],
            "differ in kind .*a: probability, b: v",
        ),
        ([Says("a", [5.0], kind="reward")] * 2, "rewards, which have no scale in common"),
        ([Says("a", [5.0], kind="log-ratio")] * 2, "log-ratios, which have no scale in common"),
        (
            [Says("a", [0.5]), Says("b", [0.5], default_aggregate="product")],
            r"differ in default_aggregate \(a: min, b: product\); give the ensemble",
        ),
        (
            [Says("a", [0.5]), Says("b", [0.5], threshold=0.25)],
            r"differ in threshold \(a: 0.5, b: ",
        ),
    ],
)
@pytest.mark.parametrize("rule", sorted(RULES))
def test_what_does_not_belong_together_is_refused(members, reason, rule):
    ensemble = Ensemble(members, rule)
    with pytest.raises(UsageError, match=reason):
        ensemble.score(trace(1))
    with pytest.raises(UsageError, match=reason):
        ensemble.disagreement([trace(1)])
    session = ensemble.open("p")
    with pytest.raises(UsageError, match=reason):
        session.extend([(session.root, ["step 0"])])
    assert len(session) == 1


def test_what_the_members_differ_in_may_be_said():
    members = [Says("a", [0.5]), Says("b", [0.25], default_aggregate="product", threshold=0.3)]
    ensemble = Ensemble(members, default_aggregate="mean", threshold=0.0, name="both")
    expected = StepScores((0.375,), "both", default_aggregate="mean", threshold=0.0)
    assert ensemble.score(trace(1)) == expected


def test_rewards_of_one_recipe_may_be_combined():
    members = [Says("a", [5.0, -3.0], kind="reward"), Says("b", [1.0, None], kind="reward")]
    scores = Ensemble(members, same_scale=True).score(trace(2))
    assert (scores.values, scores.kind, scores.log_odds) == ((3.0, -3.0), "reward", None)


def test_progress_has_a_scale():
    members = [Says("a", [0.5], kind="progress"), Says("b", [-1.0], kind="progress")]
    assert Ensemble(members).score(trace(1)).values == (-0.25,)


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (([],), "at least one member"),
        (([A], "median"), "no ensemble rule 'median'; choose one of mean, min"),
        (([A], "min", {"default_aggregate": "median"}), "no aggregate 'median'"),
    ],
)
def test_wrong_arguments_are_refused(arguments, reason):
    *given_, options = arguments if isinstance(arguments[-1], dict) else (*arguments, {})
    with pytest.raises(UsageError, match=reason):
        Ensemble(*given_, **options)


class Foreign:
    """A reward model that is not of our frame; gives one score too few when told to."""

    name = "foreign"
    missing = 0

    def score(self, traces):
        if isinstance(traces, Trace):
            return self.score([traces])[0]
        return [StepScores((0.5,) * (len(one.steps) - self.missing), self.name) for one in traces]


def test_any_reward_model_may_be_a_member():
    text = Trace("p", ["x", "xx"])
    ensemble = Ensemble([Foreign(), StepLength()])
    expected = tuple((0.5 + value) / 2 for value in StepLength().score(text).values)
    assert ensemble.score(text).values == pytest.approx(expected)
    session = ensemble.open("p")
    (branch,) = session.extend([(session.root, ["x", "xx"])])
    assert branch.scores == ensemble.score(text)


def test_a_member_that_miscounts_is_found_out():
    foreign = Foreign()
    foreign.missing = 1
    with pytest.raises(ModelError, match="foreign gave 1 scores for the 2 steps"):
        Ensemble([StepLength(), foreign]).score(Trace("p", ["x", "xx"]))


class Frugal(BatchScorer):
    """Has a session of its own, which counts the steps it had to read and refuses the step `no`."""

    name = "frugal"

    def __init__(self):
        self.opened = []

    def score_batch(self, traces):
        return [StepScores(tuple(map(self.value, one.texts)), self.name) for one in traces]

    @staticmethod
    def value(text):
        if text == "no":
            raise UnscorableError("says no")
        return len(text) / 100

    def open(self, problem, *, reference=None):
        self.opened.append(FrugalSession(self, problem, reference))
        self.reference = reference
        return self.opened[-1]


class FrugalSession(Session):
    def __init__(self, model, problem, reference):
        super().__init__(problem, reference)
        self.model, self.read, self.forgotten = model, 0, 0
        self.known = {}
        self.new = []

    def _score(self, growths, *, partly):
        self.new = []
        for growth in growths:
            self.read += len(growth.new_steps)
            fresh = tuple(map(self.model.value, growth.new_steps))
            self.new.append(self.known.get(growth.branch, ()) + fresh)
        return [Scored(StepScores(values, self.model.name)) for values in self.new]

    def _keep(self, grown):
        self.known.update(zip(grown, self.new, strict=True))

    def _forget(self, branch):
        self.forgotten += 1
        self.known.pop(branch, None)


def test_a_session_pays_only_for_what_is_new():
    frugal, length = Frugal(), StepLength()
    ensemble = Ensemble([length, frugal])
    session = ensemble.open("p", reference="r")
    (inner,) = frugal.opened
    a, b = session.extend([(session.root, ["a", "aa"]), (session.root, ["b"])])
    assert inner.read == 3
    c, d = session.extend([(a, ["c"]), (b, ["d", "dd"])])
    assert inner.read == 6
    for branch in (a, b, c, d):
        assert branch.scores == ensemble.score(Trace("p", branch.steps, reference="r"))
    assert frugal.reference == "r"


def test_a_session_forgets_in_every_member():
    frugal = Frugal()
    session = Ensemble([frugal, frugal]).open("p")
    a, _ = session.extend([(session.root, ["a"]), (session.root, ["b"])])
    session.drop(a)
    assert [len(inner) for inner in (session, *frugal.opened)] == [2, 2, 2]
    assert [inner.forgotten for inner in frugal.opened] == [1, 1]
    with pytest.raises(UsageError, match="was dropped"):
        session.extend([(a, ["c"])])


class Strict(Frugal):
    """Refuses the step `short` in whole traces and in sessions."""

    name = "strict"

    @staticmethod
    def value(text):
        if text == "short":
            raise UnscorableError("too short")
        return 0.5


def test_if_one_member_refuses_nothing_is_kept_anywhere():
    frugal, strict = Frugal(), Strict()
    session = Ensemble([frugal, strict]).open("p")
    (a,) = session.extend([(session.root, ["a"])])
    with pytest.raises(UnscorableError, match="too short"):
        session.extend([(a, ["b"]), (a, ["short"])])
    assert [len(inner) for inner in (session, *frugal.opened, *strict.opened)] == [2, 2, 2]
    (b,) = session.extend([(a, ["b"])])
    assert b.steps == ("a", "b")


def test_a_session_holds_many_problems():
    """Scores depend on the problem; the one member counts its tokens, the other has none."""
    frugal, length = Frugal(), StepLength()
    ensemble = Ensemble([RandomScores(1), frugal, length])
    session = ensemble.open("p")
    tasks = {session.root: "p", session.plant("q", reference="r"): "q"}
    for _ in range(3):
        asked = [(one, [f"{k}" * (k + 1)]) for one in tasks for k in range(2)]
        for branch, (parent, _) in zip(session.extend(asked), asked, strict=True):
            tasks[branch] = tasks[parent]
            assert branch.scores == ensemble.score(Trace(tasks[branch], branch.steps))
            assert branch.num_tokens is None
    for branch in tasks:
        if branch is not session.root:
            session.drop(branch)
    assert [len(one) for one in (session, *session._sessions, session._twins)] == [1] * 5
    assert len(frugal.opened) == 1


def test_tokens_are_those_of_all_members():
    class Counts(StepLength):
        def counted_batch(self, traces):
            return [Scored(scores, 7) for scores in self.score_batch(traces)]

    for members, num_tokens in (
        ([Counts(), Counts(), StepLength()], 14),
        ([Counts(), Frugal()], None),
    ):
        session = Ensemble(members).open("p")
        assert session.extend([(session.root, ["a"])])[0].num_tokens == num_tokens


@pytest.mark.parametrize("turn", [1, -1])
def test_what_one_member_refuses_is_kept_by_none(turn):
    """`no` is refused by the one, `short` by the other, whichever is asked first."""
    frugal, strict = Frugal(), Strict()
    ensemble = Ensemble([frugal, strict][::turn])
    session = ensemble.open("p")
    roots = [session.root, session.plant("q")]
    steps = ["a", "short", "b", "no", "c", "", "d"]
    found = session.try_extend([(roots[k % 2], [step]) for k, step in enumerate(steps)])
    why = {
        k: str(one).split(": give")[0]
        for k, one in enumerate(found)
        if isinstance(one, UnscorableError)
    }
    assert why == {1: "too short", 3: "says no", 5: "step 0: a step is empty"}
    assert [len(one) for one in (session, *frugal.opened, *strict.opened)] == [6, 6, 6]
    assert len(session._twins) == 6
    for k in (0, 2, 4, 6):
        assert found[k].scores == ensemble.score(Trace("pq"[k % 2], [steps[k]]))
    (grown,) = session.try_extend([(found[6], ["e"])])
    assert grown.steps == ("d", "e")


def test_scores_that_cannot_be_combined_keep_nothing_of_a_batch():
    session = Ensemble([Says("a", [0.5]), Says("b", [0.5], kind="value")]).open("p")
    with pytest.raises(UsageError, match="differ in kind"):
        session.try_extend([(session.plant("q"), ["a"])])
    assert [len(one) for one in (session, *session._sessions)] == [2, 2, 2]
