"""Pictures of a run that need its traces: reliability, and how scores and aggregates lie."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from surefoot.evals.benchmark import Scores
from surefoot.evals.run import Run
from surefoot.reports import run_plots
from surefoot.scores.calibration import Bin, reliability
from surefoot.scores.steps import ScoredSteps, questions_of
from surefoot.traces.display.steps import whole_aggregate
from surefoot.traces.types import Trace

NUM_BINS = 10
MOST_RESAMPLES = 300
"""For the intervals of the reliability diagram, which is looked at and not quoted."""


@dataclass(frozen=True)
class Picture:
    """A picture, as one `<svg>` or several, and what a reader sees in it."""

    svg: str
    caption: str


def pictures(traces: Sequence[Trace], scores: Scores, run: Run) -> list[Picture]:
    """Reliability, and how scores and aggregates lie, where there are labels and outcomes."""
    options = run.config.options
    found = []
    steps = ScoredSteps.of(traces, scores, questions_of(traces), label_source=options.label_source)
    steps = steps.among(steps.scored)
    carried = {one.threshold for one in scores if one is not None}
    limit = options.threshold if options.threshold is not None else _only(carried)
    if len(steps) and steps.log_odds is not None:
        bins = reliability(
            steps,
            num_bins=NUM_BINS,
            seed=options.seed,
            num_resamples=min(MOST_RESAMPLES, options.num_resamples),
        )
        found.append(
            Picture(
                run_plots.reliability_diagram(bins, prefix="reliability", title=_bins_said(bins)),
                "Reliability: on the dotted line, a score of 0.8 means that 8 in 10 such steps are "
                "right; below it scores are too high. Grey: the share of the steps in each bin.",
            )
        )
    if len(steps):
        found.append(
            _distribution(
                steps.score[~steps.wrong],
                steps.score[steps.wrong],
                limit,
                "step",
                "Scores of right steps (filled) and wrong steps (hatched), by their labels; "
                "dashed: the threshold.",
            )
        )
    ended = [
        (trace.outcome, total)
        for trace, one in zip(traces, scores, strict=True)
        if trace.outcome is not None
        and one is not None
        and (total := whole_aggregate(one)) is not None
        and np.isfinite(total)
    ]
    if ended:
        found.append(
            _distribution(
                np.array([total for right, total in ended if right]),
                np.array([total for right, total in ended if not right]),
                None,
                "trace",
                "Aggregates of traces whose answer is right (filled) and wrong (hatched).",
            )
        )
    return found


def _distribution(right: Any, wrong: Any, limit: float | None, unit: str, caption: str) -> Picture:
    middles = [
        f"{name} {unit}s: median {float(np.median(values)):.2f}"
        for name, values in (("right", right), ("wrong", wrong))
        if len(values)
    ]
    picture = run_plots.distributions(
        right,
        wrong,
        prefix=f"scores-of-{unit}s",
        title=f"Scores by {unit}; {', '.join(middles)}",
        xlabel="score" if unit == "step" else "aggregate",
        limit=limit,
    )
    return Picture(picture, caption)


def _bins_said(bins: Sequence[Bin]) -> str:
    """The diagram in words, for those who cannot see it."""
    said = [f"mean score {one.mean:.2f}, right {one.right.mean:.2f}" for one in bins]
    return f"Reliability by bin: {'; '.join(said)}"


def _only(carried: set[float]) -> float | None:
    """The one threshold that all scores carry, None if there are several or none."""
    return next(iter(carried)) if len(carried) == 1 else None
