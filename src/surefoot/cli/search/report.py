"""`surefoot report` of a file of search results: its page, or the tree of one problem."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from surefoot.cli.kept_settings import RUN_FILE
from surefoot.cli.say import Common, count, note, print_json
from surefoot.errors import UsageError

if TYPE_CHECKING:
    from surefoot.search.results import SearchResult


@dataclass(frozen=True)
class ResultsFile:
    """The results of a file, read anew each time."""

    path: Path

    def __iter__(self) -> Iterator[SearchResult]:
        from surefoot.search.files import read_results

        return read_results(self.path, strict=True)


def report_search(path: Path, problem: int | None, out: Path | None, common: Common) -> None:
    """Write the page of a file of results, or show the tree of one problem.

    Raises:
        UsageError: there is no such problem.
        StorageError, FormatError, RowError: the file cannot be read, or the page not written.
    """
    results = ResultsFile(path)
    if problem is not None:
        _show_tree(results, problem, out, common)
        return
    from surefoot.reports.search_page import figures, write_search_page
    from surefoot.reports.search_rows import rows_of

    place = path.with_suffix(".html") if out is None else out
    write_search_page(place, results, title=_title(path))
    found = figures(rows_of(results))
    if common.json:
        told = {name: f"{figure} {more}".strip() for name, figure, more in found}
        print_json({"results": str(path), "report": str(place), **told})
        return
    for name, figure, more in found:
        print(f"{name:24} {figure} {more}".rstrip())
    note(f"the report is {place}")


def _title(path: Path) -> str:
    """The method with its options where the settings lie beside the file, else the file's name."""
    try:
        kept = json.loads(path.with_name(path.name + RUN_FILE).read_text())
        options = [f"{name} = {value}" for name, value in kept["options"].items()]
        return ", ".join([kept["method"], *options])
    except (OSError, ValueError, KeyError):
        return path.stem


def _show_tree(results: ResultsFile, problem: int, out: Path | None, common: Common) -> None:
    if common.json:
        raise UsageError("a tree is a picture; read the file itself for JSON")
    result = next(islice(results, problem, None), None) if problem >= 0 else None
    if result is None:
        num = sum(1 for _ in results)
        raise UsageError(f"--problem is {problem}; {results.path} holds {count(num, 'problem')}")
    from surefoot.search.display.outcomes import with_outcomes

    result = with_outcomes(result)
    if out is None:
        from rich.console import Console

        from surefoot.reports.search_terminal import text_tree

        Console(highlight=False).print(text_tree(result))
        return
    if out.suffix != ".svg":
        raise UsageError(f"the tree of one problem is written as .svg, not as {out.name}")
    from surefoot.reports.pages import write_page
    from surefoot.search.display.tree_svg import tree_svg

    write_page(out, tree_svg(result))
    note(f"the tree is {out}")
