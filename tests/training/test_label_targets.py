"""What each step is taught, by every rule, from labels of one source and of many."""

import math
from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from made_up import labels as label_sets
from made_up_targets import made
from surefoot.errors import TraceError, UsageError
from surefoot.traces.types import StepLabels, Trace
from surefoot.training.losses.binomial import Binomial
from surefoot.training.losses.cross_entropy import CrossEntropy
from surefoot.training.losses.squared_error import SquaredError
from surefoot.training.targets import LabelRule, StepTarget, TraceTargets, targets_of


def trace_of(*labels, outcome=None):
    steps = [f"step {i}" for i in range(len(labels[0].values) if labels else 2)]
    return Trace("?", steps, labels=labels, outcome=outcome)


def taught(trace, **rule):
    """(good, neutral, weight, successes, trials) of each step, or None."""
    return [
        None
        if one is None
        else pytest.approx((one.good, one.neutral, one.weight, one.successes, one.trials))
        for one in targets_of(trace, LabelRule(**rule)).steps
    ]


RIGHT, WRONG = (1, 0, 1, 1, 1), (0, 0, 1, 0, 1)


@pytest.mark.parametrize(
    ("neutral", "expected"),
    [("right", RIGHT), ("wrong", WRONG), ("own", (0, 1, 1, 0, 1)), ("masked", None)],
)
def test_a_neutral_rating_is_what_the_rule_says(neutral, expected):
    trace = trace_of(StepLabels((1, 0, -1, None)))
    assert taught(trace, neutral=neutral) == [RIGHT, expected, WRONG, None]


def test_values_stay_as_they_are():
    trace = trace_of(StepLabels((0.0, 0.3, 1.0, None), scale="value"))
    for neutral in ("right", "wrong", "own", "masked"):
        assert taught(trace, neutral=neutral) == [WRONG, (0.3, 0, 1, 0.3, 1), RIGHT, None]


def test_counts_stay_counts():
    counted = StepLabels((0.75, 0.5, 0.0), "rollout", "value", counts=((6, 8), None, (0, 4)))
    assert taught(trace_of(counted)) == [(0.75, 0, 1, 6, 8), (0.5, 0, 1, 0.5, 1), (0, 0, 1, 0, 4)]


def test_a_rating_made_of_counts_keeps_them_too():
    """Right because 1 of 8 rollouts is (Math-Shepherd's hard labels): right for cross-entropy, 1 of
    8 for a likelihood."""
    counted = StepLabels((1, 0, -1), "rollout", counts=((1, 8), (2, 4), (0, 8)))
    assert taught(trace_of(counted)) == [(1, 0, 1, 1, 8), (1, 0, 1, 2, 4), (0, 0, 1, 0, 8)]


@pytest.mark.parametrize(
    ("after_error", "expected"),
    [
        ("as-labelled", [RIGHT, None, WRONG, RIGHT, None]),
        ("masked", [RIGHT, None, WRONG, None, None]),
        ("wrong", [RIGHT, None, WRONG, WRONG, WRONG]),
    ],
)
def test_behind_the_first_wrong_step(after_error, expected):
    trace = trace_of(StepLabels((1, None, -1, 1, None)))
    assert taught(trace, after_error=after_error) == expected
    right = trace_of(StepLabels((1, None, 0, 1, None)))
    assert taught(right, after_error=after_error) == [RIGHT, None, RIGHT, RIGHT, None]


def test_what_counts_as_the_first_wrong_step():
    values = trace_of(StepLabels((0.5, 0.49, 0.9), scale="value"))
    assert taught(values, after_error="masked")[2] is None
    assert taught(values, after_error="masked")[1] == (0.49, 0, 1, 0.49, 1)
    neutral = trace_of(StepLabels((0, 1)))
    assert taught(neutral, neutral="own", after_error="wrong")[1] == RIGHT
    assert taught(neutral, neutral="masked", after_error="wrong")[1] == RIGHT
    assert taught(neutral, neutral="wrong", after_error="wrong")[1] == WRONG


def test_what_is_taken_to_be_wrong_weighs_as_much_as_its_own_trials():
    counted = StepLabels((0.0, 0.5, None), "rollout", "value", counts=((0, 8), (4, 8), None))
    expected = [(0, 0, 1, 0, 8), (0, 0, 1, 0, 8), WRONG]
    assert taught(trace_of(counted), after_error="wrong") == expected


def test_the_rule_holds_for_each_set_of_labels_by_itself():
    one, other = StepLabels((1, -1, 1)), StepLabels((1, 1, 1), annotator="b")
    assert taught(trace_of(one, other), after_error="masked") == [
        RIGHT,
        (0.5, 0, 1, 0.5, 1),
        RIGHT,
    ]


