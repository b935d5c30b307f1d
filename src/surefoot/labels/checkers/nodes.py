"""A formula as a tree, and its value at a point: exact where it is rational, else a float.

Whether two formulas are the same is decided at points: one point at which two rational formulas
differ proves that they are no identity, and a person can check it.
"""

from __future__ import annotations

import cmath
import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import TypeAlias

from surefoot.labels.equations import bounded
from surefoot.labels.equations.bounded import Unreadable

Value: TypeAlias = "Fraction | float | complex"

MAX_MAGNITUDE = 1e100
"""A float beyond this is not trusted."""


@dataclass(frozen=True, slots=True)
class Node:
    """An operation and what it is done to; a leaf has `number` or `name` instead.

    Operations: ``+ - * / ^ neg ! binom root log`` (``root`` takes the degree first, ``log`` the
    base), the names of `FUNCTIONS`, and ``degrees`` for an angle in degrees.
    """

    operation: str
    parts: tuple[Node, ...] = ()
    number: Fraction = Fraction(0)
    name: str = ""


FUNCTIONS: Mapping[str, Callable[[float], float]] = {
    "sin": math.sin,
    "cos": math.cos,
    "tan": math.tan,
    "cot": lambda angle: 1 / math.tan(angle),
    "sec": lambda angle: 1 / math.cos(angle),
    "csc": lambda angle: 1 / math.sin(angle),
    "arcsin": math.asin,
    "arccos": math.acos,
    "arctan": math.atan,
    "ln": math.log,
    "exp": math.exp,
}


def number(value: Fraction | int) -> Node:
    """A leaf that is a number."""
    return Node("number", number=Fraction(value))


def names(node: Node) -> frozenset[str]:
    """The variables of a formula."""
    return frozenset(part.name for part in walk(node) if part.operation == "name")


def walk(node: Node) -> Iterator[Node]:
    """The node and everything below it."""
    yield node
    for part in node.parts:
        yield from walk(part)


def evaluate(node: Node, point: Mapping[str, Value]) -> Value:
    """The value at a point.

    Raises:
        Unreadable: it has no value there, a name has none, or the value is beyond the bounds.
    """
    try:
        value = _evaluate(node, point)
    except (ZeroDivisionError, OverflowError, ValueError):
        raise Unreadable from None
    if not isinstance(value, Fraction) and not abs(value) < MAX_MAGNITUDE:
        raise Unreadable
    return value


def _evaluate(node: Node, point: Mapping[str, Value]) -> Value:
    match node.operation:
        case "number":
            return node.number
        case "name":
            if node.name in point:
                return point[node.name]
            raise Unreadable
        case "pi":
            return math.pi
    values = [_evaluate(part, point) for part in node.parts]
    a, b = values[0], values[-1]
    match node.operation:
        case "+":
            return _small(a + b)
        case "-":
            return _small(a - b)
        case "*":
            return _small(a * b)
        case "/":
            return _small(a / b)
        case "neg":
            return -a
        case "^":
            return _power(a, b)
        case "!":
            return bounded.factorial(_exact(a))
        case "binom":
            return bounded.binomial(_exact(a), _exact(b))
        case "root":
            return _root(_exact(a), b)
        case "degrees":
            return _real(a) * math.pi / 180
        case "log":
            return math.log(_real(b)) / math.log(_real(a))
        case _:
            return FUNCTIONS[node.operation](_real(a))


def _small(value: Value) -> Value:
    return bounded.bounded(value) if isinstance(value, Fraction) else value


def _exact(value: Value) -> Fraction:
    if isinstance(value, Fraction):
        return value
    raise Unreadable


def _real(value: Value) -> float:
    if isinstance(value, complex):
        raise Unreadable
    return float(value)


def _power(base: Value, exponent: Value) -> Value:
    if isinstance(base, Fraction) and isinstance(exponent, Fraction):
        if exponent.denominator == 1:
            return bounded.power(base, exponent)
        return _root(
            Fraction(exponent.denominator), bounded.power(base, Fraction(exponent.numerator))
        )
    if isinstance(exponent, Fraction) and exponent.denominator == 1 and abs(exponent) < 1000:
        return base ** int(exponent)
    if isinstance(base, complex) or base <= 0:
        raise Unreadable
    if isinstance(exponent, complex):
        return cmath.exp(exponent * math.log(base))
    return math.pow(base, exponent)


def _root(degree: Fraction, value: Value) -> Value:
    n = bounded.natural(degree, 1000)
    if n < 2:
        raise Unreadable
    if isinstance(value, Fraction):
        try:
            return bounded.root(value, n)
        except Unreadable:
            value = float(value)
    if isinstance(value, complex):
        return cmath.sqrt(value) if n == 2 else _refused()
    if value < 0:
        return 1j * math.sqrt(-value) if n == 2 else _refused()
    return math.pow(value, 1 / n)


def _refused() -> Value:
    raise Unreadable
