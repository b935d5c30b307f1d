"""Which formulas a relation joins: each `Relation` of a step, with the formulas beside it.

Unlike the closed sides of `labels.equations.statements`, a side may hold variables; for that, what
stands around it must be a wall, another relation, or one of few words.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

from surefoot.labels.checkers.formulas import read_formula
from surefoot.labels.checkers.nodes import Node
from surefoot.labels.checkers.words import BEFORE, NOT_AFTER
from surefoot.labels.equations.tokens import DASH, Token, tokenise
from surefoot.labels.equations.words import CONNECTIVES

Readings = tuple[Node, ...]
"""Every customary reading of a side, the usual one first; () where no formula fills it."""

MAX_TEXT = 20_000
"""A longer step is left alone."""

_INEQUALITIES = {
    "<": "<", ">": ">", "≤": "≤", "≥": "≥", "\\lt": "<", "\\gt": ">", "\\le": "≤", "\\leq": "≤",
    "\\ge": "≥", "\\geq": "≥", "<=": "≤", ">=": "≥", "\\neq": "≠", "\\ne": "≠", "≠": "≠",
}  # fmt: skip

_HAS_RELATION = re.compile(r"[=<>≈≤≥≠]|\\(?:approx|simeq|doteq|l[et]|g[et]|n[e])|equals")

_MATH = re.compile(
    r"\\\(.*?\\\)|\\\[.*?\\\]|\$\$.*?\$\$|\$(?:[^$\\\n]|\\.)+?\$"
    r"|\\begin\{(?:align|aligned|equation|gather)\*?\}.*?\\end\{(?:align|aligned|equation|gather)\*?\}",
    re.DOTALL,
)
_TEXT = re.compile(r"\\(?:text|textbf|textit|textrm|mathrm|mbox)\s*\{[^{}]*\}")


@dataclass(frozen=True, slots=True)
class Relation:
    """Two sides and the sign between them, of one clause.

    `chain` counts the relations of its clause, `index` says which of them it is. It spans the
    characters from `start` to before `end` of the step; `clause` is the number of its clause.
    """

    sign: str
    left: Readings
    right: Readings
    start: int
    end: int
    clause: int
    index: int
    chain: int


def find_relations(text: str, *, products: bool = True) -> list[Relation]:
    """Every relation of a step of which at least one side is a formula, from left to right.

    `products` as for `read_formula`.
    """
    if len(text) > MAX_TEXT or not _HAS_RELATION.search(text):
        return []
    prose = _prose(text)
    found: list[Relation] = []
    tokens = tokenise(text)[0]
    clause: list[Token] = []
    number = 0
    for token in tokens:
        sign = _INEQUALITIES.get(token.text) if token.kind == "wall" else None
        if sign is not None:
            clause.append(token._replace(kind="relation", text=sign))
        elif token.kind == "wall":
            found += _clause(clause, number, text, prose, products)
            clause = [token]
            number += 1
        else:
            clause.append(token)
    return found + _clause(clause, number, text, prose, products)


def _prose(text: str) -> bytearray:
    """For each character, whether it stands in running text."""
    prose = bytearray(b"\1") * len(text)
    for span in _MATH.finditer(text):
        prose[span.start() : span.end()] = bytes(span.end() - span.start())
    for span in _TEXT.finditer(text):
        prose[span.start() : span.end()] = b"\1" * (span.end() - span.start())
    return prose


def _clause(
    clause: list[Token], number: int, text: str, prose: bytearray, products: bool
) -> list[Relation]:
    relations = [i for i, token in enumerate(clause) if token.kind == "relation"]
    if not relations or (clause[0].text in ("(", "{", "[") and not clause[0].spaced):
        return []
    opened = 1 if clause[0].kind == "wall" else 0
    borders = [opened - 1, *relations, len(clause)]
    flags = [bool(prose[token.start]) for token in clause]

    def read(at: int) -> tuple[Readings, int]:
        return read_formula(clause, at, text, flags, products=products)

    sides = [_sides(clause, low + 1, high, flags, read) for low, high in pairwise(borders)]
    if clause[0].text == DASH and sides[0][2] == 1:
        sides[0] = ((), (), 0, 0)
    found = []
    for n, at in enumerate(relations):
        left, right = sides[n][1], sides[n + 1][0]
        if left or right:
            start = clause[sides[n][2] if left else at].start
            end = clause[sides[n + 1][3] - 1 if right else at].end
            sign = "=" if clause[at].text == "=" else clause[at].text
            found.append(Relation(sign, left, right, start, end, number, n, len(relations)))
    return found


def _sides(
    clause: Sequence[Token],
    low: int,
    high: int,
    prose: Sequence[bool],
    read: Callable[[int], tuple[Readings, int]],
) -> tuple[Readings, Readings, int, int]:
    """Between two relations: the side that starts there, the one that ends there, and their ends.

    The third item is where the ending side starts, the fourth where the starting side stops.
    """
    if low >= high:
        return (), (), low, low
    starting, stop = read(low)
    if starting and stop == high:
        return starting, starting, low, stop
    if starting and not _ends_at(clause, stop, prose):
        starting = ()
    at = low + 1
    while at < high:
        if _begins_at(clause, at, prose):
            ending, end = read(at)
            if ending and end == high:
                return starting, ending, at, stop
        at += 1
    return starting, (), low, stop


def _ends_at(clause: Sequence[Token], stop: int, prose: Sequence[bool]) -> bool:
    if stop >= len(clause):
        return True
    after = clause[stop]
    at = stop
    while at < len(clause) and clause[at].kind == "word":
        if clause[at].text.lower() in CONNECTIVES:
            break
        at += 1
    goes_on = at < len(clause) and clause[at].kind == "sign"
    word = after.kind == "word" and prose[stop] and after.spaced and len(after.text) > 1
    return word and not goes_on and after.text.lower() not in NOT_AFTER


def _begins_at(clause: Sequence[Token], at: int, prose: Sequence[bool]) -> bool:
    before = clause[at - 1]
    word = before.kind == "word" and prose[at - 1] and clause[at].spaced
    return word and before.text.lower() in BEFORE
