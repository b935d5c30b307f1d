"""What around a statement keeps a checker from calling it wrong."""

from __future__ import annotations

import re

from surefoot.labels.equations.words import DENIED, NOT_CLAIMED, OTHER_ARITHMETIC

NEARBY = 200
"""A sentence is looked at for this many characters before and after a statement."""

_END = re.compile(r"[.!?](?=\s|$)|\n\s*\n|;\s")
_FALSE = re.compile(
    r"\b(?:false|wrong|incorrect|invalid|contradict\w*|impossible|mistake|fails?|reject\w*"
    r"|(?:does|do|is|are|did|was)\ *(?:not|n't))\b",
    re.IGNORECASE,
)
_FORMAL = re.compile(r"\\(?:equiv|pmod|bmod|mod)\b|≡|\bmodul\w+|\bmod\b", re.IGNORECASE)


def sentence(text: str, start: int, end: int) -> str:
    """The sentence around a statement, with at most `NEARBY` characters on either side."""
    before, after = _around(text, start, end)
    return before + text[start:end] + after


def _around(text: str, start: int, end: int) -> tuple[str, str]:
    low, high = max(0, start - NEARBY), min(len(text), end + NEARBY)
    begin = max((found.end() for found in _END.finditer(text, low, start)), default=low)
    stop = _END.search(text, end, high)
    return text[begin:start], text[end : stop.start() if stop else high]


def doubt(text: str, start: int, end: int, *, congruent: bool = False) -> bool:
    """Whether a statement may be asked, supposed, taken back, or meant in another arithmetic.

    `congruent` says that it is a congruence itself.
    """
    if not congruent and (OTHER_ARITHMETIC.search(text) or _FORMAL.search(text)):
        return True
    around = "|".join(_around(text, start, end))
    after = text[end : end + NEARBY]
    return bool(
        NOT_CLAIMED.search(around)
        or DENIED.search(text, end)
        or _FALSE.search(around)
        or _FALSE.search(after)
    )
