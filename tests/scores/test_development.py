"""Development figures, against those of the reports and against loops over the definition."""

import json
import math
import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from surefoot.errors import UsageError
from surefoot.scores.calibration import brier, ece
from surefoot.scores.development import METRICS, NO_SOURCE, measure
from surefoot.scores.discrimination import LabelledSteps, step_discrimination
from surefoot.scores.first_errors import Threshold, evaluate_first_errors, tune_threshold
from surefoot.scores.steps import questions_of
from surefoot.traces.types import StepLabels, StepScores, Trace


def trace(labels, question="a", outcome=None, source=None, **options):
    own = [] if labels is None else [StepLabels(tuple(labels), **options)]
    steps = ["x"] * (1 if labels is None else len(labels))
    return Trace(question, steps, labels=own, outcome=outcome, source=source)


def scores(*values, **fields):
    return StepScores(tuple(values), "m", **fields)


def drawn(num=200, *, seed=0, num_questions=60):
    """Traces of several lengths, sources and questions, with scores that know something."""
    rng = np.random.default_rng(seed)
    traces, given = [], []
    for i in range(num):
        size = int(rng.integers(1, 7))
        wrong = int(rng.integers(size)) if rng.random() < 0.5 else None
        labels = [1 if wrong is None or k < wrong else -1 if k == wrong else 0 for k in range(size)]
        if rng.random() < 0.1:
            labels[-1] = None
        odds = [rng.normal(1.5 * (0 if one is None else one), 1.5) for one in labels]
        traces.append(
            trace(
                labels,
                f"q{i % num_questions}",
                outcome=[wrong is None, None][int(rng.random() < 0.1)],
                source=["gsm8k", "math", None][i % 3],
            )
        )
        given.append(
            None
            if rng.random() < 0.05
            else scores(*(1 / (1 + math.exp(-z)) for z in odds), log_odds=tuple(odds))
        )
    return traces, given


def test_by_hand():
    traces = [
        trace([1, -1], "a", outcome=False),  # found at .5
        trace([1, 1], "a", outcome=True),  # cleared
        trace([-1], "b", outcome=False),  # missed at .5, found below .7
        trace([1], "b", outcome=True),  # cleared
    ]
    given = [scores(0.9, 0.2), scores(0.8, 0.7), scores(0.6), scores(0.9)]
    found = measure(traces, given)
    every = found.overall
    assert (every.num_traces, every.num_error, every.num_correct) == (4, 2, 2)
    assert (every.num_steps, every.num_wrong, every.num_unscored) == (6, 2, 0)
    assert (every.acc_error, every.acc_correct) == (0.5, 1)
    assert every.f1 == pytest.approx(2 / 3)
    assert every.f1_best == 1
    assert found.best_threshold == Threshold(pytest.approx(0.65), "tuned on 4 development traces")
    assert found.threshold == Threshold(0.5, "fixed at 0.5, the model's own")
    # Wrong steps score .2 and .6, right ones .9, .8, .7, .9: all pairs are in order.
    assert (every.step_auroc, every.step_average_precision) == (1, 1)
    assert every.brier == pytest.approx((0.01 + 0.04 + 0.04 + 0.09 + 0.36 + 0.01) / 6)
    # Bins of width 1/15: each of .2, .6, .7, .8 alone, and two of .9.
    assert every.ece == pytest.approx((0.2 + 0.6 + 0.3 + 0.2 + 0.2) / 6)
    # Least scores .2 and .7 in one problem, .6 and .9 in the other.
    assert (every.outcome_auroc, every.outcome_auroc_within) == (1, 1)


def test_held_out_thresholds_are_those_of_the_other_half():
    """Two questions are a half each. One is best at .85 and the other at .15: at the other's one
    misses its error and one flags what is right. On all four, either threshold errs once."""
    traces = [trace([-1], "a"), trace([1], "a"), trace([-1], "b"), trace([1], "b")]
    given = [scores(0.8), scores(0.9), scores(0.1), scores(0.2)]
    found = measure(traces, given).overall
    assert found.f1_best == pytest.approx(2 / 3)
    assert found.f1_heldout == 0.5
    one_question = measure(traces[:2], given[:2]).overall
    assert (one_question.f1_best, one_question.f1_heldout) == (1, None)


