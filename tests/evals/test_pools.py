import gzip
import json
import math
import time
from fractions import Fraction
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from surefoot.errors import UsageError
from surefoot.evals.candidates import Candidates
from surefoot.evals.pools import Pool, curve, curves, expectations, paired
from surefoot.traces.types import StepLabels, Trace


def chosen_by_definition(method, subset, one):
    """[(candidate, probability)] of one subset, in the plainest words; the oracle apart."""
    if method == "random":
        best = list(subset)
    elif method in one.rewards:
        top = max(one.rewards[method][i] for i in subset)
        best = [i for i in subset if one.rewards[method][i] == top]
    else:
        voters = [i for i in subset if one.answers[i] is not None]
        if not voters:
            return [(i, 1 / len(subset)) for i in subset]
        if method == "majority":
            weight = dict.fromkeys(voters, 1.0)
        else:
            reward = one.rewards[method.removesuffix("_vote")]
            weight = {i: 0.0 if reward[i] == -math.inf else float(reward[i]) for i in voters}
        total = {}
        for i in voters:
            total[one.answers[i]] = total.get(one.answers[i], 0.0) + weight[i]
        winners = [a for a, held in total.items() if held == max(total.values())]
        chosen = []
        for winner in winners:
            group = [i for i in voters if one.answers[i] == winner]
            top = max(weight[i] for i in group)
            shown = [i for i in group if weight[i] == top]
            chosen += [(i, 1 / len(winners) / len(shown)) for i in shown]
        return chosen
    return [(i, 1 / len(best)) for i in best]


def expected_by_definition(method, n, one):
    subsets = list(combinations(range(len(one)), n))
    right = sound = 0.0
    for subset in subsets:
        if method == "oracle":
            right += any(one.correct[i] for i in subset)
            sound += any(one.correct[i] and one.sound[i] for i in subset)
            continue
        for i, p in chosen_by_definition(method, subset, one):
            right += p * bool(one.correct[i])
            sound += p * bool(one.correct[i] and one.sound[i])
    return [right / len(subsets), sound / len(subsets)]


def six():
    """Six candidates: tied rewards, a missing answer, missing rewards, flawed right chains."""
    return Candidates(
        problem="six",
        answers=("7", "8", "7", "9", None, "8"),
        correct=np.array([True, False, True, False, False, True]),
        sound=(True, False, False, True, False, True),
        rewards={
            "prm": np.array([0.5, 0.5, 0.25, 0.75, 1.0, 0.25]),
            "tied": np.array([0.5, 0.5, 0.5, 0.5, 0.5, 0.5]),
            "holes": np.array([-math.inf, 0.5, -math.inf, 0.25, 0.5, -math.inf]),
            "log": np.array([-1.0, -1.0, -2.0, -3.0, -0.5, -2.0]),
        },
    )


METHODS = ("majority", "random", "oracle", "prm", "tied", "holes", "log")
VOTES = ("prm_vote", "tied_vote", "holes_vote")


@pytest.mark.parametrize("method", [*METHODS, *VOTES])
def test_every_method_equals_its_definition_on_every_subset(method):
    one = six()
    found = expectations(Pool((one,)), [method], [1, 2, 3, 4, 5, 6])[method][0]
    by_hand = [expected_by_definition(method, n, one) for n in range(1, 7)]
    np.testing.assert_allclose(found, by_hand, atol=1e-12)


@st.composite
def problems(draw):
    size = draw(st.integers(1, 6))

    def column(values):
        return draw(st.lists(values, min_size=size, max_size=size))

    quarters = st.sampled_from([-math.inf, 0.0, 0.25, 0.5, 1.0])
    return Candidates(
        problem="drawn",
        answers=tuple(column(st.sampled_from([None, "a", "b", "c"]))),
        correct=np.array(column(st.booleans())),
        sound=tuple(column(st.booleans())),
        rewards={"prm": np.array(column(quarters))},
    )


