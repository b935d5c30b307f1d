"""How every verb that labels goes through its traces: one at a time, each written when it is done.

A plain .jsonl file keeps every row of a killed run, and the same command goes on behind them. What
the labels depend on is kept beside it, in OUT.run.json, and compared, so that a file never holds
labels of two kinds.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any

from cyclopts import Parameter

from surefoot.cli.kept_settings import check_settings, keep_settings
from surefoot.cli.progress import num_rows, progress
from surefoot.cli.reading import CHUNK, Skipped, chunks, read_files
from surefoot.cli.resuming import is_resumed, open_rows, started, unfinished
from surefoot.cli.say import Common, count, note
from surefoot.errors import UsageError
from surefoot.traces.types import Trace


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class Rows:
    """Where traces come from and go to."""

    out: Annotated[str | None, Parameter(name=["--out", "-o"])] = None
    """Where to write traces with their labels: .jsonl, .jsonl.gz, .parquet; `-` is stdout."""

    source_format: Annotated[str | None, Parameter(name="--format")] = None
    """Format of the files, where it cannot be told from their rows."""

    show: int = 3
    """How many traces to show when no --out is given."""

    resume: bool = True
    """Go on with a .jsonl file that a killed run left; --no-resume writes it anew."""

    strict: Annotated[bool, Parameter(negative="")] = False
    """Stop at the first bad row; without it bad rows are counted and told."""


@dataclass
class Streamed:
    """What a verb has gone through."""

    skipped: Skipped = field(default_factory=Skipped)
    traces: int = 0
    resumed: int = 0

    def to_json(self) -> dict[str, Any]:
        """The counts."""
        return {
            "traces": self.traces,
            "resumed": self.resumed,
            "skipped": self.skipped.to_json(),
        }

    def print_summary(self, out: str | None) -> None:
        """What was left out, what an earlier run did, and where it all is."""
        say = note if out == "-" else print
        if self.skipped.rows:
            say(self.skipped.summary())
        if self.resumed:
            say(f"{count(self.resumed, 'trace')} of them done by an earlier run")
        if out not in (None, "-"):
            say(f"written to {out}")


def stream(
    files: Sequence[str],
    rows: Rows,
    common: Common,
    label: Callable[[Sequence[Trace]], Iterable[Trace]],
    *,
    settings: Mapping[str, Any],
    on_trace: Callable[[Trace], None],
    show: Callable[[Trace], None],
    doing: str,
    spent: Callable[[], str] = str,
    chunk: int = CHUNK,
) -> Streamed:
    """Label the traces of files, write each as soon as it is done, and go on after a kill.

    Args:
        files: Trace files; `-` is stdin.
        rows: Where they go.
        common: Whether the result is to be JSON.
        label: Gives the traces it is given in their order, with what it found; each is written
            before the next is asked for. It may depend on the trace alone.
        settings: All that the labels depend on, in JSON, beside the traces.
        on_trace: Told every trace as it is written, those of an earlier run too.
        show: Shows a trace to a person; used where there is no `--out`.
        doing: What is being done, for the progress bar.
        spent: What has been spent so far, for the progress bar, such as `3,200 tokens`.
        chunk: Traces that `label` is given at once.

    Raises:
        UsageError: what the file holds was made of other traces or with other settings.
    """
    out = rows.out
    if common.json and out == "-":
        raise UsageError("--json and the traces cannot both go to stdout; name a file with --out")
    told = Streamed()
    traces = read_files(files, rows.source_format, rows.strict, told.skipped)

    def on_done(_: Trace, done: Trace) -> None:
        told.resumed += 1
        on_trace(done)
        advance()

    inputs = started(chunks(traces, chunk))
    goes_on = out is not None and is_resumed(out, rows.resume)
    if out is not None and goes_on:
        check_settings(out, settings)
    with progress(doing, num_rows(files), spent) as advance, open_rows(out, rows.resume) as writer:
        if out is not None and goes_on:
            keep_settings(out, settings)
        work = unfinished(inputs, out, writer, other=_other, on_done=on_done)
        for some, start in work:
            for trace in label(some[start:]):
                if writer is not None:
                    writer.write(trace)
                elif told.traces < rows.show and not common.json:
                    show(trace)
                told.traces += 1
                on_trace(trace)
                advance()
    if out is not None and out.endswith(".jsonl") and not goes_on:
        keep_settings(out, settings)
    told.traces += told.resumed
    return told


def _other(trace: Trace, done: Trace) -> str | None:
    """What a finished row holds, if it is not a trace with further labels."""
    same = done.id == trace.id and done.labels[: len(trace.labels)] == trace.labels
    return None if same else "another trace than the input"
