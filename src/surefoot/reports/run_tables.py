"""The tables of a run: what `metrics.json` holds, in rows and cells."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np

from surefoot.evals.benchmark import LENGTH, Scores
from surefoot.traces.types import Trace

Metrics: TypeAlias = Mapping[str, Any]

MOST_ROWS = 60
"""Rows of one table of further findings; the number of the others is said."""


@dataclass(frozen=True)
class Cell:
    """A figure and its interval as they are printed, both empty where there is none; `shade` in [0,
    1] is how strongly a cell is tinted."""

    value: str = "–"
    interval: str = ""
    shade: float = 0.0


@dataclass(frozen=True)
class Row:
    """One line of a table; `kind` is its family, for its colour."""

    label: str
    kind: str
    cells: tuple[Cell, ...]


@dataclass(frozen=True)
class Table:
    """A table with its headings; `num_left` rows are not shown."""

    title: str
    headings: tuple[str, ...]
    rows: tuple[Row, ...]
    num_left: int = 0


@dataclass(frozen=True)
class Verdict:
    """What a figure says of the scorer: "better", "same" or "worse", and in words."""

    tone: str
    figure: str
    text: str


def verdicts(metrics: Metrics) -> list[Verdict]:
    """What the scorer reaches in each figure of the headline, against the rival of this kind of
    run: step length, unless the metrics name another one."""
    rows = metrics.get("rows") or []
    if not rows:
        return []
    rival = metrics.get("rival") or LENGTH
    leads = (metrics.get("leads") or {}).get(rival, {})
    found = []
    for name, heading in metrics["headline"].items():
        figure = rows[0]["figures"].get(name)
        if figure is None:
            found.append(Verdict("same", heading, "is not defined on these traces."))
            continue
        said = f"{number(figure['mean'])} {interval(figure)}"
        lead = leads.get(name)
        if lead is None:
            found.append(Verdict("same", heading, f"{said}."))
            continue
        found.append(
            Verdict(
                tone_of(name, lead, metrics),
                heading,
                f"{said}; {_signed(lead['mean'])} {interval(lead)} against {rival}, "
                f"p = {lead['p_value']:.3f}.",
            )
        )
    return found


def tone_of(name: str, gap: Mapping[str, float], metrics: Metrics) -> str:
    """What a difference in a figure shows, given which of its ends is better: "better", "worse", or
    "same" where nothing is shown or neither end is."""
    base = name.partition("/")[0]
    if gap["low"] <= 0 <= gap["high"] or base in (metrics.get("undirected") or ()):
        return "same"
    is_lower_better = base in (metrics.get("lower_is_better") or ())
    return "better" if (gap["low"] > 0) is not is_lower_better else "worse"


def headline_table(metrics: Metrics) -> Table | None:
    """The scorer and every baseline in the figures of the headline."""
    headline = metrics.get("headline") or {}
    rows = metrics.get("rows") or []
    if not headline or not rows:
        return None
    return Table("scorer", tuple(headline.values()), tuple(_row(one, headline) for one in rows))


def leads_table(metrics: Metrics) -> Table | None:
    """By how much the scorer beats each baseline in the figures of the headline, in pairs."""
    headline, leads = metrics.get("headline") or {}, metrics.get("leads") or {}
    if not headline or not leads:
        return None
    rows = []
    for baseline, found in leads.items():
        cells = [difference(found.get(name)) for name in headline]
        rows.append(Row(f"against {baseline}", "", tuple(cells)))
    return Table("scorer", tuple(headline.values()), tuple(rows))


def group_tables(metrics: Metrics) -> list[Table]:
    """Figures named `figure/group`, such as those of subsets and classes: a table for each set of
    groups, a row per group, of the scorer."""
    rows = metrics.get("rows") or []
    if not rows:
        return []
    figures = rows[0]["figures"]
    groups: dict[str, dict[str, Any]] = {}
    for name, figure in figures.items():
        base, _, group = name.partition("/")
        if group:
            groups.setdefault(base, {})[group] = figure
    tables: dict[tuple[str, ...], list[str]] = {}
    for base, found in groups.items():
        tables.setdefault(tuple(found), []).append(base)
    headings = {**(metrics.get("headline") or {}), **(metrics.get("by_group") or {})}
    return [
        Table(
            "group",
            tuple(headings.get(base, words(base)) for base in bases),
            tuple(
                Row(group, "", tuple(_cell(groups[base][group]) for base in bases))
                for group in members
            ),
        )
        for members, bases in tables.items()
    ]


def every_figure(metrics: Metrics) -> Table | None:
    """A row per figure, a column per scorer."""
    rows = metrics.get("rows") or []
    if not rows:
        return None
    names = list(dict.fromkeys(name for one in rows for name in one["figures"]))
    lines = [
        Row(words(name), "", tuple(_cell(one["figures"].get(name)) for one in rows))
        for name in names
    ]
    return Table("figure", tuple(one["name"] for one in rows), tuple(lines))


def curve_table(metrics: Metrics) -> Table | None:
    """What each line of the curves is at each N."""
    curves = metrics.get("curves")
    if not curves:
        return None
    sizes = sorted({row["n"] for rows in curves["lines"].values() for row in rows})
    rows = []
    for name, line in curves["lines"].items():
        at = {row["n"]: row for row in line}
        rows.append(Row(words(name), "", tuple(_cell(at.get(n)) for n in sizes)))
    return Table(str(curves["x"]), tuple(f"{n:,}" for n in sizes), tuple(rows))


def finding_tables(findings: Mapping[str, Any], title: str = "") -> list[Table]:
    """Any JSON findings as tables: mappings of mappings and lists of mappings as rows, what lies
    deeper as JSON."""
    plain = {
        name: one for name, one in findings.items() if not _is_rows(one) and one not in ([], {})
    }
    tables = []
    if plain:
        some = [Row(words(name), "", (_any(one),)) for name, one in plain.items()]
        tables.append(Table(title, ("",), tuple(some[:MOST_ROWS]), max(0, len(some) - MOST_ROWS)))
    for name, one in findings.items():
        if _is_rows(one):
            tables.append(_table_of(words(f"{title} {name}".strip()), one))
    return tables


_EDGES = (0, 1, 2, 3, 4, 5, 8, 12, 20)


def first_error_matrix(
    traces: Sequence[Trace],
    scores: Scores,
    *,
    label_source: str | None,
    threshold: float | None,
) -> Table | None:
    """How many traces of each labelled first error (rows) are flagged where (columns); positions
    are binned, tints are shares of the row.

    None where no trace has labels that settle the first error.
    """
    pairs = []
    for trace, one in zip(traces, scores, strict=True):
        labels = trace.labels_from(label_source)
        if labels is not None and labels.knows_first_error():
            place = "not scored" if one is None else _bin(one.first_error(threshold))
            pairs.append((_bin(labels.first_error()), place))
    if not pairs:
        return None
    names = [_bin(edge) for edge in _EDGES]
    seen = {name for pair in pairs for name in pair}
    order = [*(name for name in names if name in seen), "none"]
    columns = [*order, *(["not scored"] if "not scored" in seen else [])]
    counts = np.zeros((len(order), len(columns)), dtype=np.int64)
    for label, place in pairs:
        counts[order.index(label), columns.index(place)] += 1
    rows = []
    for name, line in zip(order, counts, strict=True):
        total = max(1, int(line.sum()))
        cells = tuple(Cell(f"{n:,}" if n else "·", "", float(n / total)) for n in line)
        rows.append(Row(name, "", cells))
    return Table("labelled ╲ flagged", tuple(columns), tuple(rows))


def words(name: str) -> str:
    """A key of JSON as words."""
    return name.replace("_", " ").replace("/", " · ")


def interval(figure: Mapping[str, float]) -> str:
    """The ends of an interval, such as `[0.582, 0.641]`."""
    return f"[{number(figure['low'])}, {number(figure['high'])}]"


def _bin(position: int | None) -> str:
    if position is None:
        return "none"
    low = max(edge for edge in _EDGES if edge <= position)
    after = [edge for edge in _EDGES if edge > low]
    if not after:
        return f"{low}+"
    return str(low) if after[0] == low + 1 else f"{low}–{after[0] - 1}"


def _row(one: Mapping[str, Any], names: Mapping[str, str]) -> Row:
    kind = "control" if one["is_baseline"] else "prm"
    return Row(one["name"], kind, tuple(_cell(one["figures"].get(name)) for name in names))


def _cell(figure: Mapping[str, float] | None) -> Cell:
    return Cell() if figure is None else Cell(number(figure["mean"]), interval(figure))


def difference(found: Mapping[str, float] | None) -> Cell:
    """A paired difference with its interval and p-value."""
    if found is None:
        return Cell()
    return Cell(_signed(found["mean"]), f"{interval(found)} p = {found['p_value']:.3f}")


def _is_rows(value: object) -> bool:
    if isinstance(value, Mapping):
        return bool(value) and all(isinstance(one, Mapping) for one in value.values())
    return (
        bool(value) and isinstance(value, list) and all(isinstance(one, Mapping) for one in value)
    )


def _table_of(title: str, found: Mapping[str, Any] | list[Any]) -> Table:
    named = (
        found.items() if isinstance(found, Mapping) else ((str(i), v) for i, v in enumerate(found))
    )
    rows = list(named)
    if all(set(one) >= {"mean", "low", "high"} for _, one in rows):
        lines = [Row(words(name), "", (_any(one),)) for name, one in rows]
        headings: tuple[str, ...] = ("",)
    else:
        keys = list(dict.fromkeys(key for _, one in rows for key in one))
        lines = [
            Row(words(name), "", tuple(_any(one.get(key)) for key in keys)) for name, one in rows
        ]
        headings = tuple(words(key) for key in keys)
    return Table(title, headings, tuple(lines[:MOST_ROWS]), max(0, len(lines) - MOST_ROWS))


def _any(value: object) -> Cell:
    if isinstance(value, Mapping) and {"mean", "low", "high"} <= set(value):
        more = f" p = {value['p_value']:.3f}" if "p_value" in value else ""
        return Cell(number(value["mean"]), interval(value) + more)
    if isinstance(value, bool) or value is None:
        return Cell({True: "yes", False: "no", None: "–"}[value])
    if isinstance(value, int):
        return Cell(f"{value:,}")
    if isinstance(value, float):
        return Cell(number(value))
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return Cell(text if len(text) <= 300 else f"{text[:300]}…")


def number(value: float) -> str:
    """Three digits behind the point, none of a thousand and more."""
    text = f"{value:.3f}" if abs(value) < 1000 else f"{value:,.0f}"
    return text.replace("-", "−").replace("−0.000", "0.000")


def _signed(value: float) -> str:
    text = number(value)
    return text if text.startswith("−") else f"+{text}"
