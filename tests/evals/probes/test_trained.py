"""Probes on a transformer that is trained here to read digits: what it learned, and what it reads
that it should not."""

import random

import pytest

import surefoot as sf
from surefoot.evals.benchmark import Options
from surefoot.evals.probes import PROBES
from surefoot.evals.probes.measuring import Attempt
from surefoot.evals.probes.scorecard import altered_by, scorecard
from surefoot.training.config import RewardConfig, TrainConfig
from surefoot.training.scratch import Shape


def said(number, seed):
    """Steps that say yes are right, and those that say no are wrong."""
    rng = random.Random(seed)
    for i in range(number):
        labels = tuple(rng.choice((1, 1, -1)) for _ in range(2))
        steps = ["yes it is." if label > 0 else "no it is." for label in labels]
        yield sf.Trace(
            f"Is {seed + i} odd?",
            steps,
            answer="yes",
            outcome=min(labels) > 0,
            labels=[sf.StepLabels(labels, "checker")],
        )


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    folder = tmp_path_factory.mktemp("probed") / "model"
    shape = Shape(hidden_size=16, num_layers=1, num_heads=2, vocab_size=290, max_positions=256)
    loop = TrainConfig(num_updates=40, batch_size=16, lr=0.02, other_lr=0.02)
    sf.train(list(said(160, 0)), folder, RewardConfig(shape=shape, loop=loop))
    return sf.load(folder)


@pytest.mark.slow
def test_every_probe_is_measured_on_a_trained_model(model):
    traces, probes = list(said(40, 1000)), list(PROBES.values())
    attempts = {one.name: [None] * len(traces) for one in probes}
    made = list(altered_by(probes, traces, 0))
    for (probe, number, one), scores in zip(
        made, model.score([one.trace for *_, one in made]), strict=True
    ):
        attempts[probe.name][number] = Attempt(one.places, scores)
    card = scorecard(
        model.name, traces, model.score(traces), attempts, probes, Options(num_resamples=20)
    )
    found = {one.probe: one for one in card.findings}
    assert found["filler"].coverage.num_flagged_wrong > 15, "it has learned what a wrong step says"
    assert found["filler"].coverage.num_measured == 40
    assert found["markers"].coverage.num_measured == 40, "tags in the text are no slots"
    assert found["numbering"].coverage.num_measured == 40
    assert found["latex"].verdict == "not measured"
    changes = [found[name].figures["wrong_step_change"].mean for name in ("markers", "merge-all")]
    assert all(abs(change) > 1e-6 for change in changes), "it read what was written"
