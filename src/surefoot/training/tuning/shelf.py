"""The folder of a study: what it is about, on which data, who works on which trial, what is kept.

    study.json        settings, and the data that it was run on, one after the other
    study.db          the trials, unless they are in a database elsewhere
    trials/0007/      trial.json, metrics.jsonl, and model/ while it is among the best
    best/             the best model on the data at hand, whole
    report.json       everything that is known

All workers of a study share the folder. What must not happen twice is done under one lock of the
file system, and each trial is held by another while it is worked on; a process that dies lets go of
both, so that whoever comes next sees at once what was left lying.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any

from surefoot.errors import StorageError, UsageError
from surefoot.models.contract import CONTRACT_FILE
from surefoot.traces.records import storage_errors
from surefoot.traces.rows import trace_to_row
from surefoot.traces.types import Trace, canonical_json
from surefoot.training.callbacks import LOG_FILE
from surefoot.training.scratches import discard, scratch_of
from surefoot.training.tuning.database import DATABASE_FILE

VERSION = 1
STUDY_FILE = "study.json"
REPORT_FILE = "report.json"
PAGE_FILE = "report.html"
TRIAL_FILE = "trial.json"
_LOCK_FILE = ".lock"


@dataclass(frozen=True, kw_only=True)
class Edition:
    """The data that some trials of a study were done on."""

    data: str
    """A hash of all traces."""
    study: str
    """Name of Optuna's study of them."""
    num_traces: int
    num_development: int
    since: str
    """When it was first seen, in UTC."""
    queue: tuple[Mapping[str, Any], ...]
    """The points of the space to begin with, each as `params` and, where they are those of a trial
    on the data before, its number as `again`; those of the settings that the study was given are
    `given`."""


@dataclass(frozen=True, kw_only=True)
class StudyFile:
    """What a study is about, and the data that it was run on."""

    settings: Mapping[str, Any]
    database: str
    """Where its trials are, without a password."""
    name: str
    """What its studies in that database begin with."""
    editions: tuple[Edition, ...] = ()
    current: int = 0
    """Which of them is at hand: that of the last worker that began."""


