"""What every method gets on a pool, worked out on paper, and the whole at once."""

import math
import random

import numpy as np
import pytest

from pools_by_hand import candidate, two_problems
from surefoot.errors import UsageError
from surefoot.evals.benchmark import Options
from surefoot.evals.bon.measuring import BonOptions, measure
from surefoot.evals.bon.preparing import prepare
from surefoot.labels.answers import AnswerCheck
from surefoot.traces.types import StepScores, Trace

PLAIN = AnswerCheck(algebra=False)


def measured(traces, scorers=("prm",), **options):
    options.setdefault("options", Options(num_resamples=50))
    ready = prepare({"pool": traces}, check=PLAIN).traces
    (result,) = measure(ready, scorers, BonOptions(**options))
    return result


@pytest.mark.parametrize(
    ("method", "by_n"),
    [
        # p: AABC of which A is right; q: ABBB of which A is right. Means over the two.
        ("random", {1: 3 / 8, 2: 3 / 8, 4: 3 / 8}),
        ("oracle", {1: 3 / 8, 2: (5 / 6 + 3 / 6) / 2, 4: 1}),
        # p, N = 2: AA in one of six, A and another in four (half each). q: A and a B in three.
        ("majority", {1: 3 / 8, 2: ((1 + 4 / 2) / 6 + 3 / 2 / 6) / 2, 4: 1 / 2}),
        # minima .8 .4 .9 .1 and .7 .5 .1 .2. p, N = 2: the first of two without the third: three
        # ways, of which all begin with an A but one: AA, AC, AC. q: A in three of six.
        ("prm:min", {1: 3 / 8, 2: (3 / 6 + 3 / 6) / 2, 4: 1 / 2}),
        ("prm:last", {1: 3 / 8, 4: (0.5 + 1) / 2}),  # .9 .5 .9 .1: a tie
        # weights of p, A against B: 1.2 against .9; of q: .7 against .8.
        ("prm:min_vote", {1: 3 / 8, 4: 1 / 2}),
        # products .72 .2 .81 .02 and .63 .3 .06 .06: A .92 against .81, and .63 against .42
        ("prm:product_vote", {4: 1}),
        ("step_length", {1: 3 / 8, 4: 3 / 8}),  # all equally long
    ],
)
def test_accuracy_on_paper(method, by_n):
    result = measured(two_problems())
    assert result.ns == (1, 2, 4)
    for n, share in by_n.items():
        assert result.estimate(method, n).mean == pytest.approx(share, abs=1e-12)


def test_flawed_share_on_paper():
    result = measured(two_problems())
    # random: right 1/2 and 1/4 of the time, with a flaw in one half and in none of these.
    assert result.estimate("random", 4, "flawed_share").mean == pytest.approx(0.25 / 0.75)
    assert result.estimate("prm:min", 4, "flawed_share").mean == 0
    assert result.estimate("prm:product_vote", 4, "sound").mean == 1
    # majority shows either of the As of p, and never A of q
    assert result.estimate("majority", 4, "flawed_share").mean == 0.5


def test_flaws_count_only_where_labels_settle_them():
    traces = two_problems()
    traces[4] = candidate("q", 0, "1", True, [0.9, 0.7])
    result = measured(traces)
    assert result.estimate("random", 4, "flawed_share").mean == 0.5
    assert result.counts["right, soundness known"] == 2
    assert (
        measured([candidate("p", i, "1", True) for i in (0, 1)], ()).estimate(
            "random", 2, "flawed_share"
        )
        is None
    )


def test_differences_are_paired():
    result = measured(two_problems(), options=Options(num_resamples=999))
    gap = result.difference("oracle", "majority", 4)
    # p none, q one: resamples of two problems have 0, 1/2 or 1.
    assert (gap.mean, gap.low, gap.high) == (0.5, 0, 1)
    ours = result.estimate("prm:min", 2).mean - result.estimate("majority", 2).mean
    assert result.difference("prm:min", "majority", 2).mean == pytest.approx(ours)
    assert result.difference("prm:min", "prm:min", 4).p_value == 1


def test_the_order_of_candidates_does_not_matter():
    traces = two_problems() + [candidate("r", i, str(i % 3), i % 3 == 1) for i in range(5)]
    first = measured(traces)
    for seed in range(3):
        shuffled = list(traces)
        random.Random(seed).shuffle(shuffled)
        other = measured(shuffled)
        for method in first.methods:
            for n in first.ns:
                ours, theirs = first.estimate(method.name, n), other.estimate(method.name, n)
                assert ours.mean == pytest.approx(theirs.mean, abs=1e-12), method.name


