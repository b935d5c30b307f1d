"""The page of a study of settings: what `report.json` of `surefoot tune` holds, for people."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from surefoot.reports.html import flat
from surefoot.reports.pages import template, write_page
from surefoot.reports.tuning_plots import (
    Report,
    Row,
    at_hand,
    history,
    importance_bars,
    parallel,
    ranked,
    said,
)

STATES: Mapping[str, str] = {
    "complete": "came to its end",
    "pruned": "stopped early",
    "failed": "failed",
    "running": "being worked on",
    "waiting": "not begun",
}
"""How a trial stands, for people."""


@dataclass(frozen=True)
class Line:
    """One trial in the table."""

    number: int
    value: str
    interval: str
    mark: str
    settings: tuple[str, ...]
    state: str
    seconds: str


def write_tuning(path: str | Path, report: Report) -> None:
    """Write the page of a study; a file of that name is replaced only by a whole one.

    Raises:
        StorageError: the file cannot be written.
    """
    write_page(path, render_tuning(report))


def render_tuning(report: Report) -> str:
    """The page of a study as text."""
    from markupsafe import Markup

    rows, order = at_hand(report), ranked(report)
    names = list(report["settings"]["space"])
    older = [one for one in report["trials"] if one not in rows]
    return template("tuning.html.j2").render(
        report=report,
        title=headline(report),
        verdicts=verdicts(report),
        history=Markup(history(report, prefix="history")) if order else "",
        importances=Markup(importance_bars(report, prefix="importances"))
        if report["importances"]
        else "",
        parallel=Markup(parallel(report, prefix="parallel")) if len(order) > 1 else "",
        names=names,
        lines=lines(rows, order, names),
        older=lines(older, [], names),
        best=[(name, _said(order[0], name)) for name in names] if order else [],
        settings=flat(report["settings"]["config"]),
        baselines=[(name, f"{value:.3f}") for name, value in report["baselines"].items()],
        space=[(name, bounds_of(bounds)) for name, bounds in report["settings"]["space"].items()],
    )


def headline(report: Report) -> str:
    """What came of it, in a sentence."""
    best, number = report["best"], len(at_hand(report))
    trials = "1 trial" if number == 1 else f"{number} trials"
    if best is None:
        return f"None of {trials} has come to its end"
    return f"{report['goal']} {best['value']:.3f} with trial {best['number']} of {trials}"


def verdicts(report: Report) -> list[tuple[str, str]]:
    """Tone and text of what can be said of the best trial."""
    best, given, heldout = report["best"], report["given"], report["heldout"]
    if best is None:
        return [("worse", "Every trial failed; the reasons are in the table.")]
    found = [
        (
            "worse",
            f"Does harm: the best trial does not beat {name} ({report['baselines'][name]:.3f}).",
        )
        for name in report["unbeaten"]
    ]
    if given is None:
        found.append(
            ("same", "The settings that were given lie outside the space, so none is held to them.")
        )
    elif given["number"] == best["number"]:
        found.append(("same", "No trial was better than the settings that were given."))
    else:
        text = f"The settings that were given reach {_interval(given)}, the best {_interval(best)}."
        found.append(("better", text))
    if heldout is not None:
        text = (
            "Chosen on one half of the questions and measured on the other, the best trial "
            f"reaches {heldout:.3f} on average of both ways"
        )
        halves = report["given_halves"]
        tone = "same"
        if halves is not None:
            text += f", the settings that were given {halves:.3f} on the same halves"
            gain = heldout - halves if report["direction"] == "maximize" else halves - heldout
            tone = "better" if gain > 0 else "worse"
        found.append((tone, text + "."))
    return found


def lines(rows: Sequence[Row], order: Sequence[Row], names: Sequence[str]) -> list[Line]:
    """The trials as lines of a table: the best first, then those without a value."""
    ended = [one["number"] for one in order]
    rest = [one for one in rows if one["number"] not in ended]
    found = []
    for one in [*order, *rest]:
        has = one["value"] is not None
        found.append(
            Line(
                number=one["number"],
                value=f"{one['value']:.3f}" if has else "–",
                interval=_ends(one),
                mark=_mark(one),
                settings=tuple(_said(one, name) for name in names),
                state=STATES[one["state"]] + _more(one),
                seconds=f"{one['seconds']:.0f}",
            )
        )
    return found


def bounds_of(given: Mapping[str, Any] | Sequence[Any]) -> str:
    """What a setting was tuned between, as people read it."""
    if not isinstance(given, Mapping):
        return ", ".join(map(said, given))
    text = f"{said(given['low'])} to {said(given['high'])}"
    if given.get("step"):
        text += f" in steps of {said(given['step'])}"
    return text + (", logarithmic" if given.get("log") else "")


def _said(one: Row, name: str) -> str:
    """What a trial had of a setting, or what was chosen for it after its training."""
    held = {"aggregate": one["aggregate"], "threshold": one["threshold"], **one["settings"]}
    return "–" if held[name] is None and name not in one["settings"] else said(held[name])


def _mark(one: Row) -> str:
    marks = ["as given"] if one["given"] else []
    if one["again"] is not None:
        marks.append(f"trial {one['again']} again")
    return ", ".join(marks)


def _more(one: Row) -> str:
    if one["reason"]:
        return f": {one['reason']}"
    if one["state"] == "pruned" and one["measured"]:
        return f", at update {max(map(int, one['measured']))}"
    return ""


def _ends(one: Row) -> str:
    return "" if one["low"] is None else f"[{one['low']:.3f}, {one['high']:.3f}]"


def _interval(one: Mapping[str, Any]) -> str:
    return f"{one['value']:.3f} {_ends(one)}".strip()
