"""`surefoot eval processbench`: does a model find the first wrong step, and better than nothing?"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from surefoot.cli.loading import Loading, load_model, num_windowed
from surefoot.cli.reading import Skipped, Unscored, read_files, score_in_chunks
from surefoot.cli.say import Common, count, note, print_json, track, visible
from surefoot.errors import StorageError, UsageError
from surefoot.traces.types import StepScores, Trace

if TYPE_CHECKING:
    from surefoot.evals.processbench import ProcessBenchReport
    from surefoot.stats import Estimate


def processbench(
    *files: Annotated[str, Parameter(required=True)],
    model: Annotated[str | None, Parameter(name=["--model", "-m"])] = None,
    scores: str | None = None,
    threshold: float | None = None,
    seed: int = 0,
    out: Annotated[str | None, Parameter(name=["--out", "-o"])] = None,
    source_format: Annotated[str | None, Parameter(name="--format")] = None,
    strict: Annotated[bool, Parameter(negative="")] = False,
    loading: Loading = Loading(),  # noqa: B008 - frozen
    common: Common = Common(),  # noqa: B008 - frozen
) -> None:
    """First errors found, by ProcessBench's definition, on any file with step labels.

    The table shows the model beside chance, the majority class and step length, each figure with
    its 95 % interval over traces, at the model's own threshold and at one tuned on half of the
    traces and measured on the others.

    Args:
        files: Trace files with step labels, in any format that `surefoot convert` knows; `-` is
            stdin.
        model: A built-in (arithmetic, length, random), a folder, a hub id or the URL of a server.
        scores: In place of a model: the name of one whose scores the traces already hold.
        threshold: Score below which a step counts as wrong; the model's own if not given.
        seed: Draws the traces for tuning, the random baseline and the resamples.
        out: A folder for `processbench.json` with every figure.
        source_format: Format of the files, where it cannot be told from their rows.
        strict: Stop at the first bad row or trace that cannot be scored; without it they are
            counted and told.
    """
    if (model is None) == (scores is None):
        raise UsageError("give either --model, to score the traces now, or --scores, to use theirs")
    if scores is not None and loading != Loading():
        raise UsageError("options of how a model is loaded mean nothing to --scores; give --model")
    target = _results_file(out)
    from surefoot.evals.processbench import evaluate_processbench
    from surefoot.scores.first_errors import knows_first_error

    skipped, unscored = Skipped(), Unscored(strict)
    reward_model = None if model is None else load_model(model, loading)
    traces = list(track(read_files(files, source_format, strict, skipped), "traces read"))
    if reward_model is None:
        found = [_held_scores(trace, scores or "") for trace in traces]
    else:
        settled = [trace for trace in traces if knows_first_error(trace)]
        fresh = track(score_in_chunks(reward_model, settled, unscored), "traces scored")
        found = [next(fresh) if knows_first_error(trace) else None for trace in traces]
    report = evaluate_processbench(traces, found, threshold=threshold, seed=seed)

    result = {"files": files, "seed": seed, **report.to_json()}
    result |= {"skipped": skipped.to_json(), "unscored": unscored.to_json()}
    windowed = 0 if reward_model is None else num_windowed(reward_model)
    result |= {"windowed_traces": windowed}
    if target is not None:
        target.write_text(json.dumps(result, ensure_ascii=False, indent=2) + "\n", encoding="utf-8")
    if common.json:
        print_json(result)
    else:
        _print_table(report)
        if skipped.rows:
            note(skipped.summary())
        if unscored.traces:
            note(f"{count(unscored.traces, 'trace')} not scored; each counts as a wrong answer")
        if windowed:
            note(f"{count(windowed, 'trace')} too long for the model, scored in windows")
        if target is not None:
            note(f"every figure is in {target}")


def _results_file(folder: str | None) -> Path | None:
    """Where the figures go; the folder is made now, so that a bad one fails before the work."""
    if folder is None:
        return None
    try:
        Path(folder).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StorageError(
            f"--out {folder}: {error.strerror}; name a folder that can be written"
        ) from error
    return Path(folder) / "processbench.json"


def _held_scores(trace: Trace, name: str) -> StepScores | None:
    found = next((one for one in trace.scores if one.model == name), None)
    if found is None and not trace.scores:
        raise UsageError(f"trace {trace.id} holds no scores; score the file first, or give --model")
    if found is None:
        held = ", ".join(sorted({one.model for one in trace.scores}))
        raise UsageError(f"trace {trace.id} holds no scores of {name!r}; it holds those of {held}")
    return found


def _print_table(report: ProcessBenchReport) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = Console(highlight=False)
    model = report.scorers[0]
    table = Table(
        title=f"First errors in {count(report.num_traces, 'trace')}: % [95 % interval]",
        title_justify="left",
        box=None,
        pad_edge=False,
    )
    table.add_column("")
    for heading in ("F1", "F1, tuned", "step AUROC"):
        table.add_column(heading, justify="right", no_wrap=True)
    for one in report.scorers:
        tuned = one.tuned.mean_f1 if one.tuned else None
        figures = (one.fixed.mean_f1, tuned, one.steps.auroc)
        style = "bold" if one is model else ""
        table.add_row(Text(visible(one.name)), *map(_figure, figures), style=style)
    console.print(table)
    lines = [f"threshold: {model.fixed.threshold.rule}"]
    if model.tuned:
        tuned_at = model.tuned.threshold
        lines.append(f"tuned: {tuned_at.value:.4g}, {tuned_at.rule}, F1 over the others")
    for name, part in model.fixed.subsets.items():
        lines.append(
            f"{name}: F1 {_figure(part.f1)}, {_figure(part.acc_error)} of {part.num_error:,} with"
            f" an error, {_figure(part.acc_correct)} of {part.num_correct:,} without"
        )
    for line in lines:
        console.print(Text(visible(line)))
    for warning in report.warnings:
        console.print(Text(visible(warning), style="yellow"))


def _figure(estimate: Estimate | None) -> str:
    if estimate is None:
        return "–"
    mean, low, high = (f"{100 * part:.1f}" for part in (estimate.mean, estimate.low, estimate.high))
    return f"{mean} [{low}, {high}]"
