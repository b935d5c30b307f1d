"""Whole files: read whatever they are, convert them, join scores, and count what did not fit."""

import gzip
import json
import os
import threading

import pytest

from surefoot.errors import FormatError, RowError, StorageError, UsageError
from surefoot.traces.convert import JoinReport, convert, join_scores, read_any
from surefoot.traces.formats import FORMATS
from surefoot.traces.types import StepLabels, Trace

FLAT = {
    "id": "1",
    "source": "s",
    "domain": None,
    "question": "How many?",
    "steps": ["a", "b", "c"],
    "labels": [1, -1, None],
    "first_error": 1,
    "outcome": False,
    "answer": None,
    "generator": None,
    "split": None,
    "meta": {"problem_id": "p", "candidate": 0},
}


def save(path, rows):
    text = "".join((r if isinstance(r, str) else json.dumps(r)) + "\n" for r in rows)
    if path.name.endswith(".gz"):
        path.write_bytes(gzip.compress(text.encode()))
    else:
        path.write_text(text, encoding="utf-8")
    return path


def load(path):
    data = path.read_bytes()
    text = (gzip.decompress(data) if path.suffix == ".gz" else data).decode()
    return (
        json.loads(text) if path.suffix == ".json" else [json.loads(x) for x in text.splitlines()]
    )


def candidate(i, **more):
    return {**FLAT, "id": str(i), "meta": {"problem_id": "p", "candidate": i}, **more}


def test_the_first_known_record_sets_the_format_and_others_are_counted(tmp_path):
    trl = {"prompt": "Q", "completions": ["a"], "labels": [True]}
    path = save(tmp_path / "a.jsonl", ["{broken", {"x": 1}, FLAT, trl, "[1]", candidate(1)])
    skipped = []
    traces = list(read_any(path, on_skip=skipped.append))
    assert [t.meta["id"] for t in traces] == ["1", "1"]
    assert [(e.path, e.line) for e in skipped] == [(str(path), n) for n in (1, 2, 4, 5)]
    assert "flat" in skipped[2].reason
    assert "prompt" in skipped[2].reason
    with pytest.raises(RowError) as caught:
        list(read_any(path, strict=True))
    assert caught.value.line == 1


def test_a_bad_field_is_named_with_its_line(tmp_path):
    path = save(tmp_path / "a.jsonl", [FLAT, {**FLAT, "labels": [1]}])
    skipped = []
    assert len(list(read_any(path, on_skip=skipped.append))) == 1
    assert (skipped[0].line, skipped[0].field) == (2, "labels")
    with pytest.warns(UserWarning, match="labels"):
        list(read_any(path))


def test_files_of_no_format_say_what_they_hold(tmp_path):
    unknown = save(tmp_path / "a.jsonl", [{"x": 1}] * 3)
    with pytest.raises(FormatError, match=r"a\.jsonl:1.* x .*processbench"):
        list(read_any(unknown))
    scores = {"problem_id": "p", "candidate": 0, "step_scores": [0.5]}
    with pytest.raises(FormatError, match="--scores"):
        list(read_any(save(tmp_path / "s.jsonl", [scores])))
    with pytest.raises(UsageError, match="math-shepherd"):
        read_any(unknown, "shepherd")
    with pytest.raises(StorageError):
        read_any(tmp_path / "missing.jsonl")


def test_a_named_format_is_taken_as_given(tmp_path):
    path = save(tmp_path / "a.jsonl", [FLAT])
    skipped = []
    assert list(read_any(path, "trl", on_skip=skipped.append)) == []
    assert "TRL" in skipped[0].reason


@pytest.mark.parametrize("name", ["out.jsonl", "out.jsonl.gz", "out.json"])
def test_lines_gzip_and_lists_are_written_and_read(tmp_path, name):
    source = save(tmp_path / "a.jsonl.gz", [FLAT, candidate(1)])
    out = tmp_path / name
    report = convert(source, out, to="processbench")
    assert (report.read, report.written, report.skipped) == (2, 2, 0)
    assert report.formats == {"flat": 2}
    assert [row["label"] for row in load(out)] == [1, 1]
    assert [t.labels[0].values for t in read_any(out)] == [(1, -1, None)] * 2
    assert list(tmp_path.glob(".*")) == []


