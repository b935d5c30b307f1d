"""Brier score, calibration error and reliability, against sums written out."""

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from surefoot.errors import UsageError
from surefoot.scores.calibration import bins_of, brier, cross_entropy, ece, reliability
from surefoot.scores.steps import ScoredSteps, questions_of
from surefoot.traces.types import StepLabels, StepScores, Trace


def arrays(*columns):
    return [np.array(one, dtype=float) for one in columns]


def scored(rows, **options):
    """The steps of traces given as (question, labels, scores)."""
    traces = [
        Trace(question, ["x"] * len(labels), labels=[StepLabels(tuple(labels), **options)])
        for question, labels, _ in rows
    ]
    scores = [None if p is None else StepScores(tuple(p), "m") for _, _, p in rows]
    return ScoredSteps.of(traces, scores, questions_of(traces))


def test_brier_by_hand_with_a_soft_label():
    """(.04 + .16 + .01) / 3: the last label is a share of .6 and its probability .5."""
    assert brier(*arrays([1, 0, 0.6], [0.8, 0.4, 0.5])) == pytest.approx(0.07)


def test_a_soft_label_is_nearer_than_the_draws_that_it_stands_for():
    """Of 5 draws 3 are right: their mean square is that of the share and .6 * .4 more."""
    draws = brier(*arrays([1, 1, 1, 0, 0], [0.5] * 5))
    share = brier(*arrays([0.6], [0.5]))
    assert draws == pytest.approx(share + 0.6 * 0.4)


def test_ece_by_hand_with_bins_of_equal_width():
    """Two bins, of which .5 opens the second: |.4 - 1| and |1.4 - 2| of four steps."""
    right, p = arrays([0, 1, 1, 1], [0.1, 0.3, 0.5, 0.9])
    assert ece(right, p, num_bins=2) == pytest.approx(0.3)
    assert ece(right, p, num_bins=1) == pytest.approx(0.3)
    assert ece(*arrays([0, 1, 1, 1], [0.1, 0.9, 0.5, 0.9]), num_bins=2) == pytest.approx(0.2)
    assert ece(*arrays([1], [1.0]), num_bins=3) == 0


def test_ece_by_hand_with_bins_of_equal_mass():
    """Equal scores stay together: bins of three and of one, |.3 - 1| and |.9 - 1|."""
    right, p = arrays([0, 0, 1, 1], [0.1, 0.1, 0.1, 0.9])
    assert ece(right, p, binning="mass", num_bins=2) == pytest.approx(0.2)
    assert bins_of(p, "mass", 2).tolist() == [0, 0, 0, 1]
    assert bins_of(np.array([0.4, 0.2, 0.1, 0.3]), "mass", 2).tolist() == [1, 0, 0, 1]


def test_an_error_below_and_one_above_in_one_bin_are_not_seen():
    assert ece(*arrays([1, 0], [0.5, 0.5])) == 0
    assert ece(*arrays([1, 0], [0.4, 0.6]), num_bins=1) == pytest.approx(0, abs=1e-12)
    assert ece(*arrays([1, 0], [0.4, 0.6]), num_bins=2) == pytest.approx(0.6)


def width_by_loops(right, p, num_bins):
    total = Fraction(0)
    for k in range(num_bins):
        low, high = k / num_bins, (k + 1) / num_bins
        inside = [
            (a, b)
            for a, b in zip(right, p, strict=True)
            if low <= b < high or (b == 1 and k == num_bins - 1)
        ]
        total += abs(sum(Fraction(b) - Fraction(a) for a, b in inside))
    return float(total / len(p))


