"""AUROC of outcomes, the place of the least score, tokens, and verdicts, on paper."""

import numpy as np
import pytest

from pools_by_hand import candidate, two_problems
from surefoot.evals.benchmark import Options
from surefoot.evals.bon.cost import cost
from surefoot.evals.bon.diagnostics import discrimination, least_scores
from surefoot.evals.bon.measuring import BonOptions, measure
from surefoot.evals.bon.metrics import metrics
from surefoot.evals.bon.preparing import prepare
from surefoot.evals.bon.verdicts import Verdict, chief_methods, verdicts
from surefoot.labels.answers import AnswerCheck
from surefoot.scores.discrimination import auroc, weighted_auroc
from surefoot.stats import Difference, bootstrap


def measured(traces, **options):
    options.setdefault("options", Options(num_resamples=100))
    ready = prepare({"pool": traces}, check=AnswerCheck(algebra=False)).traces
    return measure(ready, ("prm",), BonOptions(**options))[0]


def test_auroc_within_problems_and_over_all():
    found = discrimination(measured(two_problems()))
    # p: .8 .4 right, .9 .1 wrong: two of four. q: .7 right, .5 .1 .2 wrong: three of three.
    assert found["prm:min"]["within"]["mean"] == pytest.approx((0.5 + 1) / 2)
    right, wrong = [0.8, 0.4, 0.7], [0.9, 0.1, 0.5, 0.1, 0.2]
    every = [(r > w) + (r == w) / 2 for r in right for w in wrong]
    assert found["prm:min"]["pooled"]["mean"] == pytest.approx(np.mean(every))
    assert "pooled" not in found["prm:product"]
    assert found["step_length"]["within"]["mean"] == 0.5  # all as long


def test_difficulty_alone_has_a_high_auroc_over_all_and_none_within():
    traces = [
        candidate(f"p{p}", i, str(i), i < (3 if p % 2 else 1), [0.9 if p % 2 else 0.1], steps=1)
        for p in range(40)
        for i in range(4)
    ]
    found = discrimination(measured(traces))["prm:min"]
    assert found["within"] == {"mean": 0.5, "low": 0.5, "high": 0.5}
    assert found["pooled"]["mean"] == pytest.approx(0.75)  # of 60 rights 20 hard; of wrongs 60


def test_the_interval_of_the_pooled_auroc_is_that_of_whole_problems():
    rng = np.random.default_rng(1)
    traces = [
        candidate(f"p{p}", i, str(i), bool(rng.random() < 0.5), [float(rng.random())], steps=1)
        for p in range(12)
        for i in range(3)
    ]
    result = measured(traces)
    values = next(one.values for one in result.rewards if one.is_chief)
    plain = bootstrap(
        lambda counts: weighted_auroc(result.right, values, counts[:, result.owner]),
        12,
        seed=0,
        num_resamples=100,
    )
    found = discrimination(result)["prm:min"]["pooled"]
    assert found == pytest.approx(plain.to_json())
    assert found["mean"] == pytest.approx(auroc(result.right, values))


def test_least_scores_at_the_end_share_ties():
    traces = [
        candidate("p", 0, "1", True, [0.9, 0.1]),  # at the end
        candidate("p", 1, "2", False, [0.1, 0.9]),  # not
        candidate("p", 2, "3", False, [0.5, 0.5, 0.5], steps=3),  # one of three
        candidate("p", 3, "4", True, [0.2], steps=1),  # does not count
        candidate("p", 4, "5", True, [0.2, None]),  # the last step has no score
    ]
    found = least_scores(measured(traces))["prm"]
    assert found["num"] == 3
    assert found["all"]["mean"] == pytest.approx((1 + 0 + 1 / 3) / 3)
    assert found["right"]["mean"] == 1
    assert found["wrong"]["mean"] == pytest.approx(1 / 6)
    assert found["chance"]["mean"] == pytest.approx((1 / 2 + 1 / 2 + 1 / 3) / 3)


