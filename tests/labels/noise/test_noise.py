"""The noise report, on traces small enough to count by hand and against the plain definitions."""

import random

import pytest

from surefoot.errors import DataError
from surefoot.labels.noise import markdown, noise_report
from surefoot.labels.votes import VoteRule
from surefoot.scores.first_errors import evaluate_first_errors
from surefoot.stats import bootstrap_mean
from surefoot.traces.types import StepLabels, StepScores, Trace

R, W, N = 1, -1, None


def trace(number, meta=None, **sets):
    labels = [StepLabels(tuple(v), source=s.rstrip("2")) for s, v in sets.items()]
    size = len(labels[0].values)
    return Trace(f"p {number}", ["s"] * size, labels=labels, meta=meta or {})


def test_counts_and_figures_by_hand():
    report = noise_report(
        [
            # the judge is right about steps 0 and 1; what stands behind the error is not compared
            trace(0, human=(R, W, N, N), judge=(R, W, R, R)),
            # a false alarm at 1 does not silence it about the error at 2
            trace(1, human=(R, R, W, N), judge=(R, W, W, N)),
            # silent on the error: a miss
            trace(2, human=(R, W, N, N), judge=(R, N, R, R)),
            trace(3, human=(R, R, R, R), judge=(R, R, R, R)),
            trace(4, human=(R, N, R, R), judge=(R, R, R, W)),  # not settled by the human
            trace(5, human=(R, R, R, R)),
            trace(6, judge=(R, R, R, R)),
        ],
        num_resamples=50,
    )
    assert report.num_traces == 5
    assert report.left_out == {
        "with the reference alone": 1,
        "without labels of the reference": 1,
    }
    (judge,) = report.sources
    rates = judge.steps
    # right steps: 1 + 2 + 1 + 4 + 3 = 11, of which 2 are called wrong; wrong ones: 3
    assert rates.confusion == {
        "right": {"right": 9, "wrong": 2, "silent": 0},
        "wrong": {"right": 0, "wrong": 2, "silent": 1},
    }
    assert rates.coverage.mean == pytest.approx(13 / 14)
    assert rates.precision.mean == pytest.approx(2 / 4)
    assert rates.recall.mean == pytest.approx(2 / 3)
    assert rates.false_alarms.mean == pytest.approx(2 / 11)
    first = judge.first_errors
    assert (first.num_error, first.num_correct) == (3, 1)
    assert first.exact.mean == pytest.approx(2 / 4)
    assert first.found.mean == pytest.approx(1 / 3)
    assert first.cleared.mean == 1.0
    assert first.f1.mean == pytest.approx(2 * (1 / 3) / (4 / 3))
    assert first.settled.mean == pytest.approx(3 / 4)
    one = judge.by_position["1"]
    # at position 1: right in traces 1 and 3, wrong in 0 and 2
    assert one.confusion == {
        "right": {"right": 1, "wrong": 1, "silent": 0},
        "wrong": {"right": 0, "wrong": 1, "silent": 1},
    }
    assert sum(group.num_steps for group in judge.by_position.values()) == rates.num_steps
    assert report.agreement.pairs[0].second == "judge"


def made(num, seed=0):
    rng = random.Random(seed)
    traces = []
    for i in range(num):
        size = rng.randint(2, 12)
        first = rng.choice([None, rng.randrange(size)])
        human = [R] * size if first is None else [R] * first + [W] + [N] * (size - first - 1)
        judge = [rng.choice((R, R, W)) for _ in range(size)]
        traces.append(trace(i, human=human, judge=judge))
    return traces


def test_first_errors_are_those_of_processbench():
    traces = made(80)
    found = noise_report(traces, num_resamples=200, seed=3).sources[0].first_errors
    scores = [
        StepScores(tuple(float(v > 0) for v in t.labels[1].values), model="judge") for t in traces
    ]
    official = evaluate_first_errors(
        scores, traces, threshold=0.5, label_source="human", num_resamples=200, seed=3
    )
    assert found.f1.to_json() == pytest.approx(official.f1.to_json())
    assert found.found.to_json() == pytest.approx(official.acc_error.to_json())
    assert found.cleared.to_json() == pytest.approx(official.acc_correct.to_json())


def test_the_interval_draws_traces():
    traces = made(60)
    found = noise_report(traces, num_resamples=300, seed=1).sources[0]
    hits = [t.labels[0].first_error() == t.labels[1].first_error() for t in traces]
    exact = bootstrap_mean(hits, seed=1, num_resamples=300)
    assert found.first_errors.exact.to_json() == pytest.approx(exact.to_json())


def test_values_count_by_the_rule():
    labels = StepLabels((1.0, 0.25), source="rollout", scale="value", counts=((4, 4), (1, 4)))
    given = [Trace("p", ["a", "b"], labels=[StepLabels((R, W)), labels])]
    hard = noise_report(given, num_resamples=10).sources[0].steps
    assert hard.recall.mean == 0.0
    half = noise_report(given, rule=VoteRule(values="threshold"), num_resamples=10)
    assert half.sources[0].steps.recall.mean == 1.0
    assert half.sources[0].steps.precision.mean == 1.0


def test_cost_is_per_label_and_unknown_where_two_sources_share_it():
    spent = {"judge": {"tokens": 30}}
    given = [trace(0, spent, human=(R, W), judge=(R, W)), trace(1, spent, judge=(R, N))]
    (judge,) = noise_report(given, num_resamples=10).sources
    assert (judge.cost.tokens, judge.cost.num_traces, judge.cost.num_labels) == (60, 2, 3)
    assert judge.cost.tokens_per_label == 20
    two = [trace(0, spent, human=(R, W), judge=(R, W), judge2=(R, R))]
    assert [one.cost for one in noise_report(two, num_resamples=10).sources] == [None, None]
    free = [trace(0, {"judge": {"tokens": "many"}}, human=(R, W), judge=(R, W))]
    assert noise_report(free, num_resamples=10).sources[0].cost is None


def test_accounts_of_annotators_are_told_apart():
    judges = [StepLabels((R, W), source="judge", annotator=name) for name in "ab"]
    first = {"annotator": "a", "tokens": 10}
    last = {"annotator": "b", "tokens": 4, "earlier": [first]}
    given = [trace(0, {"judge": last}, human=(R, W)).with_labels(*judges)]
    one, other = noise_report(given, num_resamples=10).sources
    assert (one.name, one.cost.tokens_per_label) == ("judge:a", 5)
    assert (other.name, other.cost.tokens_per_label) == ("judge:b", 2)


def test_merged_labels_are_held_against_the_reference_but_not_in_the_agreement():
    merged = StepLabels((R, W), source="other", annotator="merge majority")
    given = [trace(0, human=(R, W), judge=(R, R)).with_labels(merged)]
    report = noise_report(given, num_resamples=10)
    assert [one.name for one in report.sources] == ["judge", "other:merge majority"]
    assert report.agreement.sources == ("human", "judge")


def test_nothing_to_compare_says_what_there_was():
    with pytest.raises(DataError, match=r"2 with the reference alone.*labels of human:"):
        noise_report([trace(0, human=(R, W)), trace(1, human=(R, W))])


def test_markdown_holds_every_source_and_cannot_be_broken_by_a_name():
    labels = StepLabels((R, W), source="judge", annotator="a|b\n<x>")
    given = [trace(0, human=(R, W)).with_labels(labels)]
    text = markdown(noise_report(given, num_resamples=10))
    rows = [line for line in text.splitlines() if line.startswith("| judge")]
    assert rows
    assert all("a\\|b &lt;x>" in row for row in rows)
    assert "100.0 [100.0, 100.0]" in text