def test_every_aggregate_and_the_chief_one():
    names = [one.name for one in measured(two_problems()).methods]
    rules = ("min", "product", "last", "mean", "geometric", "sum")
    assert sorted(names) == sorted(
        ["majority", "random", "oracle", "step_length"]
        + [f"prm:{rule}{ending}" for rule in rules for ending in ("", "_vote")]
    )
    chiefs = [
        one.name for one in measured(two_problems(), aggregate="last").methods if one.is_chief
    ]
    assert chiefs == ["prm:last", "prm:last_vote"]


def test_scores_of_any_sign_have_no_products_and_no_votes():
    traces = [
        Trace(one.problem, one.steps, one.answer, outcome=one.outcome, meta=one.meta).with_scores(
            StepScores((-1.0, float(i)), "log", "log-ratio", "sum")
        )
        for i, one in enumerate(two_problems())
    ]
    result = measured(traces, ("log",))
    names = [one.name for one in result.methods if one.reward and one.scorer]
    assert names == ["log:sum", "log:min", "log:last", "log:mean"]
    assert result.estimate("log:sum", 4).mean == 0  # the last of each is wrong


def test_a_scorer_of_whole_answers_is_one_row_and_a_column_too():
    traces = [
        Trace(
            one.problem,
            one.steps,
            one.answer,
            outcome=one.outcome,
            meta={**one.meta, "orm": float(one.outcome), "logprob": -float(i)},
        ).with_scores(StepScores((None, 0.5 + 0.1 * one.outcome), "whole"))
        for i, one in enumerate(two_problems())
    ]
    result = measured(traces, ("whole",), columns=("orm",))
    names = [one.name for one in result.methods]
    assert names == [
        *("majority", "random", "oracle", "step_length", "orm", "logprob", "whole"),
        *("orm_vote", "whole_vote"),
    ]
    assert result.estimate("orm", 4).mean == result.estimate("whole", 4).mean == 1
    assert result.estimate("logprob", 4).mean == 1  # the first of each
    with pytest.raises(UsageError, match=r"meta\.none of trace .* is None"):
        measured(traces, columns=("none",))


def test_a_candidate_without_a_score_is_never_chosen_by_it():
    traces = two_problems()
    traces[2] = candidate("p", 2, "2", False)
    result = measured(traces)
    assert result.estimate("prm:min", 4).mean == 1
    assert next(one for one in result.rewards if one.name == "prm:min").num_missing == 1


def test_what_is_left_out_is_counted_and_the_rest_measured():
    traces = [
        *two_problems(),
        *[candidate("s", i, "4", None) for i in range(4)],
        candidate("t", 0, "4", True),
    ]
    result = measured(traces, num=4)
    assert result.left_out == {
        "a candidate has neither an outcome nor a reference": 1,
        "fewer than 4 candidates": 1,
    }
    assert (result.num_problems, result.counts["problems"]) == (2, 4)
    assert measured(traces).ns == (1,)
    with pytest.raises(UsageError, match=r"none of 4 problems .*1: a candidate has neither"):
        measured(traces, num=5)


def test_votes_say_where_they_are_exact():
    traces = [candidate("p", i, str(i % 2), i % 2 == 0, [i / 12], steps=1) for i in range(12)]
    result = measured(traces, num_subsets=66)
    assert result.exact["majority"] == {1: True, 2: True, 4: True, 8: True, 12: True}
    assert result.exact["weighted votes"] == {1: True, 2: True, 4: False, 8: False, 12: True}


def test_sampled_votes_come_close_to_the_exact_majority():
    rng = np.random.default_rng(0)
    traces = []
    for p in range(40):
        for i in range(16):
            answer = int(rng.integers(0, 4))
            traces.append(candidate(f"p{p}", i, str(answer), answer == 0, [1.0], steps=1))
    result = measured(traces)
    for n in result.ns:
        vote, majority = (result.estimate(one, n).mean for one in ("prm:min_vote", "majority"))
        # 40 problems x 512 subsets; a standard error of a share is at most .0035.
        assert vote == pytest.approx(majority, abs=0.015)
        if n in (1, 16):
            assert vote == pytest.approx(majority, abs=1e-12)


def test_unknown_methods_and_sizes_are_refused():
    result = measured(two_problems())
    with pytest.raises(UsageError, match="no method 'prm'"):
        result.estimate("prm", 4)
    with pytest.raises(UsageError, match="N = 3 was not measured"):
        result.estimate("majority", 3)
    assert math.isfinite(result.estimate("majority", 4).mean)
