"""Read the rows of any file, one at a time: JSON Lines (plain or .gz), a JSON list, or Parquet.

A row that cannot be read is reported with its place and the rest are kept, unless `strict`. Nothing
is left out in silence.
"""

from __future__ import annotations

import gzip
import io
import json
import os
import re
import sys
import warnings
import zlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import IO, Any, Literal, NoReturn, TypeAlias

from surefoot.errors import FormatError, RowError, StorageError

FileKind: TypeAlias = Literal["lines", "gzip", "list", "parquet"]

_KINDS: dict[str, FileKind] = {
    ".jsonl": "lines",
    ".ndjson": "lines",
    ".jsonl.gz": "gzip",
    ".ndjson.gz": "gzip",
    ".json": "list",
    ".parquet": "parquet",
}

_Read: TypeAlias = tuple[int, dict[str, Any] | RowError | StorageError]
"""A line or row number and what was found there."""


@dataclass(frozen=True, slots=True)
class SkippedRow:
    """A row that was left out: where it stands, which field is bad (if one is), and why."""

    path: str
    line: int
    field: str
    reason: str

    def __str__(self) -> str:
        return str(RowError(self.reason, field=self.field, path=self.path, line=self.line))


OnSkip: TypeAlias = Callable[[SkippedRow], object]


def read_records(
    path: str | os.PathLike[str], *, strict: bool = False, on_skip: OnSkip | None = None
) -> Iterator[tuple[int, dict[str, Any]]]:
    """The JSON objects of a file with their line (JSON Lines) or row numbers (others), from 1.

    The name says what the file is: .jsonl, .jsonl.gz, .json (a list of objects, or one object) or
    .parquet; "-" is JSON Lines from standard input. All but .json are streamed. Bad rows go to
    `on_skip`, one call each, or become Python warnings where none is given: bad JSON, NaN and
    infinities, a name that occurs twice in an object, anything but an object, broken UTF-8, and
    what follows the point where a file is cut short.

    Raises:
        StorageError: at once, if the file is missing, a folder, not readable or not whole Parquet;
            later, if `strict` and the file is cut short or damaged.
        FormatError: at once, if the name or the first bytes do not fit a known kind; at the end, if
            the file holds no rows at all.
        RowError: the first bad row, if `strict`.
    """
    name = os.fspath(path)
    return _sifted(name, _open(name), strict, on_skip or warn_of_skipped)


def skip(error: RowError, path: str, line: int, *, strict: bool, on_skip: OnSkip | None) -> None:
    """Report a bad row as `read_records` does: raise it if `strict`, else pass it on or warn."""
    if strict:
        raise error.at(path, line)
    (on_skip or warn_of_skipped)(SkippedRow(path, line, error.field, error.reason))


def warn_of_skipped(skipped: SkippedRow) -> None:
    """Say in a Python warning that a row was left out."""
    warnings.warn(f"left out {skipped}", stacklevel=2)


def file_kind(path: str) -> FileKind:
    """What a file holds, by its name.

    Raises:
        FormatError: the name has none of the known endings.
    """
    if path == "-":
        return "lines"
    for ending in sorted(_KINDS, key=len, reverse=True):
        if path.lower().endswith(ending):
            return _KINDS[ending]
    raise FormatError(f"{path}: cannot tell what it holds; name it {', '.join(_KINDS)}")


@contextmanager
def storage_errors(path: str, verb: str) -> Iterator[None]:
    """Turn what the system says of a file into a `StorageError` with what failed and why."""
    try:
        yield
    except StorageError:
        raise
    except OSError as error:
        reason = error.strerror or str(error)
        raise StorageError(f"{path}: cannot {verb} it: {reason}") from error


def parse_row(raw: bytes) -> dict[str, Any]:
    """One JSON object from the bytes of a line.

    Raises:
        RowError: the line is no plain JSON object, in UTF-8, with finite numbers and names that
        differ.
    """
    try:
        row = _DECODER.decode(raw.decode())
    except UnicodeDecodeError as error:
        raise RowError(f"broken UTF-8 at byte {error.start + 1} of the row") from None
    except json.JSONDecodeError as error:
        end = "" if raw.endswith(b"\n") else "; the file may have been cut short in this row"
        raise RowError(f"bad JSON at character {error.pos + 1}: {error.msg}{end}") from None
    except RecursionError:
        raise RowError("nested too deeply") from None
    except ValueError as error:
        if isinstance(error, RowError):
            raise
        raise RowError(f"bad number: {error}") from None
    if not isinstance(row, dict):
        raise RowError(f"is a {type(row).__name__}; each row must be a JSON object")
    return row


def _no_constant(name: str) -> NoReturn:
    raise RowError(f"holds {name}, which is no JSON; use null where there is no number")


