"""Brute force: counts, exact values, what does not count, and what is not rolled out."""

import math

import pytest

from abc_chains import chain, value
from surefoot.errors import UsageError
from surefoot.labels.rollouts import RolloutRule, label_rollouts
from surefoot.traces.types import Trace


def label(trace, drawing, **rule):
    (found,) = label_rollouts([trace], RolloutRule(**rule), drawing)
    return found, found.labels[-1], found.meta["rollout"]


def test_values_are_those_of_the_policy(drawing_of):
    n = 3000
    found, labels, took = label(chain("aab", False), drawing_of(a=3, b=1, end=1), n=n, start=True)
    exact = value(0.6, 0.2, 0.2)
    for k, of in (*labels.counts[:2], took["start"]):
        assert k / of == pytest.approx(exact, abs=4 * math.sqrt(exact * (1 - exact) / n))
        assert of == pytest.approx(n * 0.8, rel=0.05), "one in five is empty and does not count"
    assert labels.values == (*(k / of for k, of in labels.counts[:2]), 0.0)
    assert labels.counts[2] == (0, 1)
    assert (labels.source, labels.scale, labels.annotator) == ("rollout", "value", "abc brute")
    assert took["method"] == "brute"
    assert took["rollouts"] == 3 * n
    assert found.labels == (labels,)


def test_a_prefix_with_an_error_has_no_value(drawing_of):
    _, labels, _ = label(chain("aba", False), drawing_of(a=3, b=1, end=1), n=20)
    assert labels.values[1] == 0.0
    assert labels.counts[1][1] > 10
    _, labels, _ = label(chain("aba", False), drawing_of(a=3, b=1, end=1), n=20, hard=True)
    assert labels.values == (1, -1, -1)
    assert labels.scale == "rating"


def test_the_hard_label_is_about_the_threshold(drawing_of):
    drawing = drawing_of(a=3, b=1, end=1)
    _, soft, _ = label(chain("aaa", True), drawing, n=40)
    for threshold in (0.0, 0.3, soft.values[0], 0.9):
        _, hard, _ = label(chain("aaa", True), drawing, n=40, hard=True, threshold=threshold)
        assert hard.values == tuple(1 if one > threshold else -1 for one in soft.values)


@pytest.mark.parametrize("outcome", [True, False])
def test_the_end_of_a_finished_trace_is_its_outcome_and_costs_nothing(drawing_of, outcome):
    drawing = drawing_of(a=3, b=1, end=1)
    _, labels, took = label(chain("b", outcome), drawing, n=5)
    assert labels.values == (float(outcome),)
    assert labels.counts == ((int(outcome), 1),)
    assert took["rollouts"] == took["tokens"] == drawing.policy.usage.new_tokens == 0


def test_a_trace_without_outcome_is_judged_as_it_stands(drawing_of):
    drawing = drawing_of(a=3, b=1, end=1)
    assert label(chain("ab"), drawing, n=2)[1].values[-1] == 0.0
    assert label(chain("aa"), drawing, n=2)[1].values[-1] == 1.0
    _, labels, took = label(chain("ac"), drawing, n=20)
    assert took["rollouts"] == 40, "without an answer it may go on"
    assert labels.values[-1] is None
    assert "x no answer" in took["causes"]["1"]


def test_rollouts_that_do_not_arrive_count_by_the_rule(drawing_of):
    weights = {"a": 2, "c": 1, "end": 1}
    _, wrong, took = label(chain("aa", True), drawing_of(**weights), n=60)
    _, apart, _ = label(chain("aa", True), drawing_of(**weights), n=60, unfinished="apart")
    (k, n), (same_k, decided) = wrong.counts[0], apart.counts[0]
    assert k == same_k == decided < n
    assert took["uncounted"]["no answer"] == n - k
    assert took["uncounted"]["no steps"] == 60 - n


@pytest.mark.parametrize(
    ("weights", "cause"),
    [
        ({"a": 1}, "4 x cut by the length limit"),
        ({"end": 1}, "4 x no steps"),
        ({"c": 3, "end": 1}, "x no answer"),
    ],
)
def test_a_policy_that_never_arrives_gives_no_label(drawing_of, weights, cause):
    _, labels, took = label(chain("aa", True), drawing_of(**weights), n=4)
    assert labels.values == (None, 1.0)
    assert labels.counts == (None, (1, 1))
    assert cause in took["causes"]["0"]


def test_without_a_reference_nothing_is_asked(drawing_of):
    from surefoot.labels.rollouts import answer_ends

    drawing = drawing_of(a=3, b=1, end=1, ends=answer_ends())
    _, labels, took = label(Trace("p", ["a", "a"]), drawing)
    assert labels.values == (None, None)
    assert took["causes"] == dict.fromkeys("01", "no reference to compare with")
    assert drawing.policy.usage.calls == 0


def test_behind_a_step_without_text_nothing_is_asked(drawing_of):
    from surefoot.traces.types import Step

    trace = Trace("p", ["a", Step("", {"seen": 1}), "a", "b"], reference="no b", outcome=False)
    _, labels, took = label(trace, drawing_of(a=3, b=1, end=1), n=20)
    assert labels.values[0] is not None
    assert labels.values[1:] == (None, None, 0.0)
    assert set(took["causes"]) == {"1", "2"}


def test_labels_do_not_depend_on_what_else_is_labelled(drawing_of):
    traces = [chain("aab", False), chain("aaba", False), chain("baab", False, problem="q")]
    rule = RolloutRule(n=6)
    together = label_rollouts(traces, rule, drawing_of(a=3, b=1, end=1))
    assert together == [
        label_rollouts([one], rule, drawing_of(a=3, b=1, end=1))[0] for one in traces
    ]


def test_earlier_labels_and_meta_stay(drawing_of):
    trace = chain("ab", False, meta={"from": "here"})
    first, labels, _ = label(trace, drawing_of(a=3, b=1, end=1), n=2)
    second, _, _ = label(first, drawing_of(a=3, b=1, end=1), n=4)
    assert second.labels[0] == labels
    assert len(second.labels) == 2
    assert second.meta["from"] == "here"
    assert second.meta["rollout"]["rollouts"] == 4


@pytest.mark.parametrize(
    "given",
    [
        {"method": "best"},
        {"n": 0},
        {"unfinished": "right"},
        {"threshold": 1},
        {"method": "budget"},
    ],
)
def test_a_rule_that_cannot_be_is_refused(given):
    with pytest.raises(UsageError):
        RolloutRule(**given)
