"""A killed training ends with the same weights, and takes up nothing that is not its own."""

import os
import signal
import subprocess
import sys
from dataclasses import replace

import pytest
import torch
from safetensors.torch import load_file

from surefoot.errors import ModelError, StorageError, UsageError
from surefoot.policies.local import LocalPolicy
from surefoot.traces.store import write_traces
from surefoot.training import policy
from surefoot.training.config import TrainConfig
from surefoot.training.policy import train_policy
from surefoot.training.scratches import scratch_of

CONFIG = TrainConfig(num_updates=14, batch_size=8, save_every=2)
"""On 40 rows a round has 5 updates, so that the third is under way at the end."""


class Killed(BaseException):
    """Stands for whatever stops a training."""


@pytest.fixture
def train(tmp_path, world_traces, small_shape):
    """Train a small policy in `tmp_path / name`, killed once `stop` updates are done."""

    def run(name, config=CONFIG, *, stop=None, traces=None, shape=small_shape):
        updates = []

        def on_update(done, total, loss):
            updates.append((done, loss))
            if done == stop:
                raise Killed

        train_policy(
            traces or world_traces(40),
            tmp_path / name,
            shape=shape,
            config=config,
            on_update=on_update,
        )
        return updates

    return run


def weights(folder):
    return load_file(folder / "model.safetensors")


def same(one, other):
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


@pytest.fixture
def whole(train, tmp_path):
    """The weights of a training that nothing stopped."""
    train("whole")
    return weights(tmp_path / "whole")


@pytest.mark.parametrize("stop", [1, 5, 7, 10, 13])
def test_a_killed_training_ends_with_the_same_weights(train, whole, tmp_path, stop):
    with pytest.raises(Killed):
        train("cut", stop=stop)
    assert not (tmp_path / "cut").exists()
    updates = train("cut")
    assert updates[0][0] == (stop - 1) // 2 * 2 + 1
    assert updates[-1][0] == 14
    assert same(weights(tmp_path / "cut"), whole)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["cut", "whole"]


def test_killed_again_and_again(train, whole, tmp_path):
    for stop in (3, 4, 6, 11):
        with pytest.raises(Killed):
            train("cut", stop=stop)
    train("cut")
    assert same(weights(tmp_path / "cut"), whole)


def test_killed_while_the_model_is_saved(train, whole, tmp_path, monkeypatch):
    def die(self, folder):
        raise Killed

    with monkeypatch.context() as patched:
        patched.setattr(LocalPolicy, "save", die)
        with pytest.raises(Killed):
            train("cut")
    assert train("cut") == []
    assert same(weights(tmp_path / "cut"), whole)


def test_a_half_written_checkpoint_is_passed_over(train, whole, tmp_path):
    with pytest.raises(Killed):
        train("cut", stop=9)
    scratch = scratch_of(tmp_path / "cut")
    assert sorted(p.name for p in scratch.iterdir()) == [
        "checkpoint-6",
        "checkpoint-8",
        "metrics.jsonl",
        "run.sha256",
    ]
    (scratch / "checkpoint-8" / "whole.json").unlink()
    (scratch / "checkpoint-8" / "optimizer.pt").write_bytes(b"half")
    updates = train("cut")
    assert updates[0][0] == 7
    assert same(weights(tmp_path / "cut"), whole)


@pytest.mark.parametrize("change", ["updates", "rate", "order", "size"])
def test_checkpoints_of_another_run_are_thrown_away(
    train, tmp_path, world_traces, small_shape, change
):
    first, *others = world_traces(40)
    changed = {
        "updates": {"config": replace(CONFIG, num_updates=12)},
        "rate": {"config": replace(CONFIG, lr=0.02)},
        "order": {"traces": [*others, first]},
        "size": {"shape": replace(small_shape, hidden_size=24)},
    }[change]
    with pytest.raises(Killed):
        train("cut", stop=9)
    with pytest.raises(Killed):
        train("cut", **changed, stop=1)
    left = {p.name for p in scratch_of(tmp_path / "cut").iterdir()}
    assert left == {"metrics.jsonl", "run.sha256"}


def test_after_another_run_the_weights_are_its_own(train, whole, tmp_path):
    with pytest.raises(Killed):
        train("cut", replace(CONFIG, seed=1), stop=9)
    assert train("cut")[0][0] == 1
    assert same(weights(tmp_path / "cut"), whole)


