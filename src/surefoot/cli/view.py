"""`surefoot view`: pages through the traces of any file, each step with all that is said of it.

Scorers and sources of labels stand side by side. A terminal gets a pager (space and b turn pages, /
searches, q leaves), a pipe plain text.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import islice
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from surefoot.cli.reading import Skipped, read_files
from surefoot.cli.say import Common, count, note, print_json, visible
from surefoot.errors import UsageError

if TYPE_CHECKING:
    from rich.console import Console

    from surefoot.traces.types import Trace

MOST_STEPS = 200
MOST_CHARACTERS = 4_000
"""Steps of a trace and characters of a text that are shown; how many more there are is said."""

PLAIN_WIDTH = 100
"""Columns of what goes into a pipe."""


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class Filters:
    """Which traces are shown; all that are given must hold."""

    model: tuple[str, ...] = ()
    """Only these scorers, and traces that they scored."""

    source: tuple[str, ...] = ()
    """Only labels of these sources (human, rollout ...), and traces that have some."""

    wrong: Annotated[bool, Parameter(negative="")] = False
    """Only traces whose answer is wrong."""

    first_error_missed: Annotated[bool, Parameter(negative="")] = False
    """Only traces whose first wrong step, by the first labels, some scorer does not flag."""

    high_score_wrong_answer: Annotated[bool, Parameter(negative="")] = False
    """Only wrong answers in which some scorer flags no step."""

    id: tuple[str, ...] = ()
    """Only traces whose id begins so."""

    grep: str | None = None
    """Only traces in whose problem, steps or answer this regular expression is found."""


def view(
    *files: Annotated[str, Parameter(required=True)],
    source_format: Annotated[str | None, Parameter(name="--format")] = None,
    limit: int = 100,
    filters: Filters = Filters(),
    common: Common = Common(),  # noqa: B008 - frozen
) -> None:
    """Page through traces, each step with its scores and labels.

    A score is red below the scorer's threshold; ◀ marks who sees the first error where. In a
    terminal a pager shows them: space and b turn pages, / searches, q leaves.

    Args:
        files: Trace files, in any format that `surefoot convert` knows; `-` is stdin.
        source_format: Format of the files, where it cannot be told from their rows.
        limit: How many traces to show at most.
    """
    if limit < 1:
        raise UsageError(f"--limit is {limit}; it must be at least 1")
    skipped = Skipped()
    found = _chosen(read_files(files, source_format, False, skipped), filters)
    shown = islice(found, limit)
    if common.json:
        from surefoot.traces.rows import trace_to_row

        rows: list[dict[str, Any]] = [{"id": one.id, **trace_to_row(one)} for one in shown]
        more = next(found, None) is not None
        print_json({"traces": rows, "more": more, "skipped": skipped.to_json()})
        return
    from rich.console import Console

    if sys.stdout.isatty():
        os.environ.setdefault("LESS", "-R")
        console = Console(highlight=False)
        with console.pager(styles=True):
            num = _show_all(console, shown)
    else:
        num = _show_all(Console(highlight=False, width=PLAIN_WIDTH), shown)
    if next(found, None) is not None:
        note(f"{count(num, 'trace')} shown, and there are more: --limit shows more of them")
    elif num == 0:
        note("no trace is so")
    if skipped.rows:
        note(skipped.summary())


def _chosen(traces: Iterator[Trace], filters: Filters) -> Iterator[Trace]:
    """The traces that pass, with the scores and labels that were asked for."""
    try:
        pattern = None if filters.grep is None else re.compile(filters.grep)
    except re.error as error:
        raise UsageError(f"--grep {filters.grep!r} is no regular expression: {error}") from None
    for trace in traces:
        if filters.model:
            scores = tuple(one for one in trace.scores if one.model in filters.model)
            if not scores:
                continue
            trace = replace(trace, scores=scores)
        if filters.source:
            labels = tuple(one for one in trace.labels if one.source in filters.source)
            if not labels:
                continue
            trace = replace(trace, labels=labels)
        if _passes(trace, filters, pattern):
            yield trace


def _passes(trace: Trace, filters: Filters, pattern: re.Pattern[str] | None) -> bool:
    if (filters.wrong or filters.high_score_wrong_answer) and trace.outcome is not False:
        return False
    if filters.high_score_wrong_answer and not any(
        one.scored and one.first_error() is None for one in trace.scores
    ):
        return False
    if filters.first_error_missed and not _misses(trace):
        return False
    if filters.id and not trace.id.startswith(filters.id):
        return False
    texts = (trace.problem, *trace.texts, trace.answer or "")
    return pattern is None or any(pattern.search(text) for text in texts)


def _misses(trace: Trace) -> bool:
    """Whether some scorer does not flag the labelled first error."""
    if not trace.labels or not trace.labels[0].knows_first_error():
        return False
    error = trace.labels[0].first_error()
    if error is None:
        return False
    return any(
        (value := one.values[error]) is None or value >= one.threshold for one in trace.scores
    )


def _show_all(console: Console, traces: Iterator[Trace]) -> int:
    num = 0
    for trace in traces:
        _show(console, trace)
        num += 1
    return num


def _show(console: Console, trace: Trace) -> None:
    """One trace: problem, what it came to, and a row for each step."""
    from rich.table import Table
    from rich.text import Text

    from surefoot.traces.display.steps import WORDS, shown_steps, signed, whole_aggregate
    from surefoot.traces.display.text import said

    where = "" if trace.source is None else f" · {_cut(trace.source)}"
    console.print(Text(f"── {trace.id}{where}", style="dim"))
    console.print(Text(_cut(trace.problem), style="bold"))
    word, style = {
        True: ("right", "green"),
        False: ("wrong", "red"),
        None: ("outcome not known", "dim"),
    }[trace.outcome]
    answer = "no answer" if trace.answer is None else f"answer {_cut(trace.answer)}"
    reference = "" if trace.reference is None else f"; reference {_cut(trace.reference)}"
    console.print(Text(f"{answer}: {word}{reference}", style=style))
    for one in trace.scores:
        place = one.first_error()
        found = "flags no step" if place is None else f"flags step {place} first"
        total = f"{one.default_aggregate} {said(whole_aggregate(one))}"
        console.print(Text(f"{_cut(one.model)}: {total}, {found}", style="dim"))
    table = Table(box=None, pad_edge=False, header_style="dim")
    table.add_column("", justify="right", style="dim")
    for labels in trace.labels:
        table.add_column(Text(_cut(signed(labels))), no_wrap=True)
    for one in trace.scores:
        table.add_column(Text(_cut(one.model)), justify="right", no_wrap=True)
    table.add_column("", ratio=1)
    tones = {"right": "green", "wrong": "red", "unknown": "dim"}
    for step in shown_steps(trace, most=MOST_STEPS):
        cells = []
        for label in step.labels:
            tone, told = WORDS[label.right]
            told = "○ neutral" if label.is_neutral else told
            votes = f" {label.votes}" if label.votes else ""
            cells.append(Text(told + votes, style=tones[tone]))
        for score in step.scores:
            style = "dim" if score.value is None else "red" if score.flagged else "green"
            sign = " ✗" if score.flagged else "  "
            cells.append(Text(said(score.value) + sign, style=style))
        text = Text(_cut(step.text), style=tones[WORDS[step.right][0]])
        if step.first_error_of:
            names = ", ".join(_cut(name) for name in step.first_error_of)
            text.append(f"  ◀ first error: {names}", style="bold")
        table.add_row(str(step.position), *cells, text)
    console.print(table)
    if len(trace.steps) > MOST_STEPS:
        console.print(Text(f"… and {count(len(trace.steps) - MOST_STEPS, 'more step')}"))
    console.print()


def _cut(text: str) -> str:
    rest = len(text) - MOST_CHARACTERS
    shown = visible(text[:MOST_CHARACTERS])
    return f"{shown} … {count(rest, 'more character')}" if rest > 0 else shown
