"""Runs side by side: the tables of a comparison, and its page as one HTML file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from surefoot.evals.compare import Comparison
from surefoot.reports import run_plots
from surefoot.reports.html import flat
from surefoot.reports.pages import template, write_page
from surefoot.reports.run_pictures import Picture
from surefoot.reports.run_tables import Verdict, difference, tone_of
from surefoot.reports.run_tables import interval as ends
from surefoot.reports.tables import Line, Table, directions, figure, parts, shown
from surefoot.stats import Difference

MOST_IN_PICTURE = 24
"""Differences that are drawn; the tables have all."""


def comparison_table(found: Comparison) -> Table:
    """The runs, and below them by how much each beats the first, in the figures of the headline."""
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
    return Table(
        str(found.runs[0].metrics["title"]),
        tuple(headline.values()),
        tuple(lines),
        *directions(found.runs[0].metrics, tuple(headline)),
    )


def group_tables(found: Comparison) -> dict[str, Table]:
    """For each figure that is shown by group, such as by subset or by probe: a row for each group,
    the runs side by side and by how much each beats the first."""
    wanted: dict[str, str] = found.runs[0].metrics.get("by_group") or {}
    tables = {}
    for base, words in wanted.items():
        groups = dict.fromkeys(
            name.partition("/")[2]
            for gaps in found.gaps
            for name in gaps
            if name.partition("/")[0] == base and "/" in name
        )
        if not groups:
            continue
        lines = []
        for group in groups:
            name = f"{base}/{group}"
            own = [figure(run.metrics["rows"][0]["figures"].get(name)) for run in found.runs]
            lines.append(
                Line(group, (*own, *(gaps.get(name) for gaps in found.gaps)), ranked=False)
            )
        less = tuple(f"{name} less {found.names[0]}" for name in found.names[1:])
        tables[base] = Table(words, (*found.names, *less), tuple(lines))
    return tables


def write_comparison(found: Comparison, path: str | Path) -> Path:
    """Write the page of a comparison; a file of that name is replaced only by a whole one.

    Raises:
        StorageError: the page cannot be written.
    """
    place = Path(path)
    write_page(place, render_comparison(found))
    return place


def render_comparison(found: Comparison) -> str:
    """The page of a comparison as text."""
    first = found.runs[0]
    return template("comparison.html.j2").render(
        title=f"{' and '.join(found.names[1:])} against {found.names[0]}",
        kind=first.config.kind,
        benchmark=first.metrics["title"],
        summary=first.metrics.get("summary"),
        num_traces=first.metrics["num_traces"],
        verdicts=[
            (name, _verdicts(found, gaps))
            for name, gaps in zip(found.names[1:], found.gaps, strict=True)
        ],
        headline=comparison_table(found),
        groups=[(one, _pictures(found, base)) for base, one in group_tables(found).items()],
        parts=parts,
        pictures=_pictures(found),
        runs=[
            (name, str(run.folder), flat(run.config.to_json()))
            for name, run in zip(found.names, found.runs, strict=True)
        ],
        warnings=[
            f"{name}: {one}"
            for name, run in zip(found.names, found.runs, strict=True)
            for one in run.metrics.get("warnings") or []
        ],
        several=len(found.runs) > 2,
    )


def _verdicts(found: Comparison, gaps: Any) -> list[Verdict]:
    """What each figure of the headline says of one run against the first."""
    told = []
    for name, heading in shown(found.runs[0].metrics).items():
        gap: Difference | None = gaps.get(name)
        if gap is None:
            told.append(Verdict("same", heading, "is not defined for both."))
            continue
        cell = difference(gap.to_json())
        tone = tone_of(name, gap.to_json(), found.runs[0].metrics)
        told.append(Verdict(tone, heading, f"{cell.value} {cell.interval}."))
    return told


def _pictures(found: Comparison, base: str | None = None) -> list[Picture]:
    """The differences of each run from the first: those of the headline, or those of one figure by
    group."""
    metrics = found.runs[0].metrics
    pictures = []
    for i, (name, gaps) in enumerate(zip(found.names[1:], found.gaps, strict=True)):
        if base is None:
            named = {words: gaps.get(one) for one, words in shown(metrics).items()}
        else:
            named = {one.partition("/")[2]: gaps[one] for one in gaps if one.startswith(f"{base}/")}
        rows = [(one, gap.to_json()) for one, gap in named.items() if gap is not None]
        if not rows:
            continue
        rows = rows[:MOST_IN_PICTURE]
        told = "; ".join(f"{one} {100 * gap['mean']:+.1f} {ends(gap)}" for one, gap in rows)
        drawn = run_plots.forest(
            rows, prefix=f"gaps-{base or 'headline'}-{i}", title=f"Differences: {told}"
        )
        pictures.append(
            Picture(
                drawn,
                f"{name} less {found.names[0]}: filled where the whole 95 % interval lies on one"
                " side of no difference, else a ring.",
            )
        )
    return pictures