def test_without_sources_those_of_the_first_labels_that_say_anything():
    empty = StepLabels((None, None), "judge")
    rollout = StepLabels((0.5, 0.25), "rollout", "value")
    human = StepLabels((1, -1), "human")
    assert taught(trace_of(empty, rollout, human)) == [(0.5, 0, 1, 0.5, 1), (0.25, 0, 1, 0.25, 1)]
    assert taught(trace_of(empty, human, rollout)) == [RIGHT, WRONG]


def test_several_sources_are_merged_by_their_weights():
    human = StepLabels((1, None, -1), "human")
    rollout = StepLabels((0.5, 0.25, None), "rollout", "value", counts=((4, 8), (2, 8), None))
    trace = trace_of(human, rollout)
    both = taught(trace, sources={"human": 3.0, "rollout": 0.5})
    assert both == [
        ((3 * 1 + 0.5 * 0.5) / 3.5, 0, 3.5, 3 + 0.5 * 4, 3 + 0.5 * 8),
        (0.25, 0, 0.5, 0.5 * 2, 0.5 * 8),
        (0, 0, 3, 0, 3),
    ]
    assert taught(trace, sources={"rollout": 2.0})[2] is None


def test_annotators_of_a_source_share_its_weight_where_they_speak():
    sets = [
        StepLabels((1, 1), annotator="a"),
        StepLabels((-1, None), annotator="b"),
        StepLabels((0, None), annotator="c"),
    ]
    for order in (sets, sets[::-1]):
        found = taught(trace_of(*order), sources={"human": 6.0}, neutral="own")
        assert found == [(1 / 3, 1 / 3, 6, 2, 6), (1, 0, 6, 6, 6)]


def test_an_outcome_is_the_target_of_every_step():
    for outcome, expected in ((True, RIGHT), (False, WRONG)):
        trace = trace_of(StepLabels((1, -1, None)), outcome=outcome)
        assert taught(trace, target="outcome") == [expected] * 3
        assert targets_of(trace, LabelRule(target="outcome")).outcome is outcome
    assert taught(trace, target="outcome", wrong_weight=3.0) == [(0, 0, 3, 0, 3)] * 3


def test_the_outcome_goes_along_with_step_labels():
    trace = trace_of(StepLabels((1, None)), outcome=False)
    assert targets_of(trace, LabelRule()).outcome is False
    assert targets_of(trace_of(StepLabels((1, None))), LabelRule()).outcome is None


@pytest.mark.parametrize(
    ("trace", "rule", "said"),
    [
        (trace_of(StepLabels((1, 1))), {"target": "outcome"}, "has no outcome"),
        (trace_of(), {}, "no step labels of source any"),
        (trace_of(StepLabels((None,), "judge")), {}, "no step labels of source any"),
        (
            trace_of(StepLabels((1, 1))),
            {"sources": {"judge": 1.0, "checker": 1.0}},
            "no step labels of source judge, checker",
        ),
    ],
)
def test_a_trace_without_such_a_label_is_refused(trace, rule, said):
    with pytest.raises(TraceError, match=f"{trace.id} has.*{said}|{trace.id} {said}"):
        targets_of(trace, LabelRule(**rule))


def test_labels_that_the_rule_masks_leave_nothing():
    found = targets_of(trace_of(StepLabels((0, None))), LabelRule(neutral="masked"))
    assert found == TraceTargets((None, None))
    assert found.is_empty
    assert not targets_of(trace_of(StepLabels((0, None))), LabelRule()).is_empty


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"target": "answers"}, "steps, outcome"),
        ({"neutral": True}, "right, wrong, own, masked"),
        ({"after_error": "right"}, "as-labelled, masked, wrong"),
        ({"sources": {"people": 1.0}}, "'people' is no source"),
        ({"sources": {"human": 0.0}}, "weight of human is 0.0"),
        ({"sources": {"human": math.nan}}, "weight of human is nan"),
        ({"sources": {"human": math.inf}}, "weight of human is inf"),
        ({"sources": {}}, "sources is empty"),
        ({"wrong_weight": 0.0}, "wrong_weight is 0.0"),
        ({"wrong_weight": math.inf}, "wrong_weight is inf"),
    ],
)
def test_rules_that_cannot_work_are_refused(options, said):
    with pytest.raises(UsageError, match=said):
        LabelRule(**options)


def test_a_rule_keeps_its_weights():
    given = {"human": 1.0}
    rule = LabelRule(sources=given)
    given["human"] = 5.0
    assert rule == LabelRule(sources={"human": 1.0})


