"""`surefoot eval search` through the installed command: a run, its folder, results there are."""

import json

import pytest

from abc_chains import abc_policy
from surefoot.traces.store import read_traces

METHODS = ("beam", "best-of-n", "vote", "majority", "likeliest", "one sample", "oracle")


@pytest.fixture
def policy(small_model, tmp_path):
    """A policy that ends with 5 twice as often as with 6, after any number of a."""
    abc_policy(small_model, a=3, five=2, six=1).save(tmp_path / "abc")
    return tmp_path / "abc"


@pytest.fixture
def problems(write_rows):
    rows = [{"problem": f"Problem {i}?", "reference": 5 + i % 2} for i in range(12)]
    return write_rows("problems.jsonl", *rows, {"problem": "No reference?"}, {"reference": "5"})


def told(result):
    assert result.returncode == 0, result.stderr
    return json.loads(result.stdout)


def points(metrics):
    return {
        (line["name"], one["n"]): {key: one[key] for key in ("accuracy", "policy tokens")}
        for line in metrics["matched"]["lines"]
        for one in line["points"]
    }


@pytest.mark.slow
def test_a_run_goes_on_and_its_results_are_measured_again(surefoot, policy, problems, tmp_path):
    run = tmp_path / "run"
    command = ("eval", "search", problems, "-p", policy, "-m", "length", "--methods", "beam")
    command += ("--ns", "1,4", "--resamples", "200", "--max-steps", "12", "--no-algebra")
    first = told(surefoot(*command, "--out", run, "--json"))
    assert (first["num_traces"], first["left_out"]) == (
        12,
        {"no reference to hold answers against": 1},
    )
    assert first["skipped"]["rows"] == 1
    assert {line["name"] for line in first["matched"]["lines"]} == set(METHODS)
    every = points(first)
    assert every["oracle", 4]["accuracy"]["mean"] >= every["majority", 4]["accuracy"]["mean"]
    assert (
        3
        < every["best-of-n", 4]["policy tokens"]["mean"]
        / every["best-of-n", 1]["policy tokens"]["mean"]
        < 5
    )
    assert any(one.startswith("beam at n = 4") for one in first["warnings"])
    assert "the parameters are not known" in first["matched"]["exchange_from"]

    page = (run / "report.html").read_text()
    assert 'id="tokens-' in page
    assert "beam, n = 4" in page
    assert len(list(read_traces(run / "scores.jsonl"))) == 13

    files = sorted((run / "results").iterdir())
    assert [one.name for one in files] == [
        *("beam.1.jsonl", "beam.4.jsonl", "best-of-n.1.jsonl", "best-of-n.4.jsonl"),
    ]
    for i, file in enumerate(files):
        whole = file.read_bytes()
        file.write_bytes(whole[: len(whole) * i // 4])
    again = told(surefoot(*command, "--out", run, "--json"))
    assert points(again) == every

    result = surefoot(*command, "--seed", "1", "--out", run)
    assert result.returncode != 0
    assert "holds another run" in result.stderr

    measured = told(
        surefoot(
            "eval", "search", "--results", *files, "--resamples", "200", "--no-algebra", "--json"
        )
    )
    assert points(measured) == every

    shown = surefoot("report", run, "--table", "latex")
    assert shown.returncode == 0, shown.stderr
    assert "beam, n = 4" in shown.stdout
    refused = surefoot("report", run, run)
    assert refused.returncode != 0
    assert "is a run of search" in refused.stderr

    with open(files[0], "rb") as file:
        rows = file.readlines()
    files[0].write_bytes(b"".join(rows[:-1]))
    refused = surefoot("eval", "search", "--results", *files, "--no-algebra")
    assert refused.returncode != 0
    assert "not over the same problems" in refused.stderr
    assert "No reference?" in refused.stderr


def test_problems_are_read_as_search_reads_them(surefoot, policy, write_rows):
    rows = [{"question": f"Problem {i}?", "answer": 5} for i in range(3)]
    files = write_rows("a.jsonl", *rows), write_rows("b.jsonl", rows[0], {"question": "More?"})
    command = ("eval", "search", *files, "-p", policy, "-m", "length", "--methods", "majority")
    result = surefoot(*command, "--ns", "1", "--resamples", "50", "--no-algebra", "--json")
    metrics = told(result)
    assert metrics["num_traces"] == 3
    assert metrics["left_out"] == {"no reference to hold answers against": 1}
    assert "1 problem left out that came again" in result.stderr


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (("problems", "-p", "x", "--ns", "1,few"), "give whole numbers"),
        (("problems", "-p", "x", "--methods", "bean"), "there is no method 'bean'"),
        (("problems", "-p", "x", "--world", "moon"), "there is no world 'moon'"),
        (("problems",), "--policy is missing"),
        ((), "give files of problems"),
        (("--results", "some.jsonl"), "beam:16=some.jsonl"),
        (("--results", "a.1.jsonl", "-p", "x"), "leave --policy and --model out"),
    ],
)
def test_what_cannot_work_is_refused(surefoot, problems, arguments, reason):
    given = [problems if one == "problems" else one for one in arguments]
    result = surefoot("eval", "search", *given, COLUMNS="200")
    assert result.returncode == 2
    assert reason in result.stderr