def test_tokens_of_policy_and_verifier():
    traces = [
        candidate("p", i, str(i % 2), i % 2 == 0, [0.5], steps=1, meta={"num_tokens": 10 + i})
        for i in range(4)
    ]
    result = measured(traces)
    found = cost(result, chief_methods(result))
    assert found["unit"] == "tokens"
    assert found["policy_per_candidate"] == 11.5
    assert found["verifier_per_candidate"] == 13.5  # and "Problem p?"
    assert found["by_n"][-1] == {"n": 4, "policy": 46, "verifier": 54}
    # one verified candidate costs 25 tokens, for which the policy writes two
    first = found["majority_for_the_same"][0]
    assert (first["n"], first["majority_n"], first["majority"]["mean"]) == (1, 2, 0.5)
    sizes = [(one["n"], one["majority_n"]) for one in found["majority_for_the_same"]]
    assert sizes == [(1, 2), (1, 2), (2, 4), (2, 4)]  # 4 would need 8
    words = cost(measured(two_problems()), [])
    assert words["unit"] == "words parted by white space"
    assert (words["policy_per_candidate"], words["verifier_per_candidate"]) == (2, 4)


@pytest.mark.parametrize(
    ("gap", "outcome", "says"),
    [
        (Difference(-0.1, -0.2, -0.01, 0.02), "does harm", "DOES HARM: it loses to majority"),
        (Difference(-0.1, -0.2, 0.1, 0.3), "not shown to help", "loses to majority here and is"),
        (Difference(0.1, -0.1, 0.2, 0.3), "not shown to help", "is not shown to help"),
        (Difference(0.1, 0.01, 0.2, 0.02), "helps", "helps: +10.00 points [+1.00, +20.00]"),
        (Difference(0.0, 0.0, 0.0, 0.001), "not shown to help", "is not shown to help"),
    ],
)
def test_verdicts(gap, outcome, says):
    found = Verdict("pool", "prm:min", "prm", 32, gap)
    assert found.outcome == outcome
    assert says in str(found)
    assert ("harm" in str(found).lower()) is (outcome == "does harm")


def harmful(num=30):
    """The scorer likes the one wrong candidate of four."""
    return [
        candidate(
            f"p{p}", i, "2" if i == p % 4 else "1", i != p % 4, [0.2, 0.9 if i == p % 4 else 0.1]
        )
        for p in range(num)
        for i in range(4)
    ]


def test_a_scorer_that_likes_wrong_answers_does_harm_and_that_is_said_first():
    result = measured(harmful(), aggregate="last")
    own = {one.method: one for one in verdicts(result, chief_methods(result))}
    assert own["prm:last"].outcome == "does harm"
    assert own["prm:last"].gap.mean == -1
    found = metrics([result])
    assert found["warnings"][0].startswith("prm:last DOES HARM")
    assert "DOES HARM" in found["verdict"]
    assert found["leads"]["majority"]["accuracy"]["mean"] == -1


def test_metrics_are_those_of_every_run():
    found = metrics([measured(two_problems())], against=["prm:last"])
    assert [row["name"] for row in found["rows"]][:2] == ["prm:min", "prm:min_vote"]
    assert found["rows"][0]["figures"]["accuracy"]["mean"] == 0.5
    assert list(found["curves"]["lines"])[:3] == ["majority", "random", "oracle"]
    assert [one["n"] for one in found["curves"]["lines"]["prm:min"]] == [1, 2, 4]
    (pool,) = found["pools"]
    gap = pool["methods"]["oracle"]["less"]["prm:last"][-1]
    assert (gap["n"], gap["mean"]) == (4, 0.25)
    pairs = {(one["method"], one["against"]) for one in found["paired"]}
    assert ("prm:min", "majority") in pairs
    assert ("prm:min_vote", "prm:min") in pairs
    two = metrics([measured(two_problems()), measured(two_problems())])
    assert two["rows"][0]["name"] == "prm:min (pool)"
    assert two["num_traces"] == 16