@settings(deadline=None)
@given(problems())
def test_random_small_pools_equal_the_definition(one):
    methods = ["majority", "random", "oracle", "prm", "prm_vote"]
    ns = range(1, len(one) + 1)
    found = expectations(Pool((one,)), methods, ns)
    for method in methods:
        by_hand = [expected_by_definition(method, n, one) for n in ns]
        np.testing.assert_allclose(found[method][0], by_hand, atol=1e-12)


def random_pool(num_problems, size, rewards, seed=0):
    rng = np.random.default_rng(seed)
    made = []
    for p in range(num_problems):
        correct = rng.random(size) < rng.random()
        wrong = rng.integers(1, 9, size)
        answers = np.where(correct, 0, wrong)
        made.append(
            Candidates(
                problem=p,
                answers=tuple(answers.tolist()),
                correct=correct,
                sound=tuple((correct & (rng.random(size) < 0.6)).tolist()),
                rewards={
                    name: np.clip(rng.random(size) * 0.8 + 0.2 * correct, 0, 1) for name in rewards
                },
            )
        )
    return Pool(tuple(made))


def test_sampled_votes_come_close_to_enumerated_ones():
    pool = random_pool(30, 10, ["prm"])
    exact = expectations(pool, ["majority", "prm_vote"], [5], num_subsets=252)
    sampled = expectations(pool, ["majority", "prm_vote"], [5], num_subsets=251)
    np.testing.assert_array_equal(exact["majority"], sampled["majority"])
    assert not np.array_equal(exact["prm_vote"], sampled["prm_vote"])
    # 30 problems x 251 subsets: three standard errors of a share are below 0.02.
    means = [values["prm_vote"].mean(axis=0) for values in (exact, sampled)]
    assert means[0] == pytest.approx(means[1], abs=0.02)


def test_one_candidate_is_a_random_one_whatever_the_method():
    pool = random_pool(5, 8, ["prm"])
    found = expectations(pool, pool.methods, [1])
    for method in pool.methods:
        np.testing.assert_allclose(found[method], found["random"])


def test_oracle_is_never_beaten_and_pools_at_full_size_need_no_sampling():
    pool = random_pool(20, 10, ["prm", "orm"])
    found = expectations(pool, pool.methods, [1, 2, 5, 10], num_subsets=252)
    for method in pool.methods:
        assert (found[method][..., 0] <= found["oracle"][..., 0] + 1e-12).all()
        assert (found[method][..., 1] <= found[method][..., 0] + 1e-12).all()
    other = expectations(pool, ["majority", "prm_vote"], [10], seed=99)
    np.testing.assert_allclose(other["majority"][:, 0], found["majority"][:, -1], atol=1e-12)
    assert all((values <= 1).all() for values in found.values())


def two_problems():
    """Always right and half sound; right half of the time and then sound."""
    return Pool(
        (
            Candidates(
                "a",
                ("1", "1"),
                np.array([True, True]),
                (True, False),
                {"prm": np.array([0.5, 0.5]), "bad": np.array([0.0, 1.0])},
            ),
            Candidates(
                "b",
                ("1", "2"),
                np.array([True, False]),
                (True, None),
                {"prm": np.array([0.9, 0.1]), "bad": np.array([0.0, 1.0])},
            ),
        )
    )


def test_flawed_share_is_a_ratio_of_sums_over_problems():
    # random: right 1 and 1/2, sound 1/2 and 1/2, so flawed 1 - 1 / 1.5.
    found = curve(two_problems(), "random", [2])[2]
    assert found.accuracy.mean == 0.75
    assert found.sound is not None
    assert found.sound.mean == 0.5
    assert found.flawed_share is not None
    assert found.flawed_share.mean == pytest.approx(1 / 3)
    # Both resampled alike: flawed shares run from 0 (only b) to 1/2 (only a).
    assert (found.flawed_share.low, found.flawed_share.high) == (0, 0.5)
    assert curve(two_problems(), "prm", [2])[2].to_json()["accuracy"] == {
        "mean": 1,
        "low": 1,
        "high": 1,
    }


