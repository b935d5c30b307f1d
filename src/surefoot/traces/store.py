"""Files of traces: read one trace at a time, written so that no half file is ever left behind.

The kinds are JSON Lines (.jsonl, .jsonl.gz, "-" for standard input and output) and Parquet
(.parquet). All are streamed, so a file may be larger than memory, and all give back every trace
exactly.
"""

from __future__ import annotations

import gzip
import json
import os
from collections.abc import Iterable, Iterator
from contextlib import suppress
from types import TracebackType
from typing import IO, Any

from surefoot.errors import FormatError, RowError, StorageError, UsageError
from surefoot.traces.appending import open_behind
from surefoot.traces.drafts import Draft
from surefoot.traces.parquet import ParquetRows
from surefoot.traces.records import (
    OnSkip,
    file_kind,
    read_records,
    skip,
    storage_errors,
)
from surefoot.traces.records import SkippedRow as SkippedRow
from surefoot.traces.rows import trace_from_row, trace_to_row
from surefoot.traces.types import Trace


def read_traces(
    path: str | os.PathLike[str], *, strict: bool = False, on_skip: OnSkip | None = None
) -> Iterator[Trace]:
    """The traces of a file of ours, in order, one at a time.

    Bad rows are reported as by `surefoot.traces.records.read_records`, and so are rows that do not
    hold one of our traces.

    Raises:
        StorageError, FormatError: as `read_records` does.
        RowError: the first bad row, if `strict`.
    """
    name = os.fspath(path)
    return _traces(name, read_records(name, strict=strict, on_skip=on_skip), strict, on_skip)


def _traces(
    path: str,
    records: Iterable[tuple[int, dict[str, Any]]],
    strict: bool,
    on_skip: OnSkip | None,
) -> Iterator[Trace]:
    for number, row in records:
        try:
            trace = trace_from_row(row)
        except RowError as error:
            skip(error, path, number, strict=strict, on_skip=on_skip)
        else:
            yield trace


def write_traces(path: str | os.PathLike[str], traces: Iterable[Trace]) -> int:
    """Write the traces to a file, whose name says the kind, and return how many there were.

    Raises:
        StorageError: the file cannot be written; its name keeps what was there before, if anything.
        FormatError: the name has none of the known endings.
    """
    with TraceWriter(path) as writer:
        for trace in traces:
            writer.write(trace)
    return writer.count


class TraceWriter:
    """Writes traces one at a time; use it in a `with` statement.

    The file is written under a temporary name in the same folder and takes its own name when the
    block ends, so an interrupted run leaves what was there before. Devices and "-" are written
    directly.

    With `resume` (plain .jsonl only) rows are appended under the final name, each flushed at once,
    so a killed run keeps what it had; the next one drops a last row that was half written
    (`dropped` says how many bytes that was) and finds in `done` the ids of the traces already
    there.

    Raises:
        StorageError: the folder is missing or not writable, the disk is full, or the like.
        FormatError: the name has none of the known endings.
        UsageError: `resume` for anything but a plain .jsonl file.
        RowError: `resume` on a file with a row that is not one of our traces.
    """

    def __init__(self, path: str | os.PathLike[str], *, resume: bool = False) -> None:
        self.path = os.fspath(path)
        self.count = 0
        self.done: set[str] = set()
        self.dropped = 0
        self._kind = file_kind(self.path)
        self._resume = resume
        if self._kind == "list":
            raise FormatError(f"{self.path}: traces are not written as .json; name it .jsonl")
        if resume and (self._kind != "lines" or self.path == "-"):
            raise UsageError(f"{self.path}: only a plain .jsonl file can be resumed")
        self._draft = None if resume else Draft(self.path)
        with storage_errors(self.path, "write"):
            self._file = self._draft.file if self._draft else self._resumed()
            self._rows = ParquetRows(self._file) if self._kind == "parquet" else None
            self._lines: IO[bytes] | gzip.GzipFile = self._file
            if self._kind == "gzip":
                self._lines = _gzip(self._file)

    def write(self, trace: Trace) -> None:
        """Write one trace."""
        row = trace_to_row(trace)
        with storage_errors(self.path, "write"):
            if self._rows is not None:
                self._rows.add(row)
            else:
                self._lines.write(_line(row))
                if self._resume:
                    self._file.flush()
        if self._resume:
            self.done.add(row["id"])
        self.count += 1

    def close(self) -> None:
        """Complete the file and give it its name."""
        with storage_errors(self.path, "write"):
            if self._rows is not None:
                self._rows.close()
            elif self._lines is not self._file:
                self._lines.close()
            if self._draft is not None:
                self._draft.publish()
            else:
                self._file.close()

    def discard(self) -> None:
        """Give up: the name keeps what was there before; with `resume`, what was written so far."""
        if self._rows is not None:
            self._rows.discard()
        if self._draft is not None:
            self._draft.discard()
        else:
            with suppress(OSError):
                self._file.close()

    def __enter__(self) -> TraceWriter:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if error is not None:
            self.discard()
            return
        try:
            self.close()
        except StorageError:
            self.discard()
            raise

    def _resumed(self) -> IO[bytes]:
        """The file, open behind its last whole row; fills `done` and `dropped`."""
        file, self.dropped = open_behind(
            self.path, lambda row: self.done.add(trace_from_row(row).id)
        )
        return file


def _line(row: dict[str, Any]) -> bytes:
    text = json.dumps(row, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return text.encode() + b"\n"


def _gzip(file: IO[bytes]) -> gzip.GzipFile:
    return gzip.GzipFile(filename="", mode="wb", fileobj=file, mtime=0, compresslevel=6)
