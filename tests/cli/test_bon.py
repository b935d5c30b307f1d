"""`surefoot eval bon`: pools, score files that do not fit, runs."""

import json
import random
from types import SimpleNamespace

import pytest

from pools_by_hand import candidate, two_problems
from surefoot.cli import main
from surefoot.evals.run import read_run
from surefoot.traces.rows import trace_to_row
from surefoot.traces.types import Trace


@pytest.fixture
def surefoot(capsys, monkeypatch):
    """Run a command in this process, which has imported what it needs."""

    def run(*arguments, **environment):
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        code = main([*map(str, arguments)])
        said = capsys.readouterr()
        return SimpleNamespace(returncode=code, stdout=said.out, stderr=said.err)

    return run


@pytest.fixture
def pool(write_rows):
    return write_rows("pool.jsonl", *[trace_to_row(one) for one in two_problems()])


@pytest.fixture
def bare_pool(write_rows):
    """The same candidates without scores."""
    rows = [{**trace_to_row(one), "scores": []} for one in two_problems()]
    return write_rows("bare.jsonl", *rows)


def score_rows():
    return [
        {
            "problem_id": one.meta["problem_id"],
            "candidate": one.meta["candidate"],
            "step_scores": list(one.scores[0].values),
        }
        for one in two_problems()
    ]


def found(result):
    assert result.returncode == 0, result.stderr
    return json.loads(result.stdout)


def at_the_end(told, method):
    return told["pools"][0]["methods"][method]["accuracy"][-1]["mean"]


def test_scores_that_the_traces_hold(surefoot, pool):
    told = found(surefoot("eval", "bon", pool, "--json"))
    assert told["kind"] == "bon"
    assert at_the_end(told, "prm:product_vote") == 1
    assert at_the_end(told, "majority") == 0.5
    assert told["pools"][0]["votes"]["weighted votes"]["4"] == "exact"
    assert told == found(surefoot("eval", "bon", pool, "--scores", "prm", "--json"))
    one = found(surefoot("eval", "bon", pool, "--aggregate", "product", "--json"))
    assert [each["method"] for each in one["verdicts"]] == ["prm:product", "prm:product_vote"]


def test_a_score_file_in_any_order_gives_the_same(surefoot, pool, bare_pool, write_rows):
    rows = score_rows()
    random.Random(3).shuffle(rows)
    file = write_rows("scores_prm.jsonl", *rows)
    held = found(surefoot("eval", "bon", pool, "--json"))["pools"][0]["methods"]
    told = found(surefoot("eval", "bon", bare_pool, "--scores", file, "--strict", "--json"))
    assert told["pools"][0]["methods"] == held
    assert told["files"][str(file)]["joined"] == 8
    named = surefoot("eval", "bon", bare_pool, "--scores", f"own={file}", "--json")
    assert found(named)["verdicts"][0]["method"] == "own:min"


