"""How far a long command is, on stderr, while a terminal watches."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager


def num_rows(files: Sequence[str]) -> int | None:
    """How many rows there are, None where that is not known without reading them."""
    if not sys.stderr.isatty() or not all(one.endswith(".jsonl") for one in files):
        return None
    num = 0
    for one in files:
        with open(one, "rb") as file:
            num += sum(not line.isspace() for line in file)
    return num


@contextmanager
def progress(
    doing: str, total: int | None, spent: Callable[[], str]
) -> Iterator[Callable[[], None]]:
    """A progress bar on stderr with what is spent and the time left, while a terminal watches."""
    if not sys.stderr.isatty():
        yield lambda: None
        return
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        ProgressColumn,
        Task,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )
    from rich.text import Text

    class Spent(ProgressColumn):
        """Asked for again whenever the bar is drawn."""

        def render(self, task: Task) -> Text:
            return Text(spent())

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        Spent(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(doing, total=total)
        yield lambda: bar.update(task, advance=1)
