"""A file under a temporary name, which takes its own only when it is whole."""

from __future__ import annotations

import os
import secrets
import sys
from contextlib import suppress
from pathlib import Path
from typing import IO

from surefoot.errors import StorageError
from surefoot.traces.records import storage_errors


class Draft:
    """Bytes go to `file`; then either `publish` or `discard`.

    Until it is published, what was under the name stays as it was. Devices and "-", which is
    standard output, are written directly.

    Raises:
        StorageError: the folder is missing or not writable, the disk is full, or the like.
    """

    def __init__(self, path: str) -> None:
        self.path = path
        self._final = Path(path).resolve()
        self._temporary: Path | None = None
        with storage_errors(path, "write"):
            self.file = self._opened()

    def publish(self) -> None:
        """Complete the file and give it its name."""
        with storage_errors(self.path, "write"):
            self.file.flush()
            if self._temporary is not None:
                os.fsync(self.file.fileno())
                self.file.close()
                self._temporary.replace(self._final)
                self._temporary = None
            elif self.path != "-":
                self.file.close()

    def discard(self) -> None:
        """Give up: the name keeps what was there before. Does nothing to a published file."""
        if self.path != "-":
            with suppress(OSError):
                self.file.close()
        if self._temporary is not None:
            self._temporary.unlink(missing_ok=True)

    def _opened(self) -> IO[bytes]:
        if self.path == "-":
            return sys.stdout.buffer
        check_place(self.path)
        final = self._final
        if final.exists() and not final.is_file():
            return open(final, "wb")
        temporary = final.with_name(f".{final.name}.{secrets.token_hex(4)}.part")
        file = open(temporary, "xb")  # noqa: SIM115
        self._temporary = temporary
        return file


def check_place(path: str) -> None:
    """Make sure that a file of this name can be there, whether or not it is there yet.

    Raises:
        StorageError: it is a folder, or there is no folder to hold it.
    """
    place = Path(path).resolve()
    if place.is_dir():
        raise StorageError(f"{path}: it is a folder; give the name of a file in it")
    if not place.parent.is_dir():
        raise StorageError(f"{path}: there is no folder {place.parent}; make it first")
