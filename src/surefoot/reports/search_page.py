"""The report of a file of search results as one HTML file that needs nothing else: no network, no
script, no fonts.

It shows the figures of all problems, a row for each of them, and the trees of those that are worth
opening: the worst of every kind, as many as a browser opens at once.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING

from surefoot.reports.pages import template, write_page
from surefoot.reports.search_rows import KINDS, Row, rows_of, worth_opening
from surefoot.reports.words import interval, percent
from surefoot.search.display.outcomes import with_outcomes
from surefoot.search.display.tree_html import TREE_STYLE, legend_html, tree_html
from surefoot.search.display.tree_svg import Limits as TreeLimits
from surefoot.search.results import SearchResult, Solution
from surefoot.stats import bootstrap_mean
from surefoot.traces.display.html import STYLE, Limits, trace_html
from surefoot.traces.display.mathematics import with_mathematics
from surefoot.traces.display.text import said, shortened, visible

if TYPE_CHECKING:
    from markupsafe import Markup

EACH = 15
"""Problems opened of each kind."""

MOST_ROWS = 1_000
MOST_BYTES = 3_500_000
"""Of all trees and solutions together."""

RUNNERS_UP = 3

_FULL = (TreeLimits(), Limits(40, 1_200))
_TIGHT = (TreeLimits(400, 30, 120), Limits(12, 400))
MOST_BYTES_EACH = 200_000
"""A problem that takes more is shown in less detail."""


@dataclass(frozen=True)
class Opened:
    """A problem on the page: its row, its one line, and its tree and solutions."""

    row: Row
    line: Markup
    piece: Markup


def write_search_page(
    path: str | Path, results: Iterable[SearchResult], *, title: str = "Search"
) -> None:
    """Write the report of search results, which are read twice: a list, or what reads a file anew
    each time; a file of that name is replaced only by a whole one.

    Raises:
        StorageError: the page cannot be written.
    """
    write_page(path, render_search_page(results, title=title))


def render_search_page(
    results: Iterable[SearchResult], *, title: str = "Search", each: int = EACH
) -> str:
    """The report of search results as text of an HTML page, with at most `each` problems of every
    kind opened; as `write_search_page`."""
    from markupsafe import Markup

    rows = rows_of(results)
    order = worth_opening(rows, each=each) if rows else []
    opened, legend = _open(results, rows, order)
    return template("search.html.j2").render(
        title=title,
        trace_style=Markup(STYLE + TREE_STYLE),
        figures=figures(rows),
        losses=sum((Counter(row.losses) for row in rows), Counter()).most_common(10),
        kinds={name: kind for name, kind in KINDS.items() if any(name in r.kinds for r in rows)},
        totals={name: sum(name in row.kinds for row in rows) for name in KINDS},
        opened=opened,
        legend=Markup(legend),
        rows=rows[:MOST_ROWS],
        num_rows=len(rows),
        on_page={one.row.number for one in opened},
        said=said,
        short=_short,
    )


def figures(rows: Sequence[Row]) -> list[tuple[str, str, str]]:
    """What the whole search came to: name, figure, and what to know of it."""
    if not rows:
        return [("problems", "0", "")]
    num = len(rows)
    found = [("problems", f"{num:,}", "")]
    for name, values in (
        ("right answers", [row.outcome for row in rows]),
        ("a right one was found", [row.found for row in rows]),
    ):
        known = [float(value) for value in values if value is not None]
        if known:
            estimate = bootstrap_mean(known, seed=0)
            ends = interval({"low": estimate.low, "high": estimate.high})
            left = f", of {len(known):,} known" if len(known) < num else ""
            found.append((name, f"{percent(estimate.mean)} %", f"{ends}{left}"))
    total = sum(row.new_tokens for row in rows)
    found.append(("tokens written", f"{total:,}", f"{total / num:,.0f} a problem"))
    scored = [row.scored_tokens for row in rows]
    if all(one is not None for one in scored):
        read = sum(one or 0 for one in scored)
        found.append(("tokens scored", f"{read:,}", f"{read / num:,.0f} a problem"))
    seconds = sum(row.seconds for row in rows) / num
    found.append(("seconds", f"{seconds:,.1f}", "a problem, others beside it"))
    ended = Counter(row.ended for row in rows).most_common()
    found.append(("ended", ", ".join(f"{name} {n:,}" for name, n in ended), ""))
    return found


def _open(
    results: Iterable[SearchResult], rows: Sequence[Row], order: Sequence[int]
) -> tuple[list[Opened], str]:
    """The chosen problems in the order of the file, as many as fit, and what their signs mean."""
    from markupsafe import Markup

    wanted, pieces, legend = set(order), {}, ""
    for number, plain in enumerate(results):
        if number in wanted:
            result = with_outcomes(plain)
            legend = legend or legend_html(result)
            pieces[number] = _piece(result)
    left, kept = MOST_BYTES, []
    for number in order:
        left -= len(pieces[number].encode())
        if left < 0:
            break
        line, rest = shortened(" ".join(rows[number].problem.split()), 110)
        told = Markup(with_mathematics(line) + ("…" if rest else ""))
        kept.append(Opened(rows[number], told, Markup(pieces[number])))
    return kept, legend


def _piece(result: SearchResult) -> str:
    """The tree and the solutions of one problem, in less detail where that would be too much."""
    piece = _drawn(result, *_FULL, plain=False)
    if len(piece.encode()) > MOST_BYTES_EACH:
        piece = _drawn(result, *_TIGHT, plain=True)
    return piece


def _drawn(result: SearchResult, tree: TreeLimits, limits: Limits, *, plain: bool) -> str:
    def written(text: str) -> str:
        return escape(visible(text)) if plain else with_mathematics(text)

    first, others = result.solutions[:1], result.solutions[1 : 1 + RUNNERS_UP]
    chosen = "".join(trace_html(one.trace, limits=limits, written=written) for one in first)
    runners = "".join(
        f'<details class="runner"><summary>{escape(_rank(i, one))}</summary><div>'
        f"{trace_html(one.trace, limits=limits, written=written, with_problem=False)}"
        "</div></details>"
        for i, one in enumerate(others, 2)
    )
    return f"{tree_html(result, limits=tree)}{chosen}{runners}"


def _rank(rank: int, one: Solution) -> str:
    sign = {True: "✓ ", False: "✗ ", None: ""}[one.trace.outcome]
    votes = "" if one.votes is None else f", votes {said(one.votes)}"
    answer = _short(one.trace.answer)
    return f"{sign}solution {rank}: answer {answer}, reward {said(one.reward)}{votes}"


def _short(text: str | None, most: int = 60) -> str:
    if text is None:
        return "–"
    shown, left = shortened(visible(text), most)
    return f"{shown}…" if left else shown