@pytest.mark.parametrize(
    ("to", "name"),
    [
        *(("trl", f"o{ending}") for ending in (".jsonl", ".jsonl.gz", ".json")),
        *(("surefoot", f"o{ending}") for ending in (".jsonl", ".jsonl.gz", ".parquet")),
    ],
)
def test_where_no_row_can_be_written_the_target_stays(tmp_path, name, to):
    bad = {"labels": [None] * 3, "first_error": None} if to == "trl" else {"labels": [1]}
    source = save(tmp_path / "a.jsonl", [{**FLAT, **bad}])
    for before in (None, b"before"):
        if before:
            (tmp_path / name).write_bytes(before)
        report = convert(source, tmp_path / name, to=to)
        assert (report.written, report.skipped) == (0, 1)
        assert report.skips[0].line == 1
        assert "labels" in str(report.skips[0])
        files = sorted(one.name for one in tmp_path.iterdir())
        assert files == (["a.jsonl", name] if before else ["a.jsonl"])
        assert not before or (tmp_path / name).read_bytes() == before


def test_losses_are_counted_over_rows(tmp_path):
    source = save(tmp_path / "a.jsonl", [FLAT, candidate(1, labels=[0, 1, 1], first_error=-1)])
    report = convert(source, tmp_path / "o.jsonl", to="trl", neutral=False)
    assert report.lost == {
        "meta": 2,
        "neutral labels": 1,
        "outcome": 2,
        "source": 2,
        "steps after the last label": 1,
    }
    assert load(tmp_path / "o.jsonl")[1]["labels"] == [False, True, True]
    assert json.loads(json.dumps(report.to_json()))["lost"]["meta"] == 2


def test_strict_stops_and_leaves_what_was_there(tmp_path):
    source = save(tmp_path / "a.jsonl", [FLAT, {**FLAT, "labels": [None] * 3, "first_error": None}])
    out = tmp_path / "o.jsonl"
    out.write_text("before")
    with pytest.raises(RowError) as caught:
        convert(source, out, to="trl", strict=True)
    assert caught.value.line == 2
    assert out.read_text() == "before"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.jsonl", "o.jsonl"]


def test_targets_that_cannot_be(tmp_path):
    source = save(tmp_path / "a.jsonl", [FLAT])
    with pytest.raises(UsageError, match="there is no trace format"):
        convert(source, tmp_path / "o.jsonl", to="trI")
    with pytest.raises(UsageError, match="Parquet"):
        convert(source, tmp_path / "o.parquet", to="trl")
    with pytest.raises(StorageError, match="no folder"):
        convert(source, tmp_path / "no" / "o.jsonl", to="trl")
    with pytest.raises(FormatError):
        convert(source, tmp_path / "o.txt", to="trl")


@pytest.mark.parametrize("ending", [".jsonl", ".parquet"])
def test_surefoot_rows_keep_everything(tmp_path, ending):
    source = save(tmp_path / "a.jsonl", [FLAT, candidate(1)])
    rows = tmp_path / f"rows{ending}"
    assert convert(source, rows, to="surefoot").lost == {}
    convert(rows, tmp_path / "back.jsonl", to="flat")
    assert load(tmp_path / "back.jsonl") == [FLAT, candidate(1)]


def test_records_of_several_traces_come_back_as_one(tmp_path):
    def tree(i):
        children = [{"text": t, "mc_value": 0.5, "children": []} for t in ("a", "b")]
        return {
            "question": f"Q{i}",
            "final_answer": "1",
            "reasoning_steps": {"text": f"Q{i}", "mc_value": 1.0, "children": children},
        }

    source = save(tmp_path / "a.jsonl", [tree(1), tree(2)])
    rows, back = tmp_path / "rows.jsonl", tmp_path / "back.jsonl"
    report = convert(source, rows, to="surefoot")
    assert (report.read, report.written) == (4, 4)
    report = convert(rows, back, to="math-aps")
    assert (report.read, report.written, report.lost) == (4, 2, {})
    assert load(back) == [tree(1), tree(2)]


def test_one_unwritable_trace_does_not_cost_the_others_of_its_record(tmp_path):
    own = {"prmbench": {"version": "original", "record": "r"}}
    rows = [
        Trace("Q", ["a"], source="prmbench", meta=own),
        Trace(
            "Q",
            ["b"],
            source="prmbench",
            labels=[StepLabels((-1,), source="other")],
            meta={"prmbench": {"version": "modified", "record": "r"}},
        ),
    ]
    source = save(tmp_path / "a.jsonl", [FORMATS["surefoot"].write(t, None).rows[0] for t in rows])
    report = convert(source, tmp_path / "o.jsonl", to="prmbench")
    assert (report.written, report.skipped) == (1, 1)
    assert load(tmp_path / "o.jsonl")[0]["modified_process"] == ["b"]


