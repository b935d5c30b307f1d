"""`surefoot train`, killed at any moment, ends with the same bytes once it is run again."""

import shutil
import signal

import pytest
import torch
from transformers import LlamaConfig, LlamaForCausalLM

from forked import Moment, surefoot
from surefoot.traces.store import write_traces
from surefoot.training.scratch import fresh_tokenizer

pytestmark = pytest.mark.slow

FROM_NOTHING = (
    *("--hidden-size", 16, "--layers", 1, "--vocab-size", 280, "--max-tokens", 120),
    *("--updates", 14, "--batch-size", 4, "--eval-every", 2, "--metric", "step_auroc"),
    *("--patience", 2, "--calibrate", "temperature"),
)
DROPPING = (
    *("--max-tokens", 120, "--updates", 6, "--batch-size", 4, "--lr", 1e-3, "--lora", 2),
    *(
        "--set",
        "lora.dropout=0.3",
        "--set",
        "loop.save_every=2",
        "--set",
        "loop.checkpointing=true",
    ),
    *("--set", "loss=joint"),
)


@pytest.fixture(scope="module")
def data(world_traces, tmp_path_factory):
    folder = tmp_path_factory.mktemp("data")
    traces = world_traces(40)
    write_traces(folder / "train.jsonl", traces[:28])
    write_traces(folder / "dev.jsonl", traces[28:])
    tokenizer = fresh_tokenizer((text for t in traces for text in (t.problem, *t.texts)), 280)
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=32,
        intermediate_size=48,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=256,
        attention_dropout=0.2,
        pad_token_id=tokenizer.pad_token_id,
        eos_token_id=tokenizer.eos_token_id,
        bos_token_id=None,
    )
    LlamaForCausalLM(config).save_pretrained(folder / "base")
    tokenizer.save_pretrained(folder / "base")
    return folder


def options(data, kind):
    """The command line of a run, but for --out."""
    if kind == "dropping":
        return ["train", data / "train.jsonl", "--base", data / "base", *DROPPING]
    return ["train", data / "train.jsonl", "--dev", data / "dev.jsonl", *FROM_NOTHING]


def contents(folder):
    return {
        file.relative_to(folder).as_posix(): file.read_bytes()
        for file in folder.rglob("*")
        if file.is_file()
    }


@pytest.fixture(scope="module")
def whole(data, tmp_path_factory):
    """What a run that nothing stopped leaves: `whole(kind)`."""
    found = {}

    def of(kind):
        if kind not in found:
            out = tmp_path_factory.mktemp(kind) / "prm"
            code, said = surefoot([*options(data, kind), "--out", out])
            assert code == 0, said
            assert [file.name for file in out.parent.iterdir() if file.is_dir()] == ["prm"]
            found[kind] = contents(out)
        return found[kind]

    return of


MOMENTS = {
    "before the first update": Moment("open", ".prm.training/run.sha256"),
    "between updates": Moment("call", "surefoot.training.loop:Loop.compute_loss", 5),
    "while figures are measured": Moment("call", "surefoot.training.watch:Watch.measured", 2),
    "between the weights and the state of a checkpoint": Moment(
        "open", "checkpoint-6/trainer_state.json"
    ),
    "before a checkpoint is whole": Moment("os.rename", "checkpoint-6/whole.json"),
    "while an old checkpoint is taken away": Moment("os.remove", "scheduler.pt"),
    "after it had stopped early": Moment("call", "surefoot.training.watch:Watch.fitted"),
    "before the model is written": Moment("os.mkdir", ".prm.partial"),
    "while the model is written": Moment("open", ".prm.partial/metrics.jsonl"),
    "before the model takes its name": Moment("os.rename", ".prm.partial"),
    "before the checkpoints are taken away": Moment("os.remove", "run.sha256"),
    "while they are taken away": Moment("os.remove", "optimizer.pt", 2, since=".prm.partial"),
}
"""Each is reached by a training that was killed at those before it."""


def test_a_command_killed_at_any_moment_ends_with_the_same_bytes(data, whole, tmp_path):
    expected, out = whole("measuring"), tmp_path / "prm"
    command = [*options(data, "measuring"), "--out", out]
    for name, moment in MOMENTS.items():
        code, said = surefoot(command, moment)
        assert code == -signal.SIGKILL, (name, said)
        left = contents(out) if out.exists() else None
        assert left in (None, expected), name  # nothing that is half of a model is under its name
    code, said = surefoot(command)
    assert code == 0, said
    assert contents(out) == expected
    assert [file.name for file in tmp_path.iterdir()] == ["prm"]


