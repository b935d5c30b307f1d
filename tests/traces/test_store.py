import gzip
import io
import json
import os
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from made_up import traces
from surefoot import Step, StepLabels, StepScores, Trace
from surefoot.errors import FormatError, RowError, StorageError, UsageError
from surefoot.traces.rows import trace_to_row
from surefoot.traces.store import (
    SkippedRow,
    TraceWriter,
    read_records,
    read_traces,
    write_traces,
)

ENDINGS = [".jsonl", ".jsonl.gz", ".parquet"]
linux_only = pytest.mark.skipif(sys.platform != "linux", reason="needs Linux")


def many(count: int = 5) -> list[Trace]:
    return [
        Trace(
            f"problem {i} ки",
            [f"step {i}\0 <|im_end|>", Step("look", {"seen": [i, float(i), None]})],
            answer=str(i),
            outcome=bool(i % 2),
            labels=[
                StepLabels((1, None), annotator="ann"),
                StepLabels((0.5, 0.25), "rollout", "value", counts=((4, 8), (2, 8))),
            ],
            scores=[StepScores((0.125, None), "m")],
            meta={"i": i},
        )
        for i in range(count)
    ]


def line(trace: Trace) -> bytes:
    return json.dumps(trace_to_row(trace)).encode() + b"\n"


def gathered(path, read=read_traces):
    skipped: list[SkippedRow] = []
    return list(read(path, on_skip=skipped.append)), skipped


class TestRoundTrip:
    @pytest.mark.parametrize("ending", ENDINGS)
    def test_every_kind_gives_back_every_trace(self, tmp_path, ending):
        path = tmp_path / f"a{ending}"
        assert write_traces(path, iter(many(700))) == 700
        again = list(read_traces(path, strict=True))
        assert again == many(700)
        assert repr(again) == repr(many(700))
        assert os.listdir(tmp_path) == [path.name]

    @pytest.mark.parametrize("ending", ENDINGS)
    @settings(
        deadline=None,
        max_examples=50,
        suppress_health_check=[HealthCheck.function_scoped_fixture],
    )
    @given(written=st.lists(traces(), min_size=1, max_size=3))
    def test_any_trace(self, tmp_path, ending, written):
        path = tmp_path / f"a{ending}"
        write_traces(path, written)
        again = list(read_traces(path, strict=True))
        assert again == written
        assert repr(again) == repr(written)

    @pytest.mark.parametrize("ending", ENDINGS)
    def test_all_kinds_hold_the_same_records(self, tmp_path, ending):
        path = tmp_path / f"a{ending}"
        write_traces(path, many(3))
        records = list(read_records(path, strict=True))
        assert records == [(i, trace_to_row(one)) for i, one in enumerate(many(3), 1)]

    def test_json_lines_are_plain_to_read(self, tmp_path):
        write_traces(tmp_path / "a.jsonl", [Trace("ки", ["a"])])
        text = (tmp_path / "a.jsonl").read_text(encoding="utf-8")
        assert text.startswith('{"surefoot":1,"id":"')
        assert text.endswith('"problem":"ки","steps":[{"text":"a"}]}\n')

    def test_gzip_bytes_do_not_depend_on_the_clock_or_the_name(self, tmp_path):
        for name in ("a.jsonl.gz", "b.jsonl.gz"):
            write_traces(tmp_path / name, many())
        assert (tmp_path / "a.jsonl.gz").read_bytes() == (tmp_path / "b.jsonl.gz").read_bytes()

    def test_parquet_has_typed_columns_and_several_groups(self, tmp_path):
        path = tmp_path / "a.parquet"
        write_traces(path, many(5000))
        file = pq.ParquetFile(path)
        assert file.num_row_groups > 1
        assert file.schema_arrow.field("outcome").type == pa.bool_()
        steps = file.schema_arrow.field("steps").type
        assert steps.value_type.field("text").type == pa.string()
        assert file.read().column("problem")[4999].as_py() == "problem 4999 ки"

    def test_a_very_long_trace(self, tmp_path):
        long = Trace("p", [f"step {i}" for i in range(100_000)])
        for ending in ENDINGS:
            write_traces(tmp_path / f"a{ending}", [long])
            assert list(read_traces(tmp_path / f"a{ending}", strict=True)) == [long]

    def test_a_file_may_be_rewritten_from_itself(self, tmp_path):
        path = tmp_path / "a.jsonl"
        write_traces(path, many())
        write_traces(path, (one for one in read_traces(path) if one.outcome))
        assert list(read_traces(path)) == [one for one in many() if one.outcome]


