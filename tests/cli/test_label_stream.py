"""How verbs that label go through traces: order, settings, and going on after an end."""

import json

import pytest

from surefoot.cli.label.stream import Rows, stream
from surefoot.cli.say import Common
from surefoot.errors import UsageError
from surefoot.traces.store import read_traces, write_traces
from surefoot.traces.types import StepLabels, Trace


class Killed(BaseException):
    pass


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "in.jsonl"
    write_traces(path, [Trace(f"Count to {i}.", [f"{j}" for j in range(i)]) for i in range(1, 9)])
    return path


def lengths(some):
    for trace in some:
        yield trace.with_labels(StepLabels((1,) * len(trace.steps), source="checker"))


def run(file, out=None, label=lengths, settings=None, seen=None, **rows):
    return stream(
        [str(file)],
        Rows(out=None if out is None else str(out), **rows),
        Common(),
        label,
        settings={"threshold": 0.5} if settings is None else settings,
        on_trace=(lambda trace: None) if seen is None else seen.append,
        show=print,
        doing="labelling",
        chunk=3,
    )


def test_traces_come_out_in_order_with_labels(file, tmp_path):
    seen = []
    told = run(file, tmp_path / "out.jsonl", seen=seen)
    assert (told.traces, told.resumed) == (8, 0)
    written = list(read_traces(tmp_path / "out.jsonl", strict=True))
    assert written == seen
    assert [len(trace.labels[0].values) for trace in written] == list(range(1, 9))
    assert json.loads((tmp_path / "out.jsonl.run.json").read_text()) == {"threshold": 0.5}


def test_what_is_done_is_kept_and_not_done_again(file, tmp_path):
    out, asked = tmp_path / "out.jsonl", []

    def dies(some):
        for trace in lengths(some):
            if len(trace.steps) == 5:
                raise Killed
            asked.append(len(trace.steps))
            yield trace

    with pytest.raises(Killed):
        run(file, out, dies)
    assert asked == [1, 2, 3, 4]
    assert [len(t.steps) for t in read_traces(out, strict=True)] == [1, 2, 3, 4]

    def counts(some):
        asked.extend(len(trace.steps) for trace in some)
        return lengths(some)

    seen = []
    told = run(file, out, counts, seen=seen)
    assert asked == list(range(1, 9))
    assert (told.traces, told.resumed) == (8, 4)
    run(file, tmp_path / "whole.jsonl")
    assert out.read_bytes() == (tmp_path / "whole.jsonl").read_bytes()
    assert seen == list(read_traces(out, strict=True))


def test_other_settings_are_refused_and_named(file, tmp_path):
    out = tmp_path / "out.jsonl"
    run(file, out, settings={"n": 8, "policy": "a"})
    before = out.read_bytes()
    with pytest.raises(UsageError, match=r"was begun with n 8, now it is 16; name another file"):
        run(file, out, settings={"n": 16, "policy": "a"})
    (tmp_path / "out.jsonl.run.json").unlink()
    with pytest.raises(UsageError, match=r"out\.jsonl\.run\.json, which says how"):
        run(file, out, settings={"n": 8, "policy": "a"})
    assert out.read_bytes() == before
    run(file, out, settings={"n": 16, "policy": "a"}, resume=False)
    run(file, out, settings={"n": 16, "policy": "a"})
    with pytest.raises(UsageError, match="begun with n 16"):
        run(file, out, settings={"n": 8, "policy": "a"})


def test_rows_of_other_traces_are_refused(file, tmp_path):
    out = tmp_path / "out.jsonl"
    run(file, out)
    other = tmp_path / "other.jsonl"
    write_traces(other, [Trace("Count to 1.", ["0"]), Trace("Count to nine.", ["0", "1"])])
    with pytest.raises(UsageError, match="row 2 holds another trace than the input"):
        run(other, out)


def test_without_a_file_the_first_are_shown(file, capsys):
    told = run(file, show=2)
    assert told.traces == 8
    assert capsys.readouterr().out.count("Count to") == 2