def test_soundness_matters_only_where_the_answer_is_right():
    pool = two_problems()
    assert curve(pool, "bad", [2])[2].flawed_share is not None
    unknown = Candidates("c", ("1",), np.array([True]), (None,), {"prm": np.array([0.5])})
    found = curve(Pool((unknown,)), "prm", [1])[1]
    assert found.accuracy.mean == 1
    assert found.sound is None
    assert found.to_json()["flawed_share"] is None
    assert curve(Pool((unknown,)), "oracle", [1])[1].sound is None


def test_without_a_right_answer_there_is_no_flawed_share():
    none = Candidates("c", ("1",), np.array([False]), (False,), {"prm": np.array([0.5])})
    found = curve(Pool((none,)), "prm", [1])[1]
    assert found.flawed_share is None
    assert found.sound is not None
    assert found.sound.mean == 0


def test_paired_differences_use_the_same_problems():
    pool = random_pool(60, 8, ["prm"])
    gap = paired(pool, "oracle", "random", 8)
    ours, theirs = (curve(pool, method, [8])[8].accuracy for method in ("oracle", "random"))
    assert gap.mean == pytest.approx(ours.mean - theirs.mean)
    assert gap.p_value < 0.01
    assert paired(pool, "prm_vote", "prm_vote", 4).p_value == 1
    flawed = paired(pool, "oracle", "random", 8, figure="flawed_share")
    each = [curve(pool, method, [8])[8].flawed_share for method in ("oracle", "random")]
    assert each[0] is not None
    assert each[1] is not None
    assert flawed.mean == pytest.approx(each[0].mean - each[1].mean)


def test_figures_depend_on_the_seed_alone():
    pool = random_pool(10, 12, ["prm"])
    first = curves(pool, ["prm_vote", "prm"], [4], seed=3)
    assert first["prm_vote"] == curve(pool, "prm_vote", [4], seed=3)
    assert first["prm_vote"] != curve(pool, "prm_vote", [4], seed=4)


def test_a_pool_from_traces():
    labels = StepLabels((1, -1))
    traces = [
        Trace("p", ["Long step here.", "b"], answer="4", outcome=True, labels=[labels]),
        Trace("q", ["Go."], answer=None, outcome=False),
        Trace("p", ["a", "b"], answer="5", outcome=False, labels=[StepLabels((1, 1))]),
    ]
    pool = Pool.from_traces(
        traces, {"prm": [0.5, None, 0.25], "letters": lambda trace: len(trace.problem)}
    )
    assert [one.problem for one in pool.problems] == ["p", "q"]
    first, second = pool.problems
    assert first.answers == ("4", "5")
    assert first.correct.tolist() == [True, False]
    assert first.sound == (False, True)
    assert second.sound == (None,)
    assert first.rewards["prm"].tolist() == [0.5, 0.25]
    assert first.rewards["step_length"].tolist() == [-16, -2]
    assert pool.num_unscored("prm") == 1
    assert pool.methods == (
        *("majority", "random", "oracle", "step_length", "prm", "letters", "letters_vote"),
    )
    assert Pool.from_traces(traces, {}, sound=lambda trace: True).problems[1].sound == (True,)