def test_rows_that_do_not_fit_are_counted_and_told(surefoot, bare_pool, write_rows):
    rows = score_rows()
    rows[1]["step_scores"].append(0.5)  # other steps
    rows[2]["step_scores"][0] = 1.5  # out of range
    extra = {"problem_id": "z", "candidate": 0, "step_scores": [0.5]}
    file = write_rows("scores_prm.jsonl", *rows[:7], rows[0], extra)
    result = surefoot("eval", "bon", bare_pool, "--scores", file, "--json")
    assert "scores_prm.jsonl:3: field 'step_scores': score 0 is 1.5" in result.stderr
    told = found(result)
    counts = {name: num for name, num in told["files"][str(file)].items() if name != "models"}
    assert counts == {
        **{"joined": 5, "missing": 2, "wrong_length": 1},
        **{"duplicate": 1, "extra": 1, "bad": 1},
    }
    assert told["pools"][0]["num_candidates"] == 8
    assert told["pools"][0]["methods"]["prm:min"]["num_unscored"] == 3
    said = "\n".join(told["warnings"])
    assert "2 missing, 1 wrong length, 1 duplicate, 1 extra, 1 bad" in said
    assert "prm:min has no score for 3 of 8 candidates" in said


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (lambda rows: rows[1]["step_scores"].append(0.5), ":2: field 'step_scores': has 3 scores"),
        (lambda rows: rows[1].update(step_scores=[2, 0]), ":2: field 'step_scores': score 0 is 2"),
        (lambda rows: rows[1].update(candidate=0), ":2: field 'candidate': repeats line 1, with"),
        (lambda rows: rows[1].update(candidate="1"), ":2: field 'candidate': must be a whole"),
        (lambda rows: rows[1].update(problem_id="z"), ":2: field 'problem_id': no trace is"),
        (lambda rows: rows.pop(), "no row for candidate 3 of problem 'q' in bare"),
    ],
)
def test_strict_names_the_row_that_does_not_fit(surefoot, bare_pool, write_rows, spoil, says):
    rows = score_rows()
    spoil(rows)
    file = write_rows("scores_prm.jsonl", *rows)
    result = surefoot("eval", "bon", bare_pool, "--scores", file, "--strict")
    assert result.returncode in (1, 2)
    assert says in result.stderr, result.stderr


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--scores", "other"], "there is no such file, and the traces hold no such scores"),
        (["--num", "5"], "none of 2 problems can be measured (2: fewer than 5 candidates)"),
        (["--num", "0"], "the largest N must be at least 1"),
        (["--num-subsets", "0"], "at least 1 is needed"),
        (["--aggregate", "best"], "no aggregate 'best'"),
        (["--columns", "orm"], "meta.orm of trace"),
        (["--against", "prn:min"], "no method 'prn:min' on pool; there are majority, random"),
        (["--answer-column", "said"], "no candidate has an answer in meta.said"),
        (["--device", "cpu"], "mean nothing without --model"),
    ],
)
def test_what_cannot_be_done_is_said(surefoot, pool, arguments, says):
    result = surefoot("eval", "bon", pool, *arguments)
    assert result.returncode == 2, result.stderr
    assert says in result.stderr


def test_bad_pools_are_refused(surefoot, pool, bare_pool, write_rows, tmp_path):
    def says(file, *arguments):
        result = surefoot("eval", "bon", file, *arguments)
        assert result.returncode in (1, 2)
        return result.stderr

    (tmp_path / "empty.jsonl").write_text("")
    assert "empty.jsonl" in says(tmp_path / "empty.jsonl")
    unknown = [candidate("p", i, "1", None) for i in range(2)]
    file = write_rows("unknown.jsonl", *map(trace_to_row, unknown))
    assert "1: a candidate has neither an outcome nor a reference" in says(file)
    one, two = candidate("p", 0, "1", True), candidate("p", 0, "1", True, steps=3)
    assert "candidate 0 of problem 'p' is there twice" in says(
        write_rows("twice.jsonl", trace_to_row(one), trace_to_row(two))
    )
    three = Trace("Another?", ["a"], "1", outcome=True, meta={"problem_id": "p", "candidate": 1})
    assert "problem_id 'p' stands for two problems" in says(
        write_rows("mixed.jsonl", trace_to_row(one), trace_to_row(three))
    )
    other = write_rows("scores_x.jsonl", {"problem_id": "z", "candidate": 0, "step_scores": [1]})
    assert "no row fits a candidate" in says(pool, "--scores", other)
    held = write_rows("scores_prm.jsonl", *score_rows())
    assert "holds scores of prm already" in says(pool, "--scores", held)


def test_a_candidate_that_is_there_twice_counts_once(surefoot, write_rows):
    rows = [trace_to_row(one) for one in two_problems()]
    told = found(surefoot("eval", "bon", write_rows("pool.jsonl", *rows, rows[3]), "--json"))
    assert told["pools"][0]["num_candidates"] == 8
    assert told["prepared"]["repeated"] == 1


def test_missing_outcomes_are_graded_and_all_if_asked(surefoot, write_rows):
    answers = [("1/2", None), ("0.5", False), ("2", True), ("x + 1", None)]
    rows = [
        trace_to_row(candidate("p", i, answer, outcome, reference=r"\frac{1}{2}"))
        for i, (answer, outcome) in enumerate(answers)
    ]
    file = write_rows("pool.jsonl", *rows)
    told = found(surefoot("eval", "bon", file, "--no-algebra", "--json"))
    assert at_the_end(told, "random") == 0.5  # 1/2, and 2 as the pool says; 0.5 as it says not
    assert any("1 groups of equal answers hold" in one for one in told["warnings"])
    assert any("of 1 candidates it cannot be told" in one for one in told["warnings"])
    told = found(surefoot("eval", "bon", file, "--no-algebra", "--regrade", "--json"))
    assert at_the_end(told, "random") == at_the_end(told, "majority") - 0.5 == 0.5
    assert told["prepared"]["regraded"] == 2


