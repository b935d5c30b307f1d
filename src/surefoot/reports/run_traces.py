"""The traces of a report as pieces of HTML, no more than a browser opens at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING

from surefoot.evals.benchmark import Scores
from surefoot.reports.run_examples import Example, Examples
from surefoot.traces.display.html import Limits, trace_html
from surefoot.traces.display.mathematics import with_mathematics
from surefoot.traces.display.steps import whole_aggregate
from surefoot.traces.display.text import said, shortened, visible
from surefoot.traces.types import StepScores, Trace

if TYPE_CHECKING:
    from markupsafe import Markup

LIMITS = Limits(steps=40, characters=1_200)
TIGHT = Limits(steps=12, characters=400)
"""For a trace that is too large with `LIMITS`; its formulas stay source."""

MOST_BYTES_EACH = 100_000
MOST_BYTES = 3_500_000
"""Of all traces together."""


@dataclass(frozen=True)
class ShownTrace:
    """A trace on the page: its id, its one line, the kinds it is of and why, and its piece."""

    id: str
    line: Markup
    outcome: bool | None
    score: str
    kinds: tuple[str, ...]
    why: str
    piece: Markup


@dataclass(frozen=True)
class ShownTraces:
    """Those that fit, and how many chosen ones did not."""

    traces: tuple[ShownTrace, ...]
    num_left: int


def show_traces(
    traces: Sequence[Trace],
    scores: Scores,
    examples: Examples,
    *,
    label_source: str | None,
    threshold: float | None,
) -> ShownTraces:
    """The chosen traces in their order, as many as fit."""
    shown: list[ShownTrace] = []
    left = MOST_BYTES
    for one in examples.chosen:
        found = _shown(traces[one.index], scores[one.index], one, label_source, threshold)
        left -= len(found.piece.encode())
        if left < 0:
            break
        shown.append(found)
    return ShownTraces(tuple(shown), len(examples.chosen) - len(shown))


def _shown(
    trace: Trace,
    scores: StepScores | None,
    example: Example,
    label_source: str | None,
    threshold: float | None,
) -> ShownTrace:
    from markupsafe import Markup

    labels = trace.labels_from(label_source)
    piece = trace_html(trace, labels=labels, threshold=threshold, limits=LIMITS)
    if len(piece.encode()) > MOST_BYTES_EACH:
        piece = trace_html(
            trace,
            labels=labels,
            threshold=threshold,
            limits=TIGHT,
            written=lambda text: escape(visible(text)),
        )
    line, rest = shortened(" ".join(trace.problem.split()), 110)
    score = "not scored"
    if scores is not None:
        score = f"{scores.default_aggregate} {said(whole_aggregate(scores))}"
    return ShownTrace(
        id=trace.id,
        line=Markup(with_mathematics(line) + ("…" if rest else "")),
        outcome=trace.outcome,
        score=score,
        kinds=tuple(example.why),
        why="; ".join(why for kind, why in example.why.items() if why and kind != "unscored"),
        piece=Markup(piece),
    )
