"""Methods of search in a picture: accuracy against the tokens that the policy wrote."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from surefoot.reports.plots import draw_line, marker_of, name_lines, short_name
from surefoot.reports.run_pictures import Picture
from surefoot.reports.svg import MUTED, canvas, to_svg
from surefoot.reports.words import Family, Method

COST = "policy tokens"
FAMILIES: Mapping[str, Family] = {"search": "prm", "best of n": "orm", "control": "control"}
"""In which colour and dash each kind of method is drawn."""


def pictures(found: Mapping[str, Any]) -> tuple[Picture, Picture]:
    """The lines of `metrics["matched"]` for a wide page and for a narrow one."""
    said = (
        "Right answers over the tokens that the policy wrote for a problem, on average (log scale),"
        " in %, with intervals. Solid: search; dashed: choices among whole solutions by scores; "
        "dotted grey: what needs no scorer, and an oracle."
    )
    return Picture(_picture(found, narrow=False), said), Picture(_picture(found, narrow=True), said)


def _picture(found: Mapping[str, Any], *, narrow: bool) -> str:
    named = {one["name"]: Method(one["name"], "", FAMILIES[one["kind"]]) for one in found["lines"]}
    height = 3.6 + 0.2 * len(named) if narrow else 4.2
    with canvas(width=4.6 if narrow else 6.4, height=height) as (picture, axes):
        ends: dict[str, tuple[float, float]] = {}
        ticks = _ticks(found)
        for line in found["lines"]:
            name = line["name"]
            points = [
                (round(one[COST]["mean"]), one["accuracy"])
                for one in line["points"]
                if one[COST] is not None and one[COST]["mean"] >= 1
            ]
            points.sort(key=lambda point: point[0])
            if points:
                draw_line(axes, named[name], points, marker_of(name, named), band=0.05)
                ends[name] = (points[-1][0], 100 * points[-1][1]["mean"])
        axes.set_xscale("log")
        axes.set_xticks(ticks, [f"{tick:,}" for tick in ticks])
        axes.minorticks_off()
        axes.set_xlabel("tokens of the policy per problem")
        axes.set_ylabel("%", rotation=0, labelpad=8)
        axes.grid(axis="y", color=MUTED, alpha=0.25, linewidth=0.6)
        if narrow:
            picture.legend(
                axes.get_lines(),
                [short_name(name) for name in ends],
                loc="outside lower left",
                frameon=False,
                handlelength=3.0,
            )
        else:
            name_lines(axes, ends, named)
        told = "; ".join(f"{name} {y:.1f} % at {x:,.0f} tokens" for name, (x, y) in ends.items())
        prefix = "tokens-narrow" if narrow else "tokens"
        return to_svg(picture, prefix, f"Accuracy against policy tokens: {told}")


def _ticks(found: Mapping[str, Any]) -> list[int]:
    """Round numbers of tokens, within and around those of all lines."""
    took = [one[COST]["mean"] for line in found["lines"] for one in line["points"] if one[COST]]
    known = [one for one in took if one >= 1]
    if not known:
        return []
    low, high = math.floor(math.log10(min(known))), math.ceil(math.log10(max(known)))
    every = [step * 10**power for power in range(low, high + 1) for step in (1, 2, 5)]
    return [one for one in every if min(known) * 0.8 <= one <= max(known) * 1.25]
