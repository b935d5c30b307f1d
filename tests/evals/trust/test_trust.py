"""Trust figures by hand: slopes, the curve of F1, gaps between domains, questions seen before."""

import json
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from surefoot.errors import UsageError
from surefoot.evals.benchmark import Options, evaluate
from surefoot.evals.trust import TRUST, sensitivity, trust, trust_benchmark
from surefoot.evals.trust.drift import slope, slopes
from surefoot.scores.calibration import brier, ece
from surefoot.scores.first_errors import Threshold, evaluate_first_errors
from surefoot.scores.steps import ScoredSteps, questions_of
from surefoot.traces.types import StepLabels, StepScores, Trace

QUICK = Options(num_resamples=50)
HALF = Threshold(0.5, "half")


def trace(problem, labels, *, lengths=None, **fields):
    steps = ["x" * (lengths[i] if lengths else 5) for i in range(len(labels))]
    return Trace(problem, steps, labels=[StepLabels(tuple(labels))], **fields)


def scored(*values, **fields):
    return StepScores(values, "m", **fields)


def value(statistic, num):
    return float(statistic(np.ones((1, num)))[0])


# Drift


def test_drift_is_the_slope_of_right_steps():
    # Right steps fall by 0.1 a step; the wrong ones and those without a score say nothing.
    traces = [trace("a", (1, 1, 1, -1)), trace("b", (1, 1, None, 1))]
    scores = [scored(0.9, 0.8, 0.7, 0.0), scored(0.8, 0.7, 0.1, None)]
    questions = questions_of(traces)
    steps = ScoredSteps.of(traces, scores, questions)
    found = slopes(traces, steps, 2)
    x, y = np.array([0, 1, 2, 0, 1]), np.array([0.9, 0.8, 0.7, 0.8, 0.7])
    assert value(found["drift_position"], 2) == pytest.approx(np.polyfit(x, y, 1)[0])
    assert value(found["drift_position_within"], 2) == pytest.approx(-0.1)
    assert math.isnan(value(found["drift_length"], 2)), "all steps are equally long"


def test_harder_problems_with_longer_traces_are_no_drift_within():
    traces = [trace("easy", (1,)), trace("hard", (1, 1, 1))]
    scores = [scored(0.9), scored(0.5, 0.5, 0.5)]
    steps = ScoredSteps.of(traces, scores, questions_of(traces))
    found = slopes(traces, steps, 2)
    assert value(found["drift_position"], 2) < -0.1
    assert value(found["drift_position_within"], 2) == 0


def test_length_is_in_hundreds_of_characters():
    traces = [trace("a", (1, 1, 1), lengths=(100, 200, 400))]
    steps = ScoredSteps.of(traces, [scored(0.9, 0.8, 0.6)], questions_of(traces))
    assert value(slopes(traces, steps, 1)["drift_length"], 1) == pytest.approx(-0.1)


@given(
    st.lists(
        st.tuples(st.integers(0, 30), st.floats(0, 1), st.integers(0, 3), st.integers(0, 3)),
        min_size=3,
        max_size=20,
    )
)
def test_a_resample_has_the_slope_of_the_steps_it_holds(rows):
    x, y, question, times = (np.array(column) for column in zip(*rows, strict=True))
    counts = np.array(
        [int(times[question == q][0]) if (question == q).any() else 1 for q in range(4)]
    )
    found = slope(x.astype(float), y.astype(float), question, 4)(counts[None].astype(float))[0]
    held = np.repeat(np.arange(len(x)), counts[question])
    if len(set(x[held].tolist())) < 2:
        assert math.isnan(found)
    else:
        assert found == pytest.approx(np.polyfit(x[held], y[held], 1)[0], abs=1e-9)


# Thresholds

PLATEAU = [
    *((trace(f"w{i}", (1, -1)), scored(0.9, 0.25)) for i in range(4)),
    *((trace(f"r{i}", (1, 1)), scored(0.9, 0.755)) for i in range(4)),
]


def test_the_plateau_lies_between_wrong_and_right_scores():
    traces, scores = zip(*PLATEAU, strict=True)
    found = sensitivity(traces, scores, HALF)
    assert found.best_f1 == found.own_f1 == 1
    assert (found.plateau_low, found.plateau_high) == (0.26, 0.75)
    assert found.plateau_share == 50 / 99
    assert found.own_inside
    points = dict(found.points)
    assert (points[0.25], points[0.26], points[0.76]) == (0, 1, 0)
    low = sensitivity(traces, scores, Threshold(0.2, "low"))
    assert (low.own_f1, low.own_inside) == (0, False)


@given(
    st.lists(
        st.tuples(st.lists(st.floats(0, 1), min_size=2, max_size=3), st.booleans()),
        min_size=1,
        max_size=8,
    )
)
def test_every_point_is_the_f1_at_that_threshold(rows):
    traces = [trace("w", (1, -1)), trace("r", (1, 1))]
    scores = [scored(0.5, 0.5), scored(0.6, None)]
    for i, (values, wrong) in enumerate(rows):
        labels = [1] * (len(values) - 1) + [-1 if wrong else 1]
        traces.append(trace(f"p{i}", labels))
        scores.append(scored(*values))
    found = sensitivity(traces, scores, HALF)
    for at, f1 in found.points[::14]:
        report = evaluate_first_errors(scores, traces, threshold=at, num_resamples=50)
        assert f1 == pytest.approx(report.f1.mean)


