"""Labels that can be guessed without reading are told apart from those that cannot."""

import math
import random
from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from surefoot.traces.types import StepLabels, Trace
from surefoot.training.guards import leak as leak_module
from surefoot.training.guards import measure, summary
from surefoot.training.guards.logistic import fit_logistic, log_odds
from surefoot.training.targets import LabelRule


def trace(values, *, problem="?", steps=None, source="set"):
    texts = steps or [f"step {k}" for k in range(len(values))]
    return Trace(problem, texts, source=source, labels=[StepLabels(tuple(values))])


RULE = LabelRule()


def measured(traces, rule=RULE, **options):
    """The AUROC of each feature by name, and the whole leak."""
    found = measure(traces, rule, **options).leak
    return {one.name: one.auroc and one.auroc.mean for one in found.features}, found


def by_pairs(wrong, values):
    """AUROC by comparing each wrong step with each other one."""
    wins = [
        1.0 if a > b else 0.5 if a == b else 0.0
        for (a, one), (b, other) in product(zip(values, wrong, strict=True), repeat=2)
        if one and not other
    ]
    return max(sum(wins) / len(wins), 1 - sum(wins) / len(wins))


rows = st.lists(st.lists(st.sampled_from([1, -1, None]), min_size=1, max_size=5), max_size=8)


@settings(deadline=None, max_examples=60)
@given(rows, st.randoms(use_true_random=False))
def test_each_single_number_is_as_good_as_counting_pairs_says(rows, rng):
    traces = [trace(row, steps=["x" * rng.randint(1, 4) for _ in row]) for row in rows]
    facts = [
        (k, len(one.steps[k].text), len(row) - 1 - k, k / max(len(row) - 1, 1), len(row))
        for one, row in zip(traces, rows, strict=True)
        for k in range(len(row))
        if row[k] is not None
    ]
    wrong = [value == -1 for row in rows for value in row if value is not None]
    if all(wrong) or not any(wrong):
        assert measure(traces, LabelRule()).leak is None
        return
    found, _ = measured(traces)
    names = ["position", "characters", "steps behind", "relative position", "steps"]
    for name, values in zip(names, zip(*facts, strict=True), strict=True):
        assert found[name] == pytest.approx(by_pairs(wrong, values))


def test_the_end_gives_all_away_where_labels_stop_at_the_first_error():
    """Traces that end with their error: what is wrong is last, and nothing else is."""
    traces = [trace([*[1] * (2 + k % 4), -1], problem=f"{k}?") for k in range(40)]
    found, whole = measured(traces)
    assert found["steps behind"] == found["relative position"] == 1.0
    assert (whole.ends.wrong, whole.ends.wrong_last, whole.ends.others_last) == (40, 40, 0)
    assert whole.ends.all_last
    assert whole.ends.auroc == 1.0
    report = measure(traces, LabelRule())
    kinds = {one.kind: one for one in report.warnings}
    assert "gives every label away: the labels stop at the first error" in (
        kinds["labels-stop-at-errors"].what
    )
    assert "steps behind 1.000 [1.000, 1.000]" in kinds["leak-whole-traces"].what
    assert "cannot see it" in kinds["leak-whole-traces"].mend
    assert "labels stop at the first error" in summary(report)


def test_labels_may_stop_where_the_trace_goes_on():
    """Then no model sees the end of the labels; what it gives away is still told."""
    rng = random.Random(0)
    traces = []
    for k in range(60):
        before, behind = rng.randint(1, 4), rng.randint(0, 4)
        ending = [-1, *[None] * behind] if k % 2 else [1] * (1 + behind)
        traces.append(trace([1] * before + ending, problem=f"{k}?"))
    found, whole = measured(traces)
    ends = whole.ends
    assert (ends.wrong, ends.wrong_last, ends.others_last) == (30, 30, 30)
    assert ends.all_last
    assert ends.auroc == pytest.approx((1 + 1 - 30 / ends.others) / 2)
    assert found["steps behind"] < 0.75
    warning = measure(traces, LabelRule()).warnings[0]
    assert f"as are 30 of the {ends.others} other steps" in warning.what


def test_one_label_behind_an_error_is_enough_to_say_that_labels_go_on():
    traces = [trace([1, -1]), trace([1, -1, 1])]
    ends = measure(traces, LabelRule()).leak.ends
    assert (ends.wrong, ends.wrong_last, ends.others, ends.others_last) == (2, 1, 3, 1)
    assert not ends.all_last


