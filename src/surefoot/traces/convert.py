"""Read traces from a file of any known format, and turn files of one format into another."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

from surefoot.errors import FormatError, RowError, TraceError
from surefoot.traces.formats import Format, LabelRule, Written, detect, named
from surefoot.traces.formats.fields import record_of
from surefoot.traces.formats.scores import JoinReport, ScoreFile, join_scores
from surefoot.traces.formats.writing import record_file
from surefoot.traces.records import SkippedRow, read_records, warn_of_skipped
from surefoot.traces.store import TraceWriter
from surefoot.traces.types import Trace

__all__ = ["ConvertReport", "JoinReport", "convert", "join_scores", "read_any"]

OnSkip: TypeAlias = Callable[[RowError], None]

_MOST_SKIPS = 100
"""Skipped rows that a report describes one by one; it counts the others."""

_MOST_UNKNOWN = 100
"""Records of no known format at the head of a file after which the file counts as none."""


@dataclass(frozen=True, slots=True)
class ConvertReport:
    """What a conversion read, wrote and could not keep.

    Attributes:
        read: Traces read.
        written: Records written; a record may hold several traces.
        skipped: Rows that could not be read, and traces that the target cannot express.
        skips: The first hundred of them, with file, line, field and reason.
        lost: For each kind of loss, in how many records of the target it happened.
        formats: For each source format, how many traces came from it.
        scores: What joining a score file found; None if none was joined.
    """

    read: int
    written: int
    skipped: int
    skips: tuple[RowError, ...]
    lost: Mapping[str, int]
    formats: Mapping[str, int]
    scores: JoinReport | None = None

    def to_json(self) -> dict[str, Any]:
        """The report as plain JSON."""
        return {
            "read": self.read,
            "written": self.written,
            "skipped": self.skipped,
            "skips": [
                {"path": e.path, "line": e.line, "field": e.field, "reason": e.reason}
                for e in self.skips
            ],
            "lost": dict(self.lost),
            "formats": dict(self.formats),
            "scores": None if self.scores is None else self.scores.to_json(),
        }


def read_any(
    path: str | Path,
    source_format: str | None = None,
    *,
    strict: bool = False,
    on_skip: OnSkip | None = None,
) -> Iterator[Trace]:
    """The traces of a file of any known format, one at a time.

    The file is JSON Lines (.jsonl, .jsonl.gz, "-" for standard input), a JSON list (.json) or
    Parquet. Its format is that of the first record that has one; a later record that does not look
    like it is a skipped row.

    Args:
        path: The file.
        source_format: A name from `surefoot.traces.formats.FORMATS`, to take the format as given.
        strict: Raise at the first bad row rather than skip it.
        on_skip: Told each skipped row, placed in its file; without it, rows become warnings.

    Raises:
        UsageError: there is no such format.
        FormatError: the file holds records, but of no known format.
        RowError: a row is bad, and `strict` was asked for.
        StorageError: the file is missing, damaged or not readable.
    """
    given = None if source_format is None else named(source_format)
    placed = _placed(str(path), given, strict, on_skip or _warn)
    return (trace for _, _, trace in placed)


def _warn(error: RowError) -> None:
    warn_of_skipped(SkippedRow(error.path, error.line or 0, error.field, error.reason))


def _placed(
    path: str, form: Format | None, strict: bool, on_skip: OnSkip
) -> Iterator[tuple[Format, int, Trace]]:
    """Each trace with its format and line (or place in a JSON list, counted from 1)."""

    def skip_unread(row: SkippedRow) -> None:
        on_skip(RowError(row.reason, field=row.field, path=row.path, line=row.line))

    def skip(error: RowError) -> None:
        if strict:
            raise error
        on_skip(error)

    records = read_records(path, strict=strict, on_skip=skip_unread)
    return _recognised(path, records, form, skip)


def _recognised(
    path: str, records: Iterator[tuple[int, dict[str, Any]]], form: Format | None, skip: OnSkip
) -> Iterator[tuple[Format, int, Trace]]:
    unknown: list[RowError] = []
    for line, record in records:
        if form is None:
            try:
                form = detect(record)
            except FormatError as error:
                unknown.append(RowError(str(error), path=path, line=line))
                if len(unknown) == _MOST_UNKNOWN or "step_scores" in record:
                    break
                continue
            for before in unknown:
                skip(before)
        elif not form.looks_like(record):
            fields = ", ".join(sorted(map(str, record))[:20]) or "none"
            reason = f"is not {form.title}, which this file holds; its fields are {fields}"
            skip(RowError(reason, path=path, line=line))
            continue
        try:
            traces = form.read(record)
        except RowError as error:
            skip(error.at(path, line))
            continue
        except TraceError as error:
            skip(RowError(str(error), path=path, line=line))
            continue
        for trace in traces:
            yield form, line, trace
    if form is None and unknown:
        raise FormatError(str(unknown[0]))


def convert(
    inputs: str | Path | Sequence[str | Path],
    out: str | Path,
    *,
    to: str,
    source_format: str | None = None,
    strict: bool = False,
    scores: str | Path | None = None,
    score_model: str | None = None,
    neutral: bool = True,
    threshold: float = 0.5,
) -> ConvertReport:
    """Write the traces of some files as another format.

    If it fails, or if not one row can be written, `out` is left as it was.

    Args:
        inputs: Files that `read_any` reads.
        out: JSON Lines (.jsonl, .jsonl.gz), a JSON list (.json) or, for Surefoot rows, JSON Lines
            or .parquet; "-" is standard output.
        to: The name of the target format.
        source_format: The name of the source format; by default it is found out for each file.
        strict: Raise at the first row or trace that would be skipped.
        scores: A score file to join.
        score_model: The model that gave those scores; by default the score file's name.
        neutral: How a rating of 0 counts where the target knows only right and wrong.
        threshold: The least value that counts as right where the target has no numbers.

    Raises:
        UsageError: there is no such format.
        FormatError: a file is of no known format.
        RowError: a row was bad, and `strict` was asked for.
        StorageError: a file cannot be read or written.
    """
    files = [inputs] if isinstance(inputs, (str, Path)) else list(inputs)
    target = named(to)
    given = None if source_format is None else named(source_format)
    work = _Conversion(target, LabelRule(neutral, threshold), strict)
    table = None
    if scores is not None:
        table = ScoreFile(scores, model=score_model, strict=strict, on_skip=work.skip_unread)
    with suppress(_NothingWritten), _sink(str(out), to) as put:
        for file in files:
            for form, line, trace in _placed(str(file), given, strict, work.skip):
                work.count(form)
                work.add(table.join(trace) if table else trace, str(file), line, put)
        work.flush(put)
        if not work.written:
            raise _NothingWritten
    return work.report(table.report() if table else None)


class _NothingWritten(Exception):  # noqa: N818 - no error to anyone
    """Leaves the target as it was, by ending the block that would put a file there."""


def _sink(out: str, to: str) -> AbstractContextManager[Callable[[Any], None]]:
    """A function that writes one record or, where they are Surefoot's own rows, one trace."""
    return _trace_file(out) if to == "surefoot" else record_file(out)


