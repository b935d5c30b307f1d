"""`surefoot label noise`: how far each source of labels can be trusted, and what it costs."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from surefoot.cli.label.joining import JoinedFiles
from surefoot.cli.label.votes import Votes
from surefoot.cli.say import Common, count, print_json, track, visible
from surefoot.errors import UsageError

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text

    from surefoot.labels.noise import NoiseReport, Rates, SourceNoise
    from surefoot.stats import Estimate

_WIDE = 125
"""Columns from which on an interval stands beside its figure."""


def noise(
    *files: Annotated[str, Parameter(required=True)],
    against: tuple[str, ...] = ("human",),
    source: Annotated[tuple[str, ...], Parameter(name=["--source", "-s"])] = (),
    votes: Votes = Votes(),  # noqa: B008 - frozen
    markdown: str | None = None,
    by_position: bool = True,
    seed: int = 0,
    source_format: Annotated[str | None, Parameter(name="--format")] = None,
    strict: Annotated[bool, Parameter(negative="")] = False,
    common: Common = Common(),  # noqa: B008 - frozen
) -> None:
    """How well each source of labels agrees with people, or with exact labels, and at what cost.

    Rows of the same trace, in one file or several, are joined. Steps behind the first error of the
    reference are not compared. All intervals are 95 %, over traces.

    Args:
        files: Trace files with labels, in any format that `surefoot convert` knows; `-` is stdin.
        against: Whose labels count as the truth, such as `human` or `checker:last-digit`.
        source: Whose labels are compared; repeat it for more. All others if not given.
        markdown: A file for the report in Markdown.
        by_position: Show the table by position too.
        seed: Of the resamples.
        source_format: Format of the files, where it cannot be told from their rows.
        strict: Stop at the first bad row; without it bad rows are counted and told.
    """
    if markdown is not None and not markdown.lower().endswith((".md", ".markdown")):
        raise UsageError(f"--markdown {markdown}: name it .md")
    from surefoot.labels.noise import noise_report

    traces = JoinedFiles(files, source_format, strict)
    report = noise_report(
        track(traces, "traces compared"),
        against=against,
        sources=source or None,
        rule=votes.rule(),
        seed=seed,
    )
    if markdown is not None:
        _write(report, markdown)
    if common.json:
        print_json({**report.to_json(), "joined": traces.told.to_json(), "markdown": markdown})
        return
    _print(report, traces.told.lines(), by_position)
    if markdown is not None:
        print(f"written to {visible(markdown)}")


def _write(report: NoiseReport, path: str) -> None:
    from surefoot.labels.noise import markdown
    from surefoot.traces.drafts import Draft
    from surefoot.traces.records import storage_errors

    draft = Draft(path)
    try:
        with storage_errors(path, "write"):
            draft.file.write(markdown(report).encode())
        draft.publish()
    finally:
        draft.discard()


def _print(report: NoiseReport, joins: list[str], by_position: bool) -> None:
    from rich.console import Console
    from rich.text import Text

    console = Console(highlight=False)
    for line in joins:
        console.print(Text(visible(line)))
    told = ", ".join(f"{number:,} {why}" for why, number in report.left_out.items())
    console.print(
        Text(
            f"Against {visible(' or '.join(report.against))}, "
            f"{count(report.num_traces, 'trace')}; % [95 % interval over traces]",
            style="bold",
        )
    )
    if told:
        console.print(Text(f"left out: {told}", style="yellow"))
    _first_errors(console, report)
    _steps(console, report)
    if by_position:
        _positions(console, report)
    _agreement(console, report)


def _first_errors(console: Console, report: NoiseReport) -> None:
    from rich.table import Table
    from rich.text import Text

    table = Table(title="First errors", title_justify="left", box=None, pad_edge=False)
    table.add_column("", overflow="fold")
    heads = ("traces", "exact", "found", "cleared", "F1", "settled", "tokens/label")
    for head in heads:
        table.add_column(head, justify="right", no_wrap=True)
    best = max(
        (one.first_errors.f1.mean for one in report.sources if one.first_errors.f1), default=-1
    )
    for one in report.sources:
        first = one.first_errors
        each = one.cost.tokens_per_label if one.cost else None
        style = "bold" if first.f1 and first.f1.mean == best else ""
        table.add_row(
            Text(visible(one.name)),
            f"{first.num_error + first.num_correct:,}",
            *_figures(console, (first.exact, first.found, first.cleared, first.f1)),
            "–" if first.settled is None else f"{100 * first.settled.mean:.0f}",
            "–" if each is None else f"{each:,.0f}",
            style=style,
        )
    console.print("", table)


def _steps(console: Console, report: NoiseReport) -> None:
    from rich.table import Table
    from rich.text import Text

    table = Table(title='Steps: its "wrong"', title_justify="left", box=None, pad_edge=False)
    table.add_column("", overflow="fold")
    for head in ("steps", "wrong", "speaks of", "precision", "recall", "false alarms"):
        table.add_column(head, justify="right", no_wrap=True)
    for one in report.sources:
        rates = one.steps
        table.add_row(
            Text(visible(one.name)),
            f"{rates.num_steps:,}",
            f"{rates.num_wrong:,}",
            *_figures(console, (rates.coverage, rates.precision, rates.recall, rates.false_alarms)),
        )
    console.print("", table)


def _positions(console: Console, report: NoiseReport) -> None:
    from rich.table import Table
    from rich.text import Text

    from surefoot.labels.noise import POSITIONS

    places = [
        name for name, _, _ in POSITIONS if any(name in one.by_position for one in report.sources)
    ]
    table = Table(
        title='By position of the step: precision / recall of "wrong"',
        title_justify="left",
        box=None,
        pad_edge=False,
    )
    table.add_column("", overflow="fold")
    for place in places:
        table.add_column(place, justify="right", no_wrap=True)
    for one in report.sources:
        cells = [_both(one, place) for place in places]
        table.add_row(Text(visible(one.name)), *cells)
    console.print("", table)


def _both(one: SourceNoise, place: str) -> Text:
    from rich.text import Text

    rates: Rates | None = one.by_position.get(place)
    if rates is None:
        return Text("–", style="dim")
    return Text(" / ").join([_share(rates.precision), _share(rates.recall)])


def _share(estimate: Estimate | None) -> Text:
    from rich.text import Text

    if estimate is None:
        return Text("–", style="dim")
    style = "green" if estimate.mean >= 0.8 else "yellow" if estimate.mean >= 0.5 else "red"
    return Text(f"{100 * estimate.mean:.0f}", style=style)


def _agreement(console: Console, report: NoiseReport) -> None:
    from rich.table import Table
    from rich.text import Text

    from surefoot.labels.noise.markdown import figure

    found = report.agreement
    if not found.pairs:
        return
    table = Table(title="Agreement", title_justify="left", box=None, pad_edge=False)
    table.add_column("", overflow="fold")
    for head in ("steps", "kappa, × 100", "first error exact", "within one"):
        table.add_column(head, justify="right", no_wrap=True)
    for pair in found.pairs:
        table.add_row(
            Text(visible(f"{pair.first} and {pair.second}")),
            f"{pair.num_steps:,}",
            *_figures(console, (pair.kappa["unweighted"], pair.exact, pair.within_one)),
        )
    console.print("", table)
    alphas = ", ".join(f"{name} {figure(one)}" for name, one in found.alpha.items())
    console.print(Text(f"Krippendorff's alpha of all, × 100: {alphas}"))


def _figures(console: Console, estimates: Iterable[Estimate | None]) -> list[str]:
    """Figures with their intervals, which stand below them where the terminal is narrow."""
    from surefoot.labels.noise.markdown import figure

    if console.width >= _WIDE:
        return [figure(one) for one in estimates]
    return [
        "–" if one is None else f"{100 * one.mean:.1f}\n{100 * one.low:.0f}–{100 * one.high:.0f}"
        for one in estimates
    ]
