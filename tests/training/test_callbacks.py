"""Figures told while a model learns."""

import json

import pytest

import surefoot as sf
from surefoot.training.config import RewardConfig, TrainConfig


class EnoughError(Exception):
    """What a listener raises."""


def test_every_measurement_is_told_and_what_a_listener_raises_ends_the_training(
    small_shape, world_traces, tmp_path
):
    loop = TrainConfig(num_updates=6, batch_size=8, eval_every=2, metric="brier")
    config = RewardConfig(shape=small_shape, loop=loop, max_tokens=256)
    traces, development = world_traces(30), world_traces(10, seed=5)
    told = {}

    def listen(update, figures):
        told[update] = figures
        if len(told) == 2:
            raise EnoughError

    with pytest.raises(EnoughError):
        sf.train(traces, tmp_path / "m", config, development=development, on_measure=listen)
    assert list(told) == [2, 4]
    assert not (tmp_path / "m").exists()
    assert (tmp_path / ".m.training" / "checkpoint-2" / "whole.json").is_file()
    assert not (tmp_path / ".m.training" / "checkpoint-4").exists()

    sf.train(
        *(traces, tmp_path / "m", config),
        development=development,
        on_measure=lambda update, figures: told.update({update: figures}),
    )
    assert list(told) == [2, 4, 6]
    log = [json.loads(line) for line in (tmp_path / "m" / "metrics.jsonl").open()]
    measured = {entry["step"]: entry["eval_brier"] for entry in log if "eval_brier" in entry}
    assert {update: one["brier"] for update, one in told.items()} == measured