def gradient(loss, targets, logits):
    free = logits.clone().requires_grad_()
    loss(free, made(targets)).backward()
    return free.grad


SOURCES = {"human": 2.0, "rollout": 0.3, "judge": 1.0, "checker": 0.7, "other": 1.5}


@st.composite
def labelled(draw):
    size = draw(st.integers(1, 4))
    sets = draw(st.lists(label_sets(size), min_size=1, max_size=4))
    kept = [
        StepLabels(one.values, one.source, one.scale, counts=_small(one.counts)) for one in sets
    ]
    return Trace("?", [f"{i}" for i in range(size)], labels=kept)


def _small(counts):
    return counts and tuple(pair and (pair[0] % 5, pair[0] % 5 + pair[1] % 5) for pair in counts)


@pytest.mark.parametrize("loss", [CrossEntropy(), SquaredError(), Binomial()], ids=repr)
@settings(max_examples=60, deadline=None)
@given(
    trace=labelled(),
    neutral=st.sampled_from(["right", "wrong", "own", "masked"]),
    wrong_weight=st.sampled_from([1.0, 2.5]),
)
def test_merged_labels_teach_the_same_as_one_by_one(loss, trace, neutral, wrong_weight):
    """The gradient is that of all sets by themselves, each with its source's weight, which those
    that speak of a step share."""
    rule = LabelRule(sources=SOURCES, neutral=neutral, wrong_weight=wrong_weight)
    merged = targets_of(trace, rule).steps
    size = len(trace.steps)
    logits = torch.linspace(-2, 1.5, 3 * size, dtype=torch.float64).reshape(size, 3)
    apart = torch.zeros_like(logits)
    alone = []
    for labels in trace.labels:
        own = replace(rule, sources={labels.source: SOURCES[labels.source]})
        alone.append(targets_of(Trace("?", trace.steps, labels=[labels]), own).steps)
    for labels, steps in zip(trace.labels, alone, strict=True):
        for i, step in enumerate(steps):
            if step is not None:
                speaking = sum(
                    other.source == labels.source and others[i] is not None
                    for other, others in zip(trace.labels, alone, strict=True)
                )
                only = [step if j == i else None for j in range(size)]
                apart += gradient(loss, only, logits) / speaking
    assert torch.allclose(gradient(loss, merged, logits), apart, atol=1e-9)


@pytest.mark.parametrize("width", [1, 2])
@settings(max_examples=40, deadline=None)
@given(good=st.floats(0, 1), weight=st.floats(0.05, 20), odds=st.floats(-5, 5))
def test_the_wrong_part_weighs_more_by_just_that(width, good, weight, odds):
    """y log p + w (1 - y) log(1 - p), written out."""
    trace = trace_of(StepLabels((good,), scale="value"))
    (target,) = targets_of(trace, LabelRule(wrong_weight=weight)).steps
    logits = torch.zeros(1, width, dtype=torch.float64)
    logits[0, -1] = odds
    p = 1 / (1 + math.exp(-odds))
    expected = -(good * math.log(p) + weight * (1 - good) * math.log(1 - p))
    assert float(CrossEntropy()(logits, made([target]))) == pytest.approx(expected, abs=1e-9)
    assert float(Binomial()(logits, made([target]))) == pytest.approx(expected, abs=1e-9)
    pulled = gradient(SquaredError(), [target], logits)[0, -1]
    slope = 2 * (good * (p - 1) + weight * (1 - good) * p) * p * (1 - p)
    assert float(pulled) == pytest.approx(slope, abs=1e-9)


def test_a_neutral_class_does_not_weigh_as_the_wrong_one():
    votes = [StepLabels((one,), annotator=str(one)) for one in (1, 0, -1)]
    (target,) = targets_of(
        trace_of(*votes), LabelRule(sources={"human": 3.0}, neutral="own", wrong_weight=4.0)
    ).steps
    logits = torch.tensor([[0.0, math.log(2), math.log(5)]]).double()  # 1/8, 2/8, 5/8
    expected = -(4 * math.log(1 / 8) + math.log(2 / 8) + math.log(5 / 8))
    assert float(CrossEntropy()(logits, made([target]))) == pytest.approx(expected)
    assert (target.successes, target.trials) == pytest.approx((1, 1 + 1 + 4))


def test_counts_with_a_wrong_weight_are_a_weighted_likelihood():
    counted = StepLabels((0.75,), "rollout", "value", counts=((6, 8),))
    (target,) = targets_of(trace_of(counted), LabelRule(wrong_weight=3.0)).steps
    assert (target.successes, target.trials) == pytest.approx((6, 6 + 3 * 2))
    assert target == StepTarget(0.75 / 1.5, 0.0, 1.5, 6, 12)