def test_the_sets_whose_labels_stop_at_errors_are_named():
    traces = [trace([1, -1, None], source=f"stops {k}") for k in range(7)]
    traces += [trace([1, 1, 1], source="right")]
    traces += [trace([1, -1, *rest], source="goes on") for rest in ([1], [None])]
    report = measure(traces, LabelRule())
    assert report.leak.ends.stopping == {f"stops {k}": 1 for k in range(7)}
    (one,) = [one for one in report.warnings if one.kind == "labels-stop-at-errors"]
    assert one.what.startswith(
        "in traces of stops 0, stops 1, stops 2, stops 3, stops 4 and 2 other sources, each wrong "
    )
    assert one.count == 7


def test_a_trace_of_one_label_says_nothing_of_ends():
    ends = measure([trace([1]), trace([-1])], LabelRule()).leak.ends
    assert (ends.wrong, ends.others, ends.auroc, ends.stopping) == (0, 0, None, {})
    assert not ends.all_last


def test_what_is_at_a_place_in_the_middle_shows_only_together():
    """Step 2 of 5 is wrong: higher or lower positions are no sign, that position is."""
    traces = [trace([1, 1, -1, 1, 1], problem=f"{k}?") for k in range(60)]
    found, whole = measured(traces)
    assert found["position"] == 0.5
    assert found["position + characters"] == 1.0
    assert [one.name for one in whole.over] == [
        "position + characters",
        "position + characters + steps behind + relative position + steps",
    ]


def test_single_positions_show_where_no_curve_fits():
    """Wrong at 1, 3 and 5 of 0 to 6: no sum of a line, a logarithm and its square goes up and down
    like that."""
    traces = [trace([1, -1, 1, -1, 1, -1, 1], problem=f"{k}?") for k in range(60)]
    assert measured(traces)[0]["position + characters"] == 1.0


def test_where_a_trace_comes_from_may_tell():
    traces = [
        trace([1, 1] if k % 2 else [-1, -1], problem=f"{k}?", source=f"set {k % 2}")
        for k in range(60)
    ]
    found, _ = measured(traces)
    assert found["domain"] == found["position + characters + domain"] == 1.0


def test_domains_that_are_known_from_nowhere_else_tell_nothing():
    """Every trace of its own domain, all steps of a trace alike: in sample, that would be
    perfect."""
    rng = random.Random(1)
    traces = [
        trace([rng.choice([1, -1])] * 3, problem=f"{k}?", source=f"set {k}") for k in range(200)
    ]
    found, whole = measured(traces)
    assert found["domain"] == 0.5
    assert whole.over == ()


def test_random_labels_are_no_leak_and_the_interval_says_so():
    rng = random.Random(2)
    traces = []
    for k in range(800):
        size = rng.randint(2, 9)
        values = [rng.choice([1, 1, -1]) for _ in range(size)]
        texts = ["x" * rng.randint(1, 90) for _ in range(size)]
        traces.append(trace(values, problem=f"{k}?", steps=texts, source=rng.choice("ab")))
    report = measure(traces, LabelRule())
    assert report.leak.over == ()
    assert not [one for one in report.warnings if one.kind.startswith("leak")]
    for one in report.leak.features:
        assert 0.45 < one.auroc.mean < 0.55
        assert 0 < one.auroc.high - one.auroc.low < 0.1
        assert one.auroc.low <= one.auroc.mean <= one.auroc.high
    holding = [one.auroc.low <= 0.5 <= one.auroc.high for one in report.leak.features]
    assert holding.count(True) >= 6


@pytest.mark.parametrize("sign", [1, -1])
def test_the_direction_is_told(sign):
    lengths = {1: "x" * (5 - 4 * sign), -1: "x" * (5 + 4 * sign)}
    traces = [trace(v, steps=[lengths[one] for one in v]) for v in ([1, -1], [-1, 1], [1, 1])]
    (one,) = [f for f in measure(traces, LabelRule()).leak.features if f.name == "characters"]
    assert (one.auroc.mean, one.auroc.low, one.auroc.high) == (1.0, 1.0, 1.0)
    assert one.more_is_wrong == (sign > 0)