def held_out_by_loops(traces, given):
    halves = questions_of(traces) % 2
    hits = {True: [], False: []}
    for half in (0, 1):
        known = [
            (one, labels.first_error())
            for t, one, h in zip(traces, given, halves, strict=True)
            if h != half and (labels := t.labels[0]).knows_first_error()
        ]
        t_best = tune_threshold(*map(list, zip(*known, strict=True))).value
        for t, one, h in zip(traces, given, halves, strict=True):
            if h == half and t.labels[0].knows_first_error():
                label = t.labels[0].first_error()
                hits[label is not None].append(one is not None and one.first_error(t_best) == label)
    a, b = (np.mean(one) for one in hits.values())
    return 2 * a * b / (a + b)


@pytest.mark.parametrize("seed", range(3))
def test_figures_are_those_of_the_reports(seed):
    traces, given = drawn(seed=seed)
    found = measure(traces, given, threshold=0.4)
    report = evaluate_first_errors(given, traces, threshold=0.4, num_resamples=10)
    every = found.overall
    assert every.f1 == pytest.approx(report.f1.mean)
    assert every.acc_error == pytest.approx(report.acc_error.mean)
    assert every.acc_correct == pytest.approx(report.acc_correct.mean)
    assert (every.num_error, every.num_correct) == (report.num_error, report.num_correct)
    best = evaluate_first_errors(given, traces, threshold=found.best_threshold, num_resamples=10)
    assert every.f1_best == pytest.approx(best.f1.mean)
    assert every.f1_heldout == pytest.approx(held_out_by_loops(traces, given))
    steps = step_discrimination(LabelledSteps.of(traces), given, num_resamples=10)
    assert every.step_auroc == pytest.approx(steps.auroc.mean)
    assert every.step_average_precision == pytest.approx(steps.average_precision.mean)
    assert (every.num_steps, every.num_wrong, every.num_unscored) == (
        steps.num_steps,
        steps.num_wrong,
        steps.num_unscored,
    )


def test_parts_are_measured_as_if_they_were_alone_at_the_thresholds_of_all():
    traces, given = drawn()
    found = measure(traces, given)
    assert [*found.by_domain] == ["gsm8k", "math", NO_SOURCE]
    inside = [i for i, one in enumerate(traces) if one.source == "math"]
    some, own = [traces[i] for i in inside], [given[i] for i in inside]
    alone = measure(some, own, threshold=found.best_threshold).overall
    math_set = found.by_domain["math"]
    assert math_set.f1_best == alone.f1
    assert math_set.f1 == measure(some, own).overall.f1
    for name in ("step_auroc", "brier", "ece", "outcome_auroc", "outcome_auroc_within"):
        assert getattr(math_set, name) == pytest.approx(getattr(alone, name))
    assert sum(one.num_traces for one in found.by_domain.values()) == len(traces)


def test_positions_are_in_buckets_that_double():
    long = trace([1] * 5 + [-1] + [1] * 3)
    found = measure([long], [scores(*[0.7] * 5, 0.1, 0.8, 0.9, 0.6)])
    sizes = {name: one.num_steps for name, one in found.by_position.items()}
    assert sizes == {"0": 1, "1": 1, "2-3": 2, "4-7": 4, "8-15": 1}
    assert found.by_position["4-7"].step_auroc == 1
    assert found.by_position["4-7"].brier == pytest.approx((0.09 + 0.01 + 0.04 + 0.01) / 4)
    assert found.by_position["0"].step_auroc is None


def test_soft_labels_are_kept_soft_where_that_is_defined():
    soft = trace([0.25, 0.75], source="s", scale="value")
    found = measure([soft], [scores(0.5, 0.5)]).overall
    assert found.brier == pytest.approx(0.0625)
    assert found.ece == pytest.approx(0)
    assert (found.num_wrong, found.step_auroc) == (1, 0.5)


