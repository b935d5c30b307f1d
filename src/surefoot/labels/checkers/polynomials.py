"""Exact polynomials in several variables over the rationals, and formulas as a quotient of two.

A polynomial maps monomials to their coefficients, none of them 0; a monomial is a sorted tuple of
(variable, exponent).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from fractions import Fraction
from typing import TypeAlias

from surefoot.labels.checkers.nodes import Node
from surefoot.labels.equations import bounded
from surefoot.labels.equations.bounded import Unreadable

Monomial: TypeAlias = "tuple[tuple[str, int], ...]"
Polynomial: TypeAlias = "Mapping[Monomial, Fraction]"

MAX_TERMS = 200
MAX_EXPONENT = 12

ONE: Polynomial = {(): Fraction(1)}


def quotient(node: Node, *, opaque: bool = False) -> tuple[Polynomial, Polynomial]:
    """A formula as numerator and denominator, not reduced.

    `opaque` takes roots and functions for variables of their own.

    Raises:
        Unreadable: it is no quotient of polynomials, or too large a one.
    """
    match node.operation, node.parts:
        case "number", _:
            return ({(): node.number} if node.number else {}), ONE
        case "name", _:
            return {((node.name, 1),): Fraction(1)}, ONE
        case "neg", (part,):
            above, below = quotient(part, opaque=opaque)
            return scaled(above, Fraction(-1)), below
        case (("+" | "-"), (left, right)):
            (a, b), (c, d) = (quotient(part, opaque=opaque) for part in (left, right))
            sign = Fraction(1 if node.operation == "+" else -1)
            if b == d:
                return plus(a, scaled(c, sign)), b
            return plus(times(a, d), scaled(times(c, b), sign)), times(b, d)
        case "*", (left, right):
            (a, b), (c, d) = (quotient(part, opaque=opaque) for part in (left, right))
            return times(a, c), times(b, d)
        case "/", (left, right):
            (a, b), (c, d) = (quotient(part, opaque=opaque) for part in (left, right))
            if not c:
                raise Unreadable
            if c.keys() == {()}:
                return scaled(times(a, d), 1 / c[()]), b
            return times(a, d), times(b, c)
        case "^", (base, exponent):
            return _raised(*quotient(base, opaque=opaque), exponent)
        case _ if opaque:
            return {((repr(node), 1),): Fraction(1)}, ONE
        case _:
            raise Unreadable


def _raised(a: Polynomial, b: Polynomial, exponent: Node) -> tuple[Polynomial, Polynomial]:
    above, below = quotient(exponent)
    if below != ONE or above.keys() - {()}:
        raise Unreadable
    value = above.get((), Fraction(0))
    if value.denominator != 1 or abs(value) > MAX_EXPONENT:
        raise Unreadable
    if value < 0:
        a, b = b, a
        if not b:
            raise Unreadable
    power: tuple[Polynomial, Polynomial] = ONE, ONE
    for _ in range(abs(value.numerator)):
        power = times(power[0], a), times(power[1], b)
    return power


def plus(a: Polynomial, b: Polynomial) -> Polynomial:
    """The sum."""
    total = dict(a)
    for monomial, coefficient in b.items():
        total[monomial] = bounded.bounded(total.get(monomial, Fraction(0)) + coefficient)
    return {monomial: coefficient for monomial, coefficient in total.items() if coefficient}


def scaled(a: Polynomial, factor: Fraction) -> Polynomial:
    """The polynomial times a number."""
    return {monomial: bounded.bounded(c * factor) for monomial, c in a.items()} if factor else {}


def times(a: Polynomial, b: Polynomial) -> Polynomial:
    """The product.

    Raises:
        Unreadable: it has too many terms.
    """
    if len(a) * len(b) > MAX_TERMS**2:
        raise Unreadable
    product: dict[Monomial, Fraction] = {}
    for left, p in a.items():
        for right, q in b.items():
            exponents = Counter(dict(left))
            exponents.update(dict(right))
            monomial = tuple(sorted(exponents.items()))
            product[monomial] = bounded.bounded(product.get(monomial, Fraction(0)) + p * q)
    if len(product) > MAX_TERMS:
        raise Unreadable
    return {monomial: coefficient for monomial, coefficient in product.items() if coefficient}


def coefficients(a: Polynomial, variable: str) -> list[Fraction]:
    """Of a polynomial in one variable: its coefficients, that of the lowest power first.

    Raises:
        Unreadable: it has another variable.
    """
    found: dict[int, Fraction] = {}
    for monomial, coefficient in a.items():
        if not monomial:
            found[0] = coefficient
        elif len(monomial) == 1 and monomial[0][0] == variable:
            found[monomial[0][1]] = coefficient
        else:
            raise Unreadable
    return [found.get(power, Fraction(0)) for power in range(max(found, default=-1) + 1)]


def common_divisor(a: list[Fraction], b: list[Fraction]) -> list[Fraction]:
    """The greatest common divisor of two polynomials in one variable, up to a factor."""
    while b:
        remainder = list(a)
        while len(remainder) >= len(b):
            factor = remainder[-1] / b[-1]
            offset = len(remainder) - len(b)
            for i, coefficient in enumerate(b):
                remainder[offset + i] = bounded.bounded(
                    remainder[offset + i] - factor * coefficient
                )
            remainder.pop()
            while remainder and not remainder[-1]:
                remainder.pop()
        a, b = b, remainder
    return a
