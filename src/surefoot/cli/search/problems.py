"""The problems that a search was given: trace files, plain rows, or a text of one on each line."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from surefoot.cli.reading import Skipped
from surefoot.errors import FormatError, RowError, StorageError, TraceError

if TYPE_CHECKING:
    from surefoot.search.task import Task


@dataclass
class Problems:
    """Distinct problems in order, how often one came again, and what could not be read."""

    tasks: list[Task] = field(default_factory=list)
    repeated: int = 0
    contradicted: int = 0
    """Repeats that give another reference; the first counts."""
    skipped: Skipped = field(default_factory=Skipped)


def read_problems(*paths: str, strict: bool = False) -> Problems:
    """The problems of one or several files; `-` is stdin.

    A .txt file, and stdin that does not begin with an object, holds a problem on each line. Rows
    are `{"problem" or "question", "answer" or "reference"}`, or of any format that `surefoot
    convert` knows.

    Raises:
        FormatError: there is no problem in it.
        RowError: a row is bad, and `strict` was asked for.
        StorageError: it cannot be read.
    """
    from surefoot.search.task import Task

    found = Problems()
    known: dict[str, str | None] = {}
    for given in (one for path in paths for one in _given(path)):
        if isinstance(given, RowError):
            if strict:
                raise given
            found.skipped.add(given)
            continue
        problem, reference = given
        if problem in known:
            found.repeated += 1
            found.contradicted += reference not in (None, known[problem])
            continue
        known[problem] = reference
        found.tasks.append(Task(problem, reference))
    if not found.tasks:
        raise FormatError(
            f"{', '.join(paths)}: it holds no problem; rows need a problem or a question, a .txt"
            " file one on each line"
        )
    return found


def _given(path: str) -> Iterator[tuple[str, str | None] | RowError]:
    """Each problem with its reference, or what is wrong with a row."""
    from surefoot.traces.records import SkippedRow, parse_row, read_records

    if path == "-" or path.lower().endswith(".txt"):
        raw = sys.stdin.buffer.read() if path == "-" else _bytes(path)
        is_rows = path == "-" and raw.lstrip().startswith(b"{")
        for line, one in enumerate(raw.removeprefix(b"\xef\xbb\xbf").splitlines(), 1):
            if not one.strip():
                continue
            try:
                if is_rows:
                    yield from _of_record(parse_row(one))
                else:
                    yield one.decode().strip(), None
            except UnicodeDecodeError as error:
                yield RowError(f"broken UTF-8 at byte {error.start + 1}", path=path, line=line)
            except RowError as error:
                yield error.at(path, line)
        return
    bad: list[SkippedRow] = []
    for line, record in read_records(path, on_skip=bad.append):
        yield from _told(bad)
        try:
            yield from _of_record(record)
        except RowError as error:
            yield error.at(path, line)
    yield from _told(bad)


def _told(bad: list[Any]) -> Iterator[RowError]:
    while bad:
        row = bad.pop(0)
        yield RowError(row.reason, field=row.field, path=row.path, line=row.line)


def _bytes(path: str) -> bytes:
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise StorageError(f"{path}: cannot read it: {error.strerror}") from None


def _of_record(record: dict[str, Any]) -> list[tuple[str, str | None]]:
    """The problems of a row, each with its reference."""
    from surefoot.traces.formats import detect

    try:
        form = detect(record)
    except FormatError:
        return [_plain(record)]
    try:
        return [(trace.problem, trace.reference) for trace in form.read(record)]
    except TraceError as error:
        raise RowError(str(error)) from None


def _plain(record: dict[str, Any]) -> tuple[str, str | None]:
    name = next((one for one in ("problem", "question") if one in record), None)
    if name is None:
        fields = ", ".join(sorted(record)[:20]) or "none"
        raise RowError(f"has neither a problem nor a question; its fields are {fields}")
    problem = record[name]
    if not isinstance(problem, str) or not problem.strip():
        raise RowError("must be text with something in it", field=name)
    key = next((one for one in ("reference", "answer") if record.get(one) is not None), None)
    if key is None:
        return problem, None
    reference = record[key]
    if isinstance(reference, bool) or not isinstance(reference, str | int | float):
        raise RowError("must be text or a number", field=key)
    return problem, str(reference)
