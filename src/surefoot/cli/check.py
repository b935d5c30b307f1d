"""`surefoot check`: do traces and a model fit each other, and is nothing silently wrong?

What is printed for people and with --json is the same; the exit code is 1 where something would be
silently wrong, with how to mend it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from surefoot.cli.loading import Loading, load_model
from surefoot.cli.reading import Skipped, read_files
from surefoot.cli.say import Common, count, print_json, track, visible

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import Console

    from surefoot.models.findings import Finding, Findings, LabelBalance, Place, TokenCounts

_MOST_POSITIONS = 8
"""Positions of first errors that are shown."""

_MOST_SLOT_TOKENS = 3


def check(
    *files: Annotated[str, Parameter(required=True)],
    model: Annotated[str, Parameter(name=["--model", "-m"])],
    show: int = 2,
    source_format: Annotated[str | None, Parameter(name="--format")] = None,
    strict: Annotated[bool, Parameter(negative="")] = False,
    loading: Loading = Loading(),  # noqa: B008 - frozen
    common: Common = Common(),  # noqa: B008 - frozen
) -> None:
    """Examine traces together with the model that is to score them or to be trained on them.

    Shows how the first traces are written, token by token, and where scores are read. Tells, of all
    of them, what would be silently wrong here or in other tools. Ends with exit code 1 if there is
    any such error; warnings alone give 0.

    Args:
        files: Trace files, in any format that `surefoot convert` knows; `-` is stdin.
        model: A built-in (arithmetic, length, random), a folder, a hub id or the URL of a server.
        show: How many of the first traces to show as they are written.
        source_format: Format of the files, where it cannot be told from their rows.
        strict: Stop at the first bad row; without it they are counted and told.
    """
    reward_model = load_model(model, loading)
    from surefoot.models.alignment import Writes
    from surefoot.models.doctor import examine

    skipped = Skipped()
    traces = track(read_files(files, source_format, strict, skipped), "traces examined")
    findings = examine(traces, reward_model, samples=show)
    if common.json:
        contract = reward_model.contract.to_json() if isinstance(reward_model, Writes) else None
        told = {"files": files, **findings.to_json(), "contract": contract}
        print_json({**told, "skipped": skipped.to_json()})
    else:
        _print(findings, skipped)
    findings.raise_errors()


def _print(findings: Findings, skipped: Skipped) -> None:
    from rich.console import Console
    from rich.text import Text

    from surefoot.cli.pieces import legend, show_sample

    console = Console(highlight=False)
    for sample in findings.samples:
        show_sample(console, sample)
    if findings.samples:
        console.print(legend(), "")
    told = f"{count(findings.traces, 'trace')}, {count(findings.steps, 'step')}"
    console.print(Text(f"{visible(findings.model)}: {told}", style="bold"))
    if findings.tokens is None:
        line = f"{findings.model} has no contract by which traces are written as tokens here, so "
        console.print(
            Text(visible(line + "there is nothing to align; the data alone was examined"))
        )
    elif findings.tokens.rows:
        for line in _token_lines(findings.tokens):
            console.print(Text(visible(line)))
    _print_labels(console, findings.labels)
    if skipped.rows:
        console.print(Text(f"{skipped.summary()}: they could not be read", style="yellow"))
    _print_findings(console, "errors", "bold red", "✗", findings.errors)
    _print_findings(console, "warnings", "yellow", "!", findings.warnings)
    if not findings.errors:
        console.print(Text("\nnothing was found that would be silently wrong", style="green"))


def _token_lines(tokens: TokenCounts) -> list[str]:
    """The figures of the tokens, in sentences."""
    unused = max(0, tokens.max_tokens - tokens.longest)
    each = "" if tokens.slots_per_step == 1 else f", {tokens.slots_per_step} for each"
    lines = [
        f"tokens: {tokens.tokens:,} in {count(tokens.rows, 'row')}; the longest has "
        f"{tokens.longest:,}, the contract allows {tokens.max_tokens:,} ({unused:,} never used)",
        f"slots: {tokens.slots:,} for {count(tokens.steps, 'step')}{each}; "
        f"{count(tokens.behind, 'token')} behind the last slot of a row, which no score sees",
    ]
    if tokens.shift:
        side = "behind" if tokens.shift > 0 else "before"
        lines.append(f"scores are read {count(abs(tokens.shift), 'token')} {side} the slot")
    from surefoot.cli.pieces import seen

    common = [
        f"{seen(one.token)!r} ({one.id}) {one.count / tokens.slots:.0%}"
        for one in tokens.slot_tokens[:_MOST_SLOT_TOKENS]
    ]
    more = " and others" if len(tokens.slot_tokens) > _MOST_SLOT_TOKENS else ""
    return [*lines, f"token at the slot: {', '.join(common)}{more}"]


def _print_labels(console: Console, labels: Sequence[LabelBalance]) -> None:
    from rich.table import Table
    from rich.text import Text

    if not labels:
        console.print(Text("labels: none"))
        return
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column("labels")
    for heading in ("traces", "right", "neutral", "wrong", "no label", "majority"):
        table.add_column(heading, justify="right", no_wrap=True)
    for one in labels:
        numbers = (one.traces, one.right, one.neutral, one.wrong, one.unlabelled)
        majority = "–" if one.majority is None else f"{one.majority:.1%}"
        table.add_row(Text(one.source), *(f"{number:,}" for number in numbers), majority)
    console.print(table)
    for one in labels:
        places = [f"{n:,} at step {k}" for k, n in one.first_errors.items()]
        later = sum([*one.first_errors.values()][_MOST_POSITIONS:])
        shown = places[:_MOST_POSITIONS] + ([f"{later:,} later"] if later else [])
        rest = [f"{one.no_error:,} without error", f"{one.unknown:,} not known"]
        console.print(Text(f"first error by {one.source}: {', '.join([*shown, *rest])}"))


def _print_findings(
    console: Console, title: str, style: str, mark: str, findings: Sequence[Finding]
) -> None:
    from rich.padding import Padding
    from rich.text import Text

    if not findings:
        return
    console.print(Text(f"\n{title}", style="bold"))
    for one in findings:
        line = Text().append(f"{mark} {one.kind}: ", style=style)
        console.print(line.append(visible(one.what)))
        for place in one.places:
            console.print(Padding(Text(_place(place), style="dim"), (0, 0, 0, 4), expand=False))
        console.print(Padding(Text(f"mend: {one.mend}"), (0, 0, 0, 4), expand=False))


def _place(place: Place) -> str:
    step = "" if place.step is None else f", step {place.step}"
    other = "" if place.other is None else f"; first in row {place.other:,}"
    return f"row {place.row:,}{step}, trace {place.trace}{other}"
