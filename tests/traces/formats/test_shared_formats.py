"""Every file of the public data folder is read whole and comes back equal."""

import gzip
import json

import pytest

from surefoot.traces.convert import JoinReport, convert, join_scores, read_any
from surefoot.traces.formats import FORMATS, LabelRule
from surefoot.traces.rows import trace_from_row, trace_to_row

ITEMS = {
    "agentrx_tau": 29,
    "bigbench_mistake": 900,
    "bon_gsm8k_32": 7232,
    "bon_math500_32": 8160,
    "game24": 5200,
    "gsm8k_example_solutions": 4180,
    "mr_ben": 2166,
    "mr_gsm8k_partial": 548,
    "parc": 663,
    "prm800k_phase1": 142,
    "prm800k_val2pct_dedup": 1339,
    "prmbench_originals": 594,
    "prmbench_train": 4761,
    "processbench_gsm8k_math": 1248,
    "rjudge_assebench": 564,
    "taubench_airline_gpt4o": 200,
    "verify_then_generate": 895,
    "who_and_when_algorithm": 84,
}


def rows(path):
    with gzip.open(path, "rt", encoding="utf-8") as file:
        yield from map(json.loads, file)


def refuse(error):
    raise AssertionError(f"no row may be skipped: {error}")


def test_the_list_above_is_the_folder(shared_data):
    found = {p.name.removesuffix(".jsonl.gz") for p in shared_data.glob("*.jsonl.gz")}
    assert {name for name in found if not name.startswith("scores_")} == set(ITEMS)


@pytest.mark.parametrize("name", ITEMS)
def test_no_row_is_skipped_and_every_row_comes_back(shared_data, name):
    path = shared_data / f"{name}.jsonl.gz"
    count = 0
    for trace, row in zip(read_any(path, on_skip=refuse), rows(path), strict=True):
        count += 1
        again = trace_from_row(json.loads(json.dumps(trace_to_row(trace))))
        assert again == trace
        written = FORMATS["flat"].write(again, LabelRule())
        assert written.lost == ()
        assert written.rows == (row,), row["id"]
    assert count == ITEMS[name]


def test_the_one_row_with_blank_steps_keeps_them_apart(shared_data):
    found = [
        trace
        for trace in read_any(shared_data / "prmbench_train.jsonl.gz")
        if "blank_steps" in trace.meta
    ]
    (trace,) = found
    assert trace.meta["id"] == "prmbench/confidence/prm_train_p1_303"
    assert [i for i, _, _ in trace.meta["blank_steps"]] == [1, 2, 4, 5, 7, 8]
    assert all(label == 1 for _, _, label in trace.meta["blank_steps"])


def test_processbench_keeps_first_errors_and_right_answers(shared_data, tmp_path):
    source = shared_data / "processbench_gsm8k_math.jsonl.gz"
    middle, back = tmp_path / "pb.jsonl.gz", tmp_path / "back.jsonl.gz"
    report = convert(source, middle, to="processbench")
    assert (report.read, report.written, report.skipped) == (1248, 1248, 0)
    assert set(report.lost) == {"source", "meta"}  # the set's name; domain and split
    report = convert(middle, back, to="flat")
    assert (report.written, report.lost) == (1248, {"label source": 1248})
    kept = ("id", "question", "steps", "labels", "first_error", "outcome", "generator")
    flawed = 0
    for was, is_now in zip(rows(source), rows(back), strict=True):
        assert {k: was[k] for k in kept} == {k: is_now[k] for k in kept}
        flawed += was["outcome"] is True and was["first_error"] != -1
    assert flawed == 91  # right answer, flawed chain: the count that the data's own notes state


@pytest.mark.parametrize(
    ("target", "written"),
    [("trl", 1339), ("prm800k", 1339), ("label-studio", 1339), ("processbench", 1339)],
)
def test_human_ratings_reach_other_formats(shared_data, tmp_path, target, written):
    source = shared_data / "prm800k_val2pct_dedup.jsonl.gz"
    report = convert(source, tmp_path / "o.jsonl", to=target)
    assert (report.written, report.skipped) == (written, 0)
    neutral = sum(0 in row["labels"] for row in rows(source))
    if target == "trl":
        assert report.lost["neutral labels"] == neutral
    if target in ("prm800k", "label-studio"):
        assert "neutral labels" not in report.lost
        for trace, row in zip(read_any(tmp_path / "o.jsonl"), rows(source), strict=True):
            assert list(trace.labels[0].values) == row["labels"]


@pytest.mark.parametrize("scores", ["math_shepherd", "qwen_prm", "internlm2_7b_reward"])
def test_cached_scores_fit_one_to_one(shared_data, scores):
    reports = []
    pool = read_any(shared_data / "bon_gsm8k_32.jsonl.gz")
    table = shared_data / f"scores_{scores}_gsm8k.jsonl.gz"
    traces = list(join_scores(pool, table, on_report=reports.append))
    assert reports == [
        JoinReport(joined=7232, missing=0, wrong_length=0, duplicate=0, extra=0, bad=0)
    ]
    assert traces[0].scores[0].model == f"{scores}_gsm8k"
    assert all(len(t.scores[0].values) == len(t.steps) for t in traces)
