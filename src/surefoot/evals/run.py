"""The folder of an evaluation, from which it can be shown, gone on with and compared.

    config.json     what was measured and how: benchmark, scorer, files, options, data hash
    scores.jsonl    the traces with the scores of the scorer, a trace file like any other
    probes.jsonl    of a run of probes: the altered traces with their scores
    metrics.json    every figure, with intervals, baselines, warnings and what was left out
    report.html     the same for people

`scores.jsonl` holds all that figures need, so a run is measured again from its folder alone.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import surefoot
from surefoot.errors import StorageError, UsageError
from surefoot.evals.benchmark import Options, Scores
from surefoot.traces.drafts import Draft
from surefoot.traces.records import storage_errors
from surefoot.traces.store import read_traces
from surefoot.traces.types import Trace

CONFIG_FILE = "config.json"
SCORES_FILE = "scores.jsonl"
PROBES_FILE = "probes.jsonl"
METRICS_FILE = "metrics.json"
REPORT_FILE = "report.html"


@dataclass(frozen=True, kw_only=True)
class RunConfig:
    """What a run measures and how.

    `kind` is the verb's name, such as `processbench` or `bon`; `scorer` what the scores are signed
    with; `files` the names of the trace files; `more` what only this kind of run has.
    """

    kind: str
    scorer: str
    files: tuple[str, ...]
    options: Options
    more: Mapping[str, Any] = field(default_factory=dict)
    version: str = surefoot.__version__

    def to_json(self) -> dict[str, Any]:
        """Every field."""
        return {**asdict(self), "files": list(self.files), "more": dict(self.more)}

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> RunConfig:
        """The config in a JSON object."""
        options = Options(**values["options"])
        return cls(**{**values, "files": tuple(values["files"]), "options": options})


@dataclass(frozen=True)
class Run:
    """A finished evaluation on disk."""

    folder: Path
    config: RunConfig
    metrics: Mapping[str, Any]

    @property
    def name(self) -> str:
        """The folder's own name."""
        return self.folder.resolve().name

    def traces(self) -> list[Trace]:
        """The traces with their scores, in order."""
        return list(read_traces(self.folder / SCORES_FILE, strict=True))

    def scores(self, traces: Sequence[Trace]) -> Scores:
        """Those of the run's scorer; None where it failed."""
        return [
            next((one for one in trace.scores if one.model == self.config.scorer), None)
            for trace in traces
        ]


def begin_run(folder: Path, config: RunConfig, *, resume: bool = True) -> None:
    """Make the folder of a run, or make sure that it holds an unfinished one of the same config.

    Raises:
        StorageError: the folder cannot be written.
        UsageError: it holds another run.
    """
    place = folder / CONFIG_FILE
    with storage_errors(str(folder), "write"):
        folder.mkdir(parents=True, exist_ok=True)
    wanted = json.loads(json.dumps(config.to_json()))
    if resume and place.is_file():
        held = _read(place)
        for name in wanted:
            if held.get(name) != wanted[name]:
                raise UsageError(
                    f"{folder} holds another run: its {name} is {json.dumps(held.get(name))}, not "
                    f"{json.dumps(wanted[name])}; name another folder, or add --no-resume"
                )
        return
    for name in (METRICS_FILE, REPORT_FILE, SCORES_FILE, PROBES_FILE):
        (folder / name).unlink(missing_ok=True)
    _write(place, wanted)


def finish_run(folder: Path, metrics: Mapping[str, Any]) -> None:
    """Write the figures, which makes the run whole.

    Raises:
        StorageError: the folder cannot be written.
    """
    _write(folder / METRICS_FILE, metrics)


def read_run(folder: str | Path) -> Run:
    """A finished run.

    Raises:
        UsageError: the folder holds none, or an unfinished one.
        StorageError: it cannot be read.
    """
    folder = Path(folder)
    if not (folder / CONFIG_FILE).is_file():
        raise UsageError(
            f"{folder} is no run: it holds no {CONFIG_FILE}; `surefoot eval ... --out` makes one"
        )
    if not (folder / METRICS_FILE).is_file():
        raise UsageError(
            f"{folder} holds an unfinished run; the command that began it goes on with it"
        )
    try:
        config = RunConfig.from_json(_read(folder / CONFIG_FILE))
    except (TypeError, KeyError) as error:
        raise UsageError(f"{folder / CONFIG_FILE} is of another version: {error}") from None
    return Run(folder, config, _read(folder / METRICS_FILE))


def data_hash(traces: Iterable[Trace]) -> str:
    """SHA-256 over the traces and their labels, in order; scores and other fields do not count."""
    found = hashlib.sha256()
    for trace in traces:
        labels = [[one.source, list(one.values)] for one in trace.labels]
        found.update(json.dumps([trace.id, trace.outcome, labels]).encode() + b"\n")
    return found.hexdigest()


def _read(place: Path) -> dict[str, Any]:
    try:
        values = json.loads(place.read_text(encoding="utf-8"))
    except OSError as error:
        raise StorageError(f"{place} cannot be read: {error}") from None
    except ValueError as error:
        raise UsageError(f"{place} is not JSON: {error}") from None
    if not isinstance(values, dict):
        raise UsageError(f"{place} holds no JSON object")
    return values


def _write(place: Path, values: Mapping[str, Any]) -> None:
    draft = Draft(str(place))
    try:
        text = json.dumps(values, ensure_ascii=False, allow_nan=False, indent=2) + "\n"
        draft.file.write(text.encode())
    except BaseException:
        draft.discard()
        raise
    draft.publish()
