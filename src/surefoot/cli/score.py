"""`surefoot score`: the steps of any trace file, scored by any model.

Traces stream through in chunks, so a file larger than memory works. A plain .jsonl file is written
row by row, and a killed run goes on where it was: finished rows are compared with the input and not
done again. The chunks are cut at the same places then, so that a model whose last digits depend on
what it scores together gives the same bytes.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from itertools import chain
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from surefoot.cli.loading import Loading, load_model, num_windowed
from surefoot.cli.reading import Skipped, Unscored, chunks, read_files, score_all
from surefoot.cli.say import Common, count, note, print_json, track
from surefoot.errors import ModelError, UsageError
from surefoot.traces.types import StepScores, Trace

if TYPE_CHECKING:
    from surefoot.traces.store import TraceWriter


def score(
    *files: Annotated[str, Parameter(required=True)],
    model: Annotated[str, Parameter(name=["--model", "-m"])],
    out: Annotated[str | None, Parameter(name=["--out", "-o"])] = None,
    source_format: Annotated[str | None, Parameter(name="--format")] = None,
    show: int = 3,
    resume: bool = True,
    strict: Annotated[bool, Parameter(negative="")] = False,
    loading: Loading = Loading(),  # noqa: B008 - frozen
    common: Common = Common(),  # noqa: B008 - frozen
) -> None:
    """Score the steps of traces with a model.

    Without --out, the first traces are shown with each step's score; with --json, the scores of
    all of them.

    Args:
        files: Trace files, in any format that `surefoot convert` knows; `-` is stdin.
        model: A built-in (arithmetic, length, random), a folder, a hub id or the URL of a server.
        out: Where to write traces with their scores: .jsonl, .jsonl.gz, .parquet; `-` is stdout.
        source_format: Format of the files, where it cannot be told from their rows.
        show: How many traces to show when no --out is given.
        resume: Go on with a .jsonl file that a killed run left; --no-resume writes it anew.
        strict: Stop at the first bad row or trace that cannot be scored; without it they are
            counted and told.
    """
    if common.json and out == "-":
        raise UsageError("--json and the traces cannot both go to stdout; name a file with --out")
    reward_model = load_model(model, loading)
    skipped, unscored = Skipped(), Unscored(strict)
    tally = _Tally(keep=common.json and out is None)
    traces = track(read_files(files, source_format, strict, skipped), "traces read")
    inputs = _started(chunks(traces))
    with _open_writer(out, resume) as writer:
        finished = _finished(out) if writer is not None and writer.done else iter(())
        try:
            for some, start in _unfinished(inputs, finished, reward_model.name, str(out), tally):
                found = score_all(reward_model, some, unscored)
                for trace, scores in list(zip(some, found, strict=True))[start:]:
                    if writer is not None:
                        writer.write(trace.with_scores(scores) if scores else trace)
                    elif scores and tally.traces < show and not common.json:
                        _show(trace, scores)
                    tally.add(trace, scores)
        except KeyboardInterrupt as stop:
            if writer is not None and writer.done:
                kept = count(_whole_rows(str(out)), "trace")
                stop.add_note(f"{kept} are kept in {out}; the same command goes on from there")
            raise
    if tally.unscored == tally.traces > 0:
        raise ModelError(f"{reward_model.name} could score none of {count(tally.traces, 'trace')}")
    tally.windowed = num_windowed(reward_model)
    result = {"model": reward_model.name, **tally.to_json(), "skipped": skipped.to_json()}
    if common.json:
        print_json({**result, "out": out})
    else:
        _print_summary(tally, skipped, out)


def _whole_rows(out: str) -> int:
    """How many rows a file holds; an interrupt may come between writing a row and counting it."""
    with open(out, "rb") as file:
        return sum(line.endswith(b"\n") for line in file)


@dataclass
class _Tally:
    """What has been scored so far."""

    keep: bool
    traces: int = 0
    resumed: int = 0
    unscored: int = 0
    steps: int = 0
    abstained: int = 0
    flagged: int = 0
    windowed: int = 0
    scores: list[dict[str, Any]] = field(default_factory=list)

    def add(self, trace: Trace, scores: StepScores | None, *, resumed: bool = False) -> None:
        """Count one trace; without scores, as one that could not be scored."""
        self.traces += 1
        self.resumed += resumed
        if scores is None:
            self.unscored += 1
            if self.keep:
                self.scores.append({"id": trace.id, "values": None})
            return
        self.steps += len(scores.values)
        self.abstained += len(scores.values) - len(scores.scored)
        first = scores.first_error()
        self.flagged += first is not None
        if self.keep:
            self.scores.append(
                {
                    "id": trace.id,
                    "values": scores.values,
                    "first_error": first,
                    "aggregate": scores.default_aggregate,
                    "reward": scores.aggregate() if scores.scored else None,
                }
            )

    def to_json(self) -> dict[str, Any]:
        """The counts, and the scores where they were asked for."""
        counts = {
            "traces": self.traces,
            "resumed": self.resumed,
            "unscored_traces": self.unscored,
            "steps": self.steps,
            "abstained_steps": self.abstained,
            "flagged_traces": self.flagged,
            "windowed_traces": self.windowed,
        }
        return {**counts, "scores": self.scores} if self.keep else counts


def _open_writer(out: str | None, resume: bool) -> AbstractContextManager[TraceWriter | None]:
    if out is None:
        return nullcontext()
    from surefoot.traces.store import TraceWriter

    writer = TraceWriter(out, resume=resume and out.endswith(".jsonl"))
    if writer.dropped:
        note(f"{out}: its last row was half written and is done again")
    return writer


def _finished(out: str | None) -> Iterator[Trace]:
    from surefoot.traces.store import read_traces

    return read_traces(str(out), strict=True)


def _unfinished(
    inputs: Iterable[list[Trace]],
    finished: Iterator[Trace],
    model: str,
    out: str,
    tally: _Tally,
) -> Iterator[tuple[list[Trace], int]]:
    """Each chunk with work left in it, and the position in it where that work starts.

    Raises:
        UsageError: the finished rows are not these traces scored by this model.
    """
    for some in inputs:
        start = 0
        for trace in some:
            done = next(finished, None)
            if done is None:
                break
            if done == trace:
                tally.add(trace, None, resumed=True)
                start += 1
                continue
            if not done.scores or done != trace.with_scores(done.scores[-1]):
                raise _other_rows(out, tally.traces, "another trace than the input")
            if done.scores[-1].model != model:
                raise _other_rows(out, tally.traces, f"scores of {done.scores[-1].model}")
            tally.add(trace, done.scores[-1], resumed=True)
            start += 1
        if start < len(some):
            yield some, start
    if next(finished, None) is not None:
        raise _other_rows(out, tally.traces, "more traces than the input")


def _other_rows(out: str, row: int, what: str) -> UsageError:
    return UsageError(
        f"{out}: row {row + 1} holds {what}, so this is not an unfinished run of this command;"
        " name another file, or add --no-resume to replace it"
    )


def _started(items: Iterator[list[Trace]]) -> Iterator[list[Trace]]:
    """The same, with the first one read now, so that a bad input fails before a file is written."""
    first = next(items, None)
    return iter(()) if first is None else chain([first], items)


def _show(trace: Trace, scores: StepScores) -> None:
    from rich.console import Console

    from surefoot.cli.show import show_trace

    show_trace(Console(highlight=False), trace, scores)


def _print_summary(tally: _Tally, skipped: Skipped, out: str | None) -> None:
    say = note if out == "-" else print
    share = tally.abstained / tally.steps if tally.steps else 0.0
    say(
        f"{count(tally.traces, 'trace')}, {count(tally.steps, 'step')}:"
        f" no score on {tally.abstained:,} of them ({share:.0%}),"
        f" a step below the threshold in {count(tally.flagged, 'trace')}"
    )
    if tally.unscored:
        say(f"{count(tally.unscored, 'trace')} could not be scored and came through without scores")
    if tally.windowed:
        say(f"{count(tally.windowed, 'trace')} too long for the model, scored in windows")
    if skipped.rows:
        say(skipped.summary())
    if tally.resumed:
        say(f"{count(tally.resumed, 'trace')} of them done by an earlier run")
    if out not in (None, "-"):
        say(f"written to {out}")
