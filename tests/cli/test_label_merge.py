"""`surefoot label merge` through the installed command."""

import json

import pytest

from surefoot.traces.store import read_traces


def row(i, *labels, **more):
    steps = [f"{i} + {j} = {i + j}." for j in range(3)]
    sets = [{"source": s, "scale": "rating", "values": v} for s, v in labels]
    return {"surefoot": 1, "problem": f"Add {i}.", "steps": steps, "labels": sets, **more}


@pytest.fixture
def files(write_rows):
    """Judges and checkers of the same traces, in two files and in another order."""
    judged = [row(i, ("judge", [1, 1, -1] if i % 2 else [1, 1, 1])) for i in range(6)]
    checked = [row(i, ("checker", [1, 1, -1] if i < 3 else [1, 1, None])) for i in range(5, -1, -1)]
    return write_rows("judge.jsonl", *judged), write_rows("checker.jsonl", *checked)


def test_files_are_joined_by_trace_and_the_parts_stay(surefoot, files, tmp_path):
    out = tmp_path / "out.jsonl"
    result = surefoot("label", "merge", *files, "-o", out, "--json")
    assert result.returncode == 0, result.stderr
    told = json.loads(result.stdout)
    assert told["joined"]["rows"] == 12
    assert (told["traces"], told["labelled_traces"]) == (6, 6)
    assert told["sources"] == {"judge": 6, "checker": 6}
    traces = list(read_traces(out))
    assert [t.problem for t in traces] == [f"Add {i}." for i in range(6)]
    assert [one.source for one in traces[1].labels] == ["judge", "checker", "other"]
    assert [t.labels[2].values[2] for t in traces] == [None, -1, None, None, None, None]
    assert traces[1].labels[2].counts == ((2, 2), (2, 2), (0, 2))
    assert told["causes"] == {"a tie": 2, "1 of 2 votes": 3}


def test_rows_of_one_trace_in_one_file_and_stdin(surefoot, files, tmp_path):
    both = files[0].read_text() + files[1].read_text()
    out = tmp_path / "out.jsonl"
    assert surefoot("label", "merge", *files, "-o", out).returncode == 0
    doubled = tmp_path / "doubled.jsonl"
    doubled.write_text(both)
    for arguments, stdin in (([doubled], None), (["-"], both)):
        result = surefoot("label", "merge", *arguments, "-o", "-", stdin=stdin)
        assert result.returncode == 0, result.stderr
        assert result.stdout == out.read_text()
        assert "12 rows joined to 6 traces" in result.stderr


def test_agreement_leaves_out_and_says_so(surefoot, files, tmp_path):
    out = tmp_path / "out.jsonl"
    command = ["label", "merge", *files, "--rule", "agreement", "-s", "judge", "-s", "checker"]
    result = surefoot(*command, "-o", out)
    assert result.returncode == 0, result.stderr
    traces = list(read_traces(out))
    assert [len(t.labels) for t in traces] == [2, 3, 2, 2, 2, 2]
    causes = [next(iter(t.meta["merge"].values()))["causes"].get("trace") for t in traces]
    assert causes[0] == "judge: no error; checker: step 2"
    assert causes[3] == "judge: step 2; checker: not settled"
    assert "1 trace of 6 labelled" in result.stdout
    assert "silent: first errors differ (2)" in result.stdout
    by_step = surefoot(*command, "--keep", "step", "--json")
    assert json.loads(by_step.stdout)["labelled_steps"] == 3 + 5 * 2


def test_dawid_skene_shows_how_reliable_each_source_is(surefoot, write_rows, tmp_path):
    rows = []
    for i in range(300):
        truth = -1 if i % 3 == 0 else 1
        said = {
            "judge": -truth if i % 10 == 1 else truth,
            "checker": -truth if i % 11 == 2 else truth,
            "rollout": -truth if i % 4 == 3 else truth,
        }
        rows.append(row(i, *((s, [1, 1, v]) for s, v in said.items())))
    file, out = write_rows("in.jsonl", *rows), tmp_path / "out.jsonl"
    result = surefoot("label", "merge", file, "--rule", "dawid-skene", "-o", out)
    assert result.returncode == 0, result.stderr
    assert "Reliability by Dawid-Skene" in result.stdout
    assert all(name in result.stdout for name in ("judge", "checker", "rollout"))
    labels = [t.labels[-1] for t in read_traces(out)]
    assert all(one.scale == "value" for one in labels)
    right = [one.values[2] >= 0.5 for one in labels]
    assert sum(a == (i % 3 != 0) for i, a in enumerate(right)) > 270


def test_without_out_traces_are_shown_with_every_source(surefoot, files):
    result = surefoot("label", "merge", *files, COLUMNS="120")
    assert result.returncode == 0, result.stderr
    assert "judge" in result.stdout
    assert "wrong 0/2" in result.stdout


def test_rows_that_contradict_each_other_are_told(surefoot, write_rows):
    first = write_rows("a.jsonl", row(0, ("judge", [1, 1, 1]), outcome=True))
    second = write_rows("b.jsonl", row(0, ("checker", [1, 1, 1]), outcome=False), "no row")
    result = surefoot("label", "merge", first, second, "--json")
    assert result.returncode == 0, result.stderr
    told = json.loads(result.stdout)["joined"]
    assert told["differing"] == {"outcome": 1}
    assert told["skipped"]["rows"] == 1
    assert "its rows differ in outcome" in result.stderr
    assert "b.jsonl:2" in result.stderr


def test_what_cannot_be_is_refused_before_a_file_is_touched(surefoot, files, write_rows, tmp_path):
    out = tmp_path / "out.jsonl"
    out.write_text("before")
    unlabelled = write_rows("none.jsonl", row(0))
    for arguments, code, said in (
        ([*files, "--ties", "wrong", "--rule", "agreement"], 2, "--ties means nothing"),
        ([*files, "--rule", "agreement", "-s", "judge"], 2, "two sources"),
        ([*files, "-s", "human"], 1, "none of 6 traces has labels of the sources"),
        ([unlabelled], 1, "none of 1 trace has labels"),
        ([*files, "--rule", "dawid-skene", "-s", "human"], 2, "no step has a vote"),
    ):
        result = surefoot("label", "merge", *arguments, "-o", out)
        assert result.returncode == code, result.stderr
        assert said in result.stderr
        assert "Traceback" not in result.stderr
        assert out.read_text() == "before"
