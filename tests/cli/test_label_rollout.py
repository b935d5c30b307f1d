"""`surefoot label rollout`: what it writes, says and refuses, and how it goes on after an end."""

import json

import pytest

from abc_chains import abc_policy
from json_server import Reply, serve
from surefoot.cli import main
from surefoot.traces.store import TraceWriter, read_traces, write_traces
from surefoot.traces.types import Trace
from surefoot.worlds.last_digit import LastDigit

FIVE, SIX = "The answer is 5.", "The answer is 6."


@pytest.fixture
def folder(small_model, tmp_path):
    """A policy that ends with 5 twice as often as with 6."""
    abc_policy(small_model, five=2, six=1, end=3).save(tmp_path / "abc")
    return tmp_path / "abc"


@pytest.fixture
def file(tmp_path):
    """Seven traces on problems whose answer is 5."""
    problems = [one for one in LastDigit().problems(200, seed=0) if one.answer == "5"][:7]
    traces = [
        Trace(one.text, ["x", "y", SIX], reference="5", outcome=False, answer="6")
        for one in problems
    ]
    assert len(traces) == 7
    write_traces(tmp_path / "in.jsonl", traces)
    return tmp_path / "in.jsonl"


def run(capsys, *arguments):
    code = main(["label", "rollout", *map(str, arguments)])
    said = capsys.readouterr()
    return code, said.out, said.err


def rolled(capsys, file, folder, out, *further):
    code, said, err = run(
        capsys, file, "-p", folder, "--world", "last-digit", "-o", out, "--json", *further
    )
    assert code == 0, err
    return json.loads(said)


def test_counts_costs_and_labels(capsys, file, folder, tmp_path):
    told = rolled(capsys, file, folder, tmp_path / "out.jsonl", "--n", 40)
    assert (told["traces"], told["steps"], told["labelled_steps"]) == (7, 21, 21)
    assert told["rollouts"] == 7 * 2 * 40
    k = n = 0
    for trace in read_traces(tmp_path / "out.jsonl", strict=True):
        labels = trace.labels[-1]
        assert (labels.source, labels.scale, labels.annotator) == ("rollout", "value", "abc brute")
        assert labels.counts[2] == (0, 1)
        for pair in labels.counts[:2]:
            k, n = k + pair[0], n + pair[1]
    assert k / n == pytest.approx(2 / 3, abs=0.08)
    assert told["uncounted"] == {"no steps": 560 - n}
    assert told["spent"]["new_tokens"] == told["tokens"] > 0


@pytest.mark.parametrize("method", ["reuse", "sequential", "binary", "tree"])
def test_every_method_labels(capsys, file, folder, tmp_path, method):
    told = rolled(capsys, file, folder, tmp_path / "out.jsonl", "--method", method)
    assert told["labelled_steps"] > 7
    first = next(read_traces(tmp_path / "out.jsonl"))
    assert first.meta["rollout"]["method"] == method


class Killed(BaseException):
    pass


@pytest.mark.parametrize("further", [(), ("--budget", 120), ("--method", "sequential")])
def test_what_a_killed_run_left_is_gone_on_with(
    capsys, file, folder, tmp_path, monkeypatch, further
):
    rolled(capsys, file, folder, tmp_path / "whole.jsonl", *further)
    out, write, rows = tmp_path / "out.jsonl", TraceWriter.write, []

    def dies(writer, trace):
        if len(rows) == 3:
            raise Killed
        rows.append(trace)
        write(writer, trace)

    monkeypatch.setattr(TraceWriter, "write", dies)
    with pytest.raises(Killed):
        rolled(capsys, file, folder, out, *further)
    monkeypatch.undo()
    journal = tmp_path / "out.jsonl.rollouts.jsonl"
    assert journal.exists() == ("--budget" in further)
    told = rolled(capsys, file, folder, out, *further)
    assert told["resumed"] == 3
    assert out.read_bytes() == (tmp_path / "whole.jsonl").read_bytes()
    assert not journal.exists()
    if "--budget" in further:
        assert told["spent"]["new_tokens"] == 0, "nothing is drawn again"
    code, _, err = run(
        capsys, file, "-p", folder, "--world", "last-digit", "-o", out, "--n", 3, *further
    )
    assert code == 2
    assert "was begun with rule" in err


