"""Which steps and traces are compared, and how many of them."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from surefoot.errors import TraceError, UsageError
from surefoot.traces.types import Step, StepLabels, Trace
from surefoot.training.pairs import given_pairs, outcome_pairs, step_pairs
from surefoot.training.targets import LabelRule, targets_of


def valued(problem, steps, values, scale="value"):
    return Trace(problem, steps, labels=[StepLabels(tuple(values), "rollout", scale)])


def steps_of(traces, *, neutral="right", **options):
    rule = LabelRule(neutral=neutral)
    return step_pairs(traces, [targets_of(trace, rule) for trace in traces], **options)


TREE = [
    valued("p", ["a", "b"], [0.75, 0.5]),
    valued("p", ["a", "c"], [0.75, 1.0]),
    valued("p", ["d", "b"], [0.25, 0.0]),
    valued("q", ["d", "c"], [1.0, 0.0]),
    valued("p", ["a", "e"], [0.75, None]),
]


def test_steps_behind_the_same_steps_of_one_problem():
    found = steps_of(TREE)
    # a against d at the start, once though three traces begin with a; c against b behind a
    assert list(found) == [((0, 0), (2, 0)), ((1, 1), (0, 1))]
    assert found.num_left_out == 0
    assert len(found) == 2


def test_equal_targets_are_not_compared():
    same = [valued("p", ["a"], [0.5]), valued("p", ["b"], [0.5])]
    assert not steps_of(same)


def test_the_same_step_has_the_mean_of_its_targets():
    traces = [
        valued("p", ["a"], [1.0]),
        valued("p", ["b"], [0.5]),
        valued("p", ["a"], [0.1]),
        valued("p", ["a"], [0.1]),
    ]
    assert list(steps_of(traces)) == [((1, 0), (0, 0))]
    assert list(steps_of(traces[:2])) == [((0, 0), (1, 0))]


def test_the_mean_is_by_the_weight_of_labels():
    rule = LabelRule(sources={"human": 9.0, "rollout": 1.0})
    traces = [
        Trace("p", ["a"], labels=[StepLabels((1,), "human")]),
        valued("p", ["a"], [0.0]),
        Trace("p", ["b"], labels=[StepLabels((0.8,), "human", "value")]),
    ]
    found = step_pairs(traces, [targets_of(trace, rule) for trace in traces])
    assert list(found) == [((0, 0), (2, 0))]


def test_an_observation_makes_another_step():
    traces = [
        valued("p", [Step("look", "3"), "a"], [1.0, 1.0]),
        valued("p", [Step("look", "4"), "b"], [1.0, 0.0]),
    ]
    assert not steps_of(traces)


def test_a_neutral_class_lies_between():
    traces = [
        valued("p", [name], [value], "rating")
        for name, value in zip("abc", (1, 0, -1), strict=True)
    ]
    assert set(steps_of(traces, neutral="own")) == {
        ((0, 0), (1, 0)),
        ((0, 0), (2, 0)),
        ((1, 0), (2, 0)),
    }
    assert set(steps_of(traces, neutral="right")) == {((0, 0), (2, 0)), ((1, 0), (2, 0))}


def test_a_gap_may_be_asked_for():
    traces = [
        valued("p", [name], [value]) for name, value in zip("abc", (1.0, 0.75, 0.5), strict=True)
    ]
    assert len(steps_of(traces)) == 3
    assert list(steps_of(traces, min_gap=0.5)) == [((0, 0), (2, 0))]


def test_a_group_gives_a_bounded_number_drawn_by_the_seed():
    traces = [valued("p", [f"s{i}"], [i / 20]) for i in range(20)]
    traces += [valued("q", ["a"], [1.0]), valued("q", ["b"], [0.0])]
    found = steps_of(traces, most=10, seed=3)
    assert len(found) == 10 + 1
    assert found.num_left_out == 20 * 19 // 2 - 10
    assert found == steps_of(traces, most=10, seed=3)
    assert found != steps_of(traces, most=10, seed=4)
    everything = steps_of(traces, most=200)
    assert set(found) <= set(everything)
    assert (len(everything), everything.num_left_out) == (191, 0)


@settings(max_examples=50, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.sampled_from("pq"),
            st.lists(st.tuples(st.sampled_from("ab"), st.integers(0, 4)), min_size=1, max_size=3),
        ),
        max_size=8,
    )
)
def test_whatever_is_compared_shares_all_that_is_before_it(drawn):
    traces = [valued(p, [s for s, _ in own], [v / 4 for _, v in own]) for p, own in drawn]
    found = steps_of(traces)
    seen = set()
    for (better, i), (worse, j) in found:
        one, other = traces[better], traces[worse]
        assert i == j
        assert (one.problem, one.steps[:i]) == (other.problem, other.steps[:i])
        assert one.steps[i] != other.steps[i]
        key = (one.problem, one.steps[:i], frozenset([one.steps[i].text, other.steps[i].text]))
        assert key not in seen
        seen.add(key)
        goods = [
            [
                trace.labels[0].values[i]
                for trace in traces
                if (trace.problem, trace.steps[: i + 1]) == (one.problem, this.steps[: i + 1])
            ]
            for this in (one, other)
        ]
        assert sum(goods[0]) / len(goods[0]) > sum(goods[1]) / len(goods[1])


def ended(problem, steps, outcome, **meta):
    return Trace(problem, steps, outcome=outcome, meta=meta)


def test_right_traces_against_wrong_ones_at_their_ends():
    traces = [
        ended("p", ["a", "b"], True),
        ended("p", ["c"], False),
        ended("p", ["d"], None),
        ended("q", ["e"], False),
        ended("p", ["f", "g", "h"], False),
    ]
    assert list(outcome_pairs(traces)) == [((0, 1), (1, 0)), ((0, 1), (4, 2))]


def test_the_same_text_right_and_wrong_is_compared_with_nothing():
    traces = [ended("p", ["a"], True), ended("p", ["a"], False), ended("p", ["b"], False)]
    assert not outcome_pairs(traces)
    traces.append(ended("p", ["c"], True))
    assert list(outcome_pairs(traces)) == [((3, 0), (2, 0))]


def test_many_samples_of_one_problem_are_bounded():
    traces = [ended("p", [f"s{i}"], i % 2 == 0) for i in range(12)]
    found = outcome_pairs(traces, most=5)
    assert (len(found), found.num_left_out) == (5, 36 - 5)
    assert all(traces[i].outcome and not traces[j].outcome for (i, _), (j, _) in found)


def test_given_pairs():
    traces = [
        ended("p", ["a", "b"], None, pair="1", preferred=True),
        ended("p", ["a"], None, pair=2, preferred=False),
        ended("p", ["a", "c"], None, pair="1", preferred=False),
        ended("p", ["x"], True),
        ended("p", ["d"], None, pair=2, preferred=True),
        ended("q", ["e"], None, pair="1", preferred=False),
    ]
    found = given_pairs(traces)
    assert list(found) == [((0, 1), (2, 1)), ((4, 0), (1, 0))]
    assert found.num_left_out == 1  # the pair of which only q's trace is there


def test_a_pair_may_have_several_on_a_side():
    traces = [ended("p", [name], None, pair=0, preferred=name in "ab") for name in "abcd"]
    assert len(given_pairs(traces)) == 4
    bounded = given_pairs(traces, most=3)
    assert (len(bounded), bounded.num_left_out) == (3, 1)


@pytest.mark.parametrize(
    ("meta", "said"),
    [
        ({"pair": "1"}, "preferred is None"),
        ({"pair": "1", "preferred": 1}, "preferred is 1"),
        ({"pair": True, "preferred": True}, "pair is True"),
        ({"pair": ["1"], "preferred": True}, "pair is"),
    ],
)
def test_pairs_that_cannot_be_read(meta, said):
    with pytest.raises(TraceError, match=said):
        given_pairs([Trace("p", ["a"], meta=meta)])


@pytest.mark.parametrize(
    "call",
    [
        lambda: steps_of(TREE, most=0),
        lambda: steps_of(TREE, min_gap=1.5),
        lambda: steps_of(TREE, min_gap=float("nan")),
        lambda: outcome_pairs([], most=0),
        lambda: given_pairs([], most=-1),
    ],
)
def test_options_out_of_range(call):
    with pytest.raises(UsageError, match="must be"):
        call()
