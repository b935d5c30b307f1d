"""The figures of runs at the terminal."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from surefoot.cli.say import count, visible

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table as RichTable

    from surefoot.reports.tables import Table

_ANY_WIDTH = 10_000


def print_metrics(metrics: Mapping[str, Any]) -> None:
    """The tables of one run, how its thresholds were chosen, and what must be known."""
    from rich.console import Console
    from rich.text import Text

    from surefoot.reports.tables import group_table, headline_table

    console = Console(highlight=False)
    num = count(int(metrics["num_traces"]), "trace")
    show_table(console, headline_table(metrics), f"{metrics['title']}, {num}: % [95 % interval]")
    groups = group_table(metrics)
    if groups is not None:
        console.print()
        show_table(console, groups, f"{groups.title}, by part")
    console.print()
    for name, one in (metrics["rows"][0].get("thresholds") or {}).items():
        told = one["rule"] if name == "own" else f"{one['value']:.4g}, {one['rule']}"
        console.print(Text(visible(f"threshold, {name}: {told}")))
    for reason, number in metrics["left_out"].items():
        console.print(Text(visible(f"{number:,} left out: {reason}"), style="yellow"))
    for warning in metrics["warnings"]:
        console.print(Text(visible(warning), style="yellow"))


def show_table(console: Console, table: Table, title: str) -> None:
    """A table as wide as the terminal allows; in a narrow one the intervals stand below."""
    from rich.text import Text

    console.print(Text(visible(title), style="bold"))
    wide = _rich(table, " ")
    needed = console.measure(wide, options=console.options.update(width=_ANY_WIDTH)).maximum
    console.print(wide if needed <= console.width else _rich(table, "\n"))


def _rich(table: Table, between: str) -> RichTable:
    from rich.table import Table as RichTable
    from rich.text import Text

    from surefoot.reports.tables import parts

    gap = 2 if between == " " else 1
    made = RichTable(box=None, pad_edge=False, padding=(0, 0, 0, gap))
    longest = max(len(line.name) for line in table.lines)
    made.add_column("", overflow="fold", min_width=min(longest, 12))
    for heading in table.headings:
        made.add_column(Text(visible(heading)), justify="right", no_wrap=between == " ")
    for i, line in enumerate(table.lines):
        cells = []
        for column, one in enumerate(line.figures):
            if one is None:
                cells.append(Text("–"))
                continue
            mean, *rest = parts(one)
            style = "bold" if table.is_best(line, column) else ""
            cells.append(
                Text.assemble((mean, style), ("".join(f"{between}{part}" for part in rest), "dim"))
            )
        made.add_row(Text(visible(line.name), style="" if i or not line.ranked else "bold"), *cells)
    return made