@dataclass(frozen=True)
class Shelf:
    """The folder of a study."""

    folder: Path

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Wait until no one else does what must be done by one at a time.

        Raises:
            StorageError: the folder cannot be written.
        """
        with storage_errors(str(self.folder), "write"):
            self.folder.mkdir(parents=True, exist_ok=True)
            file = _opened(self.folder / _LOCK_FILE)
        with file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield

    def hold(self, number: int) -> IO[str] | None:
        """Work on a trial alone, until the file is closed or the process ends; None where another
        process does."""
        folder = self.trial(number)
        with storage_errors(str(folder), "write"):
            folder.mkdir(parents=True, exist_ok=True)
            file = _opened(folder / _LOCK_FILE)
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.close()
            return None
        return file

    def trial(self, number: int) -> Path:
        """The folder of a trial."""
        return self.folder / "trials" / f"{number:04}"

    def model(self, number: int) -> Path:
        """The folder of a trial's model."""
        return self.trial(number) / "model"

    @property
    def best(self) -> Path:
        """The folder of the best model."""
        return self.folder / "best"

    def read(self) -> StudyFile | None:
        """What the study is about; None where the folder is new or empty.

        Raises:
            StorageError: it holds no study that this version can read.
            UsageError: it holds something else.
        """
        path = self.folder / STUDY_FILE
        if not path.is_file():
            usual = {_LOCK_FILE, DATABASE_FILE}
            held = [one.name for one in self.folder.iterdir()] if self.folder.is_dir() else []
            if other := sorted(set(held) - usual):
                raise UsageError(f"{self.folder} holds no study but {other[0]}; name a new folder")
            return None
        try:
            values = json.loads(path.read_text(encoding="utf-8"))
            if (version := values.pop("version")) != VERSION:
                raise StorageError(
                    f"{path} is of version {version!r}, this surefoot reads {VERSION}; name a new "
                    "folder"
                )
            editions = tuple(
                Edition(**{**one, "queue": tuple(one["queue"])}) for one in values.pop("editions")
            )
            return StudyFile(**values, editions=editions)
        except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
            if isinstance(error, StorageError):
                raise
            raise StorageError(f"{path} is damaged: {error!r}; name a new folder") from None

    def write(self, study: StudyFile) -> None:
        """Say what the study is about."""
        self.put(STUDY_FILE, {"version": VERSION, **asdict(study)})

    def put(self, name: str, values: Mapping[str, Any]) -> None:
        """A JSON file of the folder, whole at every moment.

        Raises:
            StorageError: it cannot be written.
        """
        path = self.folder / name
        partial = path.with_name(f".{path.name}.partial")
        with storage_errors(str(path), "write"):
            path.parent.mkdir(parents=True, exist_ok=True)
            partial.write_text(json.dumps(values, indent=2, ensure_ascii=False) + "\n", "utf-8")
            os.replace(partial, path)

    def is_trained(self, number: int) -> bool:
        """Whether the whole model of a trial is there."""
        return (self.model(number) / CONTRACT_FILE).is_file()

    def forget_model(self, number: int) -> None:
        """Take away the weights of a trial, and what its training had put aside; its log stays."""
        model = self.model(number)
        scratch = scratch_of(model)
        with storage_errors(str(model), "write"):
            for folder in (model, scratch):
                if (folder / LOG_FILE).is_file():
                    os.replace(folder / LOG_FILE, self.trial(number) / LOG_FILE)
            (model / CONTRACT_FILE).unlink(missing_ok=True)
            shutil.rmtree(model, ignore_errors=True)
            discard(scratch)

    def publish(self, number: int, said: Mapping[str, Any]) -> None:
        """Make the model of a trial the best one: a copy, with what is said of it beside it.

        Raises:
            StorageError: the model is gone, or it cannot be copied.
        """
        partial, old = (self.folder / f".best.{part}" for part in ("partial", "old"))
        if self.best.is_dir() and self._published() == number:
            return
        if not self.is_trained(number):
            raise StorageError(
                f"{self.model(number)} is gone, which holds the best model so far; put it back, or "
                "name a new folder"
            )
        with storage_errors(str(self.best), "write"):
            for folder in (partial, old):
                shutil.rmtree(folder, ignore_errors=True)
            shutil.copytree(self.model(number), partial)
            text = json.dumps(said, indent=2, ensure_ascii=False)
            (partial / TRIAL_FILE).write_text(text + "\n", encoding="utf-8")
            if self.best.is_dir():
                os.replace(self.best, old)
            os.replace(partial, self.best)
            shutil.rmtree(old, ignore_errors=True)

    def _published(self) -> int | None:
        try:
            found: int = json.loads((self.best / TRIAL_FILE).read_text(encoding="utf-8"))["number"]
        except (OSError, ValueError, KeyError, TypeError):
            return None
        return found


def data_hash(*parts: Sequence[Trace]) -> str:
    """A hash of all that a training and a goal take from traces, in their order."""
    digest = hashlib.sha256()
    for part in parts:
        for trace in part:
            row = {name: value for name, value in trace_to_row(trace).items() if name != "scores"}
            digest.update(canonical_json(row).encode() + b"\n")
        digest.update(b"\n")
    return digest.hexdigest()


def now() -> str:
    """The time in UTC."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def differences(one: Mapping[str, Any], other: Mapping[str, Any], prefix: str = "") -> list[str]:
    """The dotted names of what is not the same in two JSON objects."""
    found = []
    for name in {**one, **other}:
        ours, theirs = one.get(name), other.get(name)
        if isinstance(ours, Mapping) and isinstance(theirs, Mapping):
            found += differences(ours, theirs, f"{prefix}{name}.")
        elif ours != theirs:
            found.append(prefix + name)
    return found


def _opened(path: Path) -> IO[str]:
    return path.open("a", encoding="utf-8")
