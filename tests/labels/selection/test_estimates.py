"""Horvitz-Thompson estimates from the random slice: right on average, whatever else is chosen."""

import numpy as np
import pytest

from surefoot.errors import DataError, UsageError
from surefoot.labels.selection import (
    Candidate,
    SelectionRule,
    choose,
    horvitz_thompson,
    selected,
    slice_mean,
)
from surefoot.traces.types import StepLabels, Trace


def test_each_value_counts_by_its_probability():
    assert horvitz_thompson([1.0, 0.0, 3.0], [0.5, 0.5, 0.25]) == 2.0 + 12.0
    assert horvitz_thompson([], []) == 0.0
    with pytest.raises(UsageError, match=r"\(0, 1\]"):
        horvitz_thompson([1.0], [0.0])
    with pytest.raises(UsageError, match="1 values and 2"):
        horvitz_thompson([1.0], [0.5, 0.5])


def value(trace):
    return float(trace.meta["wrong"])


def test_unbiased_and_covered_as_often_as_it_says_while_the_plain_mean_is_neither():
    rng = np.random.default_rng(0)
    wrong = rng.random(300) < 0.3
    # the strategy looks for the very thing that is estimated
    traces = [Trace(f"p {i}", ["s"], meta={"wrong": bool(w)}) for i, w in enumerate(wrong)]
    by_id = {one.id: one for one in traces}
    some = [
        Candidate(one.id, one.problem, float(w) + rng.random(), False)
        for one, w in zip(traces, wrong, strict=True)
    ]
    truth = float(wrong.mean())
    means, inside, plain = [], 0, []
    for seed in range(400):
        rule = SelectionRule(num=100, random_share=0.4, seed=seed)
        chosen = [selected(by_id[one.id], one) for one in choose(some, rule).chosen]
        found = slice_mean(chosen, value)
        means.append(found.mean)
        inside += found.low <= truth <= found.high
        plain.append(np.mean([value(one) for one in chosen]))
    error = np.std(means) / np.sqrt(len(means))
    assert abs(np.mean(means) - truth) < 4 * error
    assert abs(np.mean(plain) - truth) > 0.2
    assert 0.91 <= inside / 400 <= 0.985
    # of 300 traces 40 are drawn: the spread is that of a sample without replacement
    expected = np.sqrt((1 - 40 / 300) * np.var(wrong, ddof=1) / 40)
    assert np.std(means) == pytest.approx(expected, rel=0.12)


def chosen_traces(num=10, share=0.5):
    traces = [Trace(f"p {i}", ["s"], meta={"wrong": i % 2}) for i in range(20)]
    by_id = {one.id: one for one in traces}
    some = [Candidate(one.id, one.problem, 0.0, False) for one in traces]
    rule = SelectionRule(num=num, random_share=share)
    return [selected(by_id[one.id], one) for one in choose(some, rule).chosen]


def test_a_slice_that_is_not_whole_is_refused():
    chosen = chosen_traces()
    with pytest.raises(DataError, match="label the whole slice"):
        slice_mean(chosen, lambda trace: None)
    with pytest.raises(DataError, match="fewer than two"):
        slice_mean(chosen_traces(share=0.0), value)
    with pytest.raises(DataError, match="2 different slices"):
        slice_mean([*chosen, *chosen_traces(num=8)], value)


def test_a_whole_frame_is_known_exactly():
    found = slice_mean(chosen_traces(num=20, share=1.0), value)
    assert found.low == found.mean == found.high == 0.5


def test_labels_that_come_later_are_what_is_estimated():
    chosen = [one.with_labels(StepLabels((-1,))) for one in chosen_traces()]
    found = slice_mean(chosen, lambda t: float(t.labels[0].first_error() is not None))
    assert found.mean == 1.0