def mass_by_loops(right, p, num_bins):
    bins = {}
    for a, b in zip(right, p, strict=True):
        lower = sum(other < b for other in p)
        bins.setdefault(num_bins * lower // len(p), []).append(b - a)
    return sum(abs(sum(own)) for own in bins.values()) / len(p)


shares = st.integers(0, 20).map(lambda k: k / 20)


@given(st.lists(st.tuples(shares, shares), min_size=1, max_size=12), st.integers(1, 20))
def test_ece_is_its_definition(rows, num_bins):
    right, p = arrays(*zip(*rows, strict=True))
    assert ece(right, p, num_bins=num_bins) == pytest.approx(width_by_loops(right, p, num_bins))
    assert ece(right, p, binning="mass", num_bins=num_bins) == pytest.approx(
        mass_by_loops(right, p, num_bins), abs=1e-12
    )


def test_cross_entropy_by_hand_and_far_out():
    z = math.log(3)
    wanted = -(math.log(0.75) + math.log(0.75) + 0.5 * math.log(0.75) + 0.5 * math.log(0.25)) / 3
    assert cross_entropy(*arrays([1, 0, 0.5], [z, -z, z])) == pytest.approx(wanted)
    assert cross_entropy(*arrays([1, 0], [900, 900])) == pytest.approx(450)


def test_a_reliability_table_by_hand():
    steps = scored([("a", [1, -1, 1], [0.1, 0.2, 0.9]), ("b", [1, 1], [0.95, 0.2])])
    low, high = reliability(steps, num_bins=2, num_resamples=50)
    assert (low.num_steps, low.low, low.high) == (3, 0.1, 0.2)
    assert low.mean == pytest.approx(0.5 / 3)
    assert low.right.mean == pytest.approx(2 / 3)
    assert (high.num_steps, high.mean) == (2, pytest.approx(0.925))
    assert (high.right.mean, high.right.low, high.right.high) == (1, 1, 1)
    assert high.to_json()["right"] == {"mean": 1, "low": 1, "high": 1}
    (one,) = reliability(steps, num_bins=1, num_resamples=50)
    assert one.right.mean == pytest.approx(0.8)


def test_intervals_are_over_questions():
    """Ten more traces of the same questions that say the same tell nothing new."""
    rng = np.random.default_rng(0)
    rows = [
        (f"q{i}", [1 if rng.random() < 0.6 else -1 for _ in range(4)], rng.random(4).tolist())
        for i in range(40)
    ]
    once = reliability(scored(rows), num_bins=3)
    often = reliability(scored(rows * 10), num_bins=3)
    assert [one.right for one in once] == pytest.approx([one.right for one in often])
    wide = [one.right.high - one.right.low for one in once]
    assert min(wide) > 0.05
    fresh = reliability(
        scored([(f"{q} {k}", a, p) for k in range(10) for q, a, p in rows]), num_bins=3
    )
    assert max(one.right.high - one.right.low for one in fresh) < min(wide)


def test_steps_without_a_label_or_a_score_have_no_part():
    steps = scored([("a", [1, None, -1], [0.9, 0.1, None]), ("b", [1], None)])
    assert (len(steps), steps.scored.tolist()) == (3, [True, False, False])
    (one,) = reliability(steps, num_resamples=10)
    assert (one.num_steps, one.mean) == (1, 0.9)


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda: brier(*arrays([1], [1.5])), "a probability lies outside"),
        (lambda: brier(*arrays([-1], [0.5])), "a label lies outside"),
        (lambda: brier(*arrays([1], [math.nan])), "a probability lies outside"),
        (lambda: ece(*arrays([], [])), "at least one"),
        (lambda: ece(*arrays([1, 0], [1])), r"\(2,\) labels for \(1,\) probabilities"),
        (lambda: ece(*arrays([1], [1]), num_bins=0), "num_bins is 0"),
        (lambda: ece(*arrays([1], [1]), binning="even"), "binning is 'even'"),
        (lambda: reliability(scored([("a", [1], None)])), "none of 1 labelled steps"),
    ],
)
def test_what_cannot_be_measured_is_refused(call, says):
    with pytest.raises(UsageError, match=says):
        call()


def test_what_is_no_probability_is_refused():
    trace = Trace("a", ["x"], labels=[StepLabels((1,))])
    for kind, value in (("reward", 0.5), ("value", 1.5)):
        steps = ScoredSteps.of([trace], [StepScores((value,), "m", kind)], questions_of([trace]))
        with pytest.raises(UsageError, match="no probabilities"):
            reliability(steps)
