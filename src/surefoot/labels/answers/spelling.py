r"""One spelling for the many of the same answer: what is delimiter, wrapper or spacing vanishes."""

from __future__ import annotations

import re
from functools import lru_cache

MAX_LENGTH = 1_000
"""Longer answers are compared as text only."""

_DELIMITERS = re.compile(r"\\[()\[\]]|\$\$|`")
_SPACING = re.compile(
    r"\\(?:left|right|displaystyle|textstyle|limits|[bB]igg?[lr]?|q?quad|hspace\*?\{[^{}]*\})"
    r"(?![a-zA-Z])\.?|\\[,;:! ]|~|\\$"
)
_WRAPPER = re.compile(
    r"\\(?:text(?:bf|it|rm|sf|tt|normal)?|mathrm|mathbf|mathit|mathsf|mbox|hbox|f?boxed|emph"
    r"|operatorname)\s*\{([^{}]*)\}"
)
_SIGNS = str.maketrans({
    "−": "-", "–": "-", "×": r"\times ", "⋅": r"\cdot ", "·": r"\cdot ", "÷": "/", "≤": r"\le ",
    "≥": r"\ge ", "≠": r"\ne ", "π": r"\pi ", "∞": r"\infty ", "∪": r"\cup ", "∈": r"\in ",
    "±": r"\pm ", "°": r"^\circ", "½": r"\frac{1}{2}", "¼": r"\frac{1}{4}", "¾": r"\frac{3}{4}",
    "²": "^2", "³": "^3", "θ": r"\theta ", "’": "'", "⟨": r"\langle ", "⟩": r"\rangle ",
})  # fmt: skip
_ROOT = re.compile(r"√\s*(\(|\d+|[a-zA-Z])")
_THOUSANDS = re.compile(r"(?<=\d)(?:\\[,!;:]|\{,\})+(?=\d{3}(?!\d))")
_MEMBER = re.compile(r"^\s*([a-zA-Z])\s*\\in(?![a-z])")
_NAME = re.compile(r"^\s*([a-zA-Z](?:_\w|\([a-zA-Z]\))?)\s*=(?!=)")

_DOLLAR, _BREAK = "\ue000", "\ue001"
"""What stands for an escaped dollar and for the end of a row while others of their kind vanish."""

_MEANINGS = (frozenset({"yes", "true"}), frozenset({"no", "false"}))


@lru_cache(maxsize=512)
def tidy(answer: str) -> str:
    r"""The answer without mathematics delimiters, sizes, text wrappers and closing full stop.

    Signs beyond ASCII become LaTeX, and ``\dfrac`` becomes ``\frac``. Dollars stay where they are
    money; words and spaces stay.
    """
    text = answer.translate(_SIGNS)
    text = _ROOT.sub(lambda at: f"sqrt{at[1]}" if at[1] == "(" else rf"\sqrt{{{at[1]}}}", text)
    text = text.replace(r"\$", _DOLLAR).replace(r"\\", _BREAK)
    text = _THOUSANDS.sub(",", text)
    text = _SPACING.sub(" ", _DELIMITERS.sub(" ", text))
    while (inner := _WRAPPER.sub(lambda at: f" {at[1]} ", text)) != text:
        text = inner
    if text.count("$") % 2 == 0:
        text = text.replace("$", " ")
    text = text.replace(_DOLLAR, "$").replace(_BREAK, r"\\").replace("**", " ")
    text = re.sub(r"\\[dtc]frac(?![a-z])", r"\\frac", text)
    text = re.sub(r"\^\s*\{\s*\\circ\s*\}", r"^\\circ", text)
    text = re.sub(r"\s+", " ", text).strip()
    return text[:-1].rstrip() if text.endswith(".") else text


def plain(answer: str) -> str:
    """A tidy answer for comparing letter by letter: no spaces, no case, no name before it."""
    text = _MEMBER.sub("", _NAME.sub("", answer))
    text = re.sub(r"[\s$*]", "", text).rstrip(".").lower()
    text = re.sub(r"([_^])\{(\w)\}", r"\1\2", text)
    return re.sub(r"^\(([a-z])\)$", r"\1", re.sub(r"^\{([^{}]*)\}$", r"\1", text))


def unnamed(answer: str) -> str:
    r"""A tidy answer without the name that it gives, as in ``x = 5`` and ``x \in (1, 2)``.

    One that gives several stays as it is.
    """
    if answer.count("=") + len(re.findall(r"\\in(?![a-z])", answer)) > 1:
        return answer
    return _MEMBER.sub("", _NAME.sub("", answer)).strip()


def name_of(answer: str) -> str:
    """The name that a tidy answer gives, or an empty string."""
    found = _NAME.match(answer) or _MEMBER.match(answer)
    return found[1] if found else ""


def same_text(reference: str, answer: str) -> bool | None:
    """True for equal spelling; False for two single words that differ; else None.

    Words that differ in their ending or in the order of their letters (which may be factors) are
    None too.
    """
    a, b = plain(reference), plain(answer)
    if a == b:
        return True if a else None
    words = [_NAME.sub("", one).strip(" .()").isalpha() for one in (reference, answer)]
    if not all(words) or sorted(a) == sorted(b):
        return None
    for meaning in _MEANINGS:
        if a in meaning and b in meaning:
            return True
    return None if a[:4] == b[:4] else False
