"""Trackers: real event files for TensorBoard, read back; and none that cannot be reported to."""

import json
import struct

import pytest

import surefoot as sf
from surefoot.errors import UsageError
from surefoot.training.callbacks import LOG_FILE
from surefoot.training.config import RewardConfig, TrainConfig
from surefoot.training.trackers import EVENTS_FOLDER


def scalars(folder):
    """Every scalar in the event files of a folder: name to (update, value)."""
    from tensorboardX.proto.event_pb2 import Event

    found = {}
    for file in sorted(folder.glob("events.*")):
        content, place = file.read_bytes(), 0
        while place < len(content):
            (length,) = struct.unpack_from("<Q", content, place)
            event = Event.FromString(content[place + 12 : place + 12 + length])
            place += 12 + length + 4
            for value in event.summary.value:
                if value.HasField("simple_value"):
                    found.setdefault(value.tag, []).append((event.step, value.simple_value))
    return found


def test_tensorboard_is_given_what_the_log_holds(world_traces, small_shape, tmp_path):
    loop = TrainConfig(
        num_updates=6, batch_size=8, eval_every=2, metric="step_auroc", report_to=("tensorboard",)
    )
    config = RewardConfig(shape=small_shape, loop=loop, max_tokens=256)
    out = tmp_path / "prm"
    sf.train(world_traces(30), out, config, development=world_traces(20, seed=1))
    found = scalars(out / EVENTS_FOLDER)
    log = [json.loads(line) for line in (out / LOG_FILE).read_text().splitlines()]
    losses = [(entry["step"], entry["loss"]) for entry in log if "loss" in entry]
    aurocs = [(e["step"], e["eval_step_auroc"]) for e in log if "eval_step_auroc" in e]
    assert len(losses) == len(aurocs) == 3
    for name, wanted in (("train/loss", losses), ("eval/step_auroc", aurocs)):
        assert [step for step, _ in found[name]] == [step for step, _ in wanted]
        values = [value for _, value in wanted]
        assert [value for _, value in found[name]] == pytest.approx(values, rel=1e-5)
    assert not (tmp_path / ".prm.training").exists()
    sf.load(out)


@pytest.mark.parametrize(
    ("name", "said"), [("nobody", "transformers knows"), ("swanlab", "pip install swanlab")]
)
def test_a_tracker_that_is_not_there_is_refused_before_anything_is_written(
    name, said, world_traces, small_shape, tmp_path
):
    loop = TrainConfig(num_updates=2, batch_size=2, report_to=(name,))
    config = RewardConfig(shape=small_shape, loop=loop, max_tokens=256)
    with pytest.raises(UsageError, match=said):
        sf.train(world_traces(6), tmp_path / "prm", config)
    assert not list(tmp_path.iterdir())