PROGRAM = """
import sys
from pathlib import Path
from surefoot.traces.store import read_traces
from surefoot.training.policy import train_policy
from surefoot.training.scratch import Shape
from surefoot.training.config import TrainConfig
import torch
torch.set_num_threads(1)
train_policy(
    list(read_traces(sys.argv[1])), Path(sys.argv[2]),
    shape=Shape(hidden_size=16, num_layers=1, num_heads=2, vocab_size=280, max_positions=256),
    config=TrainConfig(num_updates=14, batch_size=8, save_every=2),
    on_update=lambda done, total, loss: print(done, flush=True),
)
"""


def test_a_process_killed_from_outside_goes_on(train, whole, tmp_path, world_traces):
    write_traces(tmp_path / "traces.jsonl", world_traces(40))
    command = [sys.executable, "-c", PROGRAM, tmp_path / "traces.jsonl", tmp_path / "cut"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as run:
        for line in run.stdout:
            if line.strip() == "7":
                run.send_signal(signal.SIGKILL)
    assert run.returncode == -signal.SIGKILL
    assert not (tmp_path / "cut").exists()
    updates = train("cut")
    assert updates[0][0] > 1
    assert same(weights(tmp_path / "cut"), whole)


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_a_loss_that_is_not_finite_is_an_error(train, tmp_path, monkeypatch, bad):
    plain = policy._loss
    seen = []

    def breaks(model, batch):
        seen.append(None)
        return plain(model, batch) * (bad if len(seen) == 5 else 1)

    monkeypatch.setattr(policy, "_loss", breaks)
    with pytest.raises(ModelError, match=f"the loss of update 5 is {bad}; lower the rate"):
        train("cut")
    assert not (tmp_path / "cut").exists()


def test_weights_that_are_not_finite_are_never_saved(train, tmp_path, monkeypatch):
    plain = policy._loss

    def steep(model, batch):
        root = (model.get_input_embeddings().weight[0, 0] * 0).sqrt()  # is 0, its gradient is NaN
        return plain(model, batch) + root

    monkeypatch.setattr(policy, "_loss", steep)
    with pytest.raises(ModelError, match="left weights that are not finite"):
        train("cut", TrainConfig(num_updates=1, batch_size=8))
    assert not (tmp_path / "cut").exists()


def test_what_is_reported(train):
    updates = train("short")
    assert [done for done, loss in updates if loss is None] == list(range(1, 15))
    assert [done for done, loss in updates if loss is not None] == [2, 4, 6, 8, 10, 12, 14]
    assert all(loss > 0 for _, loss in updates if loss is not None)


def test_one_update_is_enough(train, tmp_path):
    assert train("one", TrainConfig(num_updates=1, batch_size=64))[0][0] == 1
    assert (tmp_path / "one" / "model.safetensors").is_file()


@pytest.mark.parametrize(
    "settings",
    [
        {"num_updates": 0},
        {"batch_size": 0},
        {"save_every": 0},
        {"lr": 0.0},
        {"lr": float("nan")},
        {"other_lr": float("inf")},
        {"max_grad_norm": -1.0},
        {"warmup": 0.6},
        {"decay": -0.1},
        {"decay": float("nan")},
        {"seed": -1},
        {"seed": 2**32},
        {"optimizer": "sgd"},
    ],
)
def test_settings_that_cannot_work(settings):
    with pytest.raises(UsageError, match=next(iter(settings))):
        TrainConfig(**settings)


def test_places_where_no_model_can_be(train, tmp_path):
    (tmp_path / "file").write_text("kept")
    with pytest.raises(StorageError, match="cannot hold a model"):
        train("file")
    with pytest.raises(StorageError, match="cannot write it"):
        train("file/inside")
    assert (tmp_path / "file").read_text() == "kept"


def test_a_folder_given_as_a_dot(train, tmp_path, monkeypatch):
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    train(tmp_path / "here" / ".")
    assert (tmp_path / "here" / "model.safetensors").is_file()


def test_traces_that_do_not_fit(train, small_shape, tmp_path):
    with pytest.raises(UsageError, match="no traces"):
        train_policy([], tmp_path / "none", shape=small_shape, config=CONFIG)
    with pytest.raises(ModelError, match=r"trace .* tokens and an end, the model 20 positions"):
        train("cut", shape=replace(small_shape, max_positions=20))
