"""Traces from the files a verb was given, with every row that was left out counted and told."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import TYPE_CHECKING, Any, TypeVar

from surefoot.cli.say import count, note
from surefoot.errors import FormatError, RowError, UnscorableError
from surefoot.traces.types import StepScores, Trace

if TYPE_CHECKING:
    from surefoot.models.base import RewardModel

T = TypeVar("T")

MOST_TOLD = 10
"""Skipped rows that are told one by one; the number of the others is said."""

CHUNK = 64
"""Traces that a model is given at once."""


@dataclass
class Skipped:
    """The rows that could not be read: how many, and the first few of them."""

    rows: int = 0
    first: list[RowError] = field(default_factory=list)

    def add(self, error: RowError) -> None:
        """Count a row, and tell it if it is among the first."""
        self.rows += 1
        if len(self.first) < MOST_TOLD:
            self.first.append(error)
            note(f"skipped {error}")

    def to_json(self) -> dict[str, Any]:
        """The number, and place, field and reason of the first few."""
        return {
            "rows": self.rows,
            "first": [
                {"path": e.path, "line": e.line, "field": e.field, "reason": e.reason}
                for e in self.first
            ],
        }

    def summary(self) -> str:
        """Such as `2 rows skipped`; empty if none was."""
        return f"{count(self.rows, 'row')} skipped" if self.rows else ""


def read_files(
    files: Sequence[str], source_format: str | None, strict: bool, skipped: Skipped
) -> Iterator[Trace]:
    """The traces of several files one after another; `-` is stdin.

    Raises:
        FormatError: rows there were, but none that could be read.
        RowError: a row is bad, and `strict` was asked for.
    """
    from surefoot.traces.convert import read_any

    nothing = True
    for file in files:
        for trace in read_any(file, source_format, strict=strict, on_skip=skipped.add):
            nothing = False
            yield trace
    if nothing and skipped.rows:
        raise FormatError(
            f"{', '.join(files)}: none of {count(skipped.rows, 'row')} could be read;"
            " mend the rows told above, or name the format with --format"
        )


@dataclass
class Unscored:
    """The traces that a model could not score: how many, and why the first few were not."""

    strict: bool
    traces: int = 0
    first: list[str] = field(default_factory=list)

    def add(self, error: UnscorableError) -> None:
        """Count a trace, and tell it if it is among the first; `strict` raises instead."""
        if self.strict:
            raise error
        self.traces += 1
        if len(self.first) < MOST_TOLD:
            self.first.append(str(error))
            note(f"not scored: {error}")

    def to_json(self) -> dict[str, Any]:
        """The number, and the reasons of the first few."""
        return {"traces": self.traces, "first": self.first}


def score_all(
    model: RewardModel, some: Sequence[Trace], unscored: Unscored
) -> list[StepScores | None]:
    """The scores of each trace; None where the model cannot score it, which is counted."""
    try:
        return list(model.score(some))
    except UnscorableError:
        return [_score_one(model, trace, unscored) for trace in some]


def _score_one(model: RewardModel, trace: Trace, unscored: Unscored) -> StepScores | None:
    try:
        return model.score(trace)
    except UnscorableError as error:
        unscored.add(error)
        return None


def score_in_chunks(
    model: RewardModel, traces: Iterable[Trace], unscored: Unscored
) -> Iterator[StepScores | None]:
    """The scores of each trace, a chunk at a time."""
    for some in chunks(traces):
        yield from score_all(model, some, unscored)


def chunks(items: Iterable[T], size: int = CHUNK) -> Iterator[list[T]]:
    """The items in lists of `size`; the last may be shorter."""
    rest = iter(items)
    while some := list(islice(rest, size)):
        yield some