def one_candidate(**changes):
    fields = {
        "problem": "p",
        "answers": ("1",),
        "correct": np.array([True]),
        "sound": (True,),
        "rewards": {"prm": np.array([0.5])},
    }
    return Candidates(**{**fields, **changes})


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda: Pool(()), "no problem"),
        (lambda: one_candidate(sound=()), "sound has 0 values for 1 answers"),
        (lambda: one_candidate(rewards={"prm": np.array([0.1, 0.2])}), "'prm' has 2 values"),
        (lambda: one_candidate(rewards={"prm": np.array([math.nan])}), "candidate 0 is nan"),
        (lambda: Pool((one_candidate(), one_candidate(rewards={}))), "needs the same"),
        (lambda: Pool((one_candidate(rewards={"oracle": np.array([0.5])}),)), "rename"),
        (lambda: curve(two_problems(), "prn", [1]), "no method 'prn'"),
        (lambda: curve(two_problems(), "vote", [1]), "no method 'vote'"),
        (lambda: curve(two_problems(), "prm", [3]), "N = 3 cannot be drawn"),
        (lambda: curve(two_problems(), "prm", [0]), "N = 0 cannot be drawn"),
        (lambda: curve(two_problems(), "prm", []), "no N was given"),
        (lambda: curve(Pool((six(),)), "log_vote", [2]), "must not be negative"),
        (lambda: Pool.from_traces([Trace("p", ["a"])], {}), "has no outcome"),
        (
            lambda: Pool.from_traces([Trace("p", ["a"], outcome=True)], {"prm": []}),
            "0 values for 1 traces",
        ),
        (
            lambda: paired(
                Pool((one_candidate(sound=(None,)),)), "random", "prm", 1, figure="sound"
            ),
            "does not exist",
        ),
    ],
)
def test_what_cannot_be_measured_is_refused(call, says):
    with pytest.raises(UsageError, match=says):
        call()


def test_two_hundred_problems_of_64_candidates_take_under_twenty_seconds():
    pool = random_pool(200, 64, ["a", "b", "c", "d", "e", "f"])
    methods = pool.methods
    assert len(methods) == 15
    start = time.process_time()
    curves(pool, methods, [1, 2, 4, 8, 16, 32, 64], num_resamples=1000)
    assert time.process_time() - start < 20


def rows(folder, name):
    with gzip.open(folder / f"{name}.jsonl.gz", "rt", encoding="utf-8") as file:
        return [json.loads(line) for line in file]


def public_pool(folder, data, scorers, answer):
    """A public pool of candidates with the cached scores of public PRMs, reduced by four rules."""
    traces = [
        Trace(row["question"], row["steps"], outcome=row["outcome"], meta=row["meta"])
        for row in rows(folder, f"bon_{data}_32")
    ]
    rules = {
        "last": lambda steps: steps[-1],
        "min": min,
        "mean": lambda steps: sum(steps) / len(steps),
        "prod": math.prod,
    }
    rewards = {}
    for scorer in scorers:
        cached = {
            (row["problem_id"], row["candidate"]): row["step_scores"]
            for row in rows(folder, f"scores_{scorer}_{data}")
        }
        for rule, reduce in rules.items():
            rewards[f"{scorer}:{rule}"] = [
                reduce(cached[trace.meta["problem_id"], trace.meta["candidate"]])
                for trace in traces
            ]
    return Pool.from_traces(
        traces,
        rewards,
        problem=lambda trace: trace.meta["problem_id"],
        answer=lambda trace: trace.meta[answer],
    )


def test_the_mean_of_steps_ties_where_exact_fractions_do(shared_data):
    pool = public_pool(shared_data, "math500", ("qwen_prm",), "boxed")
    cached = {
        (row["problem_id"], row["candidate"]): row["step_scores"]
        for row in rows(shared_data, "scores_qwen_prm_math500")
    }
    exact = []
    for one in pool.problems:
        means = []
        for i in range(len(one)):
            steps = [Fraction(str(value)) for value in cached[one.problem, i]]
            means.append(sum(steps, Fraction(0)) / len(steps))
        places = {mean: place for place, mean in enumerate(sorted(set(means)))}
        ranks = np.array([float(places[mean]) for mean in means])
        exact.append(Candidates(one.problem, one.answers, one.correct, one.sound, {"mean": ranks}))
    ours = expectations(pool, ["qwen_prm:mean"], [8, 16])["qwen_prm:mean"]
    theirs = expectations(Pool(tuple(exact)), ["mean"], [8, 16])["mean"]
    np.testing.assert_allclose(ours[..., 0], theirs[..., 0], atol=1e-12)
