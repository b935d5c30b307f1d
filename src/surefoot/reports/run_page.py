"""The report of an evaluation as one HTML file that needs nothing else: no network, no script, no
fonts.

It shows what the folder of a run holds: the figures of `metrics.json` as they are, and of the
traces in `scores.jsonl` what can be seen only in them. What a run lacks is not there.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from surefoot.evals.benchmarks import BENCHMARKS
from surefoot.evals.run import REPORT_FILE, Run
from surefoot.reports import run_coverage, run_matched, run_plots, run_tables, run_trust
from surefoot.reports.html import flat
from surefoot.reports.pages import template, write_page
from surefoot.reports.run_examples import KINDS, Examples, choose_examples
from surefoot.reports.run_pictures import Picture, pictures
from surefoot.reports.run_scorecard import scorecard
from surefoot.reports.run_traces import ShownTraces, show_traces
from surefoot.traces.display.html import STYLE
from surefoot.traces.types import Trace

EACH = 20
"""Traces shown of each kind."""


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
    mild = {one["said"] for one in metrics.get("verdicts") or [] if one["verdict"] != "does harm"}
    warnings = [one for one in metrics.get("warnings") or [] if one not in mild]
    harms = [one for one in warnings if "does harm" in one.lower()]
    verdict = metrics.get("verdict")
    verdict_table = run_coverage.verdict_table(metrics)
    card = scorecard(metrics)
    curve = run_trust.sensitivity_picture(metrics)
    return template("run.html.j2").render(
        run=run,
        metrics=metrics,
        title=_title(run),
        trace_style=Markup(STYLE),
        harms=harms,
        warnings=[one for one in warnings if one not in harms],
        verdict=verdict if isinstance(verdict, str) and verdict_table is None else None,
        verdict_table=verdict_table,
        scorecard=card,
        verdict_facts=flat(verdict) if isinstance(verdict, Mapping) else [],
        verdicts=run_tables.verdicts(metrics),
        headline=run_tables.headline_table(metrics),
        leads=run_tables.leads_table(metrics),
        groups=[] if card else run_tables.group_tables(metrics),
        every=run_tables.every_figure(metrics),
        left_out=metrics.get("left_out") or {},
        num_left_out=sum((metrics.get("left_out") or {}).values()),
        coverage=run_coverage.coverage_tables(metrics),
        curves=_curves(metrics),
        curve_table=run_tables.curve_table(metrics),
        paired=run_coverage.paired_table(metrics),
        pictures=[*([curve] if curve else []), *pictures(traces, scores, run)],
        by_group=run_trust.group_pictures(metrics),
        matrix=run_tables.first_error_matrix(traces, scores, **common),
        kinds={name: kind for name, kind in KINDS.items() if examples.totals.get(name)},
        totals=examples.totals,
        shown=shown,
        num_shown=_num_shown(shown, examples),
        num_traces=len(traces),
        details=run_tables.finding_tables(run_trust.without_pictures(metrics.get("details") or {})),
        counts=metrics.get("counts") or {},
        config=flat(run.config.to_json()),
        thresholds=_thresholds(metrics),
    )


def _title(run: Run) -> str:
    name = str(run.metrics.get("title", run.config.kind))
    between = " on " if run.config.kind in BENCHMARKS else ": "
    return f"{run.config.scorer}{between}{name}"


def _curves(metrics: Mapping[str, Any]) -> tuple[Picture, Picture] | None:
    """The curves of best-of-N, for a wide page and for a narrow one."""
    if metrics.get("matched"):
        return run_matched.pictures(metrics["matched"])
    found = metrics.get("curves")
    if not found or not any(found["lines"].values()):
        return None
    said = f"Each line over {found['x']}, in %, with its interval; dotted grey needs no scorer."
    wide, narrow = (
        Picture(
            run_plots.curves(
                found,
                prefix="curves-narrow" if is_narrow else "curves",
                title="Best of N by method",
                narrow=is_narrow,
            ),
            said,
        )
        for is_narrow in (False, True)
    )
    return wide, narrow


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
