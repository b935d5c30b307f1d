"""`surefoot tune`: what it takes, what it says, and being killed."""

import json
import os
import signal
import subprocess
import time

import pytest
import torch

import surefoot as sf
from surefoot.cli import main
from surefoot.models.contract import Contract
from surefoot.traces.rows import trace_to_row
from surefoot.traces.types import StepLabels, Trace


@pytest.fixture
def tune(capsys, tune_command, tmp_path):
    """Run `surefoot tune` on the small world in this process; gives exit code, stdout, stderr."""

    def run(*arguments, out=tmp_path / "study"):
        before = torch.get_num_threads()
        torch.set_num_threads(1)
        code = main([*map(str, tune_command), "--out", str(out), *map(str, arguments)])
        torch.set_num_threads(before)
        return code, *capsys.readouterr()

    return run


def pool(number):
    """Four candidates a problem: two right ones, and two that agree on a wrong answer."""
    for i in range(number):
        for answer, word in (("1", "yes."), ("2", "no."), ("2", "no."), ("1", "yes.")):
            labels = [StepLabels((1 if answer == "1" else -1,), "checker")]
            yield trace_to_row(
                Trace(f"Is {i} odd?", [word], answer, outcome=answer == "1", labels=labels)
            )


def test_the_best_model_is_said_and_ready(tune, tmp_path):
    code, out, err = tune("--trials", 2)
    assert code == 0, err
    report = json.loads((tmp_path / "study" / "report.json").read_text())
    best = report["best"]
    assert report["given"]["number"] == 0
    assert f"{best['number']} " in out
    assert f"{best['value']:.3f}" in out
    assert "0 as given" in out
    for said in (
        f"trial 0 (as given): {report['given']['value']:.4g}, the best so far  "
        "[loop.lr 0.0001, loop.other_lr 0.0001]",
        "2 trials: 2 came to their end, 0 stopped early, 0 failed",
        "without any of these models: random",
        "chosen on one half of the questions and measured on the other: 0.",
        "chosen among 2 on the traces that it is measured on, so it flatters the model",
        f"the best model is in {tmp_path / 'study' / 'best'}",
        "report.html",
    ):
        assert said in err
    page = (tmp_path / "study" / "report.html").read_text()
    assert f"{best['value']:.3f}" in page
    assert sf.load(tmp_path / "study" / "best").score(Trace("Is 3 odd?", ["yes."])).values

    code, out, err = tune("--trials", 2, "--json")
    told = json.loads(out)
    assert code == 0
    assert told["best"] == best
    assert told["model"] == str(tmp_path / "study" / "best")
    assert told["counts"] == {"complete": 2, "pruned": 0, "failed": 0, "running": 0, "waiting": 0}
    assert "trial 0" not in err


def test_best_of_n_on_a_frozen_pool(tune, tmp_path, write_rows):
    """Its questions are those of the first training traces, so that those are left out."""
    code, out, err = tune(
        *("--pool", write_rows("pool.jsonl", *pool(30)), "--choose", "vote", "--json"),
        *("--over", "aggregate=min,product,nll", "--trials", 2, "--pruner", "none"),
    )
    assert code == 0, err
    told = json.loads(out)
    assert told["goal"] == "accuracy of best of 4 by vote"
    assert told["left_out"] == {"question of an excluded file": 30}
    assert told["baselines"] == {"majority vote": 0.5, "any one": 0.5, "shortest": 0.0}
    assert told["best"]["value"] == 1.0
    assert told["best"]["aggregate"] in ("min", "product")
    assert Contract.load(tmp_path / "study" / "best").aggregate == told["best"]["aggregate"]
    assert told["unbeaten"] == []


