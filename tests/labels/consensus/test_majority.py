"""Majority and agreement of sources, on traces small enough to see the answer."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from surefoot.errors import UsageError
from surefoot.labels.consensus import agreed, majority, with_merged
from surefoot.labels.votes import VoteRule
from surefoot.traces.types import StepLabels, Trace

R, W, N = 1, -1, None


def trace(*sets):
    """A trace with label sets (source, values)."""
    labels = [
        one if isinstance(one, StepLabels) else StepLabels(tuple(one[1]), source=one[0])
        for one in sets
    ]
    size = len(labels[0].values)
    return Trace("p", [f"step {i}" for i in range(size)], labels=labels)


def test_majority_counts_votes_and_says_why_it_is_silent():
    given = trace(("human", (R, R, R, W)), ("judge", (R, W, N, W)), ("checker", (R, R, N, N)))
    merged = majority(given)
    assert merged.labels.values == (1, 1, None, None)
    assert merged.labels.counts == ((3, 3), (2, 3), None, None)
    # behind its own error, at step 1, the judge is silent
    assert merged.causes == {"2": "1 of 2 votes", "3": "1 of 2 votes"}
    assert merged.labels.source == "other"
    assert "majority" in merged.labels.annotator
    whole = majority(given, rule=VoteRule(after_error="as-labelled"))
    assert whole.labels.values == (1, 1, None, -1)
    assert whole.labels.counts[3] == (0, 2)


@pytest.mark.parametrize(("ties", "value"), [("silent", None), ("right", 1), ("wrong", -1)])
def test_ties(ties, value):
    merged = majority(trace(("human", (R, R)), ("judge", (R, W))), ties=ties)
    assert merged.labels.values == (1, value)
    assert merged.causes == ({"1": "a tie"} if value is None else {})


def test_fractional_votes_are_added_up_without_counts():
    rollout = StepLabels((0.9, 0.3), source="rollout", scale="value", counts=((9, 10), (3, 10)))
    rule = VoteRule(values="fractional")
    merged = majority(trace(rollout, ("judge", (R, W)), ("checker", (R, R))), rule=rule)
    assert merged.labels.values == (1, -1)
    assert merged.labels.counts is None


def test_merged_labels_never_vote_and_a_second_merge_replaces_the_first():
    given = trace(("human", (R, R)), ("judge", (R, W)), ("checker", (R, W)))
    once = with_merged(given, majority(given))
    twice = with_merged(once, majority(once))
    assert twice == once
    assert once.labels[:3] == given.labels
    (how,) = once.meta["merge"].values()
    assert how == {"parts": ["human", "judge", "checker"], "causes": {}}


ratings = st.none() | st.sampled_from([R, W])


@given(st.lists(st.lists(ratings, min_size=3, max_size=3), min_size=1, max_size=5), st.randoms())
def test_the_order_of_sources_does_not_matter(sets, random):
    names = ["human", "judge", "checker", "rollout", "other"]
    pairs = list(zip(names, sets, strict=False))
    shuffled = random.sample(pairs, len(pairs))
    assert majority(trace(*pairs)).labels == majority(trace(*shuffled)).labels


def test_agreement_keeps_what_both_put_alike():
    both = trace(("rollout", (R, W, N, N)), ("judge", (R, W, W, N)))
    assert agreed(both).labels.values == (1, -1, None, None)
    none = trace(("rollout", (R, R)), ("judge", (R, R)))
    assert agreed(none).labels.values == (1, 1)


def test_agreement_says_why_a_trace_is_left_out():
    apart = trace(("rollout", (R, R, W)), ("judge", (R, W, N)))
    merged = agreed(apart)
    assert merged.labels is None
    assert merged.causes == {"trace": "rollout: step 2; judge: step 1"}
    kept = with_merged(apart, merged)
    assert kept.labels == apart.labels
    assert agreed(trace(("rollout", (R, R)))).causes == {"trace": "no labels of judge"}
    silent = trace(("rollout", (R, R)), ("judge", (N, N)))
    assert agreed(silent).causes == {"trace": "no labels of judge"}
    unsettled = trace(("rollout", (R, W)), ("judge", (N, W)))
    assert agreed(unsettled).causes == {"trace": "rollout: step 1; judge: not settled"}


def test_agreement_by_step_keeps_the_part_before_they_differ():
    apart = trace(("rollout", (R, R, R, W)), ("judge", (R, R, W, N)))
    assert agreed(apart, keep="step").labels.values == (1, 1, None, None)
    unsettled = trace(("rollout", (R, R, R)), ("judge", (R, N, R)))
    assert agreed(unsettled, keep="step").labels.values == (1, None, None)
    first = trace(("rollout", (W, N)), ("judge", (R, R)))
    assert agreed(first, keep="step").labels is None


def test_all_judges_must_agree():
    judge = [StepLabels(v, source="judge", annotator=a) for v, a in (((R, W), "a"), ((R, R), "b"))]
    assert agreed(trace(("rollout", (R, W)), *judge)).labels is None
    assert agreed(trace(("rollout", (R, W)), *judge), sources=("rollout", "judge:a")).labels


def test_what_cannot_be():
    given = trace(("human", (R,)))
    with pytest.raises(UsageError, match="min_votes"):
        majority(given, min_votes=0)
    with pytest.raises(UsageError, match="ties"):
        majority(given, ties="heads")
    with pytest.raises(UsageError, match="two sources"):
        agreed(given, sources=("human",))
    with pytest.raises(UsageError, match="keep"):
        agreed(given, keep="all")
