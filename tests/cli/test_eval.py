"""`surefoot eval NAME` through the installed command: models, held scores, score files, runs."""

import json

import pytest

from surefoot.evals.benchmarks import BENCHMARKS
from surefoot.traces.store import read_traces


def labelled_rows(num=60):
    """Traces of ProcessBench's own form; an error is always a false equation."""
    rows = []
    for i in range(num):
        steps = [f"{i} + {j} = {i + j}." for j in range(4)]
        label = i % 4 if i % 2 else -1
        if label >= 0:
            steps[label] = f"{i} + {label} = {i + label + 1}."
        rows.append(
            {
                "id": f"toy-{i}",
                "problem": f"Add {i}.",
                "steps": steps,
                "final_answer_correct": label < 0,
                "label": label,
            }
        )
    return rows


@pytest.fixture
def labelled(write_rows):
    return write_rows("bench.jsonl", *labelled_rows())


def first_row(result):
    assert result.returncode == 0, result.stderr
    return json.loads(result.stdout)["rows"][0]


def test_the_list_says_what_each_measures(surefoot):
    listed = surefoot("eval", COLUMNS="250").stdout
    told = json.loads(surefoot("eval", "--json").stdout)["benchmarks"]
    assert [name for name in told if name in BENCHMARKS] == list(BENCHMARKS)
    assert told["processbench"]["reference"] == BENCHMARKS["processbench"].reference
    for name, one in told.items():
        assert f"\n{name} " in f"\n{listed}"
        assert one["measures"] in listed


def test_a_checker_that_is_always_right_has_f1_one(surefoot, labelled):
    result = surefoot("eval", "processbench", labelled, "-m", "arithmetic", "--json")
    assert result.returncode == 0, result.stderr
    told = json.loads(result.stdout)
    checker, *baselines = told["rows"]
    assert checker["name"] == "arithmetic"
    assert checker["figures"]["f1"] == {"mean": 1.0, "low": 1.0, "high": 1.0}
    assert (told["num_traces"], told["left_out"]) == (60, {})
    assert [one["name"] for one in baselines] == [
        *("random", "never flags", "flags the last step", "step length"),
    ]
    assert all(one["figures"]["f1"]["mean"] < 0.7 for one in baselines)
    assert told["leads"]["step length"]["f1"]["low"] > 0


def test_the_table_has_the_baselines_and_intervals(surefoot, labelled):
    result = surefoot("eval", "processbench", labelled, "-m", "arithmetic", COLUMNS="160")
    assert result.returncode == 0, result.stderr
    lines = result.stdout.splitlines()
    assert any("arithmetic" in line and "100.0 [100.0, 100.0]" in line for line in lines)
    for name in ("random", "never flags", "step length"):
        assert any(name in line for line in lines)
    narrow = surefoot("eval", "processbench", labelled, "-m", "arithmetic", COLUMNS="80").stdout
    assert "[100.0, 100.0]" in narrow
    assert max(map(len, narrow.splitlines())) <= 80


def test_scores_that_the_traces_hold_give_the_same_figures(surefoot, labelled, tmp_path):
    scored = tmp_path / "scored.jsonl"
    assert surefoot("score", labelled, "-m", "arithmetic", "-o", scored).returncode == 0
    now = surefoot("eval", "processbench", labelled, "-m", "arithmetic", "--json")
    held = surefoot("eval", "processbench", scored, "--scores", "arithmetic", "--json")
    of_file = surefoot("eval", "processbench", labelled, "--scores", scored, "--json")
    assert first_row(held) == first_row(now) == first_row(of_file)
    absent = surefoot("eval", "processbench", scored, "--scores", "other")
    assert absent.returncode == 2
    assert "it holds those of arithmetic" in absent.stderr


def test_a_threshold_replaces_the_models_own(surefoot, labelled):
    arguments = ("eval", "processbench", labelled, "-m", "arithmetic", "--json")
    row = first_row(surefoot(*arguments, "--threshold", "0"))
    assert row["thresholds"]["own"] == {"value": 0, "rule": "fixed at 0"}
    assert row["figures"]["f1"]["mean"] == 0, "nothing scores below 0, so no error is ever found"
    assert row["figures"]["f1_at_half"]["mean"] == 1


def test_the_seed_makes_it_repeatable(surefoot, labelled):
    arguments = ("eval", "processbench", labelled, "-m", "length", "--json", "--seed")
    first, again, other = (surefoot(*arguments, seed).stdout for seed in ("1", "1", "2"))
    assert first == again
    assert first != other


