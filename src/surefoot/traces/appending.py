"""A file of JSON lines, open behind its last whole row, so that a killed run goes on there."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import IO, Any

from surefoot.errors import RowError
from surefoot.traces.drafts import check_place
from surefoot.traces.records import parse_row


def open_behind(path: str, on_row: Callable[[dict[str, Any]], None]) -> tuple[IO[bytes], int]:
    """The file, made if it is not there, and how many bytes of a half-written last row it lost.

    `on_row` is told every row, and may refuse it with a `RowError`.

    Raises:
        RowError: a whole row is bad, or was refused.
        StorageError: there can be no such file.
        OSError: it cannot be opened.
    """
    check_place(path)
    final = Path(path).resolve()
    file = open(final, "r+b" if final.exists() else "x+b")  # noqa: SIM115
    end = dropped = 0
    for number, raw in enumerate(file, 1):
        if raw.strip():
            try:
                on_row(parse_row(raw))
            except RowError as error:
                if raw.endswith(b"\n"):
                    file.close()
                    raise error.at(path, number) from None
                dropped = len(raw)
                break
        end += len(raw)
        if not raw.endswith(b"\n"):
            file.write(b"\n")
            end += 1
    file.truncate(end)
    file.seek(end)
    return file, dropped
