"""Files of search results that `surefoot eval search` was given, and what they tell."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from surefoot.cli.reading import Skipped
from surefoot.errors import RowError, UsageError

if TYPE_CHECKING:
    from surefoot.search.results import SearchResult
    from surefoot.search.task import Task

_NAMED = re.compile(r"(?P<name>.+):(?P<n>[0-9]+)=(?P<path>.+)")
_FILE = re.compile(r"(?P<name>.+)\.(?P<n>[0-9]+)\.jsonl(\.gz)?")

Found = dict[str, dict[int, list["SearchResult"]]]
"""Results by method and size."""


def read_named(given: Sequence[str], strict: bool, skipped: Skipped) -> Found:
    """The results of files that are called NAME.N.jsonl, or given as NAME:N=FILE.

    Raises:
        UsageError: it is not said which method a file is of, or it is said twice.
    """
    from surefoot.search.files import read_results

    found: Found = {}
    for one in given:
        named = _NAMED.fullmatch(one) or _FILE.fullmatch(Path(one).name)
        if named is None:
            raise UsageError(
                f"--results {one}: which method is it, and how large? Give it as NAME:N=FILE, such "
                f"as beam:16={one}"
            )
        path = named.groupdict().get("path") or one
        name, n = named["name"], int(named["n"])
        if n in found.setdefault(name, {}):
            raise UsageError(f"--results {one}: {name} at n = {n} is given twice")
        found[name][n] = list(
            read_results(
                path,
                strict=strict,
                on_skip=lambda row: skipped.add(
                    RowError(row.reason, field=row.field, path=row.path, line=row.line)
                ),
            )
        )
    return found


def every(found: Found) -> Iterator[SearchResult]:
    """All results, one after another."""
    return (one for sized in found.values() for some in sized.values() for one in some)


def scorer_of(found: Found) -> str:
    """The name of the scorer, "none" where nothing was scored."""
    scores = (s for one in every(found) for own in one.solutions for s in own.trace.scores)
    return next((one.model for one in scores), "none")


def tasks_of(found: Found) -> list[Task]:
    """The problems, as the first file has them."""
    from surefoot.search.task import Task

    first = next(iter(next(iter(found.values())).values()))
    return [Task(one.problem, one.reference) for one in first]
