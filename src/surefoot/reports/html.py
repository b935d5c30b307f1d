"""The report of a run as one HTML file that needs nothing else: no network, no script, no fonts.

It shows what `summary.json` holds, computes no figure of its own, and escapes every text.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from platform import python_version
from typing import Any

from surefoot.reports import verdicts
from surefoot.reports.pages import template, write_page
from surefoot.reports.plots import curve, first_error_bars
from surefoot.reports.showcases import Showcase, step_rows, verdict
from surefoot.reports.words import (
    CONTROLS,
    METHODS,
    SCORERS,
    Estimated,
    Summary,
    figure_of,
    interval,
    method,
    methods_of,
    p_value,
    percent,
    points,
    sizes_of,
)

CAPTIONS: Mapping[str, str] = {
    "accuracy": "Right answers: how often the chosen chain ends at the right answer, in %",
    "sound": "Sound chains: how often the answer is right and every step too, in %",
    "flawed_share": "Flawed among right: of the right answers chosen, the share whose chain has a "
    "wrong step, in % (less is better)",
}


@dataclass(frozen=True)
class Cell:
    """A figure and its interval as they are printed; both empty where there is none."""

    value: str = "–"
    interval: str = ""


@dataclass(frozen=True)
class Row:
    """One line of a table: a name, what it means, its family or tone, its cells."""

    label: str
    meaning: str
    kind: str
    cells: tuple[Cell, ...]


def write_report(path: str | Path, summary: Summary, showcases: Sequence[Showcase]) -> None:
    """Write the report of a run; a file of that name is replaced only by a whole one.

    `summary` is what `summary.json` holds: shares in [0, 1] as `{"mean", "low", "high"}`.

    Raises:
        StorageError: the file cannot be written.
    """
    write_page(path, render_report(summary, showcases))


def render_report(summary: Summary, showcases: Sequence[Showcase]) -> str:
    """The report of a run as text of an HTML page; as `write_report`."""
    from markupsafe import Markup

    tables = {figure: best_of_n_table(summary, figure) for figure in verdicts.FIGURES}
    curves = {
        figure: Markup(curve(summary, figure, prefix=f"curve-{figure}", title=CAPTIONS[figure]))
        for figure in verdicts.FIGURES
    }
    bars = first_error_bars(summary, prefix="bars", title="First-error F1 of each scorer")
    return template("report.html.j2").render(
        summary=summary,
        title=verdicts.title(summary),
        headline=verdicts.headline(summary),
        harms=verdicts.harms(summary),
        over_optimised=verdicts.over_optimised(summary),
        captions=CAPTIONS,
        curves=curves,
        tables=tables,
        sizes=sizes_of(summary),
        methods=[method(name) for name in _with_controls(summary)],
        pairs=list(paired_rows(summary)),
        first_errors=first_error_table(summary),
        bars=Markup(bars),
        policy=[Row("samples of the policy", "", "", _cells(summary["policy"], _POLICY))],
        showcases=[
            (
                one,
                step_rows(one.trace) if one.trace else [],
                verdict(one.trace) if one.trace else [],
            )
            for one in showcases
        ],
        config=flat(summary["config"]),
        versions=summary.get("versions") or installed_versions(),
    )


def best_of_n_table(summary: Summary, figure: str) -> list[Row]:
    """A row per method and a cell per N; the controls always have a row."""
    rows = []
    for name in _with_controls(summary):
        found = method(name)
        cells = tuple(_cell(figure_of(summary, name, n, figure)) for n in sizes_of(summary))
        rows.append(Row(found.label, found.meaning, found.family, cells))
    return rows


def paired_rows(summary: Summary) -> Iterator[Row]:
    """Every paired difference in points, with its p-value and what it shows."""
    words = {"better": "better", "same": "no difference shown", "worse": "worse"}
    for pair in summary["paired"]:
        tone = verdicts.tone(pair)
        ours, theirs = (method(pair[key]).label for key in ("method", "against"))
        yield Row(
            f"{ours} against {theirs}",
            verdicts.FIGURES[pair["figure"]],
            tone,
            (
                Cell(str(pair["n"])),
                Cell(points(pair["difference"]["mean"]), interval(pair["difference"])),
                Cell(p_value(pair["p_value"]).removeprefix("p = ")),
                Cell(words[tone]),
            ),
        )


_FIRST_ERROR = ("first_error_f1", "acc_error", "acc_correct", "first_error_f1_tuned")
_POLICY = ("accuracy", "sound", "flawed_share")


def first_error_table(summary: Summary) -> list[Row]:
    """A row per scorer: F1, accuracy on flawed and on sound chains, F1 at a tuned threshold."""
    return [
        Row(label, "", name, _cells(summary[name], _FIRST_ERROR))
        for name, label in SCORERS.items()
        if summary.get(name)
    ]


def flat(config: Mapping[str, Any], prefix: str = "") -> list[tuple[str, str]]:
    """Every setting with its dotted name, in order."""
    found = []
    for key, value in config.items():
        if isinstance(value, Mapping):
            found += flat(value, f"{prefix}{key}.")
        else:
            said = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
            found.append((f"{prefix}{key}", said))
    return found


def installed_versions() -> dict[str, str]:
    """The versions that matter to the figures, for `summary["versions"]`."""
    packages = ("surefoot", "torch", "transformers", "tokenizers", "numpy")
    return {"python": python_version()} | {name: version(name) for name in packages}


def _with_controls(summary: Summary) -> list[str]:
    measured = methods_of(summary)
    known = [name for name in METHODS if name in measured or name in CONTROLS]
    return known + [name for name in measured if name not in METHODS]


def _cells(figures: Mapping[str, Estimated | None], names: Sequence[str]) -> tuple[Cell, ...]:
    return tuple(_cell(figures.get(name)) for name in names)


def _cell(estimate: Estimated | None) -> Cell:
    return Cell() if estimate is None else Cell(percent(estimate["mean"]), interval(estimate))
