"""A server whose answers are kept in a file as they come, so that none is asked for and paid twice,
and which is asked at a pace.
"""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import IO, Any

from surefoot.policies.openai_server import OpenAIServer, at, text_of
from surefoot.policies.pace import Pace
from surefoot.traces.records import storage_errors
from surefoot.traces.types import canonical_json


class Answers:
    """Answers by what was asked, in a file of JSON lines; without a path, nowhere.

    What an earlier run kept is given once to whoever asks the same again; it stays in the file, and
    only where it stands is remembered. A last line that a kill left half written is dropped.

    Raises:
        StorageError: the file cannot be read or written.
    """

    def __init__(self, path: Path | None) -> None:
        self.path = path
        self._lock = threading.Lock()
        self._file: IO[bytes] | None = None
        self._kept: dict[str, int] = {}
        if path is not None and path.is_file():
            with storage_errors(str(path), "read"):
                self._read(path)

    def take(self, key: str) -> Any | None:
        """The answer of an earlier run; None if there is none."""
        with self._lock:
            place = self._kept.pop(key, None)
        if place is None or self.path is None:
            return None
        with storage_errors(str(self.path), "read"), self.path.open("rb") as file:
            file.seek(place)
            return json.loads(file.readline())["answer"]

    def keep(self, key: str, answer: Any) -> None:
        """Write an answer down."""
        if self.path is None:
            return
        line = json.dumps({"asked": key, "answer": answer}).encode() + b"\n"
        with self._lock, storage_errors(str(self.path), "write"):
            if self._file is None:
                self._file = self.path.open("ab")
            self._file.write(line)
            self._file.flush()

    def close(self, *, discard: bool) -> None:
        """Write no more; `discard` removes the file."""
        with self._lock:
            if self._file is not None:
                self._file.close()
                self._file = None
            if discard and self.path is not None:
                with suppress(OSError):
                    self.path.unlink(missing_ok=True)

    def _read(self, path: Path) -> None:
        end = 0
        with path.open("rb") as file:
            for line in file:
                try:
                    row = json.loads(line)
                    row["answer"]
                    self._kept[row["asked"]] = end
                except (ValueError, KeyError, TypeError, RecursionError):
                    break
                end += len(line)
        with path.open("r+b") as file:
            file.truncate(end)


class KeptServer(OpenAIServer):
    """An address, as `OpenAIServer`, asked at the given pace; what was answered is kept."""

    def __init__(
        self, url: str, *, pace: Pace | None = None, answers: Answers | None = None, **options: Any
    ) -> None:
        super().__init__(url, **options)
        self._pace = pace or Pace()
        self._answers = answers or Answers(None)

    def ask(self, path: str, body: Mapping[str, Any]) -> Any:
        """The answer to one request, or the one that was kept.

        Raises:
            ModelError: as `OpenAIServer.ask`.
            StorageError: the answer cannot be kept.
        """
        key = hashlib.sha256(canonical_json([path, body]).encode()).hexdigest()
        answer = self._answers.take(key)
        if answer is not None:
            return answer
        aside, num_tokens = self._pace.wait(), 0
        try:
            answer = super().ask(path, body)
            num_tokens = self._num_tokens(answer, path)
        finally:
            self._pace.settle(aside, num_tokens)
        self._answers.keep(key, answer)
        return answer

    def _num_tokens(self, answer: Any, path: str) -> int:
        """What an answer took, if it is one that can be kept: of the protocol.

        Raises:
            ModelError: it is not.
        """
        where = self.url + path
        text_of(answer, where)
        usage = [
            at(answer, where, int, "usage", f"{one}_tokens") for one in ("prompt", "completion")
        ]
        return sum(usage)
