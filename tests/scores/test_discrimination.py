import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from surefoot.errors import UsageError
from surefoot.scores.discrimination import (
    LabelledSteps,
    auroc,
    auroc_difference,
    average_precision,
    step_discrimination,
    weighted_auroc,
    weighted_average_precision,
)
from surefoot.traces.types import StepLabels, StepScores, Trace


def test_auroc_counts_pairs_by_hand():
    # Positives 0.8, 0.4; negatives 0.6, 0.2: three of four pairs are in order.
    assert auroc([True, False, True, False], [0.8, 0.6, 0.4, 0.2]) == 0.75
    # One pair tied, one won.
    assert auroc([True, False, False], [0.5, 0.5, 0.1]) == 0.75
    assert auroc([True, False], [0.3, 0.3]) == 0.5


def test_average_precision_by_hand():
    # Ranked: +, -, +, -: precision 1 at the first positive, 2/3 at the second.
    assert average_precision([True, False, True, False], [4, 3, 2, 1]) == pytest.approx(5 / 6)
    # All tied: the share of positives.
    assert average_precision([True, False, False, False], [1, 1, 1, 1]) == 0.25
    # The first group holds one of each, the second one positive: 1/2 * 1/2 + 1/2 * 2/3.
    assert average_precision([True, False, True], [2, 2, 1]) == pytest.approx(7 / 12)


def pairs_in_order(positive, scores):
    wins = [
        (a > b) + 0.5 * (a == b)
        for a, up in zip(scores, positive, strict=True)
        if up
        for b, down in zip(scores, positive, strict=True)
        if not down
    ]
    return sum(wins) / len(wins)


def precision_at_each_threshold(positive, scores):
    area, last_recall = 0.0, 0.0
    for t in sorted(set(scores), reverse=True):
        taken = [up for up, score in zip(positive, scores, strict=True) if score >= t]
        recall = sum(taken) / sum(positive)
        area += (recall - last_recall) * sum(taken) / len(taken)
        last_recall = recall
    return area


elements = st.lists(
    st.tuples(st.booleans(), st.sampled_from([-np.inf, -1.0, 0.0, 0.5, 2.0])),
    min_size=2,
    max_size=12,
)


@given(elements, st.data())
def test_both_equal_their_definitions_with_and_without_weights(rows, data):
    positive, scores = [up for up, _ in rows], [score for _, score in rows]
    counts = data.draw(st.lists(st.integers(0, 3), min_size=len(rows), max_size=len(rows)))
    repeated = [row for row, times in zip(rows, counts, strict=True) for _ in range(times)]
    weights = np.array([counts, [1] * len(rows)], dtype=float)
    for chosen, row in ((repeated, 0), (rows, 1)):
        ups, numbers = [up for up, _ in chosen], [score for _, score in chosen]
        area = weighted_auroc(positive, scores, weights)[row]
        precision = weighted_average_precision(positive, scores, weights)[row]
        if any(ups):
            assert precision == pytest.approx(precision_at_each_threshold(ups, numbers))
        else:
            assert np.isnan(precision)
        if any(ups) and not all(ups):
            assert area == pytest.approx(pairs_in_order(ups, numbers))
        else:
            assert np.isnan(area)


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda: auroc([True, True], [0.1, 0.2]), "positives and negatives"),
        (lambda: average_precision([False], [0.1]), "at least one"),
        (lambda: auroc([True, False], [0.1, float("nan")]), "1 scores are NaN"),
        (lambda: auroc([True, False], [0.1]), r"\(2,\) flags for \(1,\) scores"),
        (lambda: auroc([], []), "at least one"),
    ],
)
def test_what_cannot_be_ranked_is_refused(call, says):
    with pytest.raises(UsageError, match=says):
        call()


def trace(labels):
    steps = [f"Step number {i}." for i in range(len(labels))]
    return Trace("A problem.", steps, labels=[StepLabels(tuple(labels))])


def test_steps_are_the_labelled_ones_and_missing_scores_rank_last():
    traces = [trace([1, -1, None]), trace([1, 1]), trace([0, -1])]
    scores = [
        StepScores((0.9, 0.2, 0.0), model="m"),
        None,
        StepScores((None, 0.1), model="m"),
    ]
    steps = LabelledSteps.of(traces)
    assert steps.wrong.tolist() == [False, True, False, False, False, True]
    assert steps.suspicion(scores).tolist() == [-0.9, -0.2, -np.inf, -np.inf, -np.inf, -0.1]
    found = step_discrimination(steps, scores, seed=0)
    assert found.auroc is not None
    assert found.auroc.mean == 1
    assert (found.num_steps, found.num_wrong, found.num_unscored) == (6, 2, 3)
    assert LabelledSteps.of(traces, neutral=False).wrong.tolist()[4] is True


def test_without_both_kinds_of_step_there_is_no_figure():
    steps = LabelledSteps.of([trace([1, 1])])
    found = step_discrimination(steps, [StepScores((0.9, 0.8), model="m")])
    assert found.auroc is None
    assert found.to_json()["average_precision"] is None


def test_the_interval_is_over_traces_not_steps():
    """Twenty copies of the same steps inside a trace must not narrow the interval."""
    rng = np.random.default_rng(0)
    short, long, few, many = [], [], [], []
    for _ in range(40):
        value = float(rng.random())
        label = -1 if rng.random() < 0.5 else 1
        short.append(trace([label]))
        few.append(StepScores((value,), model="m"))
        long.append(trace([label] * 20))
        many.append(StepScores((value,) * 20, model="m"))
    once = step_discrimination(LabelledSteps.of(short), few, seed=1)
    often = step_discrimination(LabelledSteps.of(long), many, seed=1)
    assert once.auroc is not None
    assert often.auroc is not None
    assert often.auroc.to_json() == pytest.approx(once.auroc.to_json())


def test_a_difference_is_paired():
    traces = [trace([1, -1]) for _ in range(30)]
    good = [StepScores((0.9, 0.1), model="a")] * 30
    bad = [StepScores((0.1, 0.9), model="b")] * 30
    found = auroc_difference(LabelledSteps.of(traces), good, bad)
    assert (found.mean, found.low, found.high) == (1, 1, 1)
    assert found.p_value < 0.01