def test_neutral_and_source_are_as_asked_for():
    both = trace([1, 0]).with_labels(StepLabels((-1, 1), source="judge"))
    given = [scores(0.9, 0.2)]
    assert measure([both], given).overall.num_wrong == 0
    assert measure([both], given, neutral=False).overall.step_auroc == 1
    assert measure([both], given, label_source="judge").overall.step_auroc == 0


def test_what_is_not_defined_is_none_and_never_nan():
    one_kind = measure([trace([1, 1])], [scores(0.9, 0.8)])
    figures = one_kind.overall
    assert figures.f1 is figures.f1_best is figures.f1_heldout is None
    assert figures.step_auroc is figures.step_average_precision is None
    assert figures.outcome_auroc is figures.outcome_auroc_within is None
    assert (figures.acc_correct, figures.acc_error) == (1, None)
    assert one_kind.best_threshold is None
    assert "f1" not in one_kind.flat()
    nothing = measure([trace(None)], [None], threshold=0.5, num_resamples=10)
    assert nothing.flat() == {
        **dict.fromkeys(nothing.flat(), 0),
        "num_traces": 1,
        f"domain/{NO_SOURCE}/num_traces": 1,
        "threshold": 0.5,
    }
    all_wrong = measure([trace([-1])], [scores(0.9)]).overall
    assert (all_wrong.step_auroc, all_wrong.step_average_precision) == (None, 1)


def test_what_is_no_probability_has_no_calibration_error():
    traces = [trace([1, -1]), trace([1, 1])]
    given = [scores(3.5, -2, kind="reward", threshold=0), scores(1, 2, kind="reward", threshold=0)]
    found = measure(traces, given, num_resamples=10)
    assert found.overall.brier is found.overall.ece is found.overall.ece_mass is None
    assert (found.overall.f1, found.overall.step_auroc) == (1, 1)
    assert "brier" not in found.intervals


def test_abstained_and_failed_steps_count_as_not_suspicious_and_have_no_error():
    traces = [trace([-1, 1], "a"), trace([1], "b")]
    found = measure(traces, [scores(None, 0.5), None]).overall
    assert (found.num_unscored, found.step_auroc) == (2, 0.25)
    assert found.brier == 0.25


def within_by_loops(groups, right, reward):
    found = []
    for group in sorted({*groups}):
        ups = [r for g, y, r in zip(groups, right, reward, strict=True) if g == group and y]
        downs = [r for g, y, r in zip(groups, right, reward, strict=True) if g == group and not y]
        if ups and downs:
            found.append(np.mean([(a > b) + (a == b) / 2 for a in ups for b in downs]))
    return np.mean(found) if found else None


@given(
    st.lists(
        st.tuples(st.sampled_from("abc"), st.booleans(), st.sampled_from([None, 0.0, 0.3, 1.0])),
        min_size=1,
        max_size=14,
    )
)
@settings(deadline=None)
def test_outcomes_within_questions_are_their_definition(rows):
    traces = [trace(None, q, outcome=right) for q, right, _ in rows]
    given = [None if p is None else scores(p) for _, _, p in rows]
    found = measure(traces, given, threshold=0.5).overall
    reward = [-1 if p is None else p for _, _, p in rows]
    wanted = within_by_loops([q for q, _, _ in rows], [y for _, y, _ in rows], reward)
    assert found.outcome_auroc_within == (None if wanted is None else pytest.approx(wanted))
    pooled = within_by_loops(["x"] * len(rows), [y for _, y, _ in rows], reward)
    assert found.outcome_auroc == (None if pooled is None else pytest.approx(pooled))


def test_a_loss_as_aggregate_is_turned_round():
    traces = [trace(None, outcome=True), trace(None, outcome=False)]
    given = [scores(0.9, default_aggregate="nll"), scores(0.2, default_aggregate="nll")]
    assert measure(traces, given).overall.outcome_auroc == 1


