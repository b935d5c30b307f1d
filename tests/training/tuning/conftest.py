"""A world in which steps say whether they are right, so that a few updates are enough to learn it,
and trainings of a second.
"""

import random
import shutil

import pytest

from surefoot.traces.types import StepLabels, Trace
from surefoot.training.config import RewardConfig, TrainConfig
from surefoot.training.scratch import Shape

RATES = {"loop.lr": "log:1e-5:0.1", "loop.other_lr": "log:1e-5:0.1"}
"""Between them those that learn the world."""

TRIALS = 6


@pytest.fixture(scope="session")
def told():
    """Traces whose right steps say yes: `told(20, seed=1)`, with questions from `first` on."""

    def make(number, *, seed, first=0):
        rng = random.Random(seed)
        traces = []
        for i in range(first, first + number):
            labels = tuple(rng.choice((1, 1, -1)) for _ in range(2))
            steps = ["yes." if label > 0 else "no." for label in labels]
            right = min(labels) > 0
            traces.append(
                Trace(f"Is {i} odd?", steps, outcome=right, labels=[StepLabels(labels, "checker")])
            )
        return traces

    return make


@pytest.fixture(scope="session")
def weak():
    """Settings that learn almost nothing, for want of a rate."""
    return RewardConfig(
        shape=Shape(hidden_size=16, num_layers=1, num_heads=2, vocab_size=280, max_positions=64),
        max_tokens=64,
        loop=TrainConfig(
            num_updates=6, batch_size=16, lr=1e-4, other_lr=1e-4, eval_every=2, metric="step_auroc"
        ),
    )


@pytest.fixture(scope="session")
def data(told):
    """What is learned from, and what is measured on."""
    return told(120, seed=1), told(40, seed=2, first=500)


@pytest.fixture(scope="session")
def finished(data, weak, tmp_path_factory):
    """A finished study: its folder, what came of it, and all that was told of it."""
    from surefoot.training.tuning.study import tune

    out, heard = tmp_path_factory.mktemp("finished") / "study", []
    traces, development = data
    tuned = tune(
        *(traces, out, weak),
        development=development,
        space=RATES,
        num_trials=TRIALS,
        on_trial=lambda one, best: heard.append((one, best)),
    )
    return out, tuned, heard


@pytest.fixture
def study(finished, tmp_path):
    """A copy of its folder, to go on with."""
    return shutil.copytree(finished[0], tmp_path / "study")
