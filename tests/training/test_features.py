"""Growing the scorer of features: it learns, it is repeatable, and it leaks no question."""

import json
import math
import random
from dataclasses import replace

import numpy as np
import pytest

from surefoot.errors import DataError, UsageError
from surefoot.models.hub import load
from surefoot.scores.discrimination import auroc
from surefoot.traces.types import StepLabels, Trace
from surefoot.training.features import Trees, train_feature_scorer
from surefoot.training.targets import LabelRule

SMALL = Trees(rounds=20, steps_per_leaf=4, feature_share=1.0, folds=3)


def algebra(number: int, seed: int = 0, source: str | None = None, wrong: float = 0.3):
    """Solutions of a x + b = c, right before a slip and not labelled after it.

    A wrong step is a false root, which only putting it into the equation of the step before shows.
    """
    rng = random.Random(seed)
    found = []
    for n in range(number):
        a, x, b = rng.randint(2, 9), rng.randint(2, 9), rng.randint(1, 9)
        slip = rng.random() < wrong
        steps = [rf"We have \({a}x + {b} = {a * x + b}\).", rf"So \(x = {x + slip}\).", "Done."]
        labels = (1, -1, None) if slip else (1, 1, 1)
        found.append(
            Trace(f"Problem {seed}.{n}", steps, labels=[StepLabels(labels)], source=source)
        )
    return found


def suspicion(scorer, traces, step):
    return [-one.values[step] for one in scorer.score(traces)]


def test_it_learns_what_no_single_step_shows() -> None:
    scorer, report = train_feature_scorer(algebra(150), trees=SMALL)
    fresh = algebra(100, seed=1)
    wrong = [trace.labels[0].values[1] == -1 for trace in fresh]
    assert auroc(wrong, suspicion(scorer, fresh, 1)) > 0.95
    assert report.auroc is not None
    assert report.auroc > 0.95
    flagged = [one.first_error() for one in scorer.score(fresh)]
    right = sum(f == (1 if w else None) for f, w in zip(flagged, wrong, strict=True))
    assert right >= 90


def test_the_report_counts_what_was_used() -> None:
    traces = [*algebra(30, source="one"), *algebra(20, seed=2, source="other"), Trace("?", ["a"])]
    _, report = train_feature_scorer(traces, trees=SMALL, excluded=["PROBLEM 2.3!", "elsewhere"])
    slips = [trace.labels[0].values[1] == -1 for trace in traces[:50]]
    slips.pop(33)
    assert (report.traces, report.questions) == (49, 49)
    assert (report.overlapping, report.unlabelled) == (1, 1)
    assert report.wrong_steps == sum(slips)
    assert report.steps == 49 * 3 - sum(slips)
    assert sum(report.sources.values()) == report.steps
    assert set(report.sources) == {"one", "other"}


def test_an_excluded_question_has_no_say() -> None:
    """With the traces of the question in or out, the files are the same."""
    traces, more = algebra(40), algebra(3, seed=5)
    asked = [trace.problem for trace in more]
    without, _ = train_feature_scorer(traces, trees=SMALL, excluded=asked)
    within, _ = train_feature_scorer([*more, *traces], trees=SMALL, excluded=asked)
    fresh = algebra(20, seed=9)
    assert within.score(fresh) == without.score(fresh)


def test_the_same_seed_gives_the_same_files(tmp_path) -> None:
    for name, seed in (("a", 3), ("b", 3), ("c", 4)):
        train_feature_scorer(
            algebra(40), tmp_path / name, seed=seed, trees=Trees(rounds=5, folds=2), name="x"
        )
    for file in ("features.json", "trees.txt"):
        first, again, other = ((tmp_path / name / file).read_bytes() for name in "abc")
        assert first == again
        assert first != other


def test_the_folder_tells_how_it_was_made(tmp_path) -> None:
    scorer, report = train_feature_scorer(
        algebra(40), tmp_path / "model", trees=SMALL, excluded=["?"]
    )
    told = json.loads((tmp_path / "model" / "features.json").read_text())
    assert told["name"] == "model"
    assert told["training"]["out_of_fold"] == report.to_json()
    assert told["training"]["excluded_questions"] == 1
    assert told["threshold"] == report.threshold
    assert load(tmp_path / "model").score(algebra(5)) == scorer.score(algebra(5))