class TestBadRows:
    BAD = (
        (b"{not json}\n", "", "bad JSON"),
        (b'{"a": 1\n', "", "bad JSON"),
        (b"[1, 2]\n", "", "list; each row must be a JSON object"),
        (b"null\n", "", "NoneType"),
        (b'{"a": NaN}\n', "", "holds NaN"),
        (b'{"a": -Infinity}\n', "", "holds -Infinity"),
        (b'{"a": 1e999}\n', "", "too large"),
        (b'{"a": ' + b"9" * 5000 + b"}\n", "", "bad number"),
        (b'{"a": "\xff\xfe"}\n', "", "broken UTF-8 at byte 8"),
        (b'{"a": 1, "b": {"c": 1, "c": 2}}\n', "c", "twice"),
        (b'{"a":' * 100_000 + b"\n", "", "nested|bad JSON"),
    )

    @pytest.mark.parametrize(("bad", "field", "says"), BAD, ids=[says for _, _, says in BAD])
    @pytest.mark.parametrize("ending", [".jsonl", ".jsonl.gz"])
    def test_the_rest_are_kept_and_the_place_is_told(self, tmp_path, ending, bad, field, says):
        path = tmp_path / f"a{ending}"
        data = line(many()[0]) + b"\n" + bad + line(many()[1])
        path.write_bytes(gzip.compress(data) if ending.endswith("gz") else data)
        kept, skipped = gathered(path)
        assert kept == many()[:2]
        assert [(one.path, one.line, one.field) for one in skipped] == [(str(path), 3, field)]
        assert any(part in skipped[0].reason for part in says.split("|"))
        strict = read_traces(path, strict=True)
        assert next(strict) == many()[0]
        with pytest.raises(RowError) as caught:
            next(strict)
        assert (caught.value.path, caught.value.line) == (str(path), 3)
        assert str(caught.value).startswith(f"{path}:3: ")

    def test_rows_that_are_no_traces_name_their_field(self, tmp_path):
        path = tmp_path / "a.jsonl"
        bad = trace_to_row(many()[0])
        bad["steps"][1]["text"] = 5
        path.write_bytes(line(many()[1]) + json.dumps(bad).encode() + b'\n{"question": "q"}\n')
        kept, skipped = gathered(path)
        assert kept == [many()[1]]
        assert [(one.line, one.field) for one in skipped] == [(2, "steps.1.text"), (3, "surefoot")]
        assert "convert" in skipped[1].reason
        assert str(skipped[0]).startswith(f"{path}:2: field 'steps.1.text': ")
        with pytest.raises(RowError, match=r"steps\.1\.text"):
            list(read_traces(path, strict=True))

    def test_without_a_listener_they_become_warnings(self, tmp_path):
        path = tmp_path / "a.jsonl"
        path.write_bytes(line(many()[0]) + b"{\n" + b'{"surefoot": 1}\n')
        with pytest.warns(UserWarning, match=r"left out .*a\.jsonl:") as caught:
            assert list(read_traces(path)) == many()[:1]
        assert len(caught) == 2

    def test_a_last_row_that_was_cut_short(self, tmp_path):
        path = tmp_path / "a.jsonl"
        path.write_bytes(line(many()[0]) + line(many()[1])[:-20])
        kept, skipped = gathered(path)
        assert kept == many()[:1]
        assert skipped[0].line == 2
        assert "cut short" in skipped[0].reason

    def test_a_last_row_without_a_line_end_is_whole(self, tmp_path):
        path = tmp_path / "a.jsonl"
        path.write_bytes(line(many()[0]) + line(many()[1])[:-1])
        assert gathered(path) == (many()[:2], [])

    def test_byte_order_mark_and_windows_line_ends(self, tmp_path):
        path = tmp_path / "a.jsonl"
        path.write_bytes(b"\xef\xbb\xbf" + line(many()[0]).replace(b"\n", b"\r\n"))
        assert gathered(path) == (many()[:1], [])


