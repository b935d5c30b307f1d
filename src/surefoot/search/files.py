"""Files of search results: one JSON row for each problem, in the order of the problems."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from types import TracebackType
from typing import IO

from surefoot.errors import FormatError, RowError, StorageError, UsageError
from surefoot.search.results import SearchResult, result_from_json, result_to_json
from surefoot.traces.appending import open_behind
from surefoot.traces.drafts import Draft
from surefoot.traces.records import OnSkip, file_kind, read_records, skip, storage_errors


def read_results(
    path: str | os.PathLike[str], *, strict: bool = False, on_skip: OnSkip | None = None
) -> Iterator[SearchResult]:
    """The results of a file (.jsonl, .jsonl.gz, "-" for stdin), in order, one at a time.

    Bad rows are reported as by `surefoot.traces.records.read_records`.

    Raises:
        StorageError, FormatError: the file cannot be read, or holds no rows.
        RowError: the first bad row, if `strict`.
    """
    name = os.fspath(path)
    for number, row in read_records(name, strict=strict, on_skip=on_skip):
        try:
            result = result_from_json(row)
        except RowError as error:
            skip(error, name, number, strict=strict, on_skip=on_skip)
        else:
            yield result


class ResultWriter:
    """Writes results one at a time to a .jsonl file or "-"; use it in a `with` statement.

    The file takes its name when the block ends. With `resume` rows are appended under the final
    name, each flushed at once; a last row that a kill cut short is dropped (`dropped` says how many
    bytes that was), and `done` holds the results that are there already.

    Raises:
        FormatError: the name ends otherwise.
        UsageError: `resume` for "-".
        StorageError: the file cannot be written.
        RowError: `resume` on a file with a row that is no result.
    """

    def __init__(self, path: str | os.PathLike[str], *, resume: bool = False) -> None:
        self.path = os.fspath(path)
        self.done: list[SearchResult] = []
        self.dropped = 0
        if file_kind(self.path) != "lines":
            raise FormatError(f"{self.path}: results are written as .jsonl; name it so")
        if resume and self.path == "-":
            raise UsageError("what goes to stdout cannot be resumed")
        self._draft = None if resume else Draft(self.path)
        self._file: IO[bytes]
        if self._draft is not None:
            self._file = self._draft.file
            return
        with storage_errors(self.path, "write"):
            self._file, self.dropped = open_behind(
                self.path, lambda row: self.done.append(result_from_json(row))
            )

    def write(self, result: SearchResult) -> None:
        """Write one result."""
        row = result_to_json(result)
        text = json.dumps(row, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
        with storage_errors(self.path, "write"):
            self._file.write(text.encode() + b"\n")
            self._file.flush()

    def __enter__(self) -> ResultWriter:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._draft is None:
            with storage_errors(self.path, "write"):
                self._file.close()
        elif error is not None:
            self._draft.discard()
        else:
            try:
                self._draft.publish()
            except StorageError:
                self._draft.discard()
                raise
