"""Pictures of a run: curves of best-of-N, what probabilities are worth, and how scores lie.

Each function gives one `<svg>` whose ids start with its `prefix`, as in `plots`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from surefoot.reports.plots import draw_line, marker_of, name_lines, short_name
from surefoot.reports.svg import INK, MUTED, ORM, PRM, canvas, to_svg
from surefoot.reports.words import METHODS, Method
from surefoot.scores.calibration import Bin
from surefoot.stats import FloatArray

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MOST_LINES = 12
"""Lines that are drawn; a table has all."""


def curves(found: Mapping[str, Any], *, prefix: str, title: str, narrow: bool = False) -> str:
    """Lines with their intervals as bands over the size of a choice (log scale).

    `found` is `metrics["curves"]`: `{"x": ..., "lines": {name: [{"n", "mean", "low", "high"}]}}`.
    Each line bears its name at its end; in a `narrow` picture, for a phone, the names stand below.
    """
    lines = dict(list(found["lines"].items())[:MOST_LINES])
    named = {name: curve_method(name) for name in lines}
    band = 0.1 if len(lines) <= 4 else 0.05
    width, height = (4.6, 3.4 + 0.2 * len(lines)) if narrow else (6.4, 4.2)
    with canvas(width=width, height=height) as (picture, axes):
        sizes = sorted({row["n"] for rows in lines.values() for row in rows})
        ends = {}
        for name, rows in lines.items():
            if rows:
                points = [(row["n"], row) for row in rows]
                draw_line(axes, named[name], points, marker_of(name, named), band=band)
                ends[name] = (rows[-1]["n"], 100 * rows[-1]["mean"])
        axes.set_xscale("log", base=2)
        axes.set_xticks(sizes, [str(n) for n in sizes])
        axes.minorticks_off()
        axes.set_xlim(sizes[0] * 0.93, max(sizes[-1] * 1.07, sizes[0] * 1.1))
        axes.set_xlabel(short_name(str(found["x"])))
        axes.set_ylabel("%", rotation=0, labelpad=8)
        axes.grid(axis="y", color=MUTED, alpha=0.25, linewidth=0.6)
        if narrow:
            _names_below(picture, axes, ends, named)
        else:
            name_lines(axes, ends, named)
        return to_svg(picture, prefix, title)


def _names_below(
    picture: Any, axes: Axes, ends: Mapping[str, tuple[float, float]], named: Mapping[str, Method]
) -> None:
    """A legend under the picture, the highest line first."""
    lines = dict(zip(ends, axes.get_lines(), strict=True))
    order = sorted(ends, key=lambda name: -ends[name][1])
    picture.legend(
        [lines[name] for name in order],
        [short_name(named[name].label) for name in order],
        loc="outside lower left",
        frameon=False,
        handlelength=3.0,
    )


def curve_method(name: str) -> Method:
    """The method of a line: one that has no name of its own in `METHODS` counts as the scorer's."""
    return METHODS.get(name) or Method(name.replace("_", " "), "", "prm")


def reliability_diagram(
    bins: Sequence[Bin], *, prefix: str, title: str, small: bool = False
) -> str:
    """The share of right steps over the mean score of each bin, with intervals, against the
    diagonal on which probabilities mean what they say; below it, how many steps each bin holds."""
    with canvas(width=3.0 if small else 4.6, height=2.7 if small else 4.2) as (picture, axes):
        axes.plot([0, 1], [0, 1], color=MUTED, linestyle=":", linewidth=1.2)
        total = sum(one.num_steps for one in bins)
        for one in bins:
            axes.plot(
                [one.mean, one.mean], [one.right.low, one.right.high], color=PRM, linewidth=1.4
            )
            share = one.num_steps / total
            axes.bar(one.mean, 0.16 * share, width=0.05, bottom=-0.2, color=MUTED, alpha=0.55)
        axes.plot(
            [one.mean for one in bins],
            [one.right.mean for one in bins],
            color=PRM,
            marker="o",
            markersize=5,
            linewidth=1.6,
        )
        axes.set_xlim(-0.03, 1.03)
        axes.set_ylim(-0.22, 1.04)
        axes.set_yticks([0, 0.25, 0.5, 0.75, 1])
        axes.set_xlabel("score")
        axes.set_ylabel("share of right steps")
        return to_svg(picture, prefix, title)