@pytest.mark.parametrize("moment", [3, 6, 7])
def test_killed_once(data, whole, tmp_path, moment):
    command = [*options(data, "measuring"), "--out", tmp_path / "prm"]
    code, said = surefoot(command, list(MOMENTS.values())[moment])
    assert code == -signal.SIGKILL, said
    code, said = surefoot(command)
    assert code == 0, said
    assert "update 2 of" not in said  # it goes on from a checkpoint
    assert contents(tmp_path / "prm") == whole("measuring")


def test_what_is_dropped_at_random_is_so_again(data, whole, tmp_path):
    expected, out = whole("dropping"), tmp_path / "prm"
    command = [*options(data, "dropping"), "--out", out]
    moment = Moment("call", "surefoot.training.loop:Loop.compute_loss", 4)
    assert surefoot(command, moment)[0] == -signal.SIGKILL
    assert surefoot(command)[0] == 0
    assert contents(out) == expected
    steady = [*command, "--set", "lora.dropout=0"]
    assert surefoot(steady)[0] == 0
    assert contents(out)["adapter_model.safetensors"] != expected["adapter_model.safetensors"]


def test_a_finished_command_run_again(data, whole, tmp_path):
    out = tmp_path / "prm"
    command = [*options(data, "measuring"), "--out", out]
    assert surefoot(command)[0] == 0
    code, said = surefoot(command)
    assert code == 0, said
    assert f"{out} holds a model already; it is replaced once this training is done" in said
    assert contents(out) == whole("measuring")


def test_a_command_without_its_checkpoints_begins_again(data, whole, tmp_path):
    out = tmp_path / "prm"
    command = [*options(data, "measuring"), "--out", out]
    surefoot(command, MOMENTS["while figures are measured"])
    shutil.rmtree(tmp_path / ".prm.training")
    assert surefoot(command)[0] == 0
    assert contents(out) == whole("measuring")


FULL = {
    "the weights of a checkpoint": Moment("os.mkdir", "checkpoint-4", full=5000),
    "the optimizer of a checkpoint": Moment(
        "call", "surefoot.training.loop:Loop._save_optimizer_and_scheduler", full=9000
    ),
    "the state of a checkpoint": Moment("open", "checkpoint-4/trainer_state.json", full=100),
    "the mark of a checkpoint": Moment("open", "checkpoint-4/whole.json.partial", full=10),
    "the log": Moment("open", "metrics.jsonl", 4, full=20),
    "the weights of the model": Moment("os.mkdir", ".prm.partial", full=5000),
    "its tokenizer": Moment(
        "call", "transformers:PreTrainedTokenizerFast.save_pretrained", full=1000
    ),
    "its contract": Moment("open", ".prm.partial/contract.json", full=20),
}
"""Where there is no room left; each is reached by a training that met those before it."""


def test_a_full_disk(data, whole, tmp_path):
    out = tmp_path / "prm"
    command = [*options(data, "measuring"), "--out", out]
    for name, moment in FULL.items():
        code, said = surefoot(command, moment)
        assert code == 1, (name, said)
        last = said.splitlines()[-1]
        assert last.startswith("error: "), (name, said)
        assert "prm" in last
        assert "Traceback" not in said
        assert [file.name for file in tmp_path.iterdir()] == [".prm.training"]
        assert (name == "the weights of a checkpoint") == ("update 2 of" in said)
    code, said = surefoot(command)
    assert code == 0, said
    assert contents(out) == whole("measuring")


def test_folders_that_cannot_be_written(data, tmp_path):
    closed = tmp_path / "closed"
    closed.mkdir()
    closed.chmod(0o555)
    command = options(data, "dropping")
    code, said = surefoot([*command, "--out", closed / "prm"], may_write_all=False)
    assert code == 1, said
    assert said == f"error: {closed}/prm: cannot write it: Permission denied\n"
    code, said = surefoot([*command, "--out", closed], may_write_all=False)
    assert code == 1, said
    assert said == f"error: {closed}: cannot write it: Permission denied\n"
    assert [file.name for file in tmp_path.iterdir()] == ["closed"]
    assert [*closed.iterdir()] == []