def test_a_space_from_a_file_and_on_top_of_it(tune, tmp_path):
    file = tmp_path / "space.toml"
    file.write_text('"loop.batch_size" = [8, 16]\n[loop]\nlr = "1:2"\n')
    code, out, err = tune("--space", file, "--trials", 1, "--json")
    assert code == 0, err
    told = json.loads(out)
    assert told["settings"]["space"] == {
        "loop.batch_size": [8, 16],
        "loop.lr": {"low": 1e-5, "high": 0.1, "log": True},
        "loop.other_lr": {"low": 1e-5, "high": 0.1, "log": True},
    }
    assert told["best"]["settings"] == {
        "loop.batch_size": 16,
        "loop.lr": 1e-4,
        "loop.other_lr": 1e-4,
    }


@pytest.mark.parametrize(
    ("options", "code", "said"),
    [
        (("--over", "loop.speed=1:2"), 2, "there is no setting loop.speed"),
        (("--over", "loop.lr"), 2, "loop.lr' says no bounds"),
        (("--over", "loop.lr=0.1:0.2"), 2, "loop.lr is given twice"),
        (("--space", "absent.json"), 1, "absent.json cannot be read"),
        (("--trials", "0"), 2, "num_trials is 0"),
        (("--set", "loop.metric=f3"), 2, "metric is 'f3'; it must be one of"),
        (("--dev-share", "0.2"), 2, "--dev and --dev-share both say"),
        (("--best-of", "4"), 2, "--best-of is for a --pool"),
        (("--pool", "train.jsonl", "--best-of", "9"), 2, "no trace is left to learn from"),
        (("--pool", "dev.jsonl", "--best-of", "9"), 2, "N = 9 cannot be drawn"),
        (("--over", "aggregate=min,last"), 2, "step_auroc does not depend on the aggregate"),
        (("--pruner", "luck"), 2, "luck"),
        (("--storage", "nowhere"), 2, "is no address of a database"),
        (("--set", "loop.fsdp=true"), 2, "muon needs whole"),
    ],
)
def test_what_cannot_work(tune, tmp_path, monkeypatch, options, code, said):
    monkeypatch.chdir(tmp_path)
    found, out, err = tune(*options)
    assert (found, out) == (code, ""), err
    assert said in err
    assert "Traceback" not in err
    assert not (tmp_path / "study" / "study.json").exists()


def test_nothing_to_measure_on(capsys, tune_command, tmp_path):
    start = tune_command.index("--dev")
    words = [*tune_command[:start], *tune_command[start + 2 :], "--out", tmp_path / "study"]
    assert main([*map(str, words)]) == 2
    assert "give --dev or --dev-share, or a --pool" in capsys.readouterr().err


@pytest.mark.slow
def test_a_killed_study_goes_on(tune, surefoot_path, tune_command, tmp_path):
    """Killed in the middle of a training, it ends with the trials and the model it would have
    had."""
    out, log = tmp_path / "killed", tmp_path / "log"
    more = ["--trials", 2, "--json", "--set", "loop.num_updates=12"]
    run = subprocess.Popen(
        [surefoot_path, *map(str, [*tune_command, *more]), "--out", out],
        stdout=subprocess.DEVNULL,
        stderr=log.open("w"),
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    scratch = out / "trials" / "0001" / ".model.training" / "checkpoint-4" / "whole.json"
    with run:
        while not scratch.exists():
            assert run.poll() is None, log.read_text()
            time.sleep(0.002)
        run.send_signal(signal.SIGKILL)
    assert run.returncode == -signal.SIGKILL
    assert "trial 0 " in log.read_text()
    assert "trial 1" not in log.read_text()
    assert len(json.loads((out / "report.json").read_text())["trials"]) == 1

    told = {}
    for folder in (out, tmp_path / "whole"):
        code, said, err = tune(*more, out=folder)
        assert code == 0, err
        assert ("trial 0" in err) == (folder != out)
        told[folder] = json.loads(said)["trials"]
        for one in told[folder]:
            one.pop("seconds")
    assert told[out] == told[tmp_path / "whole"]
    weights = [(folder / "best" / "model.safetensors").read_bytes() for folder in told]
    assert weights[0] == weights[1]
