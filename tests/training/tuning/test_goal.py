"""What a study is after is the same in every trial, and known before the first."""

import pytest

from surefoot.errors import UnscorableError, UsageError
from surefoot.models.base import BatchScorer
from surefoot.models.baselines import RandomScores, StepLength
from surefoot.scores.development import METRICS, measure
from surefoot.traces.questions import question_key
from surefoot.traces.types import StepLabels, StepScores, Trace
from surefoot.training.config import RewardConfig
from surefoot.training.targets import LabelRule
from surefoot.training.tuning.goal import development_goal, read_as, scores_of

PLAIN = RewardConfig()


class Short(BatchScorer):
    """Has no room for a question of several letters."""

    name = "short"

    def score_batch(self, traces):
        if any(len(trace.problem) > 1 for trace in traces):
            raise UnscorableError("too long")
        return [StepScores((0.9,) * len(trace.steps), self.name) for trace in traces]


@pytest.mark.parametrize("metric", METRICS)
def test_every_figure_of_development_traces_can_be_a_goal(told, metric):
    traces = [trace for i in range(2) for trace in told(30, seed=i, first=0)]
    goal = development_goal(metric, traces, PLAIN)
    scores = RandomScores(1).score(traces)
    found, report = goal.measure(traces, scores, 100), measure(traces, scores, num_resamples=100)
    assert goal.direction == METRICS[metric]
    assert found.value == getattr(report.overall, metric)
    interval = report.intervals.get(metric)
    assert (found.low, found.high) == ((interval.low, interval.high) if interval else (None, None))
    assert goal.measure(traces, scores, 0).low is None
    assert goal.depends_on_aggregate == (
        found != goal.measure(traces, read_as(scores, "mean", 0.5), 100)
    )
    assert (
        goal.baselines["step length"] == goal.measure(traces, StepLength().score(traces), 0).value
    )
    assert goal.baselines["random"] == goal.measure(traces, RandomScores(0).score(traces), 0).value


def test_a_trace_without_scores_counts_against_the_model(told):
    traces = [Trace("a", ["x"], labels=[StepLabels((1,))]), *told(10, seed=1)]
    scores = scores_of(Short(), traces)
    assert [one is not None for one in scores] == [True] + [False] * 10
    assert scores[0].values == (0.9,)
    goal = development_goal("acc_correct", traces, PLAIN)
    sound = sum(min(trace.labels[0].values) > 0 for trace in traces)
    assert goal.measure(traces, scores, 0).value == pytest.approx(1 / sound)


def test_a_goal_goes_by_the_labels_that_the_settings_name():
    labels = [StepLabels((1, 0), "human"), StepLabels((-1, 1), "judge")]
    traces = [
        Trace("a", ["x", "y"], labels=labels),
        Trace("b", ["x", "y"], labels=[StepLabels((1, -1), "human"), StepLabels((1, 1), "judge")]),
    ]
    scores = [StepScores((0.9, 0.2), "m"), StepScores((0.9, 0.1), "m")]
    found = {}
    for name, rule in (
        ("first", LabelRule()),
        ("neutral is wrong", LabelRule(neutral="wrong")),
        ("judge", LabelRule(sources={"judge": 1.0})),
    ):
        goal = development_goal("step_auroc", traces, RewardConfig(labels=rule))
        found[name] = goal.measure(traces, scores, 0).value
    assert found == {"first": 1.0, "neutral is wrong": 1.0, "judge": pytest.approx(1 / 6)}


def test_goals_that_cannot_be_measured(told):
    sound = [trace for trace in told(40, seed=1) if trace.outcome]
    for metric, traces, said in (
        ("f2", sound, "no metric 'f2'"),
        ("f1", [], "development traces; give some"),
        ("f1_heldout", sound, "do not define f1_heldout"),
        ("outcome_auroc", sound, "do not define outcome_auroc"),
    ):
        with pytest.raises(UsageError, match=said):
            development_goal(metric, traces, PLAIN)


def test_the_best_of_some_values(told):
    up, down = (development_goal(name, told(20, seed=1), PLAIN) for name in ("step_auroc", "brier"))
    values = [None, 0.5, 0.7, 0.5, 0.7]
    assert (up.best(values), down.best(values)) == (2, 1)
    assert up.best([None, None]) is None
    assert (up.watched(0.3), down.watched(0.3)) == (0.3, 0.3)


def test_halves_share_no_question(told):
    traces = [*told(31, seed=1), *told(31, seed=2)]
    goal = development_goal("step_auroc", traces, PLAIN)
    first, second = goal.halves()
    assert sorted(first + second) == [*range(62)]
    keys = [{question_key(traces[i].problem) for i in half} for half in (first, second)]
    assert not keys[0] & keys[1]
    assert abs(len(keys[0]) - len(keys[1])) <= 1