def test_a_run_is_a_folder_that_is_gone_on_with(surefoot, pool, bare_pool, tmp_path):
    folder = tmp_path / "run"
    arguments = ("eval", "bon", bare_pool, "-m", "length", "--out", folder)
    first = surefoot(*arguments)
    assert first.returncode == 0, first.stderr
    run = read_run(folder)
    assert (run.config.kind, run.config.scorer) == ("bon", "length")
    assert len(run.traces()) == 8
    assert run.scores(run.traces())[0] is not None
    metrics, rows = ((folder / name).read_text() for name in ("metrics.json", "scores.jsonl"))
    (folder / "metrics.json").unlink()
    kept = rows.splitlines(keepends=True)
    (folder / "scores.jsonl").write_text("".join(kept[:3]) + kept[3][:20])  # killed
    assert surefoot(*arguments).returncode == 0
    assert (folder / "metrics.json").read_text() == metrics
    assert (folder / "scores.jsonl").read_text() == rows
    assert "prm:min" not in (folder / "report.html").read_text()
    assert "length:min" in (folder / "report.html").read_text()
    other = surefoot("eval", "bon", pool, "--out", folder)
    assert other.returncode == 2
    assert "holds another run" in other.stderr


def test_runs_of_two_scorers_are_compared_in_pairs(surefoot, pool, bare_pool, tmp_path):
    first, second = tmp_path / "first", tmp_path / "second"
    same = ("eval", "bon", "--resamples", 99, "--out")
    assert surefoot(*same, first, pool, "--aggregate", "product").returncode == 0
    assert surefoot(*same, second, bare_pool, "-m", "length").returncode == 0
    told = found(surefoot("report", first, second, "--json"))
    gaps = told["differences"]["length"]
    assert set(gaps) >= {"accuracy", "within"}
    ours, theirs = (read_run(one).metrics["rows"][0]["figures"] for one in (second, first))
    for figure in ("accuracy", "within"):
        mean = ours[figure]["mean"] - theirs[figure]["mean"]
        assert gaps[figure]["mean"] == pytest.approx(mean), figure
    third = tmp_path / "third"
    assert surefoot(*same, third, bare_pool, "-m", "length", "--num", 2).returncode == 0
    refused = surefoot("report", first, third)
    assert refused.returncode == 2
    assert "cannot be paired" in refused.stderr


def test_the_table_says_what_does_harm(surefoot, write_rows):
    rows = [
        trace_to_row(
            candidate(f"p{p}", i, "2" if i == 3 else "1", i != 3, [0.5, 0.9 if i == 3 else 0.1])
        )
        for p in range(20)
        for i in range(4)
    ]
    file = write_rows("pool.jsonl", *rows)
    result = surefoot("eval", "bon", file, "--aggregate", "last", COLUMNS="120")
    assert result.returncode == 0, result.stderr
    assert "prm:last DOES HARM: it loses to majority: -100.00 points" in result.stdout
    assert "majority: exact" in result.stdout
    assert "words parted by white space" in result.stdout
    assert "prm:mean" not in result.stdout
    every = surefoot("eval", "bon", file, "--all", COLUMNS="120").stdout
    assert "prm:mean_vote" in every


def test_two_pools_are_measured_apart(surefoot, pool, write_rows):
    other = [candidate("r", i, str(i), i == 0, [0.9 - 0.1 * i, 0.9]) for i in range(3)]
    second = write_rows("second.jsonl", *map(trace_to_row, other))
    told = found(surefoot("eval", "bon", pool, second, "--json"))
    assert [(one["name"], one["ns"]) for one in told["pools"]] == [
        ("pool", [1, 2, 4]),
        ("second", [1, 2, 3]),
    ]
    assert {"majority (pool)", "prm:min (second)"} <= set(told["curves"]["lines"])
