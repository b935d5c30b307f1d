"""Find the parts of a text that must not be cut: code blocks, displayed and inline maths."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import NamedTuple, TypeAlias

Span: TypeAlias = tuple[int, int]
"""Where something starts and where it ends, in characters."""


def outside(spans: Iterable[Span], regions: list[Span]) -> Iterator[Span]:
    """The ascending spans that do not begin within one of the ascending regions."""
    i = 0
    for span in spans:
        while i < len(regions) and regions[i][1] <= span[0]:
            i += 1
        if i == len(regions) or span[0] < regions[i][0]:
            yield span


class _Mark(NamedTuple):
    """A place that may open a region, be the end of one, or both; a region ends at its own name."""

    start: int
    end: int
    opens: str | None
    closes: str | None


def _regions(marks: list[_Mark]) -> list[Span]:
    """The regions that open and close; what is opened and never closed is plain text."""
    last_close = {mark.closes: mark.start for mark in marks if mark.closes}
    regions: list[Span] = []
    inside: str | None = None
    start = 0
    for mark in marks:
        if inside is not None:
            if mark.closes == inside:
                regions.append((start, mark.end))
                inside = None
        elif mark.opens and last_close.get(mark.opens, -1) > mark.start:
            inside, start = mark.opens, mark.start
    return regions


_DISPLAY = re.compile(
    r"^[ \t]*(?P<fence>`{3,}|~{3,})(?P<info>[^\n`]*)$"
    r"|(?P<dollars>(?<!\\)\$\$)"
    r"|(?<!\\)\\(?P<bracket>[\[\]])"
    r"|\\(?P<edge>begin|end)\{(?P<name>equation|align|aligned|alignat|gather|gathered|multline|split"
    r"|cases|array|eqnarray|flalign|[bpvBV]?matrix|verbatim|lstlisting)(?P<star>\*?)\}",
    re.MULTILINE,
)


def displays(text: str) -> list[Span]:
    """Fenced code blocks and display maths."""
    marks = []
    for match in _DISPLAY.finditer(text):
        start, end = match.span()
        if fence := match["fence"]:
            marks.append(_Mark(start, end, fence, None if match["info"].strip() else fence))
        elif match["dollars"]:
            marks.append(_Mark(start, end, "$$", "$$"))
        elif bracket := match["bracket"]:
            opens = bracket == "["
            marks.append(_Mark(start, end, "\\]" if opens else None, None if opens else "\\]"))
        else:
            name, opens = match["name"] + match["star"], match["edge"] == "begin"
            marks.append(_Mark(start, end, name if opens else None, None if opens else name))
    return _regions(marks)


_INLINE = re.compile(r"(?<![\\$])\$(?!\$)|(?<!\\)\\[()]|(?<!`)`(?!`)")


def inlines(text: str, displays: list[Span]) -> list[Span]:
    """Inline maths and code outside the displays.

    A dollar opens maths before anything but white space, and closes it after anything but white
    space and not before a digit, so that sums of money are not taken for maths.
    """
    marks = []
    for start, end in outside((match.span() for match in _INLINE.finditer(text)), displays):
        sign, before, after = text[start:end], text[start - 1 : start], text[end : end + 1]
        if sign == "$":
            opens = after != "" and not after.isspace()
            closes = before != "" and not before.isspace() and not after.isdigit()
            marks.append(_Mark(start, end, "$" if opens else None, "$" if closes else None))
        elif sign == "`":
            marks.append(_Mark(start, end, "`", "`"))
        else:
            opens = sign == "\\("
            marks.append(_Mark(start, end, "\\)" if opens else None, None if opens else "\\)"))
    return _regions(marks)
