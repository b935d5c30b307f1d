"""`surefoot report`: runs of evaluations shown, side by side, and as tables for papers."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import Parameter

from surefoot.cli.say import Common, note, print_json, visible, waiting
from surefoot.errors import UsageError

if TYPE_CHECKING:
    from surefoot.evals.compare import Comparison
    from surefoot.evals.run import Run
    from surefoot.reports.tables import Table


def report(
    *runs: Annotated[Path, Parameter(required=True)],
    table: Literal["markdown", "latex", "csv"] | None = None,
    common: Common = Common(),  # noqa: B008 - frozen
) -> None:
    """Show the run in a folder and write its report.html anew; or hold several against the first.

    Several are compared in pairs over the same traces: their figures are measured again from the
    scores in the folders, and every difference has an interval and a p-value. P-values are those of
    single comparisons.

    Args:
        runs: Folders that `surefoot eval ... --out` made.
        table: Print a table for a paper instead: markdown, latex or csv.
    """
    if table and common.json:
        raise UsageError("--table and --json both want stdout; give one")
    from surefoot.evals.run import read_run

    found = [read_run(folder) for folder in runs]
    if len(found) == 1:
        _show(found[0], table, common)
    else:
        _compare(found, table, common)


def _show(run: Run, form: str | None, common: Common) -> None:
    from surefoot.cli.measured import print_metrics
    from surefoot.reports.run_page import write_run_page
    from surefoot.reports.tables import WRITERS, headline_table

    if form:
        print(WRITERS[form](headline_table(run.metrics)), end="")
        return
    place = write_run_page(run)
    if common.json:
        print_json({"folder": str(run.folder), "report": str(place), **run.metrics})
        return
    print_metrics(run.metrics)
    note(f"the report is {place}")


def _compare(runs: list[Run], form: str | None, common: Common) -> None:
    from surefoot.evals.compare import compare
    from surefoot.reports.tables import WRITERS

    with waiting("runs measured"):
        found = compare(runs)
    if common.json:
        print_json(found.to_json())
        return
    side_by_side = comparison_table(found)
    if form:
        print(WRITERS[form](side_by_side), end="")
        return
    from rich.console import Console

    from surefoot.cli.measured import show_table

    console = Console(highlight=False)
    num = runs[0].metrics["num_traces"]
    show_table(console, side_by_side, f"{side_by_side.title}, {num:,} traces: % [95 % interval]")
    console.print()
    for name, run in zip(found.names, runs, strict=True):
        console.print(visible(f"{name}: {run.config.scorer}, {run.folder}"), style="dim")
    if len(runs) > 2:
        console.print("p-values are those of single comparisons", style="dim")


def comparison_table(found: Comparison) -> Table:
    """The runs, and below them by how much each beats the first, in the figures of the headline."""
    from surefoot.reports.tables import Line, Table, figure, shown

    headline = shown(found.runs[0].metrics)
    lines = [
        Line(name, tuple(figure(run.metrics["rows"][0]["figures"].get(one)) for one in headline))
        for name, run in zip(found.names, found.runs, strict=True)
    ]
    lines += [
        Line(
            f"{name} less {found.names[0]}", tuple(gaps.get(one) for one in headline), ranked=False
        )
        for name, gaps in zip(found.names[1:], found.gaps, strict=True)
    ]
    without = found.runs[0].metrics.get("undirected") or ()
    return Table(
        str(found.runs[0].metrics["title"]),
        tuple(headline.values()),
        tuple(lines),
        frozenset(i for i, one in enumerate(headline) if one.partition("/")[0] in without),
    )
