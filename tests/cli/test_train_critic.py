"""`surefoot train --critic`: a model that writes verdicts, from the command line to `score`."""

import json
import re
import signal
import subprocess
from dataclasses import replace

import pytest
from huggingface_hub import ModelCard

import surefoot as sf
from json_server import serve
from surefoot.cli import main
from surefoot.models.verdicts import VERDICTS, Verdict
from surefoot.traces.rows import trace_to_row
from surefoot.traces.store import read_traces
from surefoot.traces.types import StepLabels, Trace
from surefoot.training.scratch import Shape, fresh_model, fresh_tokenizer

CHAT = "{% for one in messages %}{{ one.content }}\n{% endfor %}"
STEP_CRITIC = {
    "ask": "{problem}\n{solution}",
    "stages": [{"max_new_tokens": 4}],
    "reading": {"kind": "pattern", "good": "+", "bad": "-", "pattern": "([+-])"},
}
ADAMW = ("--updates", 3, "--batch-size", 4)


def judged(i, *, said=None):
    """A trace whose second step is wrong where `i` is odd, as a judge wrote."""
    labels = (1, -1 if i % 2 else 1)
    trace = Trace(f"What is {i} + 1?", [f"{i}.", f"{i + 1}."], labels=[StepLabels(labels)])
    words = said or ["+" if one > 0 else "-" for one in labels]
    verdicts = [Verdict(k, 0, word, {}).to_json() for k, word in enumerate(words)]
    return replace(trace, meta={VERDICTS: verdicts})


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    """A language model with a chat template that has learned nothing."""
    tokenizer = fresh_tokenizer([f"What is {i} + 1? {i}. - +" for i in range(50)], 280)
    tokenizer.chat_template = CHAT
    folder = tmp_path_factory.mktemp("critic") / "base"
    shape = Shape(hidden_size=16, num_layers=1, num_heads=2, vocab_size=280, max_positions=64)
    fresh_model(tokenizer, shape, seed=0).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


@pytest.fixture
def critic_file(tmp_path):
    path = tmp_path / "asked.json"
    path.write_text(json.dumps(STEP_CRITIC))
    return path


@pytest.mark.slow
def test_a_critic_is_trained_and_scores(surefoot, write_rows, base, critic_file, tmp_path):
    rows = [trace_to_row(judged(i)) for i in range(24)]
    rows.append(trace_to_row(judged(30, said=["?", "+"])))
    rows.append(trace_to_row(Trace("No verdict", ["s"], labels=[StepLabels((1,))])))
    rows.append(trace_to_row(judged(31)))
    file = write_rows("in.jsonl", *rows)
    bench = write_rows("bench.jsonl", trace_to_row(Trace("what is 31+1", ["s"])))
    out = tmp_path / "critic"
    command = ("train", file, "--critic", critic_file, "--base", base, "--out", out, *ADAMW)
    result = surefoot(*command, "--exclude", bench, "--dev-share", "0.3", "--json")
    assert result.returncode == 0, result.stderr
    told = json.loads(result.stdout)
    assert told["left_out"] == {"no verdict to learn": 1, "question of an excluded file": 1}
    num_dev = told["development"]["num_traces"]
    assert 0 < num_dev < 20
    unreadable = 1 if told["refused"] else 0
    assert told["verdicts"] == 2 * (25 - num_dev) - unreadable
    assert told["answers"] == 2 * num_dev
    assert told["unreadable"] + told["development"]["num_steps"] >= 2 * num_dev
    kept = json.loads((out / "training.json").read_text())
    assert kept["critic"]["ask"] == STEP_CRITIC["ask"]
    assert (kept["loop"]["optimizer"], kept["loop"]["num_updates"]) == ("adamw", 3)
    assert {*told["comparison"]["baselines"]} == {"step length", "random", "no error"}
    card = (out / "README.md").read_text()
    assert ModelCard(card).data.tags[2] == "critic"
    assert f"On {num_dev} development traces that nothing was learned from" in card
    assert f"Of {2 * num_dev} answers {told['unreadable']} held no verdict" in card
    assert str(tmp_path) not in card
    loaded = sf.load(out)
    assert loaded.critic.reading.kind == "pattern"
    scored = tmp_path / "scored.jsonl"
    assert main(["score", str(file), "--model", str(out), "--out", str(scored)]) == 0
    assert {trace.scores[0].model for trace in read_traces(scored)} == {"critic"}


def test_what_a_judge_wrote_teaches_a_critic(write_rows, base, critic_file, tmp_path, capsys):
    traces = [Trace(f"What is {i} + 1?", [f"{i}.", f"{i + 1}."]) for i in range(6)]
    file, judged, out = (tmp_path / name for name in ("in.jsonl", "judged.jsonl", "critic"))
    write_rows(file.name, *map(trace_to_row, traces))

    def answer(request):
        choice = {"message": {"content": "so +"}, "finish_reason": "stop"}
        if "2 + 1" in request.body["messages"][-1]["content"]:
            choice["message"]["content"] = "who knows"
        return {"choices": [choice], "usage": {"prompt_tokens": 1, "completion_tokens": 1}}

    with serve(answer) as server:
        asked = ("--judge", f"openai:{server.url}/v1#m", "--prompt", critic_file, "--votes", 1)
        assert main([*map(str, ["label", "judge", file, *asked, "--out", judged])]) == 0
    learn = ("--critic", critic_file, "--base", base, "--out", out, *ADAMW, "--json")
    capsys.readouterr()
    assert main([*map(str, ["train", judged, *learn])]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["traces"], told["verdicts"]) == (5, 10)
    assert told["refused"] == {"unreadable": 2}
    card = (out / "README.md").read_text()
    assert "They were written by `m/asked.json`." in card
    assert "Not learned from: 2 unreadable." in card
    assert "**Nothing was measured**" in card
    (program,) = re.findall(r"```python\n(.*?)```", card, re.DOTALL)
    exec(program.replace("path/to/critic", str(out)), {})


