"""What is chosen from the scores of a trained model, and that its folder then says so."""

import json
import shutil
from dataclasses import replace

import pytest

import surefoot as sf
from surefoot import aggregate
from surefoot.errors import UsageError
from surefoot.models.contract import Contract
from surefoot.scores.discrimination import auroc
from surefoot.scores.first_errors import evaluate_first_errors
from surefoot.traces.types import StepLabels, Trace
from surefoot.training.config import RewardConfig
from surefoot.training.tuning.goal import development_goal
from surefoot.training.tuning.settling import settle
from surefoot.training.tuning.spelling import space_of

RATE = {"loop.lr": "0.1,0.2"}


@pytest.fixture(scope="module")
def development(told):
    """Some with a third step that is always right, so that aggregates differ."""
    return [
        Trace(
            t.problem,
            [*t.texts, "so."],
            outcome=t.outcome,
            labels=[StepLabels((*t.labels[0].values, 1))],
        )
        if i % 3
        else t
        for i, t in enumerate(told(60, seed=4, first=300))
    ]


@pytest.fixture(scope="module")
def trained(data, weak, development, tmp_path_factory):
    """A model that has learned something."""
    folder = tmp_path_factory.mktemp("settling") / "model"
    loop = replace(weak.loop, lr=0.01, other_lr=0.01)
    sf.train(data[0], folder, replace(weak, loop=loop), development=development)
    return folder


@pytest.fixture
def folder(trained, tmp_path):
    return shutil.copytree(trained, tmp_path / "model")


def test_the_aggregate_the_goal_is_best_with(folder, weak, development):
    rules = ("last", "min", "product", "nll", "mean")
    goal = development_goal("outcome_auroc", development, weak)
    space = space_of(weak, {**RATE, "aggregate": list(rules)})
    scores = sf.load(folder).score(development)
    right = [trace.outcome for trace in development]
    wanted = {}
    for rule in rules:
        sign = -1 if rule == "nll" else 1
        own = [sign * aggregate.rule(rule)(list(one.values)) for one in scores]
        wanted[rule] = auroc(right, own)
    settled = settle(folder, goal, space, development, weak)
    assert len({*wanted.values()}) > 2
    assert settled.found.value == pytest.approx(max(wanted.values()))
    assert settled.aggregate == max(wanted, key=wanted.get)
    assert settled.found.low < settled.found.value <= settled.found.high
    assert Contract.load(folder).aggregate == settled.aggregate
    assert RewardConfig.load(folder / "training.json").aggregate == settled.aggregate
    assert sf.load(folder).score(development)[0].default_aggregate == settled.aggregate
    first, second = goal.halves()
    for half, value in zip((first, second), settled.halves, strict=True):
        read = [replace(scores[i], default_aggregate=settled.aggregate) for i in half]
        own = goal.measure([development[i] for i in half], read, 0)
        assert value == pytest.approx(own.value)


def test_the_allowed_threshold_of_highest_f1(folder, weak, development):
    goal = development_goal("step_auroc", development, weak)
    scores = sf.load(folder).score(development)
    allowed = sorted({round(value, 6) for one in scores for value in one.values})[::5]
    wanted = [
        evaluate_first_errors(scores, development, threshold=one, num_resamples=2).f1.mean
        for one in allowed
    ]
    space = space_of(weak, {**RATE, "threshold": allowed})
    settled = settle(folder, goal, space, development, weak)
    assert 0 < wanted.index(max(wanted)) < len(allowed) - 1
    assert settled.threshold == allowed[wanted.index(max(wanted))]
    assert Contract.load(folder).threshold == settled.threshold
    low = settle(
        folder, goal, space_of(weak, {**RATE, "threshold": "0.01:0.02"}), development, weak
    )
    assert low.threshold == 0.01
    assert low.found == settled.found


def test_nothing_is_written_where_nothing_is_chosen(folder, weak, development):
    before = {file.name: file.read_bytes() for file in folder.iterdir()}
    tuned = json.loads(before["contract.json"])["threshold"]
    goal = development_goal("f1", development, weak)
    settled = settle(folder, goal, space_of(weak, RATE), development, weak)
    assert {file.name: file.read_bytes() for file in folder.iterdir()} == before
    assert settled.threshold == tuned != 0.5
    assert [file.name for file in folder.parent.iterdir()] == ["model"]


def test_what_cannot_be_chosen(folder, weak, development):
    goal = development_goal("outcome_auroc", development, weak)
    sound = [trace for trace in development if trace.outcome]
    with pytest.raises(UsageError, match="with and without an error"):
        settle(folder, goal, space_of(weak, {**RATE, "threshold": "0.1,0.2"}), sound, weak)
    contract = Contract.load(folder)
    reading = replace(contract.reading, link="difference", classes=2)
    replace(contract, reading=reading, threshold=0.0).save(folder)
    space = space_of(weak, {**RATE, "aggregate": "product,nll"})
    with pytest.raises(UsageError, match="no aggregate of the space is for this model"):
        settle(folder, goal, space, development, weak)
    space = space_of(weak, {**RATE, "aggregate": "product,mean"})
    assert settle(folder, goal, space, development, weak).aggregate == "mean"