class TestDamage:
    def test_a_truncated_gzip_gives_what_came_before(self, tmp_path):
        path = tmp_path / "a.jsonl.gz"
        write_traces(path, many(2000))
        path.write_bytes(path.read_bytes()[:-2000])
        kept, skipped = gathered(path)
        assert 100 < len(kept) < 2000
        assert kept == many(2000)[: len(kept)]
        assert [one.line for one in skipped] == [len(kept) + 1]
        assert f"cut short after line {len(kept)}" in skipped[0].reason
        strict = read_traces(path, strict=True)
        assert [next(strict) for _ in kept] == kept
        with pytest.raises(StorageError, match=r"a\.jsonl\.gz: it is cut short"):
            next(strict)

    def test_a_damaged_gzip(self, tmp_path):
        path = tmp_path / "a.jsonl.gz"
        write_traces(path, many(2000))
        data = bytearray(path.read_bytes())
        data[-6] ^= 0xFF
        path.write_bytes(data)
        kept, skipped = gathered(path)
        assert kept == many(2000)
        assert "damaged" in skipped[0].reason
        with pytest.raises(StorageError, match="damaged"):
            list(read_traces(path, strict=True))

    def test_a_gzip_cut_within_its_first_bytes(self, tmp_path):
        path = tmp_path / "a.jsonl.gz"
        path.write_bytes(gzip.compress(b"{}\n")[:12])
        kept, skipped = gathered(path)
        assert kept == []
        assert "cut short" in skipped[0].reason

    @pytest.mark.parametrize("data", [b"", b"PAR1", b"hello there", b"PAR1" + b"\0" * 50 + b"PAR1"])
    def test_what_is_not_whole_parquet(self, tmp_path, data):
        path = tmp_path / "a.parquet"
        path.write_bytes(data)
        with pytest.raises(StorageError, match="not a whole Parquet file"):
            read_records(path)

    def test_a_truncated_parquet(self, tmp_path):
        path = tmp_path / "a.parquet"
        write_traces(path, many(100))
        path.write_bytes(path.read_bytes()[:-100])
        with pytest.raises(StorageError, match="cut short"):
            read_traces(path)

    def test_a_parquet_that_is_damaged_inside(self, tmp_path):
        path = tmp_path / "a.parquet"
        write_traces(path, many(5000))
        start = pq.ParquetFile(path).metadata.row_group(1).column(2).data_page_offset
        data = bytearray(path.read_bytes())
        data[start : start + 200] = b"\xff" * 200
        path.write_bytes(data)
        kept, skipped = gathered(path)
        assert kept == many(5000)[: len(kept)]
        assert 0 < len(kept) < 5000
        assert f"damaged after row {len(kept)}" in skipped[0].reason
        with pytest.raises(StorageError, match="damaged after row"):
            list(read_traces(path, strict=True))

    def test_a_parquet_row_with_broken_utf8(self, tmp_path):
        path = tmp_path / "a.parquet"
        column = pa.array([b"good", b"\xff\xfe", b"fine"]).view(pa.string())
        pq.write_table(pa.table({"text": column}), path)
        kept, skipped = gathered(path, read_records)
        assert kept == [(1, {"text": "good"}), (3, {"text": "fine"})]
        assert [(one.line, one.reason) for one in skipped] == [(2, "broken UTF-8")]

    def test_a_parquet_row_with_bad_json_inside(self, tmp_path):
        path = tmp_path / "a.parquet"
        write_traces(path, many(3))
        table = pq.read_table(path)
        meta = pa.array(['{"i": 0}', "{bad", '{"i": 2}'])
        at = table.schema.get_field_index("meta")
        pq.write_table(table.set_column(at, "meta", meta), path)
        kept, skipped = gathered(path)
        assert kept == [many(3)[0], many(3)[2]]
        assert [(one.line, one.field) for one in skipped] == [(2, "meta")]


