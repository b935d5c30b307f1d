"""`surefoot demo`: the whole loop on the built-in world, with a report."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from surefoot.cli.say import Common, note, print_json
from surefoot.errors import UsageError

if TYPE_CHECKING:
    from surefoot.demo.stages import OnProgress


def demo(
    *,
    out: Annotated[Path, Parameter(alias="-o")] = Path("surefoot-demo"),
    seed: int = 0,
    quick: Annotated[bool, Parameter(negative="")] = False,
    long: Annotated[bool, Parameter(negative="")] = False,
    common: Common | None = None,
) -> None:
    """Train a policy, label its steps, train a PRM and an ORM, and measure what step rewards buy.

    Everything is written to one folder: `summary.json`, `report.html`, the models and the chains.
    Started again with the same settings, an interrupted run goes on where it stopped.

    Args:
        out: Folder of the run.
        seed: Another seed gives another world, policy and reward models.
        quick: About a minute on two cores, too small for firm figures.
        long: Up to half an hour, with rounds of hard examples.
    """
    from surefoot.demo.config import SIZES
    from surefoot.demo.run import REPORT_FILE, run_demo
    from surefoot.reports.terminal import summary_table

    if quick and long:
        raise UsageError("--quick and --long exclude each other; choose one")
    size = "quick" if quick else "long" if long else "standard"
    try:
        with _progress() as on_progress:
            summary = run_demo(replace(SIZES[size], seed=seed), out, on_progress)
    except KeyboardInterrupt as stop:
        stop.add_note(f"what is finished is kept in {out}; the same command goes on from there")
        raise
    if common and common.json:
        print_json(summary)
        return
    from rich.console import Console

    Console().print(summary_table(summary))
    took = sum(summary["seconds"].values())
    note(f"{took:.0f} s, {summary['peak_rss_mb']:,.0f} MB at most; report: {out / REPORT_FILE}")


@contextmanager
def _progress() -> Iterator[OnProgress]:
    """Bars for a watching terminal; a line for each stage otherwise."""
    if not sys.stderr.isatty():
        started: set[str] = set()

        def line(stage: str, done: int, total: int) -> None:
            if stage not in started:
                started.add(stage)
                note(f"{stage} ...")

        yield line
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.completed}/{task.total}"),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=Console(stderr=True)) as bars:
        tasks: dict[str, TaskID] = {}

        def update(stage: str, done: int, total: int) -> None:
            if stage not in tasks:
                tasks[stage] = bars.add_task(stage, total=total)
            bars.update(tasks[stage], completed=done, total=total)

        yield update
