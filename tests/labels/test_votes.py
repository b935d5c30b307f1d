"""Labels as votes: names of sources, values, neutral steps, and what stands behind an error."""

import pytest

from surefoot.errors import UsageError
from surefoot.labels.votes import (
    VoteRule,
    is_named,
    labels_by_source,
    ratings,
    settles,
    shares,
)
from surefoot.traces.types import StepLabels, Trace


def rollouts(*values, source="rollout"):
    return StepLabels(values, source=source, scale="value")


def test_a_rollout_is_right_where_any_succeeded_and_a_judge_where_most_say_so():
    values = (1.0, 0.2, None, 0.6)
    assert shares(rollouts(*values), VoteRule()) == (1, 1, None, 1)
    assert shares(rollouts(*values, source="judge"), VoteRule()) == (1, 0, None, None)
    at_half = VoteRule(values="threshold")
    assert shares(rollouts(*values), at_half) == (1, 0, None, None)
    assert shares(rollouts(0.0, 0.2), VoteRule()) == (0, None)


def test_fractional_votes_keep_the_value():
    rule = VoteRule(values="fractional", after_error="as-labelled")
    assert shares(rollouts(1.0, 0.2, None, 0.6), rule) == (1.0, 0.2, None, 0.6)
    # a rating is whole under any rule
    assert shares(StepLabels((1, 0, -1)), rule) == (1.0, 1.0, 0.0)


@pytest.mark.parametrize(
    ("neutral", "expected"),
    [("right", (1, 1, 0, None)), ("wrong", (1, 0, None, None)), ("silent", (1, None, 0, None))],
)
def test_neutral_steps(neutral, expected):
    assert shares(StepLabels((1, 0, -1, 1)), VoteRule(neutral=neutral)) == expected


def test_behind_the_first_error_only_where_asked():
    labels = StepLabels((1, -1, 1, -1))
    assert ratings(labels, VoteRule()) == (1, -1, None, None)
    assert ratings(labels, VoteRule(after_error="as-labelled")) == (1, -1, 1, -1)


def test_settled_needs_every_step_before_the_error():
    rule = VoteRule()
    assert settles((1, -1, None), rule)
    assert settles((1, 1), rule)
    assert not settles((1, None), rule)
    assert not settles((None, -1), rule)
    assert not settles((0, -1), VoteRule(neutral="silent"))


def test_names_and_patterns():
    merged = StepLabels((1,), source="other", annotator="merge majority")
    trace = Trace(
        "p",
        ["a"],
        labels=[
            StepLabels((1,)),
            StepLabels((1,), source="judge", annotator="qwen"),
            StepLabels((-1,), source="judge", annotator="qwen"),
            merged,
        ],
    )
    assert list(labels_by_source(trace)) == ["human", "judge:qwen", "judge:qwen#2"]
    assert list(labels_by_source(trace, ["other"])) == ["other:merge majority"]
    assert list(labels_by_source(trace, ["judge:qwen"])) == ["judge:qwen", "judge:qwen#2"]
    assert is_named("judge:qwen", ["judge"])
    assert not is_named("judge:qwen2", ["judge:qwen"])
    assert not is_named("judges", ["judge"])


def test_a_rule_that_cannot_be():
    for wrong in ({"neutral": "x"}, {"values": "x"}, {"after_error": "x"}, {"threshold": 0.0}):
        with pytest.raises(UsageError, match=next(iter(wrong))):
            VoteRule(**wrong)
