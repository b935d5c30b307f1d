"""The figures of a run as a table for a terminal."""

from __future__ import annotations

from rich.table import Table
from rich.text import Text

from surefoot.reports.words import Summary, figure_of, method, methods_of, percent, sizes_of

_SHOWN = (1, 4, 16, 64)


def summary_table(summary: Summary) -> Table:
    """Methods x N, "right / right and sound" in %; the best of each, oracle aside, is bold.

    Shows N = 1, 4, 16 and 64 where measured, and always the largest.
    """
    sizes = [n for n in sizes_of(summary) if n in _SHOWN or n == sizes_of(summary)[-1]]
    table = Table(
        title="Best of N: % right / % right and sound",
        title_justify="left",
        box=None,
        pad_edge=False,
    )
    table.add_column("")
    for n in sizes:
        table.add_column(f"N = {n}", justify="right", no_wrap=True)
    names = methods_of(summary)
    best = {
        (n, figure): max(
            (
                found["mean"]
                for name in names
                if name != "oracle" and (found := figure_of(summary, name, n, figure))
            ),
            default=None,
        )
        for n in sizes
        for figure in ("accuracy", "sound")
    }
    for name in names:
        cells = []
        for n in sizes:
            parts = []
            for figure in ("accuracy", "sound"):
                found = figure_of(summary, name, n, figure)
                text = "–" if found is None else percent(found["mean"])
                is_best = n > 1 and found is not None and found["mean"] == best[n, figure]
                parts.append(
                    Text(text.rjust(5), style="bold" if is_best and name != "oracle" else "")
                )
            cells.append(Text(" /").join(parts))
        style = "dim" if method(name).family == "control" else ""
        table.add_row(Text(method(name).label, style=style), *cells)
    return table
