"""`surefoot score`: the steps of any trace file, scored by any model.

Traces stream through in chunks, so a file larger than memory works. A plain .jsonl file is written
row by row, and a killed run goes on where it was: finished rows are compared with the input and not
done again. The chunks are cut at the same places then, so that a model whose last digits depend on
what it scores together gives the same bytes.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Any

from cyclopts import Parameter

from surefoot.cli.loading import Loading, load_model, num_windowed
from surefoot.cli.reading import Skipped, Unscored, chunks, read_files, score_all
from surefoot.cli.resuming import open_rows, started, unfinished
from surefoot.cli.say import Common, count, note, print_json, track
from surefoot.errors import ModelError, UsageError
from surefoot.traces.types import StepScores, Trace


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
    inputs = started(chunks(traces))
    with open_rows(out, resume) as writer:
        work = unfinished(
            inputs,
            out,
            writer,
            other=lambda trace, done: _other(trace, done, reward_model.name),
            on_done=tally.add_done,
        )
        for some, start in work:
            found = score_all(reward_model, some, unscored)
            for trace, scores in list(zip(some, found, strict=True))[start:]:
                if writer is not None:
                    writer.write(trace.with_scores(scores) if scores else trace)
                elif scores and tally.traces < show and not common.json:
                    _show(trace, scores)
                tally.add(trace, scores)
    if tally.unscored == tally.traces > 0:
        raise ModelError(f"{reward_model.name} could score none of {count(tally.traces, 'trace')}")
    tally.windowed = num_windowed(reward_model)
    result = {"model": reward_model.name, **tally.to_json(), "skipped": skipped.to_json()}
    if common.json:
        print_json({**result, "out": out})
    else:
        _print_summary(tally, skipped, out)


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

    def add_done(self, trace: Trace, done: Trace) -> None:
        """Count one trace that an earlier run has done."""
        self.resumed += 1
        self.add(trace, None if done == trace else done.scores[-1])

    def add(self, trace: Trace, scores: StepScores | None) -> None:
        """Count one trace; without scores, as one that could not be scored."""
        self.traces += 1
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


def _other(trace: Trace, done: Trace, model: str) -> str | None:
    """What a finished row holds, if it is not a trace with scores of a model, or without any."""
    if done == trace:
        return None
    if not done.scores or done != trace.with_scores(done.scores[-1]):
        return "another trace than the input"
    other = done.scores[-1].model
    return None if other == model else f"scores of {other}"


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
