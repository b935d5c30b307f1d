"""Steps laid end to end, by hand."""

import hashlib
import math

import numpy as np
import pytest

from surefoot.errors import UsageError
from surefoot.scores.steps import ScoredSteps, kind_of, questions_of
from surefoot.traces.types import StepLabels, StepScores, Trace

TRACES = [
    Trace("What is 1 + 1?", ["a", "b"], labels=[StepLabels((1, -1))], outcome=False),
    Trace("Other", ["a"]),
    Trace("what is  $1 + 1$", ["a", "b"], labels=[StepLabels((0, None))], outcome=True),
    Trace("Other", ["a", "b"], labels=[StepLabels((0.25, 0.5), scale="value")]),
]
SCORES = [
    StepScores((0.5, 1.0), "m", log_odds=(0.0, 40.0)),
    None,
    StepScores((0.25, 0.5), "m"),
    StepScores((None, 0.0), "m"),
]


def test_by_hand():
    steps = ScoredSteps.of(TRACES, SCORES, np.array([4, 5, 4, 5]))
    assert steps.trace.tolist() == [0, 0, 2, 3, 3]
    assert steps.question.tolist() == [4, 4, 4, 5, 5]
    assert steps.position.tolist() == [0, 1, 0, 0, 1]
    assert steps.right.tolist() == [1, 0, 1, 0.25, 0.5]
    assert steps.wrong.tolist() == [False, True, False, True, False]
    assert steps.scored.tolist() == [True, True, True, False, True]
    assert steps.suspicion.tolist() == [-0.5, -1, -0.25, -math.inf, 0]
    assert steps.log_odds.tolist() == [0, 40, pytest.approx(-math.log(3)), 0, -math.inf]
    other = ScoredSteps.of(TRACES, SCORES, np.zeros(4, dtype=int), neutral=False)
    assert other.right.tolist() == [1, 0, 0, 0.25, 0.5]
    few = steps.among(steps.question == 5)
    assert (few.trace.tolist(), few.log_odds.tolist()) == ([3, 3], [0, -math.inf])
    assert len(ScoredSteps.of(TRACES, SCORES, np.zeros(4, dtype=int), label_source="judge")) == 0


def test_outcomes_are_labels_of_every_step():
    steps = ScoredSteps.of_outcomes(TRACES, SCORES, np.array([4, 5, 4, 5]))
    assert steps.trace.tolist() == [0, 0, 2, 2]
    assert steps.right.tolist() == [0, 0, 1, 1]
    assert steps.score.tolist() == [0.5, 1, 0.25, 0.5]


def test_questions_are_the_same_however_they_are_set_and_whoever_else_is_there():
    first, other, again, _ = questions_of(TRACES)
    assert first == again != other
    assert {first, other} == {0, 1}
    many = [Trace(f"question {i}", ["a"]) for i in range(100)]
    there, back = questions_of(many), questions_of(many[::-1])[::-1]
    assert there.tolist() == back.tolist()
    assert sorted(there) == [*range(100)]
    drawn = sorted(range(100), key=lambda i: hashlib.sha256(f"question{i}".encode()).hexdigest())
    assert [drawn.index(i) for i in range(100)] == there.tolist()


def test_rewards_have_no_log_odds_and_kinds_do_not_mix():
    rewards = [StepScores((5.0,) * len(one.steps), "m", "reward") for one in TRACES]
    assert ScoredSteps.of(TRACES, rewards, questions_of(TRACES)).log_odds is None
    assert (kind_of(rewards), kind_of([None])) == ("reward", None)
    with pytest.raises(UsageError, match="of 2 kinds, probability, reward"):
        ScoredSteps.of(TRACES, [SCORES[0], *rewards[1:]], questions_of(TRACES))
