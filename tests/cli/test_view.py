"""`surefoot view` through the installed command."""

import json

import pytest

from surefoot.traces.store import write_traces
from surefoot.traces.types import StepLabels, StepScores, Trace


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    """A found error, a missed one that convinces, and a right chain that is flagged."""

    def one(name, outcome, labels, values):
        return Trace(
            f"Problem {name}\x1b[31m",
            ["first", f"second {name}"],
            answer=name,
            reference="found",
            outcome=outcome,
            labels=(StepLabels(labels), StepLabels(labels, "judge")),
            scores=(StepScores(values, "prm"), StepScores((0.1, 0.1), "other")),
        )

    path = tmp_path_factory.mktemp("view") / "traces.jsonl"
    traces = [
        one("found", False, (1, -1), (0.9, 0.2)),
        one("missed", False, (1, -1), (0.9, 0.8)),
        one("flagged", True, (1, 1), (0.3, 0.9)),
    ]
    write_traces(path, traces)
    return path


def names(surefoot, *arguments):
    done = surefoot("view", *arguments, "--json")
    assert done.returncode == 0, done.stderr
    return [one["answer"] for one in json.loads(done.stdout)["traces"]]


def test_a_pipe_gets_plain_text_with_everything_side_by_side(surefoot, file):
    done = surefoot("view", file)
    assert done.returncode == 0, done.stderr
    assert "\x1b" not in done.stdout
    assert "Problem found\\x1b[31m" in done.stdout
    assert "answer missed: wrong; reference found" in done.stdout
    assert "prm: min 0.20, flags step 1 first" in done.stdout
    row = next(line for line in done.stdout.splitlines() if "second found" in line)
    assert row.split()[:7] == ["1", "✗", "wrong", "✗", "wrong", "0.20", "✗"]
    assert "◀ first error: human, judge, prm" in done.stdout


def test_filters_choose(surefoot, file):
    prm = ("--model", "prm")
    assert names(surefoot, file) == ["found", "missed", "flagged"]
    assert names(surefoot, file, "--wrong") == ["found", "missed"]
    assert names(surefoot, file, *prm, "--high-score-wrong-answer") == ["missed"]
    assert names(surefoot, file, *prm, "--first-error-missed") == ["missed"]
    assert names(surefoot, file, "--model", "other", "--first-error-missed") == []
    assert names(surefoot, file, "--source", "human", "--grep", "sec.*flag") == ["flagged"]
    assert names(surefoot, file, "--source", "rollout") == []


def test_columns_are_of_the_models_and_sources_asked_for(surefoot, file):
    done = surefoot("view", file, "--model", "prm", "--source", "judge")
    assert "other" not in done.stdout
    assert "human" not in done.stdout


def test_an_id_and_a_limit(surefoot, file):
    done = surefoot("view", file, "--json", "--limit", 1)
    found = json.loads(done.stdout)
    assert len(found["traces"]) == 1
    assert found["more"] is True
    assert names(surefoot, file, "--id", found["traces"][0]["id"][:8]) == ["found"]
    assert "there are more" in surefoot("view", file, "--limit", 1).stderr


def test_wrong_usage_is_said(surefoot, file):
    done = surefoot("view", file, "--grep", "(")
    assert done.returncode == 2
    assert "no regular expression" in done.stderr
    assert surefoot("view", file, "--limit", 0).returncode == 2
