"""Krippendorff's alpha against his example, a plain double loop, and resamples drawn by hand."""

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from surefoot.errors import UsageError
from surefoot.labels.agreement import krippendorff_alpha
from surefoot.labels.agreement.alpha import Coincidences
from surefoot.stats import bootstrap

# Krippendorff 2011, section C: four observers, twelve units.
OBSERVERS = (
    (1, 2, 3, 3, 2, 1, 4, 1, 2, None, None, None),
    (1, 2, 3, 3, 2, 2, 4, 1, 2, 5, None, 3),
    (None, 3, 3, 3, 2, 3, 4, 2, 2, 5, 1, None),
    (1, 2, 3, 3, 2, 4, 4, 1, 2, 5, 1, None),
)
UNITS = list(zip(*OBSERVERS, strict=True))


@pytest.mark.parametrize(
    ("metric", "published"), [("nominal", 0.743), ("ordinal", 0.815), ("interval", 0.849)]
)
def test_the_published_example(metric, published):
    assert krippendorff_alpha(UNITS, metric) == pytest.approx(published, abs=5e-4)


def plain_alpha(units, metric):
    """By the definition: mean difference within units over mean difference of all values."""
    kept = [[v for v in unit if v is not None] for unit in units]
    kept = [unit for unit in kept if len(unit) > 1]
    every = sorted(v for unit in kept for v in unit)
    times = {v: every.count(v) for v in every}

    def apart(a, b):
        if metric == "nominal":
            return float(a != b)
        if metric == "interval":
            return (a - b) ** 2
        low, high = min(a, b), max(a, b)
        between = sum(n for v, n in times.items() if low <= v <= high)
        return (between - (times[low] + times[high]) / 2) ** 2 if low != high else 0.0

    within = sum(
        2 * sum(apart(a, b) for a, b in combinations(unit, 2)) / (len(unit) - 1) for unit in kept
    )
    between = 2 * sum(apart(a, b) for a, b in combinations(every, 2))
    return None if between == 0 else 1 - (len(every) - 1) * within / between


values = st.none() | st.sampled_from([-1, 0, 1, 7])
tables = st.integers(2, 4).flatmap(
    lambda coders: st.lists(st.tuples(*[values] * coders), min_size=1, max_size=8)
)


@given(tables, st.sampled_from(["nominal", "ordinal", "interval"]))
def test_equals_the_definition(units, metric):
    expected = plain_alpha(units, metric)
    found = krippendorff_alpha(units, metric)
    assert (found is None) == (expected is None)
    if expected is not None:
        assert found == pytest.approx(expected, abs=1e-9)


def test_does_not_exist_without_pairs_or_without_variation():
    assert krippendorff_alpha([]) is None
    assert krippendorff_alpha([(1, None), (None, 0)]) is None
    assert krippendorff_alpha([(1, 1), (1, 1)]) is None
    with pytest.raises(UsageError, match="nominal, ordinal, interval"):
        krippendorff_alpha([(1, 1)], "ratio")


@pytest.mark.parametrize("metric", ["nominal", "ordinal", "interval"])
def test_a_resample_is_the_alpha_of_the_clusters_drawn(metric):
    clusters = [UNITS[:3], UNITS[3:4], UNITS[4:9], UNITS[9:]]
    table = Coincidences.of(clusters)
    counts = np.array([[1, 1, 1, 1], [0, 2, 1, 1], [3, 0, 0, 1]], dtype=float)
    for row, found in zip(counts, table.statistic(counts, metric), strict=True):
        drawn = [
            unit for times, some in zip(row, clusters, strict=True) for unit in some * int(times)
        ]
        assert found == pytest.approx(plain_alpha(drawn, metric))


def test_the_interval_is_over_clusters_not_units():
    rng = np.random.default_rng(0)
    units = []
    for _ in range(40):
        truth = int(rng.integers(0, 3))
        units.append((truth, truth if rng.random() < 0.8 else int(rng.integers(0, 3))))
    apart = Coincidences.of([[unit] * 5 for unit in units])
    alone = Coincidences.of([[unit] for unit in [one for one in units for _ in range(5)]])

    def interval(table):
        size = len(table.marginals)
        return bootstrap(lambda c: table.statistic(c, "ordinal"), size, seed=0, num_resamples=400)

    wide, narrow = interval(apart), interval(alone)
    assert wide.mean == pytest.approx(narrow.mean)
    assert wide.high - wide.low > 1.5 * (narrow.high - narrow.low)