def test_scores_without_a_scale_have_their_own_grid():
    traces = [trace("w", (-1,)), trace("r", (1,))]
    scores = [scored(-40, kind="reward"), scored(60, kind="reward")]
    found = sensitivity(traces, scores, Threshold(0, "own"))
    assert found.points[0][0] == pytest.approx(-39)
    assert found.best_f1 == 1
    assert sensitivity(traces[:1], scores[:1], HALF) is None, "there is no right trace"
    assert sensitivity(traces, [None, None], HALF) is None


# All of it


def world(num, domain, good, seed=0):
    """Traces of a domain of which a scorer finds a share of the errors, and is sure of itself."""
    rng = np.random.default_rng(seed)
    traces, scores = [], []
    for i in range(num):
        wrong = bool(i % 2)
        traces.append(trace(f"{domain} {i}", (1, -1) if wrong else (1, 1), meta={"domain": domain}))
        found = rng.random() < good
        scores.append(scored(0.9, 0.1 if wrong == found else 0.9))
    return traces, scores


def both():
    first, second = world(60, "sums", 0.95), world(60, "law", 0.5, seed=1)
    few = world(4, "few", 0.0)
    return first[0] + second[0] + few[0], first[1] + second[1] + few[1]


def test_the_gap_is_between_the_best_and_the_worst_domain():
    traces, scores = both()
    found = trust(traces, scores, QUICK)
    gaps = {one.figure: one for one in found.gaps}
    assert {*gaps} == {"brier", "ece", "ece_mass", "f1", "step_auroc"}
    for one in gaps.values():
        assert (one.best, one.worst) == ("sums", "law")
        assert one.gap.low > 0
    f1 = [
        evaluate_first_errors(scores[a : a + 60], traces[a : a + 60], num_resamples=2).f1.mean
        for a in (0, 60)
    ]
    assert gaps["f1"].gap.mean == pytest.approx(f1[0] - f1[1])
    assert found.small_domains == {"few": 4}
    assert any(one.startswith("f1 is better in sums than in law by") for one in found.said)
    assert {"all", "sums", "law", "few", "step 0", "step 1"} == {*found.reliability}
    json.dumps(found.to_json(), allow_nan=False)


def test_figures_of_groups_are_those_of_their_steps():
    traces, scores = both()
    figures = evaluate(TRUST, traces, scores, QUICK).rows[0].figures
    p = np.array([value for one in scores[60:120] for value in one.values])
    y = np.array([float(x > 0) for one in traces[60:120] for x in one.labels[0].values])
    assert figures["brier/law"].mean == pytest.approx(brier(y, p))
    assert figures["ece/law"].mean == pytest.approx(ece(y, p))
    p = np.array([one.values[1] for one in scores])
    y = np.array([float(one.labels[0].values[1] > 0) for one in traces])
    assert figures["ece/step 1"].mean == pytest.approx(ece(y, p))
    assert figures["ece/step 1"].low <= figures["ece/step 1"].mean <= figures["ece/step 1"].high
    assert "f1/step 1" not in figures


def test_questions_of_training_are_found_in_other_spelling():
    traces, scores = both()
    train = [Trace("SUMS 1!", ["s"]), Trace("sums  3", ["s"]), Trace("new", ["s"])]
    found = trust(traces, scores, QUICK, train={"train.jsonl": iter(train)})
    assert found.num_seen == 2
    (overlap,) = found.contamination
    assert (overlap.name, overlap.same_questions, overlap.same_training_traces) == (
        *("train.jsonl", 2, 2),
    )
    assert "2 of 124 traces have a question of a training file" in found.said[-1]
    clean = trust(traces, scores, QUICK, train={"train.jsonl": [Trace("new", ["s"])]})
    assert (clean.num_seen, dict(clean.seen_less_unseen)) == (0, {})
    assert trust(traces, scores, QUICK).num_seen is None


def test_what_was_seen_in_training_is_measured_apart():
    traces, scores = both()
    train = [Trace(one.problem, ["s"]) for one in traces[:60]]
    lead = trust(traces, scores, QUICK, train={"t": train}).seen_less_unseen
    assert lead["f1"].low > 0.2, "it is good on the questions it was trained on"
    assert lead["brier"].low > 0, "and less wrong, which is better"
    details = evaluate(trust_benchmark({"t": iter(train)}), traces, scores, QUICK).details
    assert details["num_seen"] == 60


def test_scores_that_are_no_probabilities_have_no_calibration():
    traces, scores = both()
    rewards = [scored(*(10 * x for x in one.values), kind="reward", threshold=5) for one in scores]
    found = evaluate(TRUST, traces, rewards, QUICK)
    figures = found.rows[0].figures
    assert figures["brier"] is None
    assert figures["f1"] is not None
    assert found.details["reliability"] == {}
    assert {one["figure"] for one in found.details["gaps"]} == {"f1", "step_auroc"}


def test_bad_input_is_told():
    traces, scores = both()
    with pytest.raises(UsageError, match="123 scores for 124 traces"):
        trust(traces, scores[:-1], QUICK)
    with pytest.raises(UsageError, match="no trace was scored"):
        trust(traces, [None] * len(traces), QUICK)
    with pytest.raises(UsageError, match="no step has a label"):
        evaluate(TRUST, [Trace("p", ["s"])], [scored(0.5)], QUICK)
    some = [None if i % 3 else one for i, one in enumerate(scores)]
    assert trust(traces, some, QUICK).sensitivity is not None
