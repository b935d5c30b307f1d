"""Traces in a terminal: each step with its score, coloured by whether it stands."""

from __future__ import annotations

from rich.console import Console
from rich.table import Table
from rich.text import Text

from surefoot.cli.say import count, visible
from surefoot.traces.types import StepScores, Trace

MOST_STEPS = 40
"""Steps of one trace that are shown; the number of the others is said."""


def show_trace(console: Console, trace: Trace, scores: StepScores) -> None:
    """Print one trace: its problem, and a row for each step with the step's score."""
    table = Table(
        title=Text(visible(trace.problem)),
        title_justify="left",
        title_style="bold",
        show_header=False,
        box=None,
        pad_edge=False,
    )
    table.add_column(justify="right", style="dim")
    table.add_column(justify="right")
    table.add_column(ratio=1)
    rows = zip(trace.steps, scores.values, strict=True)
    for i, (step, value) in enumerate(rows):
        if i == MOST_STEPS:
            rest = count(len(trace.steps) - MOST_STEPS, "more step")
            table.add_row("", "", Text(f"… and {rest}", style="dim"))
            break
        style = step_style(value, scores.threshold)
        number = "–" if value is None else f"{value:.2f}"
        table.add_row(str(i), Text(number, style=style), Text(visible(step.text), style=style))
    console.print(table)
    console.print(Text(_verdict(scores), style="dim"), "")


def step_style(value: float | None, threshold: float) -> str:
    """Red below the threshold, green from it upwards, dim where the model abstained."""
    if value is None:
        return "dim"
    return "red" if value < threshold else "green"


def _verdict(scores: StepScores) -> str:
    if not scores.scored:
        return f"{scores.model} found nothing to judge here"
    first = scores.first_error()
    place = "no step below" if first is None else f"step {first} is the first below"
    rule = scores.default_aggregate
    return f"{place} the threshold {scores.threshold:g}; {rule} {scores.aggregate():.3f}"
