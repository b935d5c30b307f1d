"""Where the statements of a step are: formulas cut at their relations, each side read.

Formulas are what stands between LaTeX delimiters; in a text that has none, the runs between words
that hold an equals sign. A formula of more than 1,000 characters is passed over.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal, TypeAlias

from surefoot.models.features.formulas import Formula, read

Relation: TypeAlias = Literal["=", "<", ">", "mod"]
"""`=` stands for about equal too, `<` and `>` for "at most" and "at least" too."""

_REGION = re.compile(
    r"\$\$(.{1,1000}?)\$\$|\$(.{1,1000}?)\$|\\\((.{1,1000}?)\\\)|\\\[(.{1,1000}?)\\\]"
    r"|\\begin\{(?:align|aligned|equation|gather)\*?\}(.{1,1000}?)\\end\{(?:align|aligned|equation|gather)",
    re.DOTALL,
)
_PROSE = re.compile(r"[A-Za-z]{3,}|[.;:?!](?=\s|$)|,\s|\n")
_SIDES = re.compile(
    r"(=|≈|\\approx(?![a-zA-Z])|\\equiv(?![a-zA-Z])|<|>|≤|≥|\\(?:leq?|geq?|lt|gt)(?![a-zA-Z]))"
)
_RELATIONS: Mapping[str, Relation] = {
    **{"=": "=", "≈": "=", "\\approx": "=", "\\equiv": "mod"},
    **{"<": "<", "≤": "<", "\\le": "<", "\\leq": "<", "\\lt": "<"},
    **{">": ">", "≥": ">", "\\ge": ">", "\\geq": ">", "\\gt": ">"},
}
_MODULUS = re.compile(r"\\pmod\s*\{?\s*(\d{1,6})\s*\}?|\(\s*\\?(?:text\{)?mod\}?\s*(\d{1,6})\s*\)")
_BREAK = re.compile(
    r"\\\\|&(?!=)|\\(?:implies|iff|Rightarrow|Longrightarrow|rightarrow|to|quad|qquad|text\{\s*(?:and|"
    r"or|so|if|for|where)\s*\}|begin\{[^}]*\}|end\{[^}]*\})|;|,(?!\d{3}(?!\d))|\n\s*\n"
)


@dataclass(frozen=True, slots=True)
class Statement:
    """Sides and the relations between them; None for a side that is not read."""

    sides: tuple[Formula | None, ...]
    relations: tuple[Relation, ...]
    modulus: int | None = None


def statements_of(text: str) -> Iterator[Statement]:
    """Every statement of a step that holds a relation, in order."""
    for region in _regions(text):
        for piece in _BREAK.split(region):
            modulus = _MODULUS.search(piece)
            parts = _SIDES.split(_MODULUS.sub("", piece))
            if len(parts) > 1:
                yield Statement(
                    tuple(read(part) for part in parts[::2]),
                    tuple(_RELATIONS[part] for part in parts[1::2]),
                    int(modulus.group(1) or modulus.group(2)) if modulus else None,
                )


def _regions(text: str) -> Iterator[str]:
    found = [next(filter(None, one.groups()), "") for one in _REGION.finditer(text)]
    if found:
        yield from found
    else:
        yield from (piece for piece in _PROSE.split(text) if "=" in piece)