class TestWhatCannotBeRead:
    @pytest.mark.parametrize("ending", [*ENDINGS, ".json"])
    def test_at_once_not_at_the_first_row(self, tmp_path, ending):
        for read in (read_records, read_traces):
            with pytest.raises(StorageError, match=r"cannot read it: No such file"):
                read(tmp_path / f"missing{ending}")
            folder = tmp_path / f"folder{ending}"
            folder.mkdir(exist_ok=True)
            with pytest.raises(StorageError, match="folder"):
                read(folder)

    def test_storage_errors_are_os_errors(self, tmp_path):
        with pytest.raises(OSError, match="missing"):
            read_records(tmp_path / "missing.jsonl")

    @pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
    def test_a_file_that_may_not_be_read(self, tmp_path):
        path = tmp_path / "a.jsonl"
        path.write_bytes(b"{}\n")
        path.chmod(0)
        with pytest.raises(StorageError, match="Permission denied"):
            read_records(path)

    def test_an_unknown_name(self, tmp_path):
        for name in ("a.txt", "a", "a.gz", "a.jsonl.zip"):
            (tmp_path / name).write_bytes(b"{}\n")
            with pytest.raises(FormatError, match=r"\.jsonl, .*\.parquet"):
                read_records(tmp_path / name)
            with pytest.raises(FormatError, match=r"\.jsonl, .*\.parquet"):
                write_traces(tmp_path / name, many())

    def test_a_name_that_does_not_fit_the_bytes(self, tmp_path):
        (tmp_path / "a.jsonl").write_bytes(gzip.compress(b"{}\n"))
        with pytest.raises(FormatError, match=r"gzip-compressed.*\.jsonl\.gz"):
            read_records(tmp_path / "a.jsonl")
        (tmp_path / "b.jsonl.gz").write_bytes(b"{}\n")
        with pytest.raises(FormatError, match="not compressed"):
            read_records(tmp_path / "b.jsonl.gz")

    @pytest.mark.parametrize("data", [b"", b"\n  \n"])
    def test_no_rows_at_all(self, tmp_path, data):
        for name, content in (("a.jsonl", data), ("a.jsonl.gz", gzip.compress(data))):
            (tmp_path / name).write_bytes(content)
            with pytest.raises(FormatError, match="no rows"):
                list(read_traces(tmp_path / name))
        (tmp_path / "a.json").write_bytes(data)
        with pytest.raises(FormatError, match="no rows"):
            list(read_records(tmp_path / "a.json"))
        write_traces(tmp_path / "a.parquet", [])
        with pytest.raises(FormatError, match="no rows"):
            list(read_traces(tmp_path / "a.parquet"))


class TestJsonLists:
    def read(self, tmp_path, data):
        (tmp_path / "a.json").write_bytes(data)
        return gathered(tmp_path / "a.json", read_records)

    def test_rows_are_numbered(self, tmp_path):
        rows, skipped = self.read(tmp_path, b'\xef\xbb\xbf [{"a": 1},\n\n {"b": [2, {}]}, {}]\n')
        assert rows == [(1, {"a": 1}), (2, {"b": [2, {}]}), (3, {})]
        assert skipped == []

    def test_bad_rows_are_reported_and_the_rest_kept(self, tmp_path):
        data = b'[{"a": 1}, 5, {"a": NaN}, {"a": "\xff"}, {"a": 1, "a": 2}, {"z": 0}]'
        rows, skipped = self.read(tmp_path, data)
        assert rows == [(1, {"a": 1}), (6, {"z": 0})]
        assert [one.line for one in skipped] == [2, 3, 4, 5]

    @pytest.mark.parametrize(
        "data",
        [b'[{"a": 1}, {"b"', b'[{"a": 1}', b'[{"a": 1},', b'[{"a": 1} {"b": 2}]', b'[{"a": 1}] x'],
    )
    def test_what_follows_a_break_is_reported(self, tmp_path, data):
        rows, skipped = self.read(tmp_path, data)
        assert rows == [(1, {"a": 1})]
        assert [one.line for one in skipped] == [2]

    def test_json_lines_under_the_wrong_name(self, tmp_path):
        rows, skipped = self.read(tmp_path, b'{"a": 1}\n{"b": 2}\n')
        assert rows == [(1, {"a": 1}), (2, {"b": 2})]
        assert skipped == []

    def test_one_object_over_several_lines(self, tmp_path):
        rows, skipped = self.read(tmp_path, b'{\n"a": [1]\n}')
        assert rows == [(1, {"a": [1]})]
        assert skipped == []

    @pytest.mark.parametrize("data", [b'{\n"a": [1]\n', b'"text"', b"hello"])
    def test_no_list(self, tmp_path, data):
        (tmp_path / "a.json").write_bytes(data)
        with pytest.raises(FormatError, match="neither a list"):
            read_records(tmp_path / "a.json")


