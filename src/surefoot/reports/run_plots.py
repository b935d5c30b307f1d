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


def curves(found: Mapping[str, Any], *, prefix: str, title: str) -> str:
    """Lines with their intervals as bands over the size of a choice (log scale).

    `found` is `metrics["curves"]`: `{"x": ..., "lines": {name: [{"n", "mean", "low", "high"}]}}`.
    """
    lines = dict(list(found["lines"].items())[:MOST_LINES])
    named = {name: curve_method(name) for name in lines}
    with canvas(width=6.4, height=4.2) as (picture, axes):
        sizes = sorted({row["n"] for rows in lines.values() for row in rows})
        ends = {}
        for name, rows in lines.items():
            if rows:
                points = [(row["n"], row) for row in rows]
                draw_line(axes, named[name], points, marker_of(name, named))
                ends[name] = (rows[-1]["n"], 100 * rows[-1]["mean"])
        axes.set_xscale("log", base=2)
        axes.set_xticks(sizes, [str(n) for n in sizes])
        axes.minorticks_off()
        axes.set_xlim(sizes[0] * 0.93, max(sizes[-1] * 1.07, sizes[0] * 1.1))
        axes.set_xlabel(short_name(str(found["x"])))
        axes.set_ylabel("%", rotation=0, labelpad=8)
        axes.grid(axis="y", color=MUTED, alpha=0.25, linewidth=0.6)
        name_lines(axes, ends, named)
        return to_svg(picture, prefix, title)


def curve_method(name: str) -> Method:
    """The method of a line: one that has no name of its own in `METHODS` counts as the scorer's."""
    return METHODS.get(name) or Method(name.replace("_", " "), "", "prm")


def reliability_diagram(bins: Sequence[Bin], *, prefix: str, title: str) -> str:
    """The share of right steps over the mean score of each bin, with intervals, against the
    diagonal on which probabilities mean what they say; below it, how many steps each bin holds."""
    with canvas(width=4.6, height=4.2) as (picture, axes):
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