def _finite(text: str) -> float:
    value = float(text)
    if value in (float("inf"), float("-inf")):
        raise RowError(f"holds the number {text[:40]}, which is too large for a float")
    return value


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise RowError("occurs twice in one object", field=twice)
    return found


_DECODER = json.JSONDecoder(
    object_pairs_hook=_unique, parse_constant=_no_constant, parse_float=_finite
)


def _sifted(
    path: str, found: Iterable[_Read], strict: bool, on_skip: OnSkip
) -> Iterator[tuple[int, dict[str, Any]]]:
    number = 0
    for number, row in found:
        if isinstance(row, dict):
            yield number, row
        elif isinstance(row, RowError):
            skip(row, path, number, strict=strict, on_skip=on_skip)
        elif strict:
            raise row
        else:
            on_skip(SkippedRow(path, number, "", str(row).removeprefix(f"{path}: ")))
    if number == 0:
        raise FormatError(f"{path}: it holds no rows")


def _open(path: str) -> Iterator[_Read]:
    kind = file_kind(path)
    if path == "-":
        return _lines(path, sys.stdin.buffer)
    with storage_errors(path, "read"):
        file = open(path, "rb")  # noqa: SIM115
        if file.seekable():
            zipped = file.peek(2)[:2] == b"\x1f\x8b"
        zipped = file.peek(2)[:2] == b"\x1f\x8b"
    if kind == "gzip":
        if not zipped and file.peek(1):
            file.close()
            raise FormatError(f"{path}: it is not compressed, though its name ends in .gz")
        return _lines(path, gzip.GzipFile(fileobj=file), beneath=file)
    if zipped:
        file.close()
        raise FormatError(f"{path}: it is gzip-compressed; give it a name that ends in .jsonl.gz")
    if kind == "lines":
        return _lines(path, file)
    with file:
        if kind == "list":
            return _listed(path, file.read())
    from surefoot.traces.parquet import open_parquet

    return open_parquet(path)


def _lines(
    path: str, file: IO[bytes] | gzip.GzipFile, beneath: IO[bytes] | None = None
) -> Iterator[_Read]:
    """The rows of JSON Lines; closes the files unless they are standard input."""
    number = 0
    try:
        for number, raw in enumerate(file, 1):
            row = raw.removeprefix(b"\xef\xbb\xbf") if number == 1 else raw
            if row.strip():
                yield number, _row_or_error(row)
    except (EOFError, zlib.error, OSError) as error:
        how = "it is cut short" if isinstance(error, EOFError) else f"it is damaged ({error})"
        yield (
            number + 1,
            StorageError(f"{path}: {how} after line {number}; what follows cannot be read"),
        )
    finally:
        if path != "-":
            file.close()
        if beneath is not None:
            beneath.close()


def _row_or_error(raw: bytes) -> dict[str, Any] | RowError:
    try:
        return parse_row(raw)
    except RowError as error:
        return error


def _listed(path: str, data: bytes) -> Iterator[_Read]:
    """The rows of one JSON list, of JSON Lines under the name .json, or of one object over several
    lines."""
    text = data.removeprefix(b"\xef\xbb\xbf").decode(errors="surrogateescape")
    start = _after_space(text, 0)
    if text[start : start + 1] == "[":
        return _elements(text, start + 1)
    first_line = text[start:].partition("\n")[0]
    if not text[start:] or isinstance(_row_or_error(_bytes(first_line)), dict):
        return _lines(path, io.BytesIO(data))
    if text[start] == "{" and isinstance(row := _row_or_error(_bytes(text[start:])), dict):
        return iter([(1, row)])
    raise FormatError(f"{path}: it holds neither a list of objects nor one object on each line")


_SPACE = re.compile(r"[ \t\r\n]*")


def _elements(text: str, start: int) -> Iterator[_Read]:
    number = 0
    at = _after_space(text, start)
    while text[at : at + 1] != "]":
        number += 1
        try:
            _, end = json.JSONDecoder().raw_decode(text, at)
        except (ValueError, RecursionError) as error:
            yield number, RowError(f"bad JSON, so that it and what follows cannot be read: {error}")
            return
        yield number, _row_or_error(_bytes(text[at:end]) + b"\n")
        at = _after_space(text, end)
        if text[at : at + 1] == ",":
            at = _after_space(text, at + 1)
        elif text[at : at + 1] != "]":
            yield number + 1, RowError("the list is not closed, or a comma is missing")
            return
    if _after_space(text, at + 1) < len(text):
        yield number + 1, RowError("there is more after the end of the list")


def _after_space(text: str, start: int) -> int:
    match = _SPACE.match(text, start)
    return match.end() if match else start


def _bytes(text: str) -> bytes:
    return text.encode(errors="surrogateescape")
