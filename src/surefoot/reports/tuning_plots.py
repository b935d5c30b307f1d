"""Pictures of a study of settings: trial after trial, all settings at once, and what mattered.

Each takes what `report.json` of `surefoot tune` holds and gives one `<svg>`, as in `plots`.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

from surefoot.reports.svg import INK, MUTED, ORM, PRM, canvas, to_svg

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Report: TypeAlias = Mapping[str, Any]
Row: TypeAlias = Mapping[str, Any]

_GOOD = 0.1
"""Share of the trials that is drawn as the best."""


def at_hand(report: Report) -> list[Row]:
    """The trials on the data at hand, in their order."""
    edition = next(i for i, one in enumerate(report["data"]) if one["at_hand"])
    return [one for one in report["trials"] if one["edition"] == edition]


def ranked(report: Report) -> list[Row]:
    """Those of them that came to their end, the best first."""
    done = [one for one in at_hand(report) if one["value"] is not None]
    sign = -1 if report["direction"] == "maximize" else 1
    return sorted(done, key=lambda one: (sign * one["value"], one["number"]))


def history(report: Report, *, prefix: str) -> str:
    """The goal of each trial in the order of their numbers, with the best so far as a line, the
    interval of the best, and where pruned and failed trials stood."""
    from matplotlib.ticker import MaxNLocator

    with canvas(width=6.4) as (picture, axes):
        rows = at_hand(report)
        done = [one for one in rows if one["value"] is not None]
        best = ranked(report)[:1]
        axes.plot(
            [one["number"] for one in done],
            [one["value"] for one in done],
            linestyle="none",
            marker="o",
            markersize=4.5,
            color=PRM,
            alpha=0.85,
        )
        _best_so_far(axes, report, rows)
        if report["watch"] == report["goal"]:
            last = [(one["number"], _last(one)) for one in rows if one["state"] == "pruned"]
            known = [(x, y) for x, y in last if y is not None]
            axes.plot(
                [x for x, _ in known],
                [y for _, y in known],
                linestyle="none",
                marker="x",
                markersize=4,
                color=MUTED,
            )
        for one in best:
            if one["low"] is not None:
                axes.plot([one["number"]] * 2, [one["low"], one["high"]], color=PRM, linewidth=1.4)
            _say(axes, f"trial {one['number']}", (one["number"], one["value"]), PRM)
        given = report["given"]
        if given is not None:
            axes.axhline(given["value"], color=ORM, linestyle="--", linewidth=1.2)
            _say(axes, "as given", (rows[-1]["number"], given["value"]), ORM)
        low, _ = axes.get_ylim()
        failed = [one["number"] for one in rows if one["state"] == "failed"]
        axes.plot(failed, [low] * len(failed), linestyle="none", marker="|", color=INK)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.set_xlabel("trial")
        axes.set_ylabel(report["goal"])
        axes.grid(axis="y", color=MUTED, alpha=0.25, linewidth=0.6)
        return to_svg(picture, prefix, "The goal, trial after trial")


def importance_bars(report: Report, *, prefix: str) -> str:
    """How much of being among the best each setting accounts for, in percent."""
    shares = sorted(report["importances"].items(), key=lambda one: one[1])
    with canvas(height=0.8 + 0.36 * len(shares), width=6.4) as (picture, axes):
        for place, (_, share) in enumerate(shares):
            axes.barh(place, 100 * share, height=0.55, color=PRM, alpha=0.8)
            axes.annotate(
                f"{100 * share:.0f}",
                (100 * share, place),
                xytext=(6, 0),
                textcoords="offset points",
                va="center",
            )
        axes.set_yticks(range(len(shares)), [name for name, _ in shares])
        axes.set_xlim(0, 112)
        axes.set_xticks(range(0, 101, 20))
        axes.set_xlabel("importance, %")
        return to_svg(picture, prefix, "Which settings mattered")


def parallel(report: Report, *, prefix: str) -> str:
    """One line for each trial that came to its end, across an axis for each setting; the best ones
    stand out."""
    rows = ranked(report)
    space = {
        name: bounds
        for name, bounds in report["settings"]["space"].items()
        if any(name in one["settings"] for one in rows)
    }
    num_good = max(1, math.ceil(_GOOD * len(rows)))
    with canvas(width=max(6.4, 1.5 * (len(space) + 1))) as (picture, axes):
        values = [one["value"] for one in rows]
        low, high = min(values), max(values)
        apart = 0.0 if high > low else 0.05
        scales: list[Mapping[str, Any] | Sequence[Any]] = [*space.values()]
        scales.append({"low": low - apart, "high": high + apart})
        for place, one in reversed([*enumerate(rows)]):
            own = [*(one["settings"][name] for name in space), one["value"]]
            heights = [_height(value, scale) for value, scale in zip(own, scales, strict=True)]
            good = place < num_good
            axes.plot(
                range(len(own)),
                heights,
                color=PRM if good else MUTED,
                linewidth=1.8 if good else 0.8,
                alpha=0.95 if good else 0.45,
                zorder=3 if good else 2,
            )
        for place, scale in enumerate(scales):
            _axis(axes, place, scale)
        names = [*space, report["goal"]]
        axes.set_xticks(range(len(names)), [_broken(name) for name in names])
        axes.set_yticks([])
        axes.set_xlim(-0.25, len(names) - 0.4)
        axes.set_ylim(-0.04, 1.04)
        axes.tick_params(axis="x", length=0)
        for side in ("left", "bottom"):
            axes.spines[side].set_visible(False)
        return to_svg(picture, prefix, "All settings of every trial")


def number(value: float) -> str:
    """A number as short as it can be said."""
    return f"{value:.3g}" if isinstance(value, float) else str(value)


def said(value: Any) -> str:
    """A setting as people read it."""
    if isinstance(value, float):
        return number(value)
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _best_so_far(axes: Axes, report: Report, rows: Sequence[Row]) -> None:
    pick = max if report["direction"] == "maximize" else min
    best: list[tuple[int, float]] = []
    for one in rows:
        if one["value"] is not None:
            held = best[-1][1] if best else one["value"]
            best.append((one["number"], pick(held, one["value"])))
    if best:
        best.append((rows[-1]["number"], best[-1][1]))
    axes.step([x for x, _ in best], [y for _, y in best], where="post", color=PRM, linewidth=1.2)


def _last(one: Row) -> float | None:
    """What was measured last of a trial."""
    measured = one["measured"]
    return measured[max(measured, key=int)] if measured else None


def _say(axes: Axes, text: str, place: tuple[float, float], colour: str) -> None:
    axes.annotate(
        text,
        place,
        xytext=(5, 4),
        textcoords="offset points",
        color=colour,
        annotation_clip=False,
    )


def _height(value: Any, scale: Mapping[str, Any] | Sequence[Any]) -> float:
    """Where a value lies on its axis, in [0, 1]."""
    if not isinstance(scale, Mapping):
        return [*scale].index(value) / (len(scale) - 1)
    low, high = scale["low"], scale["high"]
    if scale.get("log"):
        return math.log(value / low) / math.log(high / low)
    return float((value - low) / (high - low))


def _axis(axes: Axes, place: int, scale: Mapping[str, Any] | Sequence[Any]) -> None:
    axes.plot([place, place], [0, 1], color=INK, linewidth=1, zorder=4)
    if isinstance(scale, Mapping):
        ticks = {0.0: number(scale["low"]), 1.0: number(scale["high"])}
    else:
        ticks = {_height(one, scale): said(one) for one in scale}
    for height, text in ticks.items():
        axes.annotate(
            text if len(text) <= 18 else text[:17] + "…",
            (place, height),
            xytext=(4, 2),
            textcoords="offset points",
            fontsize=8,
            zorder=5,
            annotation_clip=False,
        )


def _broken(name: str) -> str:
    """A dotted name on two lines."""
    return name.replace(".", ".\n", 1)
