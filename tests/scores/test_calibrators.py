"""Fits against the problems that they solve, solved in another way."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from surefoot.errors import UsageError
from surefoot.scores.calibration import ece
from surefoot.scores.calibrators import fit_isotonic, fit_temperature, pooled
from surefoot.scores.discrimination import auroc

LEVEL = (
    [0.5, 0.5, 0.75, 1, 1, -1.25, -1.75, 2, 2.5],
    [0, 0.25, 0.25, 0.5, 0.5, 0, 1, 1, 0.25],
)
"""Scores that the labels neither rise nor fall with, but for rounding."""


def sigmoid(z):
    return 1 / (1 + np.exp(-np.asarray(z)))


def through(calibration, odds):
    return np.array([calibration(z) for z in odds])


def drawn(num, temperature, bias, *, seed=0):
    """Log-odds, and labels that are right with the probability of z / temperature + bias."""
    rng = np.random.default_rng(seed)
    z = rng.normal(0.5, 2.5, num)
    return z, (rng.random(num) < sigmoid(z / temperature + bias)).astype(float)


def smoothed_loss(z, right, temperature, bias):
    """The cross-entropy with Platt's targets, term by term."""
    num_right = sum(right)
    num_wrong = len(right) - num_right
    high, low = (num_right + 1) / (num_right + 2), 1 / (num_wrong + 2)
    total = 0.0
    for a, y in zip(z, right, strict=True):
        target = y * high + (1 - y) * low
        m = a / temperature + bias
        total += target * math.log1p(math.exp(-m)) + (1 - target) * math.log1p(math.exp(m))
    return total


rows = st.lists(
    st.tuples(st.integers(-12, 12).map(lambda k: k / 4), st.sampled_from([0, 0.25, 0.5, 1])),
    min_size=3,
    max_size=25,
)


@given(rows, st.booleans())
@settings(deadline=None)
def test_no_temperature_nearby_is_better(points, bias):
    z, right = (np.array(one, dtype=float) for one in zip(*points, strict=True))
    try:
        found = fit_temperature(z, right, bias=bias)
    except UsageError:
        return
    best = smoothed_loss(z, right, found.temperature, found.bias)
    for factor, shift in itertools.product((0.98, 0.999, 1, 1.001, 1.02), (-0.02, 0, 0.02)):
        if bias or shift == 0:
            other = smoothed_loss(z, right, found.temperature * factor, found.bias + shift)
            assert other >= best - 1e-9
    if not bias:
        assert found.bias == 0


def test_a_temperature_by_golden_section():
    z, right = drawn(300, 1.7, 0)
    low, high = 0.2, 10.0
    while high - low > 1e-9:
        a, b = (low + (high - low) * share for share in (0.381966, 0.618034))
        if smoothed_loss(z, right, a, 0) < smoothed_loss(z, right, b, 0):
            high = b
        else:
            low = a
    assert fit_temperature(z, right, bias=False).temperature == pytest.approx(low, abs=1e-6)


@pytest.mark.parametrize(("temperature", "bias"), [(1, 0), (3, 0), (0.4, 0), (2, -1.5), (0.7, 1)])
def test_a_known_temperature_is_found_again(temperature, bias):
    z, right = drawn(100_000, temperature, bias)
    found = fit_temperature(z, right)
    assert found.temperature == pytest.approx(temperature, rel=0.04)
    assert found.bias == pytest.approx(bias, abs=0.04)
    if bias == 0:
        alone = fit_temperature(z, right, bias=False)
        assert alone.temperature == pytest.approx(temperature, rel=0.04)


def test_what_is_separated_completely_still_has_a_temperature():
    found = fit_temperature(np.array([-2.0, -1, 1, 2]), np.array([0.0, 0, 1, 1]))
    assert 0 < found.temperature < 10
    far = fit_temperature(np.array([-math.inf, 900, math.inf]), np.array([0.0, 1, 1]))
    assert math.isfinite(far.temperature)
    assert math.isfinite(far.bias)


def test_soft_labels_count_as_their_share_of_hard_ones():
    """A label of .25 at one score weighs as one right and three wrong ones there, each a quarter;
    with many of them the smoothing of few labels does not show."""
    z = np.array([-1.0, 0.5, 2.0])
    soft = fit_temperature(np.tile(z, 4000), np.tile([0.25, 0.5, 0.75], 4000))
    hard = fit_temperature(
        np.tile(np.repeat(z, 4), 1000), np.tile([1, 0, 0, 0, 1, 1, 0, 0, 1, 1, 1, 0.0], 1000)
    )
    assert soft.temperature == pytest.approx(hard.temperature)
    assert soft.bias == pytest.approx(hard.bias)


def best_rising(values, weights):
    """The rising sequence of least weighted squares, over all ways to cut values into blocks."""
    best = None
    for cuts in itertools.product([False, True], repeat=len(values) - 1):
        bounds = [0, *(i + 1 for i, cut in enumerate(cuts) if cut), len(values)]
        means = []
        for a, b in itertools.pairwise(bounds):
            mean = np.average(values[a:b], weights=weights[a:b])
            means += [mean] * (b - a)
        if all(a <= b + 1e-12 for a, b in itertools.pairwise(means)):
            error = sum(w * (v - m) ** 2 for v, m, w in zip(values, means, weights, strict=True))
            if best is None or error < best[0] - 1e-12:
                best = error, means
    return best[1]


