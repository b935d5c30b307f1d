"""`surefoot train --features`: trees on features of steps instead of a language model."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from surefoot.cli.say import count, note
from surefoot.cli.shown import show_development
from surefoot.traces.types import Trace
from surefoot.training.targets import LabelRule


def train_features(
    traces: Sequence[Trace],
    out: Path,
    *,
    development: Sequence[Trace],
    labels: LabelRule,
    seed: int,
    quiet: bool,
) -> dict[str, Any]:
    """Grow the trees, save them in `out` and measure them; gives every figure."""
    from surefoot.scores.development import measure
    from surefoot.training.features import train_feature_scorer

    scorer, report = train_feature_scorer(traces, out, seed=seed, rule=labels)
    found = (
        measure(development, scorer.score(list(development)), num_resamples=1000)
        if development
        else None
    )
    if not quiet:
        note(
            f"grown on {count(report.steps, 'labelled step')} of {count(report.traces, 'trace')} "
            f"({report.wrong_steps:,} wrong); saved in {out}"
        )
        if report.auroc is not None and report.average_precision is not None:
            note(
                f"on questions that the trees had not seen: AUROC of wrong steps {report.auroc:.3f}"
                f", average precision {report.average_precision:.3f}"
            )
        if found is not None:
            show_development(found, f"with the threshold {report.threshold:.4g}")
    return {
        **report.to_json(),
        "development": found.to_json() if found is not None else None,
    }
