"""Pictures of a run of trust: F1 over the threshold, and reliability by domain and position."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from surefoot.reports import run_plots
from surefoot.reports.run_pictures import Picture
from surefoot.reports.run_tables import Metrics
from surefoot.scores.calibration import Bin
from surefoot.stats import Estimate

MOST_GROUPS = 12
"""Diagrams that are drawn; the figures of every group are in the tables."""


def sensitivity_picture(metrics: Metrics) -> Picture | None:
    """F1 of first errors over the threshold; None where the run has no such curve."""
    found = (metrics.get("details") or {}).get("sensitivity")
    if not isinstance(found, Mapping) or not found.get("points"):
        return None
    where = "inside" if found["own_inside"] else "outside"
    svg = run_plots.sensitivity(
        [(one["threshold"], one["f1"]) for one in found["points"]],
        own=(found["own"], found["own_f1"]),
        best=(found["best"], found["best_f1"]),
        plateau=(found["plateau_low"], found["plateau_high"]),
        prefix="sensitivity",
        title=f"F1 by threshold: {found['own_f1']:.3f} at {found['own']:.3g}, the best "
        f"{found['best_f1']:.3f} at {found['best']:.3g}",
    )
    return Picture(
        svg,
        f"F1 of first errors over the threshold. Filled dot: the scorer's own threshold "
        f"({found['own']:.3g}, F1 {found['own_f1']:.3f}), {where} the plateau; ring: the best one "
        f"({found['best']:.3g}, F1 {found['best_f1']:.3f}), chosen on these same traces; shaded: "
        f"the plateau from {found['plateau_low']:.3g} to {found['plateau_high']:.3g}, on which F1 "
        "stays near the best.",
    )


def group_pictures(metrics: Metrics) -> list[Picture]:
    """The reliability of each domain and of each range of positions."""
    found = (metrics.get("details") or {}).get("reliability")
    if not isinstance(found, Mapping):
        return []
    named = [(name, [_bin(one) for one in bins]) for name, bins in found.items() if name != "all"]
    return [
        Picture(
            run_plots.reliability_diagram(
                bins, prefix=f"reliability-{i}", title=f"Reliability, {name}", small=True
            ),
            f"{name}: {sum(one.num_steps for one in bins):,} labelled steps.",
        )
        for i, (name, bins) in enumerate(named[:MOST_GROUPS])
    ]


def without_pictures(details: Mapping[str, Any]) -> dict[str, Any]:
    """The findings that stand in no picture, in tables."""
    kept = {name: one for name, one in details.items() if name != "reliability"}
    curve = kept.get("sensitivity")
    if isinstance(curve, Mapping):
        kept["sensitivity"] = {
            name: {"value": one} for name, one in curve.items() if name != "points"
        }
    return kept


def _bin(found: Mapping[str, Any]) -> Bin:
    right = found["right"]
    return Bin(
        low=found["low"],
        high=found["high"],
        mean=found["mean"],
        right=Estimate(right["mean"], right["low"], right["high"]),
        num_steps=found["num_steps"],
    )