class TestWriting:
    @pytest.mark.filterwarnings("error")
    @pytest.mark.parametrize("ending", ENDINGS)
    def test_an_interrupted_run_leaves_what_was_there(self, tmp_path, ending):
        path = tmp_path / f"a{ending}"

        def stopped():
            yield many()[0]
            raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            write_traces(path, stopped())
        assert os.listdir(tmp_path) == []
        write_traces(path, many())
        with pytest.raises(KeyboardInterrupt):
            write_traces(path, stopped())
        assert os.listdir(tmp_path) == [path.name]
        assert list(read_traces(path)) == many()

    @pytest.mark.parametrize("ending", ENDINGS)
    def test_the_name_appears_only_when_all_is_written(self, tmp_path, ending):
        path = tmp_path / f"a{ending}"
        with TraceWriter(path) as writer:
            writer.write(many()[0])
            assert not path.exists()
            assert writer.count == 1
        assert list(read_traces(path)) == many()[:1]

    def test_folders(self, tmp_path):
        with pytest.raises(StorageError, match=r"no folder .*nowhere"):
            write_traces(tmp_path / "nowhere" / "a.jsonl", many())
        (tmp_path / "a.jsonl").mkdir()
        with pytest.raises(StorageError, match="it is a folder"):
            write_traces(tmp_path / "a.jsonl", many())

    @linux_only
    def test_a_folder_that_may_not_be_written(self):
        with pytest.raises(StorageError, match="cannot write it"):
            write_traces("/proc/a.jsonl", many())

    @linux_only
    @pytest.mark.parametrize("ending", ENDINGS)
    def test_a_full_disk(self, tmp_path, ending):
        """The system refuses to let the file grow beyond 20 kB."""
        code = f"""
import os, resource, sys
from surefoot import Trace
from surefoot.errors import StorageError
from surefoot.traces.store import write_traces
resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))
traces = (Trace("p", [os.urandom(500).hex()]) for _ in range(500))
try:
    write_traces({str(tmp_path / "a")!r} + {ending!r}, traces)
except StorageError as error:
    sys.exit(0 if "cannot write it: File too large" in str(error) else str(error))
sys.exit("no error")
"""
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        assert os.listdir(tmp_path) == []

    def test_devices_are_written_and_not_replaced(self, tmp_path):
        link = tmp_path / "null.jsonl"
        link.symlink_to(os.devnull)
        assert write_traces(link, many()) == 5
        assert link.is_symlink()
        assert not Path(os.devnull).is_file()

    def test_a_link_is_followed(self, tmp_path):
        write_traces(tmp_path / "real.jsonl", many(1))
        (tmp_path / "link.jsonl").symlink_to(tmp_path / "real.jsonl")
        write_traces(tmp_path / "link.jsonl", many(3))
        assert (tmp_path / "link.jsonl").is_symlink()
        assert list(read_traces(tmp_path / "real.jsonl")) == many(3)

    def test_a_json_list_is_not_written(self, tmp_path):
        with pytest.raises(FormatError, match=r"name it \.jsonl"):
            write_traces(tmp_path / "a.json", many())

    def test_standard_input_and_output(self, tmp_path):
        code = (
            "from surefoot.traces.store import read_traces, write_traces;"
            "write_traces('-', read_traces('-'))"
        )
        data = b"".join(map(line, many()))
        done = subprocess.run([sys.executable, "-c", code], input=data, capture_output=True)
        assert done.returncode == 0, done.stderr
        (tmp_path / "a.jsonl").write_bytes(done.stdout)
        assert list(read_traces(tmp_path / "a.jsonl", strict=True)) == many()

    def test_standard_input_reports_its_bad_rows(self, monkeypatch):
        data = io.TextIOWrapper(io.BytesIO(b"{bad\n" + line(many()[0])))
        monkeypatch.setattr(sys, "stdin", data)
        kept, skipped = gathered("-")
        assert kept == many()[:1]
        assert (skipped[0].path, skipped[0].line) == ("-", 1)