def test_unlabelled_traces_are_refused(surefoot, write_rows):
    file = write_rows("in.jsonl", {"surefoot": 1, "problem": "p", "steps": ["s"]})
    result = surefoot("eval", "processbench", file, "-m", "length")
    assert result.returncode == 2
    assert "1: its labels do not settle where the first error is" in result.stderr


# Runs in folders


def test_a_run_is_a_folder_from_which_it_is_measured_again(surefoot, labelled, tmp_path):
    out = tmp_path / "new" / "run"
    result = surefoot("eval", "processbench", labelled, "-m", "length", "--json", "--out", out)
    assert result.returncode == 0, result.stderr
    names = ["config.json", "metrics.json", "report.html", "scores.jsonl"]
    assert sorted(path.name for path in out.iterdir()) == names
    metrics = json.loads((out / "metrics.json").read_text())
    assert metrics.items() <= json.loads(result.stdout).items()
    config = json.loads((out / "config.json").read_text())
    assert (config["kind"], config["scorer"]) == ("processbench", "length")
    traces = list(read_traces(out / "scores.jsonl", strict=True))
    assert [len(trace.scores) for trace in traces] == [1] * 60
    again = surefoot("eval", "processbench", out / "scores.jsonl", "--scores", "length", "--json")
    assert first_row(again) == metrics["rows"][0]


def test_a_killed_run_goes_on_and_ends_with_the_same_bytes(surefoot, labelled, tmp_path):
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    arguments = ("eval", "processbench", labelled, "-m", "length", "--out")
    assert surefoot(*arguments, whole).returncode == 0
    assert surefoot(*arguments, cut).returncode == 0
    text = (cut / "scores.jsonl").read_bytes()
    kept = text.splitlines(keepends=True)[:7]
    (cut / "scores.jsonl").write_bytes(b"".join(kept) + b'{"half')
    (cut / "metrics.json").unlink()
    result = surefoot(*arguments, cut)
    assert result.returncode == 0, result.stderr
    assert "half written" in result.stderr
    for name in ("scores.jsonl", "metrics.json"):
        assert (cut / name).read_bytes() == (whole / name).read_bytes()


