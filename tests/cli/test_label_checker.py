"""`surefoot label checker`: labels, evidence, counts, what a person sees, and going on."""

import json

import pytest

from surefoot.cli import main
from surefoot.traces.rows import trace_to_row
from surefoot.traces.store import read_traces
from surefoot.traces.types import StepLabels, Trace

TRACES = [
    Trace("Solve 2x + 3 = 7.", ["2x + 3 = 7, so 2x = 4.", "Solving for x, we get x = 3.", "Done."]),
    Trace("Expand.", ["$y = (x+1)^2 = x^2 + 2x + 1$", "2 + 2 = 4", "Hm: 5 = x"]),
    Trace("?", ["So 91 is prime."], labels=[StepLabels((-1,), source="human")]),
]


@pytest.fixture
def file(write_rows):
    return write_rows("in.jsonl", *map(trace_to_row, TRACES))


def run(capsys, *words):
    code = main([*map(str, words)])
    shown, said = capsys.readouterr()
    return code, shown, said


def test_labels_with_their_evidence(capsys, file, tmp_path):
    out = tmp_path / "out.jsonl"
    code, shown, _ = run(capsys, "label", "checker", file, "--out", out, "--json")
    assert code == 0
    result = json.loads(shown)
    told = {key: result[key] for key in ("traces", "steps", "right", "wrong", "silent")}
    assert told == {"traces": 3, "steps": 7, "right": 2, "wrong": 2, "silent": 3}
    assert result["traces_with_errors"] == 2
    assert result["rules"] == {"derivation": 1, "whole numbers": 1}
    first, second, third = read_traces(out, strict=True)
    assert [one.labels[-1].values for one in (first, second, third)] == [
        (None, -1, None),
        (1, 1, None),
        (-1,),
    ]
    assert {(one.labels[-1].source, one.labels[-1].annotator) for one in (first, second)} == {
        ("checker", "check_trace")
    }
    assert third.labels[0] == TRACES[2].labels[0]
    account = first.meta["checker"]
    assert account["evidence"] == {
        "1": [
            {
                "text": "x = 3",
                "verdict": "fails",
                "rule": "derivation",
                "why": 'it does not follow from step 0: "2x = 4": '
                "x = 3 solves this one but not that one, where 6 is not 4",
            }
        ]
    }
    assert account["causes"]["2"] == "nothing to check"
    assert sum(result["causes"].values()) == 3


def test_the_first_ones_are_shown(capsys, file):
    code, shown, _ = run(capsys, "label", "checker", file, "--show", "1")
    assert code == 0
    assert "Solve 2x + 3 = 7." in shown
    assert "derivation: x = 3" in shown.replace("\n", " ")
    assert "Expand." not in shown
    assert "7 steps: 2 right, 2 wrong, 3 silent; 2 traces with an error" in shown
    assert "wrong by: derivation 1, whole numbers 1" in shown
    assert "silent: nothing to check (1)" in shown


def test_a_killed_run_goes_on(capsys, file, tmp_path):
    out = tmp_path / "out.jsonl"
    run(capsys, "label", "checker", file, "--out", out)
    whole = out.read_bytes()
    out.write_bytes(whole[: whole.index(b"\n") + 1 + 20])
    code, shown, _ = run(capsys, "label", "checker", file, "--out", out, "--json")
    assert code == 0
    assert out.read_bytes() == whole
    result = json.loads(shown)
    assert (result["resumed"], result["steps"], result["wrong"]) == (1, 7, 2)


def test_checking_again_changes_nothing(capsys, file, tmp_path):
    once, twice = tmp_path / "once.jsonl", tmp_path / "twice.jsonl"
    run(capsys, "label", "checker", file, "--out", once)
    code, shown, _ = run(capsys, "label", "checker", once, "--out", twice, "--json")
    assert code == 0
    assert twice.read_bytes() == once.read_bytes()
    assert json.loads(shown)["wrong"] == 2


def test_bad_rows_are_told(capsys, tmp_path, file):
    bad = tmp_path / "bad.jsonl"
    bad.write_text(file.read_text() + '{"problem": "?", "steps": []}\nno json\n')
    code, shown, said = run(capsys, "label", "checker", bad, "--json")
    assert code == 0
    result = json.loads(shown)
    assert (result["traces"], result["steps"]) == (3, 7)
    assert result["skipped"]["rows"] == 2
    code, _, said = run(capsys, "label", "checker", bad, "--strict")
    assert code == 1
    assert "bad.jsonl" in said