class TestResume:
    def test_goes_on_where_it_was(self, tmp_path):
        path = tmp_path / "a.jsonl"
        with TraceWriter(path, resume=True) as writer:
            assert writer.done == set()
            for one in many(2):
                writer.write(one)
        with TraceWriter(path, resume=True) as writer:
            assert writer.done == {one.id for one in many(2)}
            assert writer.dropped == 0
            for one in many(4):
                if one.id not in writer.done:
                    writer.write(one)
            assert writer.count == 2
            assert writer.done == {one.id for one in many(4)}
        assert list(read_traces(path, strict=True)) == many(4)

    @pytest.mark.parametrize("cut", [1, 2, 30, 150])
    def test_a_half_written_row_is_dropped_and_counted(self, tmp_path, cut):
        path = tmp_path / "a.jsonl"
        write_traces(path, many(3))
        whole = path.read_bytes()
        path.write_bytes(whole[:-cut])
        last = len(whole.splitlines(keepends=True)[-1])
        with TraceWriter(path, resume=True) as writer:
            if cut == 1:  # only the line end is missing: the row is whole
                assert (writer.dropped, len(writer.done)) == (0, 3)
            else:
                assert (writer.dropped, len(writer.done)) == (last - cut, 2)
            for one in many(3):
                if one.id not in writer.done:
                    writer.write(one)
        assert path.read_bytes() == whole

    def test_a_killed_run_keeps_every_row_it_wrote(self, tmp_path):
        path = tmp_path / "a.jsonl"
        code = f"""
import os, signal
from surefoot import Trace
from surefoot.traces.store import TraceWriter
with TraceWriter({str(path)!r}, resume=True) as writer:
    for i in range(3):
        writer.write(Trace("p", [f"step {{i}}"]))
    os.kill(os.getpid(), signal.SIGKILL)
"""
        assert subprocess.run([sys.executable, "-c", code]).returncode == -9
        assert [one.texts for one in read_traces(path)] == [(f"step {i}",) for i in range(3)]

    def test_an_error_keeps_every_row(self, tmp_path):
        path = tmp_path / "a.jsonl"
        writer = TraceWriter(path, resume=True)
        writer.write(many()[0])
        writer.discard()
        assert list(read_traces(path)) == many()[:1]

    def test_a_file_of_something_else_is_left_alone(self, tmp_path):
        path = tmp_path / "a.jsonl"
        path.write_bytes(line(many()[0]) + b'{"question": "q"}\n')
        before = path.read_bytes()
        with pytest.raises(RowError, match=r"a\.jsonl:2: field 'surefoot'"):
            TraceWriter(path, resume=True)
        assert path.read_bytes() == before

    def test_only_plain_json_lines(self, tmp_path):
        for name in (tmp_path / "a.jsonl.gz", tmp_path / "a.parquet", "-"):
            with pytest.raises(UsageError, match="resume"):
                TraceWriter(name, resume=True)


@pytest.mark.slow
@pytest.mark.parametrize("ending", ENDINGS)
def test_800_000_steps_take_less_than_500_mb(tmp_path, ending):
    script = Path(__file__).parents[2] / "benchmarks" / "store_memory.py"
    path = tmp_path / f"a{ending}"
    write = (
        f"import sys; sys.path.insert(0, {str(script.parent)!r}); import store_memory as m;"
        f"m.write_traces({str(path)!r}, m.traces(100_000))"
    )
    subprocess.run([sys.executable, "-c", write], check=True)
    command = [sys.executable, str(script), "--read", str(path), "list"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    found = json.loads(done.stdout)
    assert found["rows"] == 100_000
    assert 50 < found["peak_rss_mb"] < 500
