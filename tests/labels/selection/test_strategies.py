"""What makes a trace worth a person's time, by hand."""

import math

import pytest

from surefoot.labels.selection import STRATEGIES, candidate_of
from surefoot.traces.types import StepLabels, StepScores, Trace


def trace(scores=None, *, labels=(), outcome=None, **settings):
    values = scores if isinstance(scores, tuple) else ()
    size = len(values) or 3
    held = [StepScores(values, model="m", **settings)] if values else []
    return Trace("p", ["s"] * size, outcome=outcome, labels=labels, scores=held)


def priority(strategy, one, **more):
    return candidate_of(one, strategy, **more).priority


def test_convincing_wrong_answers_are_what_the_model_likes_and_the_outcome_denies():
    liked = trace((0.9, 0.8, 0.95), outcome=False)
    disliked = trace((0.9, 0.1, 0.95), outcome=False)
    assert priority("convincing-wrong", liked) == 0.8
    assert priority("convincing-wrong", disliked) == 0.1
    product = trace((0.9, 0.5), outcome=False, default_aggregate="product")
    assert priority("convincing-wrong", product) == pytest.approx(0.45)
    assert priority("convincing-wrong", trace((0.9, 0.8, 0.95), outcome=True)) is None
    assert priority("convincing-wrong", trace((0.9, 0.8, 0.95))) is None
    assert priority("convincing-wrong", trace(outcome=False)) is None
    assert priority("convincing-wrong", trace((None, None), outcome=False)) is None


def test_uncertainty_is_nearness_to_the_threshold_at_the_predicted_first_error():
    # the first step below 0.5 is looked at, neither the lowest nor the one nearest to it
    assert priority("uncertainty", trace((0.9, 0.2, 0.1, 0.49))) == pytest.approx(-math.log(4))
    # without a step below, the lowest
    assert priority("uncertainty", trace((0.9, 0.6, 0.8))) == pytest.approx(-math.log(1.5))
    assert priority("uncertainty", trace((0.9, 0.5))) == 0.0
    moved = trace((0.9, 0.2), threshold=0.2)
    assert priority("uncertainty", moved) == 0.0
    ratio = trace((3.0, -2.0), kind="log-ratio", threshold=-0.5)
    assert priority("uncertainty", ratio) == -1.5
    assert math.isfinite(priority("uncertainty", trace((1.0, 0.0))))
    assert priority("uncertainty", trace()) is None


def test_uncertainty_uses_log_odds_where_probabilities_are_rounded():
    near = trace((1.0, 1.0), log_odds=(50.0, 45.0))
    far = trace((1.0, 1.0), log_odds=(70.0, 60.0))
    assert priority("uncertainty", near) == -45.0
    assert priority("uncertainty", near) > priority("uncertainty", far)


def test_disagreement_counts_pairs_that_put_the_first_error_elsewhere():
    human = StepLabels((1, -1, None))
    judge = StepLabels((1, 1, 1), source="judge")
    merged = StepLabels((1, 1, 1), source="other", annotator="merge majority")
    # the model puts it on step 1 too: two of three pairs differ
    three = trace((0.9, 0.1, 0.2), labels=(human, judge, merged))
    deviations = (0.047140452, 0.449691252, 0.4)  # of (1, 1, .9), (0, 1, .1) and (1, .2)
    assert priority("disagreement", three) == pytest.approx(2 / 3 + sum(deviations) / 3)
    assert priority("disagreement", trace(labels=(human, human))) == 0.0
    assert priority("disagreement", trace(labels=(human,))) is None
    silent = StepLabels((None, None, None), source="judge")
    assert priority("disagreement", trace(labels=(human, silent))) is None


def test_two_models_disagree_too():
    two = trace((0.9, 0.1, 0.2)).with_scores(StepScores((0.9, 0.9, 0.9), model="other"))
    assert priority("disagreement", two) > 1


def test_a_model_is_named_or_the_last():
    two = trace((0.9, 0.1, 0.2), outcome=False)
    two = two.with_scores(StepScores((0.9, 0.9, 0.9), model="last"))
    assert priority("convincing-wrong", two) == 0.9
    assert priority("convincing-wrong", two, model="m") == 0.1
    assert priority("convincing-wrong", two, model="none") is None


def test_labelled_traces_are_marked():
    human = trace(labels=(StepLabels((1, None, None)),))
    assert candidate_of(human, "random").labelled
    assert not candidate_of(human, "random", labelled_by=("judge",)).labelled
    assert not candidate_of(trace(labels=(StepLabels((None,) * 3),)), "random").labelled


def test_strategies_have_names_for_the_command():
    assert set(STRATEGIES) == {
        "convincing-wrong",
        "uncertainty",
        "disagreement",
        "diversity",
        "random",
    }
