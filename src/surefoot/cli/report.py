"""`surefoot report`: runs of evaluations shown, side by side, and as tables for papers."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import Parameter

from surefoot.cli.say import Common, note, print_json, visible, waiting
from surefoot.errors import UsageError

if TYPE_CHECKING:
    from surefoot.evals.run import Run


def report(
    *runs: Annotated[Path, Parameter(required=True)],
    table: Literal["markdown", "latex", "csv"] | None = None,
    out: Annotated[Path | None, Parameter(name=["--out", "-o"])] = None,
    problem: int | None = None,
    common: Common = Common(),  # noqa: B008 - frozen
) -> None:
    """Show the run in a folder and write its report.html anew; or hold several against the first.

    Several are compared in pairs over the same traces: their figures are measured again from the
    scores in the folders, and every difference has an interval and a p-value. P-values are those of
    single comparisons. Of a file of `surefoot search` the page shows the figures and the trees.

    Args:
        runs: Folders that `surefoot eval ... --out` made, or one file that `surefoot search` wrote.
        table: Print a table for a paper instead: markdown, latex or csv.
        out: Where to write the HTML page: by default the report.html of a single run, beside a file
            of search results under its name, and nowhere for several runs.
        problem: Of search results: the tree of this problem alone (counted from 0), as text, or as
            SVG into an --out that ends in .svg.
    """
    if table and common.json:
        raise UsageError("--table and --json both want stdout; give one")
    if any(one.is_file() for one in runs):
        from surefoot.cli.search.report import report_search

        if len(runs) > 1 or table:
            raise UsageError("a file of search results is shown alone, and without --table")
        report_search(runs[0], problem, out, common)
        return
    if problem is not None:
        raise UsageError("--problem is for a file of search results")
    from surefoot.evals.run import read_run

    found = [read_run(folder) for folder in runs]
    if len(found) == 1:
        _show(found[0], table, out, common)
    else:
        _compare(found, table, out, common)


def _show(run: Run, form: str | None, out: Path | None, common: Common) -> None:
    from surefoot.cli.measured import print_metrics
    from surefoot.reports.run_page import write_run_page
    from surefoot.reports.tables import WRITERS, headline_table

    if form:
        print(WRITERS[form](headline_table(run.metrics)), end="")
        return
    place = write_run_page(run, out=out)
    if common.json:
        print_json({"folder": str(run.folder), "report": str(place), **run.metrics})
        return
    print_metrics(run.metrics)
    note(f"the report is {place}")


def _compare(runs: list[Run], form: str | None, out: Path | None, common: Common) -> None:
    from surefoot.evals.compare import compare
    from surefoot.reports.comparison import comparison_table, group_tables, write_comparison
    from surefoot.reports.tables import WRITERS

    with waiting("runs measured"):
        found = compare(runs)
    if out is not None:
        note(f"the report is {write_comparison(found, out)}")
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
    for one in group_tables(found).values():
        console.print()
        show_table(console, one, f"{one.title}, by part")
    console.print()
    for name, run in zip(found.names, runs, strict=True):
        console.print(visible(f"{name}: {run.config.scorer}, {run.folder}"), style="dim")
    if len(runs) > 2:
        console.print("p-values are those of single comparisons", style="dim")
