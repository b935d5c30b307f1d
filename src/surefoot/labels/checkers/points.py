"""Whether two formulas are the same, decided at points: one at which they differ is the proof."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Literal

from surefoot.labels.checkers.nodes import Node, Value, evaluate, names, walk
from surefoot.labels.checkers.sides import Readings
from surefoot.labels.equations.bounded import Unreadable

_VALUES: tuple[tuple[Fraction | int, ...], ...] = (
    (2, 3, 5, 7, 11, 13),
    (5, 2, 7, 3, 13, 11),
    (3, 7, 4, 9, 2, 6),
    (7, 11, 2, 5, 3, 8),
    (
        Fraction(1, 2),
        Fraction(1, 3),
        Fraction(2, 5),
        Fraction(3, 7),
        Fraction(1, 5),
        Fraction(5, 8),
    ),
    (-2, 5, -3, 4, 7, -5),
    (4, -3, 6, -5, 2, 9),
)
MAX_VARIABLES = len(_VALUES[0])

EXACT = 1e-9
"""Relative error of floats."""


@dataclass(frozen=True, slots=True)
class Witness:
    """A point at which two formulas differ, and their values there."""

    point: dict[str, Value]
    left: Value
    right: Value

    def __str__(self) -> str:
        at = ", ".join(f"{name} = {shown(value)}" for name, value in sorted(self.point.items()))
        return f"{'at ' + at + ' ' if at else ''}{shown(self.left)} is not {shown(self.right)}"


def same(
    left: Readings, right: Readings, tolerance: float = EXACT
) -> Literal[True] | Witness | None:
    """True if some readings agree where both have a value, a witness if none do, else None.

    Formulas differ only if they do at every point tried, and at two at least (one for closed
    formulas), so that a domain or the sign of a root never counts as a difference.
    """
    witness: Witness | None = None
    for a in left:
        for b in right:
            found = _same(a, b, tolerance)
            if not isinstance(found, Witness):
                return found
            witness = witness or found
    return witness


def _same(left: Node, right: Node, tolerance: float) -> Literal[True] | Witness | None:
    variables = sorted(names(left) | names(right))
    if len(variables) > MAX_VARIABLES:
        return None
    plain = _at(left, right, _points(variables), 2 if variables else 1, tolerance)
    if plain is True or not _SPECIAL.keys() & set(variables):
        return plain
    special = _at(left, right, _special_points(variables), 1, tolerance)
    return special if special is True or special is None else plain


def _at(
    left: Node, right: Node, points: Iterator[dict[str, Value]], enough: int, tolerance: float
) -> Literal[True] | Witness | None:
    witnesses: list[Witness] = []
    agreed = 0
    for point in points:
        try:
            a, b = evaluate(left, point), evaluate(right, point)
        except Unreadable:
            continue
        if near(a, b, tolerance):
            agreed += 1
        else:
            witnesses.append(Witness(point, a, b))
        if agreed and witnesses:
            return None
    if max(agreed, len(witnesses)) < enough:
        return None
    return True if agreed else witnesses[0]


_SPECIAL: Mapping[str, Value] = {"i": 1j, "e": math.e}
"""Letters that may be variables or not: formulas differ only if they do in both meanings."""


def _points(variables: list[str]) -> Iterator[dict[str, Value]]:
    if not variables:
        yield {}
        return
    for values in _VALUES:
        yield {name: Fraction(value) for name, value in zip(variables, values, strict=False)}


def _special_points(variables: list[str]) -> Iterator[dict[str, Value]]:
    for point in _points(variables):
        yield {name: _SPECIAL.get(name, value) for name, value in point.items()}


def near(a: Value, b: Value, tolerance: float = EXACT) -> bool:
    """Whether two values are equal, but for the error of floats and a relative tolerance."""
    if tolerance == EXACT and isinstance(a, Fraction) and isinstance(b, Fraction):
        return a == b
    try:
        x, y = _plain(a), _plain(b)
    except OverflowError:
        return False
    return abs(x - y) <= max(tolerance * max(abs(x), abs(y)), EXACT)


def _plain(value: Value) -> float | complex:
    return float(value) if isinstance(value, Fraction) else value


def shown(value: Value) -> str:
    """A value for a person."""
    if isinstance(value, Fraction):
        return str(value) if value.denominator < 1000 else f"{float(value):.6g}"
    if isinstance(value, complex):
        return f"{value.real:.4g} + {value.imag:.4g}i" if value.imag else f"{value.real:.6g}"
    return f"{value:.6g}"


def has_decimals(side: Readings) -> bool:
    """Whether a number of a side is no whole one: it may be rounded."""
    return any(
        part.operation == "number" and part.number.denominator != 1
        for node in side
        for part in walk(node)
    )
