"""Scores that there are already, one for each trace: those that the traces hold, or of a file."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from surefoot.cli.say import count, note
from surefoot.errors import UsageError
from surefoot.traces.types import ScoreKind, StepScores, Trace

SHOWN = ("missing", "wrong_length", "duplicate", "extra", "bad")


def held_scores(
    source: str, traces: Sequence[Trace], *, kind: ScoreKind = "probability", strict: bool = False
) -> tuple[list[StepScores | None], dict[str, int]]:
    """The scores of each trace, None where there are none, and what became of them by name.

    `source` is a file, or the name of a model whose scores the traces hold.

    Raises:
        UsageError: no trace has scores; or `strict`, and one has none.
        RowError: `strict`, and a row of the file is bad or does not fit.
        StorageError: the file cannot be read.
    """
    if Path(source).is_file():
        return _of_file(source, traces, kind, strict)
    found = [next((one for one in trace.scores if one.model == source), None) for trace in traces]
    lacking = [trace for trace, one in zip(traces, found, strict=True) if one is None]
    if lacking and (strict or len(lacking) == len(traces)):
        raise UsageError(_lacking(source, lacking[0]))
    if lacking:
        note(f"{count(len(lacking), 'trace')} without scores of {source}")
    return found, {"joined": len(traces) - len(lacking), "missing": len(lacking)}


def _of_file(
    path: str, traces: Sequence[Trace], kind: ScoreKind, strict: bool
) -> tuple[list[StepScores | None], dict[str, int]]:
    from surefoot.traces.formats.scores import ScoreFile

    table = ScoreFile(path, kind=kind, strict=strict, on_skip=lambda row: note(f"skipped {row}"))
    found: list[StepScores | None] = []
    for trace in traces:
        more = table.join(trace)
        found.append(None if more is trace else more.scores[-1])
    report = table.report().to_json()
    if strict and table.misfits:
        raise next(iter(table.misfits.values()))
    if strict and report["missing"]:
        lacking = next(trace for trace, one in zip(traces, found, strict=True) if one is None)
        raise UsageError(f"{path}: no row has the scores of trace {lacking.id}")
    told = ", ".join(f"{report[name]:,} {name.replace('_', ' ')}" for name in SHOWN if report[name])
    if not report["joined"]:
        raise UsageError(
            f"{path}: no row fits a trace ({told or 'it is empty'}); rows are joined "
            "by problem_id and candidate in meta, or by trace id"
        )
    for error in table.misfits.values():
        note(f"does not fit: {error}")
    if told:
        note(f"{path}: {report['joined']:,} joined, {told}; traces without scores count as wrong")
    names = sorted({one.model for one in found if one is not None})
    if len(names) > 1:
        raise UsageError(f"{path}: holds scores of several models ({', '.join(names)}); give one")
    return found, report


def _lacking(name: str, trace: Trace) -> str:
    if not trace.scores:
        return (
            f"trace {trace.id} holds no scores, and there is no file {name!r}; score the traces "
            "first, or give --model"
        )
    held = ", ".join(sorted({one.model for one in trace.scores}))
    return f"trace {trace.id} holds no scores of {name!r}; it holds those of {held}"
