"""What every verb says, and where: results on stdout, everything else on stderr."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Annotated, Any, TypeVar

from cyclopts import Parameter

T = TypeVar("T")


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class Common:
    """The options that every verb has."""

    json: Annotated[bool, Parameter(negative="")] = False
    """Print one JSON object on stdout, and nothing else there."""

    traceback: Annotated[bool, Parameter(negative="")] = False
    """Show where in the program an error arose; so does SUREFOOT_TRACEBACK=1."""


def note(message: str) -> None:
    """A line for the person at the terminal, on stderr."""
    print(visible(message), file=sys.stderr, flush=True)


def print_json(result: Mapping[str, Any]) -> None:
    """The one JSON object of a verb, on stdout."""
    print(json.dumps(result, ensure_ascii=False, allow_nan=False, indent=2))


def visible(text: str) -> str:
    """Text with control characters spelled out, so that data cannot drive a terminal."""
    return "".join(
        c if c.isprintable() or c == "\n" else c.encode("unicode_escape").decode() for c in text
    )


def count(number: int, noun: str) -> str:
    """A number and its noun, such as `1 step` or `2,000 steps`."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def track(items: Iterable[T], doing: str) -> Iterator[T]:
    """The items, with their number so far shown on stderr while a terminal watches."""
    if not sys.stderr.isatty():
        yield from items
        return
    from rich.console import Console
    from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    columns = (SpinnerColumn(), TextColumn("{task.description}"), TextColumn("{task.completed:,}"))
    with Progress(
        *columns, TimeElapsedColumn(), console=Console(stderr=True), transient=True
    ) as bar:
        task = bar.add_task(doing, total=None)
        for item in items:
            yield item
            bar.advance(task)


@contextmanager
def waiting(doing: str) -> Iterator[None]:
    """Show on stderr what is being done, while a terminal watches."""
    if not sys.stderr.isatty():
        yield
        return
    from rich.console import Console

    with Console(stderr=True).status(visible(doing)):
        yield
