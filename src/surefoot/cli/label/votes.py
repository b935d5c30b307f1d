"""How labels count as votes, for every verb that weighs them, and what each says, on a terminal."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from cyclopts import Parameter

from surefoot.cli.say import visible
from surefoot.labels.votes import AfterError, Neutral, ValueRule, VoteRule, labels_by_source
from surefoot.traces.types import StepLabels, Trace

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class Votes:
    """How labels become votes."""

    neutral: Neutral = "right"
    """Whether a neutral rating is a vote for right, for wrong, or none."""

    values: ValueRule = "hard"
    """What values are votes for: `hard` is right where any rollout succeeded, and other values from
    --threshold on; `threshold` takes all from there; `fractional` splits the vote."""

    threshold: float = 0.5
    """The least value that is right."""

    after_error: AfterError = "silent"
    """Whether a source says anything behind its own first wrong step."""

    def rule(self) -> VoteRule:
        """The same, for the library."""
        return VoteRule(
            neutral=self.neutral,
            values=self.values,
            threshold=self.threshold,
            after_error=self.after_error,
        )


def show_votes(console: Console, trace: Trace) -> None:
    """Print a trace with what every label set says of each step."""
    from rich.table import Table
    from rich.text import Text

    console.print(Text(visible(trace.problem), style="bold"))
    table = Table(box=None, pad_edge=False)
    table.add_column("", justify="right", style="dim")
    sets = labels_by_source(trace, [labels.source for labels in trace.labels])
    for name in sets:
        table.add_column(Text(visible(name.replace(":", "\n", 1))), max_width=14, overflow="fold")
    table.add_column("", ratio=1)
    for i, step in enumerate(trace.steps):
        cells = [_cell(labels, i) for labels in sets.values()]
        table.add_row(str(i), *cells, Text(visible(step.text)))
    console.print(table)
    console.print("")


def _cell(labels: StepLabels, i: int) -> Text:
    from rich.text import Text

    value = labels.values[i]
    if value is None:
        return Text("·", style="dim")
    held = None if labels.counts is None else labels.counts[i]
    told = f" {held[0]}/{held[1]}" if held else ""
    if labels.scale == "rating":
        word = {1: "right", 0: "neutral", -1: "wrong"}[int(value)]
        style = {1: "green", 0: "yellow", -1: "red"}[int(value)]
        return Text(word + told, style=style)
    return Text(f"{value:.2f}{told}", style="green" if value >= 0.5 else "red")


def rate(share: float) -> Text:
    """A share in per cent, green from 80 %, yellow from 50 %, else red."""
    from rich.text import Text

    style = "green" if share >= 0.8 else "yellow" if share >= 0.5 else "red"
    return Text(f"{share:.1%}", style=style)