def sensitivity(
    points: Sequence[tuple[float, float]],
    *,
    own: tuple[float, float],
    best: tuple[float, float],
    plateau: tuple[float, float],
    prefix: str,
    title: str,
) -> str:
    """F1 over the threshold, `points` of both; a filled dot at the scorer's own threshold, a ring
    at the best one, and the plateau around it shaded."""
    with canvas(width=4.6, height=4.2) as (picture, axes):
        axes.axvspan(*plateau, color=MUTED, alpha=0.22, linewidth=0)
        axes.plot([x for x, _ in points], [y for _, y in points], color=PRM, linewidth=1.8)
        axes.axvline(own[0], color=INK, linestyle="--", linewidth=1)
        axes.plot([own[0]], [own[1]], color=INK, marker="o", markersize=7)
        axes.plot(
            [best[0]], [best[1]], color=PRM, marker="o", markersize=11, fillstyle="none", mew=2
        )
        axes.set_ylim(0, max(0.05, 1.15 * max(best[1], own[1])))
        axes.set_xlabel("threshold")
        axes.set_ylabel("F1 of first errors")
        axes.grid(axis="y", color=MUTED, alpha=0.25, linewidth=0.6)
        return to_svg(picture, prefix, title)


def forest(gaps: Sequence[tuple[str, Mapping[str, float]]], *, prefix: str, title: str) -> str:
    """Differences in points, each a dot with its interval, against the line of no difference; one
    whose whole interval lies on one side is filled, another is a ring."""
    with canvas(width=4.6, height=0.75 + 0.34 * len(gaps)) as (picture, axes):
        axes.axvline(0, color=INK, linewidth=1)
        for place, (_, gap) in enumerate(gaps):
            low, mean, high = (100 * gap[part] for part in ("low", "mean", "high"))
            is_shown = low > 0 or high < 0
            axes.plot([low, high], [place, place], color=PRM, linewidth=1.8)
            axes.plot(
                [mean],
                [place],
                color=PRM,
                marker="o",
                markersize=7,
                fillstyle="full" if is_shown else "none",
                mew=1.8,
            )
        axes.set_yticks(range(len(gaps)), [short_name(name, 24) for name, _ in gaps])
        axes.set_ylim(len(gaps) - 0.5, -0.5)
        axes.set_xlabel("points of difference")
        axes.grid(axis="x", color=MUTED, alpha=0.25, linewidth=0.6)
        return to_svg(picture, prefix, title)


def distributions(
    right: FloatArray,
    wrong: FloatArray,
    *,
    prefix: str,
    title: str,
    xlabel: str,
    limit: float | None,
) -> str:
    """How the scores of what is right (filled) and of what is wrong (hatched) lie, each as shares
    of its own kind; the dashed line is the threshold, where one is given."""
    with canvas(width=4.6, height=4.2) as (picture, axes):
        both = np.concatenate([right, wrong])
        low, high = float(both.min()), float(both.max())
        if low >= 0 and high <= 1:
            low, high = 0.0, 1.0
        if low == high:
            low, high = low - 0.5, high + 0.5
        edges = np.linspace(low, high, 26)
        _histogram(axes, right, edges, PRM, "right", filled=True)
        _histogram(axes, wrong, edges, ORM, "wrong", filled=False)
        if limit is not None and low <= limit <= high:
            axes.axvline(limit, color=INK, linestyle="--", linewidth=1)
        axes.set_ylim(0, None)
        axes.set_xlabel(xlabel)
        axes.set_ylabel("% of its kind")
        axes.legend(frameon=False, loc="upper left")
        return to_svg(picture, prefix, title)


def _histogram(
    axes: Axes, values: FloatArray, edges: FloatArray, colour: str, name: str, *, filled: bool
) -> None:
    if len(values) == 0:
        return
    heights = 100 * np.histogram(values, edges)[0] / len(values)
    axes.stairs(
        heights,
        edges,
        fill=filled,
        color=colour,
        alpha=0.4 if filled else 1.0,
        linewidth=1.8,
        hatch=None if filled else "///",
        label=f"{name} ({len(values):,})",
    )
