"""The fast rankings against the plain ones of `scores.discrimination`."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from surefoot.evals.benchmarks import ranking
from surefoot.scores.discrimination import (
    LabelledSteps,
    weighted_auroc,
    weighted_average_precision,
)
from surefoot.traces.types import StepScores


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10_000), st.booleans())
def test_they_agree_on_any_resample(seed, by_question):
    rng = np.random.default_rng(seed)
    sizes = rng.integers(1, 5, 12)
    owner = np.repeat(np.arange(12), sizes)
    position = np.concatenate([np.arange(size) for size in sizes])
    wrong = rng.random(len(owner)) < 0.4
    given_scores = [
        None
        if rng.random() < 0.2
        else StepScores(tuple(round(float(x), 1) for x in rng.random(size)), "m")
        for size in sizes
    ]
    steps = LabelledSteps(owner, position, wrong, 12)
    units = owner // 3 if by_question else None
    num = 4 if by_question else 12
    counts = rng.integers(0, 3, (9, num)).astype(float)
    weights = counts[:, owner if units is None else units]
    suspicion = steps.suspicion(given_scores)
    if not steps.of_both_kinds:
        assert np.isnan(ranking.step_auroc(steps, given_scores)(np.ones((1, 12)))).all()
        return
    np.testing.assert_array_equal(
        ranking.step_auroc(steps, given_scores, units, num)(counts),
        weighted_auroc(wrong, suspicion, weights),
    )
    np.testing.assert_allclose(
        ranking.step_ap(steps, given_scores, units, num)(counts),
        weighted_average_precision(wrong, suspicion, weights),
        rtol=1e-12,
    )


def test_many_units_and_small_blocks_give_the_same(monkeypatch):
    steps = LabelledSteps(
        np.array([0, 0, 1, 2]), np.array([0, 1, 0, 0]), np.array([True, False, True, False]), 3
    )
    given_scores = [StepScores((0.2, 0.3), "m"), StepScores((0.3,), "m"), StepScores((0.9,), "m")]
    counts = np.array([[1.0, 1, 1], [2, 0, 1], [0, 3, 2]])
    plain = [one(steps, given_scores)(counts) for one in (ranking.step_auroc, ranking.step_ap)]
    # Right steps score 0.3 and 0.9; wrong ones 0.2 (below both) and 0.3 (a tie, and below).
    assert plain[0][0] == (1 + 1 + 0.5 + 1) / 4
    monkeypatch.setattr(ranking, "_MOST_UNITS", 2)
    monkeypatch.setattr(ranking, "_CELLS_AT_ONCE", 1)
    again = [one(steps, given_scores)(counts) for one in (ranking.step_auroc, ranking.step_ap)]
    np.testing.assert_allclose(again, plain)


def test_a_pooled_average_precision_by_hand():
    steps = LabelledSteps(np.zeros(4, int), np.arange(4), np.array([True, False, True, False]), 1)
    # From the lowest score: wrong, right, then wrong and right together.
    given_scores = [StepScores((0.1, 0.2, 0.3, 0.3), "m")]
    found = ranking.step_ap(steps, given_scores)(np.ones((1, 1)))[0]
    assert found == pytest.approx(0.5 * 1 + 0.5 * 2 / 4)
