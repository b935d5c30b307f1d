"""Figures on development traces, as lines for a terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from surefoot.cli.say import count, note

if TYPE_CHECKING:
    from surefoot.scores.development import Development
    from surefoot.stats import Estimate

SHOWN = {
    "f1_heldout": "first-error F1, threshold tuned on other half",
    "f1_best": "first-error F1, tuned on these (flattering)",
    "step_auroc": "AUROC of wrong steps",
    "step_average_precision": "average precision of wrong steps",
    "brier": "Brier score",
    "ece": "expected calibration error",
    "outcome_auroc": "AUROC of outcomes",
    "outcome_auroc_within": "AUROC of outcomes within questions",
}


def show_development(found: Development, how: str) -> None:
    """The figures that are defined, with their intervals."""
    note(f"on {count(found.overall.num_traces, 'development trace')}, {how}:")
    for name, words in SHOWN.items():
        if (value := getattr(found.overall, name)) is not None:
            note(f"  {words:<45} {value:.3f}{_interval(found.intervals.get(name))}")


def _interval(one: Estimate | None) -> str:
    return "" if one is None else f"  [{one.low:.3f}, {one.high:.3f}]"