def test_it_says_what_it_learned_and_what_not(write_rows, base, critic_file, tmp_path, capsys):
    rows = [trace_to_row(judged(i)) for i in range(8)]
    rows.append(trace_to_row(judged(1, said=["+", "+"])))
    rows.append(trace_to_row(judged(9, said=["?", "-"])))
    file, out = write_rows("in.jsonl", *rows), tmp_path / "critic"
    command = ["train", file, "--critic", critic_file, "--out"]
    first = [*command, out, "--base", base, *ADAMW, "--agree-with", "human", "--lr", 0.01]
    assert main([*map(str, first)]) == 0
    shown, said = capsys.readouterr()
    assert shown == ""
    assert "trained on 18 verdicts about 10 traces" in said
    assert "verdicts not learned from: 1 against the labels, 1 unreadable" in said
    again = [*command, tmp_path / "again", "--config", out / "training.json"]
    assert main([*map(str, again)]) == 0
    files = [tmp_path / name / "model.safetensors" for name in ("critic", "again")]
    assert files[0].read_bytes() == files[1].read_bytes() != (base / files[0].name).read_bytes()


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--base", None), "name it by --base"),
        (("--critic", "trl"), "'trl' is no profile of a model that writes verdicts"),
        (("--critic", "in.jsonl"), "in.jsonl"),
        (("--profile", "judge"), "profile means nothing to --critic"),
        (("--target", "outcome"), "labels.target means nothing to --critic"),
        (("--loss", "binomial"), "loss means nothing to --critic"),
        (("--hidden-size", "32"), "shape.hidden_size means nothing to --critic"),
        (("--calibrate", "temperature"), "calibrate means nothing to --critic"),
        (("--set", "read=tokens"), "read means nothing to --critic"),
        (("--set", "loop.speed=1"), "unknown settings: loop.speed"),
        (("--eval-every", "1"), "eval_every"),
        (("--metric", "brier"), "metric"),
        (("--epochs", "1"), "--critic and --epochs do not go together"),
        (("--agree-with", "me"), "me"),
        (("--config", "in.jsonl"), "is not JSON"),
        (("--dev", "in.jsonl"), "no trace is left to learn from: 8 for question of a development"),
    ],
)
def test_what_does_not_apply_is_refused(
    write_rows, base, tmp_path, monkeypatch, capsys, options, said
):
    monkeypatch.chdir(tmp_path)
    write_rows("in.jsonl", *(trace_to_row(judged(i)) for i in range(8)))
    given = {"--critic": "judge", "--base": str(base), "--out": "out", **dict([options])}
    words = [word for name, value in given.items() if value is not None for word in (name, value)]
    assert main(["train", "in.jsonl", *words]) in (1, 2)
    assert said in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_agree_with_and_features_are_of_one_kind_each(write_rows, tmp_path, capsys):
    file = str(write_rows("in.jsonl", trace_to_row(judged(0))))
    out = ("--out", str(tmp_path / "out"))
    assert main(["train", file, *out, "--agree-with", "human"]) == 2
    assert "--agree-with is about the verdicts that --critic learns" in capsys.readouterr().err
    assert main(["train", file, *out, "--critic", "judge", "--features"]) == 2
    assert "do not go together" in capsys.readouterr().err


@pytest.mark.slow
def test_a_killed_critic_goes_on(surefoot, surefoot_path, write_rows, base, critic_file, tmp_path):
    file = write_rows("in.jsonl", *(trace_to_row(judged(i)) for i in range(24)))
    command = ["train", file, "--critic", critic_file, "--base", base, "--batch-size", 4]
    command += ["--updates", 200, "--set", "loop.save_every=50", "--out"]
    assert main([*map(str, command), str(tmp_path / "whole")]) == 0
    run = subprocess.Popen(
        [surefoot_path, *map(str, command), str(tmp_path / "cut")],
        stderr=subprocess.PIPE,
        text=True,
    )
    with run:
        for line in run.stderr:
            if "update 100 of" in line:
                run.send_signal(signal.SIGKILL)
    assert run.returncode == -signal.SIGKILL
    assert not (tmp_path / "cut").exists()
    result = surefoot(*command, tmp_path / "cut")
    assert result.returncode == 0, result.stderr
    assert "update 50 of" not in result.stderr
    weights = [(tmp_path / name / "model.safetensors").read_bytes() for name in ("whole", "cut")]
    assert weights[0] == weights[1]