def test_a_source_of_wrong_solutions_alone_does_not_make_its_style_suspect() -> None:
    """Steps of one source are short and one in ten is wrong, those of the other long and nine in
    ten are; within a source length says nothing. Thrown together, length seems to tell them apart.
    """
    rng = random.Random(0)
    traces = []
    for n in range(300):
        for source, text, share in (("a", "short", 0.1), ("b", "a much longer step " * 9, 0.9)):
            labels = [StepLabels((-1 if rng.random() < share else 1,))]
            traces.append(Trace(f"{source}{n}", [text], source=source, labels=labels))
    assert length_says(traces) == pytest.approx(0, abs=0.1)
    assert length_says([replace(trace, source=None) for trace in traces]) > 0.3


def length_says(traces) -> float:
    """By how much a short step scores above a long one."""
    scorer, _ = train_feature_scorer(traces, trees=SMALL)
    short, long = (one.values[0] for one in scorer.score(traces[:2]))
    return short - long


def test_soft_labels_stay_soft() -> None:
    """All steps look alike and are right in 3 of 10 votes: that is what they score."""
    labels = StepLabels((0.3,), source="rollout", scale="value")
    traces = [Trace(f"Problem {n}", ["a step"], labels=[labels]) for n in range(10, 60)]
    scorer, report = train_feature_scorer(traces, trees=SMALL)
    assert scorer.score(traces[0]).values[0] == pytest.approx(0.3, abs=0.01)
    assert report.auroc is None
    assert report.threshold == 0.5


def test_scores_are_calibrated_on_average() -> None:
    """On fresh traces of the same kind, the mean score is the share of right steps, within four
    standard errors (of 0.014, at 540 steps of which 11 % are wrong)."""
    scorer, _ = train_feature_scorer(algebra(200), trees=SMALL)
    fresh = algebra(200, seed=3)
    pairs = [
        (value, label == 1)
        for trace, one in zip(fresh, scorer.score(fresh), strict=True)
        for value, label in zip(one.values, trace.labels[0].values, strict=True)
        if label is not None
    ]
    scores, right = zip(*pairs, strict=True)
    assert np.mean(scores) == pytest.approx(np.mean(right), abs=0.056)


def test_steps_after_the_first_error_are_left_out_by_default() -> None:
    traces = [
        Trace(t.problem, t.texts, labels=[StepLabels((1, -1, -1) if n % 2 else (1, 1, 1))])
        for n, t in enumerate(algebra(40))
    ]
    _, first = train_feature_scorer(traces, trees=SMALL)
    _, every = train_feature_scorer(traces, trees=SMALL, rule=LabelRule())
    assert (first.steps, every.steps) == (100, 120)


@pytest.mark.parametrize(
    ("traces", "what"),
    [
        ([Trace("?", ["a"])], "no step has a target: 1 traces have no label"),
        ([Trace("?", ["a"], labels=[StepLabels((1,))])] * 9, "all 9 labelled steps are right"),
        ([Trace("?", ["a"], labels=[StepLabels((-1,))])] * 9, "all 9 labelled steps are wrong"),
        (algebra(2, wrong=0.0) + algebra(1, seed=8, wrong=1.0), "3 questions cannot be parted"),
    ],
)
def test_what_cannot_teach_is_refused(traces, what, tmp_path) -> None:
    with pytest.raises(DataError, match=what):
        train_feature_scorer(traces, tmp_path / "model")
    assert not (tmp_path / "model").exists()


@pytest.mark.parametrize(
    "settings",
    [{"rounds": 0}, {"folds": 1}, {"leaves": True}, {"learning_rate": 0}, {"shrinkage": math.nan}],
)
def test_settings_that_cannot_work(settings) -> None:
    with pytest.raises(UsageError, match=f"trees.{next(iter(settings))}"):
        Trees(**settings)
