import math
import time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from surefoot.errors import UsageError
from surefoot.scores.first_errors import (
    Threshold,
    evaluate_first_errors,
    f1,
    matches,
    tune_threshold,
)
from surefoot.traces.types import StepLabels, StepScores, Trace


def trace(labels, name="human"):
    steps = [f"Step number {i}." for i in range(len(labels))]
    return Trace("A problem.", steps, labels=[StepLabels(tuple(labels), source=name)])


def scores(*values, threshold=0.5):
    return StepScores(tuple(values), model="m", threshold=threshold)


def test_f1_is_the_harmonic_mean_by_hand():
    traces = [
        trace([1, -1, None]),  # found
        trace([1, -1, None]),  # flagged too early
        trace([-1, None]),  # missed
        trace([1, 1]),  # cleared
        trace([1, 0]),  # flagged, though neutral is right
        trace([1]),  # cleared
    ]
    given_scores = [
        scores(0.9, 0.1, 0.1),
        scores(0.2, 0.1, 0.9),
        scores(0.9, 0.1),
        scores(0.5, 0.9),
        scores(0.9, 0.4),
        scores(0.9),
    ]
    report = evaluate_first_errors(given_scores, traces)
    assert report.acc_error is not None
    assert report.acc_correct is not None
    assert report.f1 is not None
    assert report.acc_error.mean == pytest.approx(1 / 3)
    assert report.acc_correct.mean == pytest.approx(2 / 3)
    assert report.f1.mean == pytest.approx(2 * (1 / 3) * (2 / 3) / 1)
    assert (report.num_error, report.num_correct) == (3, 3)
    assert report.threshold == Threshold(0.5, "fixed at 0.5, the model's own")


def test_f1_is_zero_when_nothing_matches():
    report = evaluate_first_errors([scores(0.9), scores(0.1)], [trace([-1]), trace([1])])
    assert report.f1 is not None
    assert report.f1.mean == 0


def test_unsettled_traces_are_left_out_and_counted():
    traces = [trace([None, -1]), trace([1, -1]), trace([1, 1]), Trace("A problem.", ["Go."])]
    given_scores = [scores(0.9, 0.1), scores(0.9, 0.1), scores(0.9, 0.9), scores(0.9)]
    report = evaluate_first_errors(given_scores, traces)
    assert report.num_excluded == 2
    assert (report.num_error, report.num_correct) == (1, 1)
    assert report.f1 is not None
    assert report.f1.mean == 1


def test_failed_scoring_counts_as_wrong():
    traces = [trace([1, -1]), trace([1, 1]), trace([1, 1])]
    report = evaluate_first_errors([None, None, scores(0.9, 0.9)], traces)
    assert report.acc_error is not None
    assert report.acc_correct is not None
    assert report.acc_error.mean == 0
    assert report.acc_correct.mean == 0.5
    assert report.num_unscored == 2


def test_an_abstaining_scorer_never_flags():
    report = evaluate_first_errors([scores(None, None), scores(None)], [trace([1, 1]), trace([-1])])
    assert report.acc_correct is not None
    assert report.acc_error is not None
    assert report.acc_correct.mean == 1
    assert report.acc_error.mean == 0


def test_one_kind_of_trace_leaves_f1_open():
    report = evaluate_first_errors([scores(0.1)], [trace([-1])])
    assert report.f1 is None
    assert report.acc_correct is None
    assert report.to_json()["f1"] is None
    assert report.to_json()["acc_error"] == {"mean": 1, "low": 1, "high": 1}


def test_the_report_says_how_the_threshold_was_chosen():
    traces, given_scores = [trace([1, -1]), trace([1])], [scores(0.9, 0.3), scores(0.6)]
    fixed = evaluate_first_errors(given_scores, traces, threshold=0.4)
    assert fixed.to_json()["threshold_rule"] == "fixed at 0.4"
    tuned = evaluate_first_errors(
        given_scores, traces, threshold=tune_threshold(given_scores, [1, None])
    )
    assert tuned.threshold.rule == "tuned on 2 development traces"
    assert tuned.threshold.value == pytest.approx(0.45)