def test_a_budget_is_kept_over_all_traces(capsys, file, folder, tmp_path):
    told = rolled(capsys, file, folder, tmp_path / "out.jsonl", "--budget", 120)
    assert 120 <= told["spent"]["new_tokens"] < 140


def test_a_person_is_shown_counts(capsys, file, folder):
    code, said, err = run(capsys, file, "-p", folder, "--world", "last-digit", "--show", 1)
    assert code == 0, err
    assert "0 of 1  The answer is 6." in said
    assert "7 traces: 21 of 21 steps labelled by 112 rollouts" in said
    assert "rollouts with no steps" in said


@pytest.mark.slow
def test_answers_are_checked_without_a_world(capsys, folder, tmp_path):
    rows = [Trace("How many?", ["x", SIX], reference=one) for one in ("5", "6")]
    write_traces(tmp_path / "in.jsonl", rows)
    out = tmp_path / "out.jsonl"
    code, _, err = run(capsys, tmp_path / "in.jsonl", "-p", folder, "--n", 30, "-o", out)
    assert code == 0, err
    five, six = (trace.labels[0] for trace in read_traces(out))
    assert five.values[1] == 0.0
    assert six.values[1] == 1.0
    assert sum(six.counts[0]) > 0
    assert five.counts[0][0] + six.counts[0][0] == five.counts[0][1]


def test_traces_that_nobody_can_judge_are_written_and_told(capsys, folder, tmp_path):
    write_traces(tmp_path / "in.jsonl", [Trace("How many?", ["x", SIX])])
    out = tmp_path / "out.jsonl"
    code, _, err = run(
        capsys, tmp_path / "in.jsonl", "-p", folder, "--world", "last-digit", "-o", out
    )
    assert code == 1
    assert "no step of 1 trace has a label: no reference to compare with" in err
    assert next(read_traces(out)).labels[0].values == (None, None)


def test_a_server_that_fails_on_some_is_told(capsys, file, tmp_path):
    first = next(read_traces(file)).problem

    def answer(request):
        if request.body["prompt"].startswith(first):
            return Reply({"error": "broken"}, 400)
        choice = {"text": FIVE, "finish_reason": "stop"}
        return {"choices": [choice], "usage": {"prompt_tokens": 2, "completion_tokens": 3}}

    with serve(answer) as server:
        there = f"openai:{server.url}/v1#m"
        told = rolled(capsys, file, there, tmp_path / "out.jsonl", "--n", 2)
    assert told["labelled_steps"] == 1 + 6 * 3
    (cause,) = told["uncounted"]
    assert "status 400" in cause
    assert told["uncounted"][cause] == 4
    assert told["spent"] == {"prompt_tokens": 6 * 2 * 2 * 2, "new_tokens": 6 * 2 * 2 * 3}


@pytest.mark.parametrize(
    ("further", "reason"),
    [
        (("--world", "chess"), "no world 'chess'"),
        (("-p", "http://127.0.0.1:9/v1"), "not of the form openai:"),
        (("--chat",), "for a policy behind an address"),
        (("--budget", "9", "--method", "tree"), "leave out tree"),
        (("--high", "0"), "low is 0.0 and high 0.0"),
        (("--n", "0"), "is 0"),
    ],
)
def test_what_cannot_work_is_refused(capsys, file, folder, further, reason):
    given = further if "-p" in further else ("-p", folder, *further)
    code, _, err = run(capsys, file, *given)
    assert code == 2
    assert reason in err
