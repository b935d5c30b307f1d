import math
import time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from surefoot.errors import UsageError
from surefoot.stats import (
    Estimate,
    bootstrap,
    bootstrap_difference,
    bootstrap_each,
    bootstrap_mean,
    over_seeds,
    paired_difference,
)


def test_bernoulli_mean_has_the_normal_interval():
    values = [1.0] * 700 + [0.0] * 300
    found = bootstrap_mean(values, seed=3, num_resamples=20_000)
    half = 1.959964 * math.sqrt(0.7 * 0.3 / 1000)
    assert found.mean == pytest.approx(0.7)
    assert found.low == pytest.approx(0.7 - half, abs=0.0015)
    assert found.high == pytest.approx(0.7 + half, abs=0.0015)


def test_a_lower_level_gives_the_matching_normal_interval():
    values = np.random.default_rng(0).normal(size=2000)
    found = bootstrap_mean(values, seed=0, num_resamples=20_000, level=0.5)
    half = 0.674490 * values.std() / math.sqrt(2000)
    assert found.high - found.low == pytest.approx(2 * half, rel=0.05)


def test_intervals_hold_the_truth_as_often_as_they_say():
    rng = np.random.default_rng(11)
    covered = 0
    for trial in range(300):
        found = bootstrap_mean(rng.exponential(size=200), seed=trial, num_resamples=400)
        covered += found.low <= 1.0 <= found.high
    # 95 % of 300 is 285; four standard deviations of that count are 15.
    assert 270 <= covered <= 297


def test_the_same_seed_gives_the_same_interval():
    values = np.random.default_rng(1).random(50)
    assert bootstrap_mean(values, seed=5) == bootstrap_mean(values, seed=5)
    assert bootstrap_mean(values, seed=5) != bootstrap_mean(values, seed=6)


def test_any_statistic_of_counts():
    values = np.random.default_rng(2).random(40)
    whole = bootstrap(lambda c: (c @ values) / c.sum(axis=1), 40, seed=9)
    plain = bootstrap_mean(values, seed=9)
    assert whole.to_json() == pytest.approx(plain.to_json())


def test_every_resample_draws_as_many_units_as_there_are():
    seen = []

    def record(counts):
        seen.append(counts)
        return counts[:, 0]

    bootstrap(record, 1200, seed=0, num_resamples=1000)
    drawn = np.concatenate(seen[1:])
    assert drawn.shape == (1000, 1200)
    assert (drawn.sum(axis=1) == 1200).all()
    # Each unit's count is binomial(1200, 1/1200): mean 1, variance 1 - 1/1200.
    assert drawn.mean(axis=0) == pytest.approx(np.ones(1200), abs=0.2)
    assert drawn.var() == pytest.approx(1.0, abs=0.01)


def test_resamples_without_the_statistic_stay_out_of_the_interval():
    positive = np.array([1.0, 0, 0, 0])

    def share(counts):
        some = counts @ positive
        return np.where(some > 0, 0.25, np.nan)

    assert bootstrap(share, 4, seed=0) == Estimate(0.25, 0.25, 0.25)
    with pytest.raises(UsageError, match="does not exist on these data"):
        bootstrap(lambda c: np.full(len(c), np.nan), 4, seed=0)


def test_paired_difference_has_the_normal_interval_and_p_value():
    rng = np.random.default_rng(4)
    common = rng.normal(scale=5, size=2000)
    a, b = common + rng.normal(0.05, 1, 2000), common + rng.normal(0, 1, 2000)
    gap = a - b
    error = gap.std() / math.sqrt(2000)
    found = paired_difference(a, b, seed=0, num_resamples=20_000)
    assert found.mean == pytest.approx(gap.mean())
    assert found.low == pytest.approx(gap.mean() - 1.96 * error, abs=0.05 * error)
    expected = math.erfc(abs(gap.mean()) / error / math.sqrt(2))
    assert found.p_value == pytest.approx(expected, abs=0.02)


def test_p_value_is_one_without_a_difference_and_never_zero():
    same = paired_difference([0.2, 0.4], [0.2, 0.4], seed=0)
    assert (same.mean, same.low, same.high, same.p_value) == (0, 0, 0, 1)
    sure = paired_difference([1.0] * 30, [0.0] * 30, seed=0, num_resamples=999)
    assert sure.p_value == pytest.approx(2 / 1000)
    assert sure.to_json() == {"mean": 1, "low": 1, "high": 1, "p_value": sure.p_value}


def test_p_value_and_interval_agree():
    rng = np.random.default_rng(8)
    for trial in range(50):
        gaps = rng.normal(0.2, 1, 60)
        found = bootstrap_difference(lambda c, g=gaps: c @ g / 60, 60, seed=trial)
        excludes = found.low > 0 or found.high < 0
        if abs(found.p_value - 0.05) > 0.005:
            assert excludes == (found.p_value < 0.05)


def test_over_seeds_is_students_interval():
    # Table value: t(0.975, 2 degrees) = 4.30265.
    found = over_seeds([1.0, 2.0, 3.0])
    assert found.mean == pytest.approx(2)
    assert found.high - 2 == pytest.approx(4.302653 / math.sqrt(3), rel=1e-6)
    assert 2 - found.low == pytest.approx(found.high - 2)


@pytest.mark.parametrize(
    ("seeds", "level", "quantile"),
    [
        (2, 0.95, 12.7062),
        (4, 0.95, 3.18245),
        (5, 0.95, 2.77645),
        (11, 0.95, 2.22814),
        (31, 0.95, 2.04227),
        (6, 0.99, 4.03214),
    ],
)
def test_t_quantiles_are_those_of_the_tables(seeds, level, quantile):
    values = np.zeros(seeds)
    values[0] = 1.0
    found = over_seeds(values, level=level)
    half = quantile * values.std(ddof=1) / math.sqrt(seeds)
    assert found.high - found.mean == pytest.approx(half, rel=1e-5)


@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=30), st.integers(0, 1000))
def test_a_mean_lies_between_the_extremes_of_its_values(values, seed):
    found = bootstrap_mean(values, seed=seed, num_resamples=50)
    slack = 1e-6
    assert min(values) - slack <= found.low <= found.high <= max(values) + slack


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda: bootstrap_mean([], seed=0), "at least one"),
        (lambda: bootstrap_mean([0.1, float("nan")], seed=0), "1 numbers that are not finite"),
        (lambda: bootstrap_mean([0.1], seed=0, level=95), "between 0 and 1"),
        (lambda: bootstrap_mean([0.1], seed=0, num_resamples=1), "needs at least 1 and 2"),
        (lambda: paired_difference([1], [1, 2], seed=0), "a has 1 units and b 2"),
        (lambda: over_seeds([0.5]), "at least two seeds"),
    ],
)
def test_what_has_no_interval_is_refused(call, says):
    with pytest.raises(UsageError, match=says):
        call()


def test_a_thousand_resamples_of_ten_thousand_units_take_under_a_second():
    values = np.random.default_rng(0).random(10_000)
    start = time.process_time()
    bootstrap_mean(values, seed=0)
    assert time.process_time() - start < 1.0


def test_several_statistics_at_once_are_those_one_by_one():
    values = np.array([0.0, 1.0, 1.0, 0.0, 1.0, 0.5])

    def both(counts):
        return np.stack([counts @ values / 6, np.full(len(counts), np.nan)], axis=1)

    mean, nothing = bootstrap_each(both, 6, seed=4, num_resamples=200)
    assert mean == bootstrap_mean(values, seed=4, num_resamples=200)
    assert nothing is None
