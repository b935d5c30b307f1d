r"""Formulas of a text as MathML, which browsers set without a network and without a script.

What stands in `$...$`, `$$...$$`, `\(...\)` or `\[...\]` is turned into MathML by latex2mathml.
Nothing of what that gives is trusted: the tree is built anew from the elements and attributes
named here, so that a formula can hold no link, style, script, colour or hidden part. What cannot be
converted, is very long or defines macros is shown as its source.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from html import escape, unescape
from typing import TYPE_CHECKING

from surefoot.traces.display.text import visible

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

LONGEST_SOURCE = 1_000
"""Characters of a formula that is converted."""

LONGEST_MATHML = 20_000
"""Characters of MathML that one formula may become."""

DEEPEST = 60
"""Elements inside each other; a browser flattens what lies several hundred deep."""

_FORMULA = re.compile(
    r"""
    \$\$(?P<dollars>[^$]+)\$\$
    | \\\[(?P<brackets>.+?)\\\]
    | \\\((?P<parentheses>.+?)\\\)
    | (?<![\\$\w])\$(?=[^\s$])(?P<dollar>[^$\n]+)(?<![\s\\])\$(?![\w$])
    """,
    re.VERBOSE | re.DOTALL,
)
"""A lone `$` opens a formula only before and closes one only after what is no space, so that sums
of money stay text."""

_REFUSED = re.compile(
    r"\\(?:re|provide)?newcommand|\\[gex]?def\b|\\(?:let|unicode|href|style|class|require|rule)\b"
)

_ELEMENTS: Mapping[str, frozenset[str]] = {
    name: frozenset(attributes.split())
    for name, attributes in {
        "mrow": "",
        "mi": "mathvariant",
        "mn": "",
        "mo": "stretchy fence form accent separator minsize maxsize movablelimits largeop",
        "mtext": "",
        "mspace": "width",
        "mfrac": "linethickness",
        "msqrt": "",
        "mroot": "",
        "msub": "",
        "msup": "",
        "msubsup": "",
        "munder": "",
        "mover": "accent",
        "munderover": "",
        "mmultiscripts": "",
        "mprescripts": "",
        "none": "",
        "mtable": "displaystyle",
        "mtr": "",
        "mtd": "",
        "mstyle": "displaystyle scriptlevel",
    }.items()
}
"""What a formula may consist of; an element that is not named here gives way to an `mrow`."""

_PARTS: Mapping[str, int] = {
    "mfrac": 2,
    "mroot": 2,
    "msub": 2,
    "msup": 2,
    "munder": 2,
    "mover": 2,
    "msubsup": 3,
    "munderover": 3,
}
"""How many parts an element must have."""

_VALUE = re.compile(r"true|false|prefix|infix|postfix|normal|[012](?:\.\d{1,3})?(?:em)?")
_BOXES: Mapping[str, str] = {"box": "sf-box"}
_STRUCK = re.compile(r"(?:up|down)diagonalstrike|horizontalstrike")


def with_mathematics(text: str) -> str:
    """The text as HTML, every character of it escaped and its formulas as MathML."""
    parts, end = [], 0
    for found in _FORMULA.finditer(text):
        parts.append(escape(visible(text[end : found.start()])))
        source = found[found.lastgroup or 0]
        display = found.lastgroup in ("dollars", "brackets")
        parts.append(mathml(source.strip(), display=display) or escape(visible(found[0])))
        end = found.end()
    parts.append(escape(visible(text[end:])))
    return "".join(parts)


@lru_cache(maxsize=4096)
def mathml(source: str, *, display: bool = False) -> str | None:
    """A formula as a `<math>` element, or None where it cannot be converted."""
    from latex2mathml import exceptions
    from latex2mathml.converter import Converter

    plain = source.replace("\n", " ")
    if not plain or len(plain) > LONGEST_SOURCE or not plain.isprintable():
        return None
    if _REFUSED.search(plain):
        return None
    own = (one for one in vars(exceptions).values() if isinstance(one, type))
    # The converter checks little of what it is given, so that what is no formula fails anyhow.
    failures: tuple[type[Exception], ...] = (
        *own,
        AttributeError,
        LookupError,
        RecursionError,
        StopIteration,
        TypeError,
        ValueError,
    )
    mode = "block" if display else "inline"
    try:
        tree = Converter(display=mode).convert_to_element(plain)
        parts = "".join(_written(one, 1) for one in tree)
    except failures:
        return None
    found = f'<math display="{mode}">{parts}</math>'
    return found if len(found) <= LONGEST_MATHML else None


def _written(element: Element, depth: int) -> str:
    """An element of the converter as text, of the parts named above and nothing else.

    Raises:
        ValueError: it lies too deep for a page, or lacks a part.
    """
    if depth > DEEPEST:
        raise ValueError(f"elements lie more than {DEEPEST} deep")
    if len(element) != _PARTS.get(element.tag, len(element)):
        raise ValueError(f"{element.tag} has {len(element)} parts")
    name = element.tag if element.tag in _ELEMENTS else "mrow"
    kept = {
        key: value
        for key, value in element.attrib.items()
        if key in _ELEMENTS.get(element.tag, ()) and _VALUE.fullmatch(value)
    }
    if element.tag == "menclose":
        notation = element.get("notation", "")
        if found := _BOXES.get(notation) or ("sf-struck" if _STRUCK.search(notation) else None):
            kept["class"] = found
    attributes = "".join(f' {key}="{escape(value)}"' for key, value in kept.items())
    # The converter writes symbols as numbered entities in the text of its elements.
    text = escape(visible(unescape(element.text or "")))
    inside = "".join(_written(one, depth + 1) for one in element)
    return f"<{name}{attributes}>{text}{inside}</{name}>"