def test_finished_rows_are_not_scored_again(surefoot, labelled, tmp_path):
    """A row of the killed run is kept as it is: here it says what the model would not."""
    out = tmp_path / "run"
    arguments = ("eval", "processbench", labelled, "-m", "length", "--out", out)
    assert surefoot(*arguments).returncode == 0
    rows = [json.loads(line) for line in (out / "scores.jsonl").read_text().splitlines()]
    rows[0]["scores"][0]["values"] = [0.125] * 4
    (out / "scores.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows[:5]))
    (out / "metrics.json").unlink()
    assert surefoot(*arguments).returncode == 0
    first = next(iter(read_traces(out / "scores.jsonl")))
    assert first.scores[0].values == (0.125,) * 4
    assert surefoot(*arguments, "--no-resume").returncode == 0
    assert next(iter(read_traces(out / "scores.jsonl"))).scores[0].values != (0.125,) * 4


def test_a_folder_of_another_run_is_not_overwritten(surefoot, labelled, tmp_path):
    out = tmp_path / "run"
    arguments = ("eval", "processbench", labelled, "--out", out)
    assert surefoot(*arguments, "-m", "length").returncode == 0
    other = surefoot(*arguments, "-m", "random")
    assert other.returncode == 2
    assert "holds another run: its scorer" in other.stderr
    assert json.loads((out / "config.json").read_text())["scorer"] == "length"


def test_scores_of_other_models_do_not_enter_a_run(surefoot, labelled, tmp_path):
    """Old scores of the very same name among them."""
    scored, stale = tmp_path / "scored.jsonl", tmp_path / "stale.jsonl"
    assert surefoot("score", labelled, "-m", "length", "-o", scored).returncode == 0
    rows = [json.loads(line) for line in scored.read_text().splitlines()]
    for row in rows:
        row["scores"][0]["values"] = [0.0] * 4
    stale.write_text("".join(json.dumps(row) + "\n" for row in rows))
    out = tmp_path / "run"
    fresh = surefoot("eval", "processbench", stale, "-m", "length", "--json", "-o", out)
    plain = surefoot("eval", "processbench", labelled, "-m", "length", "--json")
    assert first_row(fresh) == first_row(plain)
    again = surefoot("eval", "processbench", out / "scores.jsonl", "--scores", "length", "--json")
    assert first_row(again) == first_row(plain)


# Score files

HUMAN = {"source": "human", "scale": "rating"}


def pooled(num=12):
    """Labelled candidates of a pool, and their score rows: the error scores 0.1."""
    traces, scores = [], []
    for i in range(num):
        wrong = i % 2 == 1
        traces.append(
            {
                "surefoot": 1,
                "problem": f"p{i // 4}",
                "steps": [f"a{i}", f"b{i}"],
                "labels": [{**HUMAN, "values": [1, -1 if wrong else 1]}],
                "meta": {"problem_id": f"p{i // 4}", "candidate": i % 4},
            }
        )
        scores.append(
            {
                "problem_id": f"p{i // 4}",
                "candidate": i % 4,
                "step_scores": [0.9, 0.1 if wrong else 0.8],
            }
        )
    return traces, scores


def of_pool(surefoot, write_rows, traces, scores, *more):
    files = write_rows("pool.jsonl", *traces), write_rows("scores_prm.jsonl", *scores)
    return surefoot("eval", "processbench", files[0], "--scores", files[1], "--json", *more)


def test_the_order_of_score_rows_does_not_matter(surefoot, write_rows):
    traces, scores = pooled()
    result = of_pool(surefoot, write_rows, traces, scores[::-1])
    row = first_row(result)
    assert row["name"] == "prm"
    assert row["figures"]["f1"]["mean"] == 1
    rows = json.loads(result.stdout)["score_rows"]
    assert rows.pop("joined") == 12
    assert set(rows.values()) == {0}


def test_what_does_not_fit_is_counted_and_is_wrong_not_left_out(surefoot, write_rows):
    traces, scores = pooled()
    broken = [
        *scores[1:],  # the first is missing
        {**scores[2], "problem_id": "p9"},  # extra
        scores[3],  # a duplicate that says the same
    ]
    broken[0] = {**broken[0], "step_scores": [0.9]}  # of another length
    broken.append({**scores[5], "step_scores": "none"})  # bad
    result = of_pool(surefoot, write_rows, traces, broken)
    told = json.loads(result.stdout)
    assert told["score_rows"].pop("joined") == 10
    assert set(told["score_rows"].values()) == {1}, told["score_rows"]
    assert told["num_traces"] == 12
    # One of 6 right solutions and one of 6 wrong ones are lost.
    assert told["rows"][0]["figures"]["acc_correct"]["mean"] == pytest.approx(5 / 6)
    assert told["rows"][0]["figures"]["acc_error"]["mean"] == pytest.approx(5 / 6)
    assert "scores_prm.jsonl:1" in result.stderr
    assert "1 scores for the 2 steps of candidate 1 of problem 'p0'" in result.stderr
    strict = of_pool(surefoot, write_rows, traces, [*scores[:-1], scores[0]], "--strict")
    assert strict.returncode == 1
    assert "scores_prm.jsonl:12" in strict.stderr
    assert "repeats line 1" in strict.stderr


def test_a_score_file_of_other_traces_is_refused(surefoot, write_rows):
    traces, scores = pooled()
    result = of_pool(
        surefoot,
        write_rows,
        traces,
        [{**one, "problem_id": f"other-{one['problem_id']}"} for one in scores],
    )
    assert result.returncode == 2
    assert "no row fits a trace" in result.stderr
    assert "12 extra" in result.stderr


def test_rows_by_trace_id_and_of_any_kind(surefoot, write_rows, tmp_path):
    traces, scores = pooled()
    copy = tmp_path / "copy.jsonl"
    pool = write_rows("pool.jsonl", *traces)
    assert surefoot("score", pool, "-m", "length", "-o", copy).returncode == 0
    ids = [trace.id for trace in read_traces(copy)]
    rows = [
        {"id": one, "step_scores": [v * 10 - 5 for v in row["step_scores"]]}
        for one, row in zip(ids, scores, strict=True)
    ]
    kind = ("--score-kind", "reward", "--threshold", "0")
    row = first_row(of_pool(surefoot, write_rows, traces, rows, *kind))
    assert row["figures"]["f1"]["mean"] == 1
    assert "f1_at_half" not in row["figures"], "0.5 means nothing to a reward"
    refused = of_pool(surefoot, write_rows, traces, rows)
    assert refused.returncode == 2
    assert "a probability must lie in [0, 1]" in refused.stderr


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ((), "--model"),
        (("-m", "length", "--scores", "x"), "either --model"),
        (("--scores", "x", "--device", "cpu"), "mean nothing to --scores"),
        (("--scores", "absent.jsonl"), "there is no file 'absent.jsonl'"),
        (("-m", "length", "--development", "1"), "between 0 and 1"),
    ],
)
def test_wrong_usage(surefoot, labelled, arguments, says):
    result = surefoot("eval", "processbench", labelled, *arguments)
    assert result.returncode == 2
    assert says in result.stderr
