"""Written traces in a terminal: each piece with its tokens, their ids, and the slots."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from surefoot.cli.say import count, visible

if TYPE_CHECKING:
    from surefoot.models.findings import Sample
    from surefoot.models.render import Rendered, Span

MOST_PIECES = 60
"""Pieces of one row that are shown; the number of the others is said."""

MOST_TOKENS = 60
"""Tokens of one piece that are shown: the first of them, and the last."""

_STYLES = {
    "template": "cyan",
    "special": "magenta",
    "problem": "blue",
    "step": "green",
    "reference": "yellow",
}
_SLOT = "bold reverse red"
_LOWERED = str.maketrans("0123456789", "₀₁₂₃₄₅₆₇₈₉")
_SEEN = str.maketrans({" ": "·", "\n": "↵", "\t": "→"})


def show_sample(console: Console, sample: Sample) -> None:
    """Print how one trace is written: the first and the last of its rows, and the last of a second
    pass."""
    title = Text(f"row {sample.row}", style="bold")
    console.print(title.append(f"  trace {sample.trace}", style="dim not bold"))
    if sample.refusal is not None:
        console.print(
            Padding(Text(visible(sample.refusal), style="red"), (0, 0, 1, 2), expand=False)
        )
    for i in sorted({0, len(sample.rows) - 1} if sample.rows else ()):
        _show_row(console, sample.rows[i], _which(i, len(sample.rows)))
    if sample.second:
        which = _which(len(sample.second) - 1, len(sample.second))
        told = f"second pass, where the first preferred the good token, {which}"
        _show_row(console, sample.second[-1], told)


def legend() -> Text:
    """How to read what `show_sample` prints."""
    line = Text("a token, its id₁₂   · space   ↵ line end   → tab   ", style="dim")
    line.append("↑ begins in the token above   ")
    return line.append("token", style=f"not dim {_SLOT}").append(" at a slot")


def _which(i: int, num_rows: int) -> str:
    return f"row {i + 1} of {num_rows}, one for each step: " if num_rows > 1 else ""


def _show_row(console: Console, row: Rendered, what: str) -> None:
    told = f"{what}{count(len(row.ids), 'token')}, {count(len(row.slots), 'slot')}"
    console.print(Padding(Text(told, style="dim"), (0, 0, 0, 2), expand=False))
    table = Table.grid(padding=(0, 2, 0, 0))
    table.add_column(justify="right", style="dim", no_wrap=True)
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    slots: dict[int, int] = dict(zip(row.slots, row.steps, strict=True))
    for span in row.spans[:MOST_PIECES]:
        style = _STYLES[span.kind]
        name = f"step {span.step}" if span.kind == "step" else span.kind
        table.add_row(_positions(span), Text(name, style=style), _tokens(row, span, slots))
    if len(row.spans) > MOST_PIECES:
        rest = count(len(row.spans) - MOST_PIECES, "more piece")
        table.add_row("", "", Text(f"… and {rest}", style="dim"))
    console.print(Padding(table, (0, 0, 1, 2), expand=False))


def _positions(span: Span) -> str:
    if span.end <= span.begin:
        return ""
    return f"{span.begin}–{span.end - 1}" if span.end - span.begin > 1 else str(span.begin)


def _tokens(row: Rendered, span: Span, slots: dict[int, int]) -> Text:
    """The tokens that begin in a piece, one after the other."""
    if span.end <= span.begin:
        where = "in the token above" if span.is_joined else "no token"
        return Text(f"{seen(span.text)} ").append(where, style="bold red")
    line = Text()
    line.append("↑ " if span.is_joined else "", style="bold red")
    places = [*range(span.begin, span.end)]
    left_out = len(places) - MOST_TOKENS
    if left_out > 0:
        places = places[: MOST_TOKENS // 2] + places[-MOST_TOKENS // 2 :]
    for n, place in enumerate(places):
        if left_out > 0 and n == MOST_TOKENS // 2:
            line.append(f"… {count(left_out, 'more token')} … ", style="dim")
        is_slot = place in slots
        line.append(seen(row.texts[place]) or "…", style=_SLOT if is_slot else _STYLES[span.kind])
        line.append(str(row.ids[place]).translate(_LOWERED), style="dim")
        if is_slot:
            line.append(f" ◀ step {slots[place]}", style="bold red")
        line.append(" ")
    line.rstrip()
    return line


def seen(text: str) -> str:
    """Text on one line, with white space and control characters in sight."""
    return visible(text.translate(_SEEN))
