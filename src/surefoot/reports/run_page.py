"""The report of an evaluation as one HTML file that needs nothing else: no network, no script, no
fonts.

It shows what the folder of a run holds: the figures of `metrics.json` as they are, and of the
traces in `scores.jsonl` what can be seen only in them. What a run lacks is not there.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from surefoot.evals.benchmark import Scores
from surefoot.evals.run import REPORT_FILE, Run
from surefoot.reports import run_plots, run_tables
from surefoot.reports.html import flat
from surefoot.reports.pages import template, write_page
from surefoot.reports.run_examples import KINDS, Examples, choose_examples
from surefoot.reports.run_traces import ShownTraces, show_traces
from surefoot.scores.calibration import Bin, reliability
from surefoot.scores.steps import ScoredSteps, questions_of
from surefoot.traces.display.html import STYLE
from surefoot.traces.display.steps import whole_aggregate
from surefoot.traces.types import Trace

NUM_BINS = 10
MOST_RESAMPLES = 300
"""For the intervals of the reliability diagram, which is looked at and not quoted."""

EACH = 20
"""Traces shown of each kind."""


@dataclass(frozen=True)
class Picture:
    """A picture and what a reader sees in it."""

    svg: str
    caption: str


def write_run_page(
    run: Run, traces: Sequence[Trace] | None = None, *, out: str | Path | None = None
) -> Path:
    """Write the report of a run beside it, or to `out`; an older one is replaced only by a whole
    one.

    `traces` are those of the run, read from its folder if None.

    Raises:
        StorageError: the traces cannot be read, or the page not written.
    """
    place = run.folder / REPORT_FILE if out is None else Path(out)
    write_page(place, render_run_page(run, run.traces() if traces is None else traces))
    return place


def render_run_page(run: Run, traces: Sequence[Trace], *, each: int = EACH) -> str:
    """The report of a run as text of an HTML page, with at most `each` traces of every kind."""
    from markupsafe import Markup

    metrics, options, scores = run.metrics, run.config.options, run.scores(traces)
    common: dict[str, Any] = {
        "label_source": options.label_source,
        "threshold": options.threshold,
    }
    examples = choose_examples(traces, scores, **common, each=each, seed=options.seed)
    shown = show_traces(traces, scores, examples, **common)
    warnings = list(metrics.get("warnings") or [])
    verdict = metrics.get("verdict")
    curves = metrics.get("curves")
    return template("run.html.j2").render(
        run=run,
        metrics=metrics,
        title=f"{run.config.scorer} on {metrics.get('title', run.config.kind)}",
        trace_style=Markup(STYLE),
        warnings=warnings,
        is_harm=any("does harm" in one.lower() for one in [*warnings, str(verdict)]),
        verdict=verdict if isinstance(verdict, str) else None,
        verdict_facts=flat(verdict) if isinstance(verdict, Mapping) else [],
        verdicts=run_tables.verdicts(metrics),
        headline=run_tables.headline_table(metrics),
        leads=run_tables.leads_table(metrics),
        groups=run_tables.group_tables(metrics),
        every=run_tables.every_figure(metrics),
        left_out=metrics.get("left_out") or {},
        num_left_out=sum((metrics.get("left_out") or {}).values()),
        curves=Picture(
            Markup(run_plots.curves(curves, prefix="curves", title="Best of N by method")),
            f"Each line over {curves['x']}, in %, with its interval; dotted grey needs no scorer.",
        )
        if curves and any(curves["lines"].values())
        else None,
        curve_table=run_tables.curve_table(metrics),
        paired=run_tables.finding_tables({"compared in pairs": metrics.get("paired") or []}),
        pictures=_pictures(traces, scores, run),
        matrix=run_tables.first_error_matrix(traces, scores, **common),
        kinds={name: kind for name, kind in KINDS.items() if examples.totals.get(name)},
        totals=examples.totals,
        shown=shown,
        num_shown=_num_shown(shown, examples),
        num_traces=len(traces),
        details=run_tables.finding_tables(metrics.get("details") or {}),
        counts=metrics.get("counts") or {},
        config=flat(run.config.to_json()),
        thresholds=_thresholds(metrics),
    )


def _pictures(traces: Sequence[Trace], scores: Scores, run: Run) -> list[Picture]:
    """Reliability, and how scores and aggregates lie, where there are labels and outcomes."""
    from markupsafe import Markup

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
                Markup(
                    run_plots.reliability_diagram(
                        bins, prefix="reliability", title=_bins_said(bins)
                    )
                ),
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
    from markupsafe import Markup

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
    return Picture(Markup(picture), caption)


def _bins_said(bins: Sequence[Bin]) -> str:
    """The diagram in words, for those who cannot see it."""
    said = [f"mean score {one.mean:.2f}, right {one.right.mean:.2f}" for one in bins]
    return f"Reliability by bin: {'; '.join(said)}"


def _only(carried: set[float]) -> float | None:
    """The one threshold that all scores carry, None if there are several or none."""
    return next(iter(carried)) if len(carried) == 1 else None


def _thresholds(metrics: Mapping[str, Any]) -> list[tuple[str, str, float, str]]:
    """Scorer, use, value and rule of every threshold."""
    return [
        (row["name"], use, one["value"], one["rule"])
        for row in metrics.get("rows") or []
        for use, one in (row.get("thresholds") or {}).items()
    ]


def _num_shown(shown: ShownTraces, examples: Examples) -> Mapping[str, int]:
    """How many of each kind are on the page."""
    return {kind: sum(kind in one.kinds for one in shown.traces) for kind in examples.totals}