def test_scores_are_joined_or_counted_never_guessed(tmp_path):
    def scored(i, values):
        return {"problem_id": "p", "candidate": i, "step_scores": values}

    table = save(
        tmp_path / "scores_model_x.jsonl",
        [
            scored(0, [0.1, 0.2, 0.3]),
            scored(1, [0.1]),
            scored(2, [0.5, 0.5, 0.5]),
            scored(2, [0.5, 0.5, 0.6]),
            scored(3, [1, None, 0]),
            scored(3, [1, None, 0]),
            scored(9, [0.5]),
            scored(7, [1.5]),
            {"problem_id": "p", "step_scores": [1]},
        ],
    )
    source = save(tmp_path / "a.jsonl", [candidate(i) for i in range(5)])
    reports = []
    with pytest.warns(UserWarning, match="candidate"), pytest.warns(match="step_scores"):
        traces = list(join_scores(read_any(source), table, on_report=reports.append))
    assert [len(t.scores) for t in traces] == [1, 0, 0, 1, 0]
    assert traces[0].scores[0].values == (0.1, 0.2, 0.3)
    assert traces[0].scores[0].model == "model_x"
    assert traces[3].scores[0].values == (1, None, 0)
    expected = JoinReport(joined=2, missing=2, wrong_length=1, duplicate=2, extra=1, bad=2)
    assert reports == [expected]
    report = convert(source, tmp_path / "o.jsonl", to="surefoot", scores=table, score_model="M")
    assert [(e.line, e.field) for e in report.skips] == [(8, "step_scores"), (9, "candidate")]
    assert report.scores == expected
    assert [s.model for t in read_any(tmp_path / "o.jsonl") for s in t.scores] == ["M", "M"]


def test_standard_output_holds_the_rows(tmp_path, capfdbinary):
    source = save(tmp_path / "a.jsonl", [FLAT])
    convert([source], "-", to="trl")
    out = capfdbinary.readouterr().out
    assert json.loads(out)["completions"] == ["a", "b"]


def test_foreign_parquet_is_read(tmp_path):
    """Data sets on a hub are Parquet: lists, booleans and numbers as columns."""
    pa = pytest.importorskip("pyarrow")
    pq = pytest.importorskip("pyarrow.parquet")
    rows = [{"prompt": "Q", "completions": ["a", "b"], "labels": [True, False]}] * 3
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "train.parquet")
    convert(tmp_path / "train.parquet", tmp_path / "o.jsonl", to="trl")
    assert load(tmp_path / "o.jsonl") == rows


def test_a_pipe_is_written_to_and_not_replaced(tmp_path):
    source = save(tmp_path / "a.jsonl", [FLAT])
    pipe = tmp_path / "pipe.jsonl"
    os.mkfifo(pipe)
    got = []
    reader = threading.Thread(target=lambda: got.append(pipe.read_bytes()))
    reader.start()
    convert(source, pipe, to="trl")
    reader.join(timeout=10)
    assert json.loads(got[0])["prompt"] == "How many?"
    assert not pipe.is_file()


def test_a_folder_is_no_target(tmp_path):
    (tmp_path / "x.jsonl").mkdir()
    with pytest.raises(StorageError, match="folder"):
        convert(save(tmp_path / "a.jsonl", [FLAT]), tmp_path / "x.jsonl", to="trl")


def test_a_file_may_be_converted_onto_itself(tmp_path):
    source = save(tmp_path / "a.jsonl", [FLAT, candidate(1)])
    convert(source, source, to="processbench")
    assert [row["label"] for row in load(source)] == [1, 1]


def test_a_file_cut_short_keeps_its_good_rows(tmp_path):
    whole = save(tmp_path / "a.jsonl.gz", [candidate(i) for i in range(500)])
    whole.write_bytes(whole.read_bytes()[:-40])
    report = convert(whole, tmp_path / "o.jsonl", to="trl")
    assert 0 < report.written < 500
    assert report.skipped == 1
    assert "cut short" in report.skips[0].reason
    with pytest.raises(StorageError, match="cut short"):
        convert(whole, tmp_path / "o.jsonl", to="trl", strict=True)
