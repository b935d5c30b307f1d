"""Tables of figures with intervals, for papers: Markdown, LaTeX and CSV.

Figures are shares and are printed in percent with one digit, except in CSV, which has them as they
are. The best figure of a column is bold, and so are those that print alike. Names come from models
and data and are escaped.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from surefoot.stats import Difference, Estimate

Figure = Estimate | None
MINUS = "\u2212"


@dataclass(frozen=True)
class Line:
    """One row: a scorer, a group of the data, or a difference; `ranked` rows may be bold."""

    name: str
    figures: tuple[Figure, ...]
    ranked: bool = True


@dataclass(frozen=True)
class Table:
    """Rows under headings, a figure for each; `undirected` columns have no best, and the best of
    `lowest` ones is the least."""

    title: str
    headings: tuple[str, ...]
    lines: tuple[Line, ...]
    undirected: frozenset[int] = frozenset()
    lowest: frozenset[int] = frozenset()

    def best(self, column: int) -> str | None:
        """The best figure of a column as it is printed; None where nothing is compared."""
        figures = [line.figures[column] for line in self.lines if line.ranked]
        known = [one.mean for one in figures if one is not None]
        if column in self.undirected or len(known) < 2:
            return None
        return percent(min(known) if column in self.lowest else max(known))

    def is_best(self, line: Line, column: int) -> bool:
        """Whether a figure prints like the best of its column."""
        figure = line.figures[column]
        return figure is not None and line.ranked and percent(figure.mean) == self.best(column)


def headline_table(metrics: Mapping[str, Any]) -> Table:
    """The scorer and the baselines of a run in the figures that a reader wants first."""
    headline = shown(metrics)
    return Table(
        str(metrics["title"]),
        tuple(headline.values()),
        tuple(
            Line(str(row["name"]), tuple(figure(row["figures"].get(name)) for name in headline))
            for row in metrics["rows"]
        ),
        *directions(metrics, tuple(headline)),
    )


def group_table(metrics: Mapping[str, Any]) -> Table | None:
    """The scorer of a run in each group of the data; None where there is but one or none."""
    wanted: Mapping[str, str] = metrics.get("by_group") or {}
    figures: Mapping[str, Any] = metrics["rows"][0]["figures"]
    names = dict.fromkeys(
        name.partition("/")[2]
        for name, value in figures.items()
        if value and name.partition("/")[0] in wanted and "/" in name
    )
    if len(names) < 2:
        return None
    lines = tuple(
        Line(group, tuple(figure(figures.get(f"{name}/{group}")) for name in wanted), ranked=False)
        for group in names
    )
    return Table(str(metrics["rows"][0]["name"]), tuple(wanted.values()), lines)


def shown(metrics: Mapping[str, Any]) -> dict[str, str]:
    """The figures of the headline that the first scorer has, with their headings; all of them
    where it has none."""
    headline: Mapping[str, str] = metrics["headline"]
    own = metrics["rows"][0]["figures"]
    return {name: words for name, words in headline.items() if own.get(name)} or dict(headline)


def figure(value: Mapping[str, float] | None) -> Figure:
    """A figure of `metrics.json`."""
    if value is None:
        return None
    mean, low, high = value["mean"], value["low"], value["high"]
    if "p_value" in value:
        return Difference(mean, low, high, value["p_value"])
    return Estimate(mean, low, high)


def percent(share: float, *, sign: bool = False) -> str:
    """A share in percent with one digit; without a minus where it rounds to 0."""
    text = f"{100 * share:+.1f}" if sign else f"{100 * share:.1f}"
    if float(text) == 0:
        text = "0.0"
    return text.replace("-", MINUS)


def parts(one: Estimate) -> tuple[str, ...]:
    """What is printed of a figure: its mean, its interval, and the p-value of a difference."""
    is_gap = isinstance(one, Difference)
    low, high = (percent(end, sign=is_gap) for end in (one.low, one.high))
    found = (percent(one.mean, sign=is_gap), f"[{low}, {high}]")
    return (*found, f"p = {one.p_value:.3f}") if isinstance(one, Difference) else found


def markdown(table: Table) -> str:
    """A pipe table."""
    names = ["", *map(_escape_markdown, table.headings)]
    lines = [_pipes(names), _pipes(["---", *["---:"] * len(table.headings)])]
    for line in table.lines:
        cells = [
            "–" if one is None else _bold(table, line, column, one, "**{}**")
            for column, one in enumerate(line.figures)
        ]
        lines.append(_pipes([_escape_markdown(line.name), *cells]))
    return "\n".join(lines) + "\n"


def latex(table: Table) -> str:
    """A tabular with the rules of the package booktabs."""
    lines = [
        "% needs \\usepackage{booktabs}",
        "\\begin{tabular}{l" + "r" * len(table.headings) + "}",
        "\\toprule",
        " & ".join(["", *map(_escape_latex, table.headings)]) + " \\\\",
        "\\midrule",
    ]
    for line in table.lines:
        cells = []
        for column, one in enumerate(line.figures):
            if one is None:
                cells.append("--")
                continue
            mean, *rest = parts(one)
            mean = f"\\textbf{{{mean}}}" if table.is_best(line, column) else mean
            cells.append(f"{mean} {{\\scriptsize {' '.join(rest)}}}".replace(MINUS, "$-$"))
        lines.append(" & ".join([_escape_latex(line.name), *cells]) + " \\\\")
    return "\n".join([*lines, "\\bottomrule", "\\end{tabular}"]) + "\n"


def as_csv(table: Table) -> str:
    """A row for each line; of every figure the mean, the ends of its interval and the p-value of a
    difference, as shares."""
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    endings = ("", " low", " high", " p")
    writer.writerow(["", *(f"{words}{end}" for words in table.headings for end in endings)])
    for line in table.lines:
        cells: list[float | str] = []
        for one in line.figures:
            p_value = one.p_value if isinstance(one, Difference) else ""
            cells += ["", "", "", ""] if one is None else [one.mean, one.low, one.high, p_value]
        writer.writerow([_escape_csv(line.name), *cells])
    return file.getvalue()


WRITERS: Mapping[str, Callable[[Table], str]] = {
    "markdown": markdown,
    "latex": latex,
    "csv": as_csv,
}


def directions(
    metrics: Mapping[str, Any], names: Sequence[str]
) -> tuple[frozenset[int], frozenset[int]]:
    """The columns of which neither high nor low is better, and those of which low is."""
    found = []
    for key in ("undirected", "lower_is_better"):
        some = set(metrics.get(key) or ())
        found.append(frozenset(i for i, one in enumerate(names) if one.partition("/")[0] in some))
    return found[0], found[1]


def _bold(table: Table, line: Line, column: int, one: Estimate, form: str) -> str:
    mean, *rest = parts(one)
    return " ".join([form.format(mean) if table.is_best(line, column) else mean, *rest])


def _pipes(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _one_line(text: str) -> str:
    return "".join(c if c.isprintable() else " " for c in text)


def _escape_markdown(text: str) -> str:
    escaped = _one_line(text).replace("&", "&amp;").replace("<", "&lt;")
    return "".join(f"\\{c}" if c in "\\`*_[]|~$" else c for c in escaped)


_LATEX = {
    "\\": "\\textbackslash{}",
    "~": "\\textasciitilde{}",
    "^": "\\textasciicircum{}",
    "<": "\\textless{}",
    ">": "\\textgreater{}",
    "≥": "$\\geq$",
    "τ": "$\\tau$",
    **{c: f"\\{c}" for c in "&%$#_{}"},
}


def _escape_latex(text: str) -> str:
    return "".join(_LATEX.get(c, c) for c in _one_line(text))


def _escape_csv(text: str) -> str:
    """Text that no spreadsheet takes for a formula."""
    line = _one_line(text)
    return f"'{line}" if line.startswith(("=", "+", "-", "@")) else line