def test_the_limit_is_an_argument():
    traces = [trace([1, 1, -1, 1], problem=f"{k}?") for k in range(20)]
    found, _ = measured(traces)
    limit = found["position"]
    assert limit == pytest.approx(2 / 3)
    over = {one.name for one in measure(traces, LabelRule(), leak_limit=limit - 0.01).leak.over} - {
        one.name for one in measure(traces, LabelRule(), leak_limit=limit + 0.01).leak.over
    }
    assert over == {"position", "steps behind", "relative position"}


def test_what_counts_is_the_figure_and_not_the_end_of_its_interval():
    rows = [[1, -1], [1, 1, -1], [-1, 1], [1, 1, 1, -1], [1, -1, 1]]
    traces = [trace(row, problem=f"{k}?") for k, row in enumerate(rows)]
    (one,) = [f for f in measure(traces, LabelRule()).leak.features if f.name == "position"]
    assert one.auroc.low < one.auroc.mean - 0.02
    over = measure(traces, LabelRule(), leak_limit=one.auroc.mean - 0.01).leak.over
    assert "position" in {feature.name for feature in over}


def test_outcomes_may_be_given_away_by_length():
    traces = [
        Trace(f"{k}?", ["a" * (1 + k % 7)] * (2 + k % 2), outcome=k % 2 == 0) for k in range(60)
    ]
    found, whole = measured(traces, LabelRule(target="outcome"))
    assert found["steps"] == 1.0
    assert (whole.traces, whole.steps) == (60, 60)


def test_the_characters_of_an_outcome_are_those_of_all_steps():
    traces = [
        Trace(f"{k}?", ["a" * (9 if k % 2 else 3), "b"], outcome=k % 2 == 0) for k in range(20)
    ]
    assert measured(traces, LabelRule(target="outcome"))[0]["characters"] == 1.0


def test_only_so_much_is_looked_at_and_whole_traces(monkeypatch):
    traces = [trace([1, -1, 1], problem=f"{k}?") for k in range(50)]
    monkeypatch.setattr(leak_module, "MOST_STEPS", 32)
    found = measure(traces, LabelRule()).leak
    assert (found.traces, found.steps, found.ends.wrong) == (10, 30, 50)
    again = measure(traces[::-1], LabelRule()).leak
    assert [one.auroc.mean for one in again.features] == pytest.approx(
        [one.auroc.mean for one in found.features]
    )
    monkeypatch.setattr(leak_module, "MOST_TRACES", 4)
    assert measure(traces, LabelRule()).leak.traces == 4
    monkeypatch.setattr(leak_module, "MOST_STEPS", 1)
    assert measure(traces, LabelRule()).leak.steps == 3


def test_a_half_of_the_questions_without_a_class_gives_no_figure():
    """One question, so that the other half is empty."""
    found, _ = measured([trace([1, -1]), trace([-1, 1, 1])])
    assert found["position + characters"] is None
    assert found["position"] is not None


def test_logistic_regression_of_one_flag_is_the_log_of_the_odds():
    flags = np.array([0.0] * 10 + [1.0] * 10)
    positive = np.array([True] * 3 + [False] * 7 + [True] * 8 + [False] * 2)
    slope, intercept = fit_logistic(flags[:, None], positive, ridge=1e-12)
    assert intercept == pytest.approx(math.log(3 / 7))
    assert slope == pytest.approx(math.log(8 / 2) - math.log(3 / 7))


def test_logistic_regression_is_where_its_loss_is_least():
    """Against the loss itself, in every direction; a penalty keeps separable classes finite."""
    rng = np.random.default_rng(0)
    for features, positive in (
        (rng.normal(size=(80, 3)), rng.random(80) < 0.4),
        (np.linspace(-1, 1, 20)[:, None] ** np.arange(1, 3), np.arange(20) >= 10),
    ):

        def loss(weights, x=features, y=positive):
            z = log_odds(x, weights)
            return np.logaddexp(0, np.where(y, -z, z)).sum() + 0.5 * (weights[:-1] ** 2).sum()

        weights = fit_logistic(features, positive)
        assert np.isfinite(weights).all()
        for direction in np.eye(len(weights)):
            for sign in (1e-3, -1e-3):
                assert loss(weights + sign * direction) > loss(weights)