def test_labels_can_be_those_of_one_source_and_neutral_can_be_wrong():
    both = trace([1, 1]).with_labels(StepLabels((0, 1), source="judge"))
    human = evaluate_first_errors([scores(0.9, 0.9)], [both], label_source="human")
    judge = evaluate_first_errors([scores(0.1, 0.9)], [both], label_source="judge", neutral=False)
    assert human.num_correct == 1
    assert judge.num_error == 1
    assert judge.acc_error is not None
    assert judge.acc_error.mean == 1


def test_the_interval_of_f1_matches_resampling_the_traces_themselves():
    rng = np.random.default_rng(0)
    erroneous, matched = rng.random(200) < 0.5, rng.random(200) < 0.6
    by_hand = []
    for _ in range(3000):
        drawn = rng.integers(0, 200, 200)
        wrong, hit = erroneous[drawn], matched[drawn]
        a, b = hit[wrong].mean(), hit[~wrong].mean()
        by_hand.append(2 * a * b / (a + b))
    counts = rng.multinomial(200, np.full(200, 1 / 200), size=3000).astype(float)
    ours = f1(counts, erroneous, matched)
    assert np.quantile(ours, [0.025, 0.975]) == pytest.approx(
        np.quantile(by_hand, [0.025, 0.975]), abs=0.01
    )


def best_by_trying(given_scores, labels):
    """F1 at every threshold that could matter, straight from the definition."""
    found = {value for one in given_scores if one for value in one.scored}
    erroneous = np.array([label is not None for label in labels])
    return max(
        float(f1(np.ones((1, len(labels))), erroneous, matches(given_scores, labels, t))[0])
        for t in [*found, math.nextafter(max(found), math.inf)]
    )


values = st.sampled_from([None, 0.0, 0.1, 0.25, 0.5, 0.75, 1.0])
rows = st.lists(st.lists(values, min_size=1, max_size=4), min_size=2, max_size=8)


@given(rows, st.data())
def test_tuning_finds_the_best_of_all_thresholds(score_rows, data):
    labels = [data.draw(st.one_of(st.none(), st.integers(0, len(row) - 1))) for row in score_rows]
    given_scores = [StepScores(tuple(row), model="m") for row in score_rows]
    given_scores = [one if data.draw(st.booleans()) else None for one in given_scores]
    scored = any(one is not None and one.scored for one in given_scores)
    if {label is None for label in labels} != {True, False} or not scored:
        with pytest.raises(UsageError):
            tune_threshold(given_scores, labels)
        return
    threshold = tune_threshold(given_scores, labels).value
    erroneous = np.array([label is not None for label in labels])
    got = f1(np.ones((1, len(labels))), erroneous, matches(given_scores, labels, threshold))
    assert float(got[0]) == pytest.approx(best_by_trying(given_scores, labels))


def test_tuning_ten_thousand_traces_takes_under_two_seconds():
    rng = np.random.default_rng(0)
    given_scores, labels = [], []
    for i in range(10_000):
        given_scores.append(StepScores(tuple(rng.random(8).tolist()), model="m"))
        labels.append(int(rng.integers(8)) if i % 2 else None)
    start = time.process_time()
    tune_threshold(given_scores, labels)
    assert time.process_time() - start < 2.0


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda: evaluate_first_errors([], []), "none of 0 traces"),
        (lambda: evaluate_first_errors([scores(1)], []), "1 scores for 0 traces"),
        (lambda: evaluate_first_errors([scores(1, 1)], [trace([1])]), "2 scores for the 1 steps"),
        (lambda: evaluate_first_errors([None], [trace([1])]), "no trace was scored"),
        (
            lambda: evaluate_first_errors(
                [scores(1), scores(1, threshold=0.2)], [trace([1]), trace([1])]
            ),
            "2 different thresholds",
        ),
        (lambda: evaluate_first_errors([scores(1)], [trace([1])], threshold=math.nan), "NaN"),
        (lambda: tune_threshold([scores(1)], [None, 0]), "1 scores for 2 labels"),
        (lambda: tune_threshold([scores(1)], [None]), "needs both kinds"),
        (lambda: tune_threshold([None, None], [None, 0]), "no score on any"),
    ],
)
def test_what_cannot_be_measured_is_refused(call, says):
    with pytest.raises(UsageError, match=says):
        call()