@given(
    st.lists(
        st.tuples(st.integers(0, 8).map(lambda k: k / 8), st.integers(1, 4)), min_size=1, max_size=8
    )
)
def test_pooling_is_isotonic_least_squares(points):
    values, weights = (np.array(one) for one in zip(*points, strict=True))
    begins = pooled(values * weights, weights)
    assert begins[0] == 0
    fit = []
    for a, b in itertools.pairwise([*begins, len(values)]):
        fit += [np.average(values[a:b], weights=weights[a:b])] * (b - a)
    assert fit == pytest.approx(best_rising(values, weights))
    assert len({*np.round(fit, 9)}) == len(begins)


def test_knots_by_hand():
    """Labels 0, 1, 0, 1: the middle two are pooled. Two of each kind, so 0 counts as 1/4 and 1 as
    3/4, and the knots lie at log-odds of 1/4, 1/2 and 3/4."""
    found = fit_isotonic(np.array([4.0, 1, 3, 2]), np.array([1.0, 0, 0, 1]), fewest=1)
    assert found.x == (1, 2.5, 4)
    assert found.y == pytest.approx((-math.log(3), 0, math.log(3)))


def test_equal_scores_are_one_point():
    """At 0 one of two is right and at 1 both are: 1/2 and 1 of labels that count as 1/3 and 4/5."""
    found = fit_isotonic(np.array([1.0, 0, 1, 0]), np.array([1.0, 0, 1, 1]), fewest=1)
    assert found.x == (0, 1)
    middle = (1 / 3 + 4 / 5) / 2
    assert found.y == pytest.approx((math.log(middle / (1 - middle)), math.log(4)))


def test_a_knot_stands_for_as_many_labels_as_asked_for():
    """Points of two scores each, of which the last takes the one that is left over: 1/2, 1/2 and
    2/3 of the labels are right, and the first two are one block. From 0 to its middle, and from the
    middle of the other to 6, the line is level but for what keeps order."""
    z = np.arange(7.0)
    found = fit_isotonic(z, np.array([1.0, 0, 0, 1, 0, 1, 1]), fewest=2)
    assert found.x == (0, 1.5, 5, 6)
    low, high = 1 / 5, 5 / 6
    shares = [low + (high - low) * share for share in (1 / 2, 1 / 2, 2 / 3, 2 / 3)]
    assert found.y == pytest.approx([math.log(p / (1 - p)) for p in shares], abs=2e-6)
    assert found.y[0] < found.y[1] < found.y[2] < found.y[3]


@given(rows, st.integers(1, 3))
@example([*zip(*LEVEL, strict=True)], 1)
@settings(deadline=None)
def test_order_is_kept(points, fewest):
    z, right = (np.array(one, dtype=float) for one in zip(*points, strict=True))
    for fit in (lambda a, b: fit_isotonic(a, b, fewest=fewest), fit_temperature):
        try:
            found = fit(z, right)
        except UsageError:
            continue
        bent = through(found, z)
        wrong = right < 0.5
        if wrong.any() and not wrong.all():
            assert auroc(wrong, -bent) == auroc(wrong, -z)
        order = np.argsort(z)
        assert (np.diff(bent[order])[np.diff(z[order]) > 0] > 0).all()


@pytest.mark.parametrize("fit", [fit_temperature, fit_isotonic])
def test_new_labels_find_a_smaller_error(fit):
    found = fit(*drawn(4000, 3, -0.7, seed=1))
    z, right = drawn(20_000, 3, -0.7, seed=2)
    before = ece(right, sigmoid(z), binning="mass")
    after = ece(right, sigmoid(through(found, z)), binning="mass")
    assert before > 0.15
    assert after < 0.025


def test_only_the_isotonic_line_mends_what_no_temperature_can():
    """However sure the scores are, between a fifth and four fifths of the steps are right."""
    rng = np.random.default_rng(3)
    z = rng.uniform(-6, 6, 20_000)
    share = 0.2 + 0.6 * sigmoid(2 * z)
    right = (rng.random(len(z)) < share).astype(float)
    errors = [
        ece(share, sigmoid(through(fit(z, right), z)), binning="mass")
        for fit in (fit_temperature, fit_isotonic)
    ]
    assert errors[0] > 0.05
    assert errors[1] < 0.01


@pytest.mark.parametrize("fit", [fit_temperature, fit_isotonic])
@pytest.mark.parametrize(
    ("z", "right", "says"),
    [
        ([1.0, 2], [1.0, 1], "all 2 labels are of one kind"),
        ([1.0] * 40, [1.0, 0] * 20, "the same"),
        (range(40), [1.0] * 20 + [0] * 20, "do not rise with the labels"),
        ([-1.0, 1] * 20, [0.5] * 40, "do not rise with the labels"),
        ([math.nan, 1], [0, 1], "NaN"),
        ([1, 2], [0, 2], "outside"),
        ([], [], "at least one"),
        ([1, 2], [0], r"\(1,\) labels for \(2,\) scores"),
    ],
)
def test_what_cannot_be_fitted_is_refused(fit, z, right, says):
    with pytest.raises(UsageError, match=says):
        fit(np.array([*z], dtype=float), np.array(right, dtype=float))


def test_too_few_labels_for_knots_are_refused():
    z, right = drawn(15, 1, 0)
    with pytest.raises(UsageError, match="15 labels are too few for points of 10"):
        fit_isotonic(z, right)
    with pytest.raises(UsageError, match="fewest is 0"):
        fit_isotonic(z, right, fewest=0)