@contextmanager
def _trace_file(out: str) -> Iterator[Callable[[Any], None]]:
    with TraceWriter(out) as writer:
        yield writer.write


class _Conversion:
    """The counts of one conversion, and the traces of one record that wait to be written
    together."""

    def __init__(self, target: Format, rule: LabelRule, strict: bool) -> None:
        self._target, self._rule, self._strict = target, rule, strict
        self._waiting: list[Trace] = []
        self._place = ("", 0)
        self._formats: Counter[str] = Counter()
        self._lost: Counter[str] = Counter()
        self.written = self._skipped = 0
        self._skips: list[RowError] = []

    def skip(self, error: RowError) -> None:
        """Count a row that could not be read or written."""
        self._skipped += 1
        if len(self._skips) < _MOST_SKIPS:
            self._skips.append(error)

    def skip_unread(self, row: SkippedRow) -> None:
        """Count a row that `read_records` could not read."""
        self.skip(RowError(row.reason, field=row.field, path=row.path, line=row.line))

    def count(self, form: Format) -> None:
        """Count a trace that was read."""
        self._formats[form.name] += 1

    def add(self, trace: Trace, path: str, line: int, put: Callable[[Any], None]) -> None:
        """Write a trace, or keep it until the others of its record are there."""
        key = record_of(trace)
        if self._waiting and (key is None or key != record_of(self._waiting[0])):
            self.flush(put)
        self._place = (path, line)
        self._waiting.append(trace)
        if self._target.join is None or key is None:
            self.flush(put)

    def flush(self, put: Callable[[Any], None]) -> None:
        """Write the traces that wait."""
        together, self._waiting = self._waiting, []
        if self._target.name == "surefoot":
            for trace in together:
                put(trace)
            self.written += len(together)
            return
        if len(together) > 1 and self._target.join is not None:
            try:
                self._put(self._target.join(together, self._rule), put)
                return
            except TraceError:
                pass  # one of them cannot be written: find out which, and keep the others
        for trace in together:
            try:
                self._put(self._target.write(trace, self._rule), put)
            except TraceError as error:
                path, line = self._place
                placed = RowError(f"{self._target.name}: {error}", path=path, line=line)
                if self._strict:
                    raise placed from None
                self.skip(placed)

    def _put(self, made: Written, put: Callable[[Any], None]) -> None:
        for row in made.rows:
            put(row)
        self.written += len(made.rows)
        self._lost.update(made.lost)

    def report(self, scores: JoinReport | None) -> ConvertReport:
        """All counts."""
        return ConvertReport(
            read=self._formats.total(),
            written=self.written,
            skipped=self._skipped,
            skips=tuple(self._skips),
            lost=dict(sorted(self._lost.items())),
            formats=dict(self._formats),
            scores=scores,
        )
