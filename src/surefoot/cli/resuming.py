"""A file of traces that is written row by row, and goes on where a killed run left it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from itertools import chain
from typing import TYPE_CHECKING

from surefoot.cli.say import count, note
from surefoot.errors import UsageError
from surefoot.traces.types import Trace

if TYPE_CHECKING:
    from surefoot.traces.store import TraceWriter


@contextmanager
def open_rows(out: str | None, resume: bool) -> Iterator[TraceWriter | None]:
    """A writer for a file, which a plain .jsonl file's finished rows stay in with `resume`; None
    without a file. An interrupt says how much is kept.

    Raises:
        StorageError: the file cannot be written.
        RowError: with `resume`, the file holds something else than traces.
    """
    if out is None:
        yield None
        return
    from surefoot.traces.store import TraceWriter

    is_kept = False
    try:
        with TraceWriter(out, resume=is_resumed(out, resume)) as writer:
            is_kept = is_resumed(out, resume)
            if writer.dropped:
                note(f"{out}: its last row was half written and is done again")
            yield writer
    except KeyboardInterrupt as stop:
        if is_kept and (num := _whole_rows(out)):  # counted when what was buffered is written too
            stop.add_note(
                f"{count(num, 'trace')} are kept in {out}; the same command goes on from there"
            )
        raise


def is_resumed(out: str, resume: bool) -> bool:
    """Whether a file of this name can be gone on with, and is to be."""
    return resume and out.endswith(".jsonl")


def unfinished(
    inputs: Iterable[list[Trace]],
    out: str | None,
    writer: TraceWriter | None,
    *,
    other: Callable[[Trace, Trace], str | None],
    on_done: Callable[[Trace, Trace], None],
) -> Iterator[tuple[list[Trace], int]]:
    """Each chunk with work left in it, and the position in it where that work starts.

    Args:
        inputs: The traces in chunks.
        out: The file, None for none.
        writer: What writes it.
        other: What of a finished row is not what comes of a trace, such as `another trace than the
            input`; None where it is.
        on_done: Told each trace that was done already, and its row.

    Raises:
        UsageError: the finished rows are not what comes of these traces.
    """
    rows: Iterator[Trace] = iter(())
    if writer is not None and writer.done:
        from surefoot.traces.store import read_traces

        rows = read_traces(str(out), strict=True)
    row = 0
    for some in inputs:
        start = 0
        for trace in some:
            done = next(rows, None)
            if done is None:
                break
            row += 1
            if what := other(trace, done):
                raise _other_rows(out, row, what)
            on_done(trace, done)
            start += 1
        if start < len(some):
            yield some, start
    if next(rows, None) is not None:
        raise _other_rows(out, row + 1, "more traces than the input")


def started(items: Iterator[list[Trace]]) -> Iterator[list[Trace]]:
    """The same, with the first one read now, so that a bad input fails before a file is written."""
    first = next(items, None)
    return iter(()) if first is None else chain([first], items)


def _whole_rows(out: str) -> int:
    """How many rows a file holds; an interrupt may come between writing a row and counting it."""
    with open(out, "rb") as file:
        return sum(line.endswith(b"\n") for line in file)


def _other_rows(out: str | None, row: int, what: str) -> UsageError:
    return UsageError(
        f"{out}: row {row} holds {what}, so this is not an unfinished run of this command;"
        " name another file, or add --no-resume to replace it"
    )
