"""Which number each step is taught, by every rule."""

import pytest

from surefoot.errors import TraceError
from surefoot.models.render import Rendered
from surefoot.traces.types import StepLabels, Trace
from surefoot.training.reward import LabelRule, _marks, step_targets, targets_of


@pytest.mark.parametrize(
    ("neutral", "expected"),
    [(True, [1.0, 1.0, 0.0, None]), (False, [1.0, 0.0, 0.0, None]), (None, [1.0, None, 0.0, None])],
)
def test_a_neutral_step_is_right_or_wrong_or_nothing(neutral, expected):
    labels = StepLabels((1, 0, -1, None))
    assert step_targets(labels, LabelRule(neutral=neutral)) == expected


def test_values_are_targets_as_they_are():
    labels = StepLabels((0.0, 0.25, 1.0, None), scale="value")
    for neutral in (True, False, None):
        assert step_targets(labels, LabelRule(neutral=neutral)) == [0.0, 0.25, 1.0, None]


@pytest.mark.parametrize("outcome", [True, False])
def test_an_outcome_is_the_target_of_every_step(outcome):
    trace = Trace("?", ["a", "b"], outcome=outcome, labels=[StepLabels((1, -1))])
    assert targets_of(trace, LabelRule(target="outcome")) == [float(outcome)] * 2


def test_labels_of_the_source_asked_for():
    trace = Trace(
        "?", ["a", "b"], labels=[StepLabels((1, 1), "rollout"), StepLabels((1, -1), "human")]
    )
    assert targets_of(trace, LabelRule()) == [1.0, 1.0]
    assert targets_of(trace, LabelRule(source="human")) == [1.0, 0.0]


@pytest.mark.parametrize(
    ("rule", "said"),
    [
        (LabelRule(target="outcome"), "has no outcome"),
        (LabelRule(), "no step labels of source any"),
        (LabelRule(source="judge"), "no step labels of source judge"),
    ],
)
def test_a_trace_without_such_a_label_is_refused(rule, said):
    trace = Trace("?", ["a"])
    with pytest.raises(TraceError, match=f"{trace.id} has.*{said}|{trace.id} {said}"):
        targets_of(trace, rule)


def test_marks_on_whole_steps_or_on_their_ends():
    one = Rendered(ids=[0] * 10, slots=[5, 6, 9], start=3, steps=(0, 1, 2))
    assert _marks(one, [1.0, None, 0.0], whole_steps=True) == [
        (3, 1.0),
        (4, 1.0),
        (5, 1.0),
        (7, 0.0),
        (8, 0.0),
        (9, 0.0),
    ]
    assert _marks(one, [1.0, None, 0.0], whole_steps=False) == [(5, 1.0), (9, 0.0)]
    assert _marks(one, [None, 0.5, None], whole_steps=True) == [(6, 0.5)]
