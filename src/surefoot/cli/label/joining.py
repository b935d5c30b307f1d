"""The traces of several files as one stream, joined where they are the same trace.

The first file streams, in its order; of the others, and of traces that the first holds more than
once, all is kept in memory until its turn comes. What no row of the first file asks for comes last.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from surefoot.cli.reading import MOST_TOLD, Skipped, read_files
from surefoot.cli.say import count, note
from surefoot.traces.joining import joined
from surefoot.traces.types import Trace


@dataclass
class Joined:
    """What was joined: rows read, traces they make, and those whose rows contradict each other."""

    skipped: Skipped = field(default_factory=Skipped)
    rows: int = 0
    traces: int = 0
    differing: Counter[str] = field(default_factory=Counter)

    def to_json(self) -> dict[str, Any]:
        """The counts."""
        return {
            "rows": self.rows,
            "traces": self.traces,
            "differing": dict(self.differing),
            "skipped": self.skipped.to_json(),
        }

    def lines(self) -> list[str]:
        """What a person should know of them; the joins only where there were any."""
        said = []
        if self.rows != self.traces:
            said.append(f"{count(self.rows, 'row')} joined to {count(self.traces, 'trace')}")
        said += [
            f"{count(times, 'trace')} with rows of different {name}; the first was kept"
            for name, times in self.differing.items()
        ]
        if self.skipped.rows:
            said.append(self.skipped.summary())
        return said


class JoinedFiles:
    """Traces of files, to be gone through any number of times; `told` counts the first time.

    Raises:
        FormatError, RowError, StorageError: as `read_files`.
    """

    def __init__(self, files: Sequence[str], source_format: str | None, strict: bool) -> None:
        self.told = Joined()
        self._format, self._strict = source_format, strict
        self._first = files[0] if files[0] != "-" else None
        self._rest: dict[str, list[Trace]] = {}
        ids: set[str] = set()
        if self._first is not None:
            for trace in self._read([self._first], self.told.skipped):
                self.told.rows += 1
                if trace.id in ids:
                    self._rest.setdefault(trace.id, []).append(trace)
                ids.add(trace.id)
        others = files if self._first is None else files[1:]
        for trace in self._read(others, self.told.skipped) if others else ():
            self.told.rows += 1
            self._rest.setdefault(trace.id, []).append(trace)
        self.told.traces = len(ids.union(self._rest))
        self._counted = False

    def __iter__(self) -> Iterator[Trace]:
        seen: set[str] = set()
        for trace in self._again():
            if trace.id not in seen:
                seen.add(trace.id)
                yield self._join([trace, *self._rest.get(trace.id, ())])
        for name, parts in self._rest.items():
            if name not in seen:
                yield self._join(parts)
        self._counted = True

    def _read(self, files: Sequence[str], skipped: Skipped) -> Iterator[Trace]:
        return read_files(files, self._format, self._strict, skipped)

    def _again(self) -> Iterator[Trace]:
        """The first file once more; what was skipped is told already."""
        from surefoot.traces.convert import read_any

        if self._first is None:
            return iter(())
        return read_any(self._first, self._format, strict=self._strict, on_skip=lambda error: None)

    def _join(self, parts: list[Trace]) -> Trace:
        trace, differing = joined(parts)
        if differing and not self._counted:
            if self.told.differing.total() < MOST_TOLD:
                note(f"trace {trace.id}: its rows differ in {', '.join(differing)}")
            self.told.differing.update(differing)
        return trace
