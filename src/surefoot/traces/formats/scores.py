"""Score files: step scores without their traces, joined to the traces by problem and candidate.

A row is `{problem_id, candidate, step_scores[]}` and belongs to the trace with the same
`problem_id` and `candidate` in its `meta`; or `{id, step_scores[]}`, or one of our own traces with
scores, and belongs to the traces of that id. Nothing is guessed: what does not fit is counted and
left out.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from surefoot.errors import RowError, TraceError
from surefoot.traces.formats.format import Record
from surefoot.traces.records import SkippedRow, read_records, skip, warn_of_skipped
from surefoot.traces.rows import trace_from_row
from surefoot.traces.types import ScoreKind, StepScores, Trace

_Key = tuple[str, int | None]
"""A problem and its candidate; or the id of a trace, and None."""


@dataclass(frozen=True, slots=True)
class JoinReport:
    """How many traces and score rows found each other.

    `joined` traces got scores; `missing` traces have no score row; `wrong_length` traces have one
    that does not fit their steps. Of the score rows, `duplicate` repeat the key of another (the
    first counts if all say the same, else none does), `extra` fit no trace, and `bad` could not be
    read.
    """

    joined: int
    missing: int
    wrong_length: int
    duplicate: int
    extra: int
    bad: int

    def to_json(self) -> dict[str, int]:
        """The counts by name."""
        return asdict(self)


class ScoreFile:
    """The rows of one score file, and what became of each.

    `misfits` holds the first row that is `duplicate`, of `wrong_length` or `extra`, with its line.
    """

    def __init__(
        self,
        path: str | Path,
        *,
        model: str | None = None,
        kind: ScoreKind = "probability",
        strict: bool = False,
        on_skip: Callable[[SkippedRow], object] | None = None,
    ) -> None:
        """Read the whole file.

        Args: path: JSON lines, plain or `.gz`. model: The model that gave the scores; by default
            the file's name without "scores_" and ending. kind: What the scores are. strict: Raise
            at the first bad row rather than count it. on_skip: Told each bad row; without it, they
            become warnings.

        Raises:
            RowError: a row is bad, and `strict` was asked for.
            StorageError: the file is missing or damaged.
        """
        self.path = str(path)
        self.misfits: dict[str, RowError] = {}
        self.model = model or Path(path).name.split(".")[0].removeprefix("scores_")
        self._rows: dict[_Key, StepScores | None] = {}
        self._has_ids = False
        self._lines: dict[_Key, int] = {}
        self._used: set[_Key] = set()
        self._counts: Counter[str] = Counter()

        def skip_row(row: SkippedRow) -> None:
            self._counts["bad"] += 1
            (on_skip or warn_of_skipped)(row)

        for line, record in read_records(path, strict=strict, on_skip=skip_row):
            try:
                key, scores = _row(record, self.model, kind)
            except RowError as error:
                skip(error, str(path), line, strict=strict, on_skip=skip_row)
                continue
            if key in self._rows:
                self._counts["duplicate"] += 1
                same = self._rows[key] == scores
                self._rows[key] = scores if same else None
                said = f"repeats line {self._lines[key]}{'' if same else ', with other scores'}"
                self._misfit("duplicate", line, "candidate", said)
            else:
                self._rows[key] = scores
                self._lines[key] = line
                self._has_ids |= key[1] is None

    def join(self, trace: Trace) -> Trace:
        """The trace with its scores, or as it was where none fit."""
        scores = self.find(trace)
        return trace if scores is None else trace.with_scores(scores)

    def find(self, trace: Trace) -> StepScores | None:
        """The scores of a trace, None where none fit; either is counted."""
        key = self._key(trace)
        self._used.add(key)
        scores = self._rows.get(key)
        if scores is None:
            self._counts["missing"] += 1
            return None
        if len(scores.values) != len(trace.steps):
            self._counts["wrong_length"] += 1
            said = (
                f"has {len(scores.values)} scores for the {len(trace.steps)} steps of {_told(key)}"
            )
            self._misfit("wrong_length", self._lines[key], "step_scores", said)
            return None
        self._counts["joined"] += 1
        return scores

    def has(self, trace: Trace) -> bool:
        """Whether a row tells of a trace, whatever it says."""
        return self._key(trace) in self._rows

    def _key(self, trace: Trace) -> _Key:
        key = _candidate(trace)
        return (trace.id, None) if self._has_ids and key not in self._rows else key

    def _misfit(self, what: str, line: int, field: str, said: str) -> None:
        """Keep the first row of its kind that does not fit."""
        self.misfits.setdefault(what, RowError(said, field=field, path=self.path, line=line))

    def report(self) -> JoinReport:
        """The counts so far; `extra` is final when all traces were joined."""
        names = ("joined", "missing", "wrong_length", "duplicate", "bad")
        extra = [key for key in self._rows if key not in self._used]
        if extra:
            said = f"no trace is {_told(extra[0])}"
            self._misfit("extra", self._lines[extra[0]], "problem_id", said)
        return JoinReport(extra=len(extra), **{name: self._counts[name] for name in names})


def _candidate(trace: Trace) -> _Key:
    candidate = trace.meta.get("candidate")
    is_number = isinstance(candidate, int) and not isinstance(candidate, bool)
    return str(trace.meta.get("problem_id")), candidate if is_number else -1


def _told(key: _Key) -> str:
    return f"candidate {key[1]} of problem {key[0]!r}" if key[1] is not None else f"{key[0]!r}"


def _row(record: Record, model: str, kind: ScoreKind) -> tuple[_Key, StepScores | None]:
    if "surefoot" in record:
        return _own_row(record)
    problem, candidate = record.get("problem_id"), record.get("candidate")
    values = record.get("step_scores")
    if "problem_id" not in record and isinstance(record.get("id"), str):
        problem, candidate = record["id"], None
    elif not isinstance(problem, (str, int)) or isinstance(problem, bool):
        raise RowError("must be text", field="problem_id")
    elif not isinstance(candidate, int) or isinstance(candidate, bool):
        raise RowError("must be a whole number", field="candidate")
    if not isinstance(values, list):
        raise RowError("must be a list of numbers", field="step_scores")
    try:
        return (str(problem), candidate), StepScores(tuple(values), model=model, kind=kind)
    except TraceError as error:
        raise RowError(str(error), field="step_scores") from None


def _own_row(record: Record) -> tuple[_Key, StepScores | None]:
    """The id and the scores of one of our traces; it keeps what they are called and are."""
    trace = trace_from_row(record)
    if len(trace.scores) > 1:
        names = ", ".join(one.model for one in trace.scores)
        raise RowError(f"holds several scores ({names}); a score file has one", field="scores")
    return (trace.id, None), trace.scores[0] if trace.scores else None


def join_scores(
    traces: Iterable[Trace],
    score_file: str | Path,
    *,
    model: str | None = None,
    kind: ScoreKind = "probability",
    on_report: Callable[[JoinReport], None] | None = None,
) -> Iterator[Trace]:
    """Each trace with its scores from a file, or as it was; at the end `on_report` gets the counts.

    Raises:
        StorageError: the score file is missing or damaged.
    """
    table = ScoreFile(score_file, model=model, kind=kind)
    for trace in traces:
        yield table.join(trace)
    if on_report is not None:
        on_report(table.report())
