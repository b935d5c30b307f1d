"""Curves and bars as SVG that reads on a dark page and a light one, in colour and without.

Each function returns one `<svg>` element whose ids start with `prefix`, so that many can stand in
one page.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import fmean
from typing import TYPE_CHECKING

from surefoot.reports.svg import INK, MUTED, ORM, PRM, canvas, to_svg
from surefoot.reports.words import (
    SCORERS,
    Estimated,
    Family,
    Method,
    Summary,
    figure_of,
    method,
    methods_of,
    percent,
    sizes_of,
)
from surefoot.traces.display.text import shortened, visible

if TYPE_CHECKING:
    from matplotlib.axes import Axes

DRAWN = (
    "prm_vote",
    "prm_logprob",
    "prm_product",
    "orm_vote",
    "orm_logprob",
    "orm",
    "majority",
    "logprob",
    "step_length",
    "random",
    "oracle",
)
"""The methods that a curve shows; the table has all."""

_FAMILY: Mapping[Family, str] = {"prm": PRM, "arm": MUTED, "orm": ORM, "control": MUTED}
_DASHES: Mapping[Family, str] = {"prm": "-", "arm": ":", "orm": "--", "control": ":"}
_MARKERS = "osD^vPX"
_LABEL_GAP = 0.056


def curve(summary: Summary, figure: str, *, prefix: str, title: str) -> str:
    """One figure of best-of-N against N (log scale), in percent, with intervals as bands.

    `figure` is "accuracy", "sound" or "flawed_share". Methods of the PRM are solid, of the ORM
    dashed, controls dotted and grey; each line bears its name at its right end.
    """
    with canvas() as (picture, axes):
        names = [name for name in methods_of(summary) if name in DRAWN]
        named = {name: method(name) for name in names}
        ends: dict[str, tuple[float, float]] = {}
        for name in names:
            rows = [(n, figure_of(summary, name, n, figure)) for n in sizes_of(summary)]
            known = [(n, row) for n, row in rows if row is not None]
            if known:
                draw_line(axes, method(name), known, marker_of(name, named))
                ends[name] = (known[-1][0], 100 * known[-1][1]["mean"])
        sizes = sizes_of(summary)
        axes.set_xscale("log", base=2)
        axes.set_xticks(sizes, [str(n) for n in sizes])
        axes.minorticks_off()
        axes.set_xlim(sizes[0] * 0.93, sizes[-1] * 1.07)
        low, high = axes.get_ylim()
        middle = (low + high) / 2
        axes.set_ylim(max(min(low, middle - 5), -1), min(max(high, middle + 5), 101))
        axes.set_xlabel("N, candidates per problem")
        axes.set_ylabel("%", rotation=0, labelpad=8)
        axes.grid(axis="y", color=MUTED, alpha=0.25, linewidth=0.6)
        name_lines(axes, ends, named)
        return to_svg(picture, prefix, title)


def first_error_bars(summary: Summary, *, prefix: str, title: str) -> str:
    """First-error F1 of each scorer as a bar, in percent, with its interval."""
    with canvas(height=1.9) as (picture, axes):
        scorers = [name for name in SCORERS if summary.get(name)]
        for place, name in enumerate(scorers):
            found = summary[name]["first_error_f1"]
            if found is None:
                continue
            colour = _FAMILY[method(name).family]
            mean, low, high = (100 * found[part] for part in ("mean", "low", "high"))
            axes.barh(place, mean, height=0.55, color=colour, alpha=0.8)
            axes.plot([low, high], [place, place], color=INK, linewidth=1.4, marker="|")
            axes.annotate(
                percent(found["mean"]),
                (max(high, mean), place),
                xytext=(6, 0),
                textcoords="offset points",
                va="center",
                weight="bold",
            )
        axes.set_yticks(range(len(scorers)), [SCORERS[name] for name in scorers])
        axes.invert_yaxis()
        axes.set_xlim(0, 112)
        axes.set_xticks(range(0, 101, 20))
        axes.set_xlabel("first-error F1, %")
        return to_svg(picture, prefix, title)


def draw_line(
    axes: Axes,
    drawn: Method,
    rows: Sequence[tuple[int, Estimated]],
    marker: str,
    *,
    band: float = 0.1,
) -> None:
    """One line in the dash and the colour of its family, with its intervals as a band as opaque as
    `band`; each row is an N and the estimate there, a share in [0, 1]."""
    family = drawn.family
    colour, strong = _FAMILY[family], family in ("prm", "orm")
    xs = [n for n, _ in rows]
    low, mean, high = ([100 * row[part] for _, row in rows] for part in ("low", "mean", "high"))
    axes.fill_between(xs, low, high, color=colour, alpha=band if strong else band / 2, linewidth=0)
    axes.plot(
        xs,
        mean,
        color=colour,
        linestyle=_DASHES[family],
        linewidth=2.0 if strong else 1.3,
        marker=marker,
        markersize=4.2 if strong else 3.2,
    )


def marker_of(name: str, named: Mapping[str, Method]) -> str:
    """A marker that no other line of the same family has, of the first few."""
    family = [one for one in named if named[one].family == named[name].family]
    return _MARKERS[family.index(name) % len(_MARKERS)]


def name_lines(
    axes: Axes, ends: Mapping[str, tuple[float, float]], named: Mapping[str, Method]
) -> None:
    """Write each name right of its line's end, moved apart where they would overlap."""
    low, high = axes.get_ylim()
    names = sorted(ends, key=lambda name: ends[name][1])
    heights = [(ends[name][1] - low) / (high - low) for name in names]
    places = dict(zip(names, _spread(heights), strict=True))
    for name, (x, y) in ends.items():
        family = named[name].family
        axes.annotate(
            short_name(named[name].label),
            (x, y),
            xytext=(1.05, places[name]),
            textcoords="axes fraction",
            va="center",
            color=_FAMILY[family],
            weight="bold" if family == "prm" else "normal",
            arrowprops={
                "arrowstyle": "-",
                "color": _FAMILY[family],
                "linewidth": 0.6,
                "alpha": 0.6,
                "shrinkA": 1,
                "shrinkB": 3,
            },
            annotation_clip=False,
        )


def short_name(name: str, most: int = 32) -> str:
    """A name as it can stand in a picture."""
    shown, left = shortened(visible(name, ""), most)
    return f"{shown}…" if left else shown


def _spread(heights: Sequence[float]) -> list[float]:
    """The ascending heights moved as little as can be, so that all lie `_LABEL_GAP` apart.

    Neighbours that would overlap form a block around their mean (isotonic regression).
    """
    blocks: list[list[float]] = []
    for i, height in enumerate(heights):
        blocks.append([height - i * _LABEL_GAP])
        while len(blocks) > 1 and fmean(blocks[-2]) >= fmean(blocks[-1]):
            last = blocks.pop()
            blocks[-1] += last
    centres = [fmean(block) for block in blocks for _ in block]
    return [centre + i * _LABEL_GAP for i, centre in enumerate(centres)]