def test_flat_names_and_json():
    traces, given = drawn()
    found = measure(traces, given)
    flat = found.flat()
    assert {*METRICS} <= {*flat}
    assert all(type(value) in (int, float) and math.isfinite(value) for value in flat.values())
    assert flat["step_auroc"] == found.overall.step_auroc
    assert flat["threshold_best"] == found.best_threshold.value
    assert flat["position/2-3/brier"] == found.by_position["2-3"].brier
    assert flat["domain/gsm8k/f1_heldout"] == found.by_domain["gsm8k"].f1_heldout
    nested = json.loads(json.dumps(found.to_json(), allow_nan=False))
    assert nested["by_domain"]["math"]["step_auroc"] == found.by_domain["math"].step_auroc
    assert nested["best_threshold"]["rule"].startswith("tuned on")
    assert nested["intervals"] == {}


def test_a_metric_that_is_better_says_so():
    """Better scores raise what is to be maximized and lower what is to be minimized."""
    traces, _ = drawn()
    rng = np.random.default_rng(1)

    def knowing(strength):
        given = []
        for one in traces:
            pulls = [0 if v is None else v for v in one.labels[0].values]
            odds = [strength * (1 if v >= 0 else -1) + rng.normal() for v in pulls]
            given.append(scores(*(1 / (1 + math.exp(-z)) for z in odds)))
        return measure(traces, given).flat()

    weak, strong = knowing(0.5), knowing(4)
    for name, direction in METRICS.items():
        gain = strong[name] - weak[name]
        assert gain > 0 if direction == "maximize" else gain < 0, name


def test_intervals_hold_the_figures_and_are_over_questions():
    traces, given = drawn()
    found = measure(traces, given, num_resamples=200, seed=3)
    assert {*found.intervals} == {*METRICS} - {"f1_best"}
    for name, one in found.intervals.items():
        assert one.mean == pytest.approx(getattr(found.overall, name)), name
        assert one.low < one.mean < one.high or name in ("ece", "ece_mass"), name
    assert found.to_json()["intervals"]["brier"] == found.intervals["brier"].to_json()
    often = measure(traces * 4, given * 4, num_resamples=200, seed=3)
    for name in ("f1", "step_auroc", "brier", "ece", "acc_error", "outcome_auroc"):
        once, again = found.intervals[name], often.intervals[name]
        assert (again.low, again.high) == pytest.approx((once.low, once.high), abs=1e-9), name


def test_an_interval_matches_resampling_the_questions_themselves():
    traces, given = drawn(num_questions=40)
    found = measure(traces, given, num_resamples=2000).intervals
    rng = np.random.default_rng(5)
    questions = questions_of(traces)
    right, p, owner = [], [], []
    for one, own, q in zip(traces, given, questions, strict=True):
        for i, label in enumerate(one.labels[0].values):
            if own is not None and label is not None:
                right.append(float(label >= 0))
                p.append(own.values[i])
                owner.append(q)
    right, p, owner = map(np.array, (right, p, owner))
    members = [np.flatnonzero(owner == q) for q in range(40)]
    resampled = []
    for _ in range(2000):
        drawn_steps = np.concatenate([members[q] for q in rng.integers(0, 40, 40)])
        resampled.append(
            (brier(right[drawn_steps], p[drawn_steps]), ece(right[drawn_steps], p[drawn_steps]))
        )
    for k, name in enumerate(("brier", "ece")):
        low, high = np.quantile([one[k] for one in resampled], [0.025, 0.975])
        assert (found[name].low, found[name].high) == pytest.approx((low, high), abs=0.006)


def test_ten_thousand_traces_take_about_a_second():
    traces, given = drawn(10_000, num_questions=2500)
    start = time.process_time()
    measure(traces, given)
    assert time.process_time() - start < 2.0


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda: measure([], []), "no development traces"),
        (lambda: measure([trace([1])], []), "0 scores for 1 traces"),
        (lambda: measure([trace([1])], [scores(1, 1)]), "2 scores for the 1 steps"),
        (lambda: measure([trace([1])], [None]), "no trace was scored"),
        (
            lambda: measure([trace([1])] * 2, [scores(1), scores(1, threshold=0.2)]),
            "2 different thresholds",
        ),
        (
            lambda: measure([trace([1])] * 2, [scores(1), scores(1, kind="value")]),
            "2 kinds, probability, value",
        ),
    ],
)
def test_what_cannot_be_measured_is_refused(call, says):
    with pytest.raises(UsageError, match=says):
        call()
