"""`surefoot label outcome`: answers beside references, counted, with reasons."""

import json

import pytest

from surefoot.traces.rows import trace_to_row
from surefoot.traces.store import read_traces
from surefoot.traces.types import Trace


def rows():
    yield Trace("3 * 4?", ["It is 12."], answer="12", reference="12")
    yield Trace("Half?", ["It is 0.5."], answer="0.5", reference=r"\frac12", outcome=False)
    yield Trace("Expand.", [r"\boxed{x^2+2x+1}"], reference="(x+1)^2")
    yield Trace("3 * 4?", ["It is 13."], reference="12", outcome=True)
    yield Trace("A third?", ["It is 0.33."], reference="1/3")
    yield Trace("A third?", ["It is 0.35."])


@pytest.fixture
def file(write_rows):
    return write_rows("traces.jsonl", *map(trace_to_row, rows()))


def test_outcomes_are_set_and_counted(surefoot, file, tmp_path) -> None:
    out = tmp_path / "graded.jsonl"
    ran = surefoot("label", "outcome", file, "-o", out, "--workers", 1)
    assert ran.returncode == 0, ran.stderr
    assert "5 answers: 3 right (60.0%), 1 wrong (20.0%), 1 cannot tell (20.0%)" in ran.stdout
    assert "cannot tell 1: one number may be the other, rounded; give a tolerance" in ran.stdout
    assert "1 outcome said wrong, now right" in ran.stdout
    assert "1 outcome said right, now wrong" in ran.stdout
    assert "1 trace left as they were" in ran.stdout
    graded = list(read_traces(out))
    assert [one.outcome for one in graded] == [True, True, True, False, None, None]
    assert [one.id for one in graded] == [one.id for one in rows()]


def test_tolerance_and_json(surefoot, file, tmp_path) -> None:
    options = ("--json", "-o", tmp_path / "out.jsonl", "--tolerance", 0.02, "--no-algebra")
    ran = surefoot("label", "outcome", file, *options, "--workers", 1)
    found = json.loads(ran.stdout)
    assert (found["right"], found["wrong"], found["cannot_tell"]) == (3, 1, 1)
    assert found["causes"] == {"formulas were not compared": 1}
    assert found["not_graded"] == 1
    assert {"before": False, "now": True, "traces": 1} in found["changed"]


def test_a_killed_run_goes_on_to_the_same_bytes(surefoot, file, tmp_path) -> None:
    command = ("label", "outcome", file, "--no-algebra", "--workers", 1)
    whole, cut = tmp_path / "whole.jsonl", tmp_path / "cut.jsonl"
    for out in (whole, cut):
        assert surefoot(*command, "-o", out).returncode == 0
    cut.write_bytes(whole.read_bytes()[: len(whole.read_bytes()) // 2])
    ran = surefoot(*command, "-o", cut)
    assert ran.returncode == 0, ran.stderr
    assert "done by an earlier run" in ran.stdout
    assert cut.read_bytes() == whole.read_bytes()
    other = surefoot(*command, "-o", cut, "--tolerance", 0.1)
    assert other.returncode == 2
    assert "relative" in other.stderr


def test_a_function_of_the_user_compares(
    surefoot_path, surefoot, file, tmp_path, monkeypatch
) -> None:
    (tmp_path / "mine.py").write_text(
        "def longer(reference, answer):\n    return len(answer) > len(reference)\n",
        encoding="utf-8",
    )
    monkeypatch.chdir(tmp_path)
    ran = surefoot("label", "outcome", file, "--method", "mine:longer", "--json")
    found = json.loads(ran.stdout)
    assert (found["right"], found["wrong"]) == (2, 3)
    for method, said in (("mine:shorter", "shorter"), ("magic", "choose one of auto, text")):
        ran = surefoot("label", "outcome", file, "--method", method)
        assert ran.returncode == 2
        assert said in ran.stderr
        assert "Traceback" not in ran.stderr
