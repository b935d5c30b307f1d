"""Write records of any format to a file that appears under its name only when it is whole."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import IO, Any

from surefoot.errors import UsageError
from surefoot.traces.drafts import Draft
from surefoot.traces.records import file_kind, storage_errors


@contextmanager
def record_file(path: str) -> Iterator[Callable[[dict[str, Any]], None]]:
    """A function that writes one record to the file, as a line of JSON or an item of a JSON list.

    Args:
        path: Ends in .jsonl, .jsonl.gz or .json (a list); "-" is standard output.

    Raises:
        StorageError: the file cannot be written; its name keeps what was there before.
        FormatError: the name has none of the known endings.
        UsageError: the name ends in .parquet.
    """
    kind = file_kind(path)
    if kind == "parquet":
        raise UsageError(f"{path}: only Surefoot's own rows go to Parquet; name it .jsonl")
    draft = Draft(path)
    try:
        if kind == "list":
            yield from _list(path, draft.file)
        elif kind == "gzip":
            lines = gzip.GzipFile(filename="", mode="wb", fileobj=draft.file, mtime=0)
            yield from _lines(path, lines)
            with storage_errors(path, "write"):
                lines.close()
        else:
            yield from _lines(path, draft.file)
        draft.publish()
    finally:
        draft.discard()


_Put = Callable[[dict[str, Any]], None]


def _lines(path: str, file: IO[bytes] | gzip.GzipFile) -> Iterator[_Put]:
    def put(row: dict[str, Any]) -> None:
        with storage_errors(path, "write"):
            file.write(_json(row) + b"\n")

    yield put


def _list(path: str, file: IO[bytes]) -> Iterator[_Put]:
    opening = iter([b"[\n"])

    def put(row: dict[str, Any]) -> None:
        with storage_errors(path, "write"):
            file.write(next(opening, b",\n") + _json(row))

    yield put
    with storage_errors(path, "write"):
        file.write(next(opening, b"\n") + b"]\n")


def _json(row: dict[str, Any]) -> bytes:
    return json.dumps(row, ensure_ascii=False, allow_nan=False).encode()
