"""Exact arithmetic that refuses to grow: a function gives a `Fraction` or raises `Unreadable`."""

from __future__ import annotations

import math
from fractions import Fraction

MAX_BITS = 2_000
"""Numerator and denominator together may take this many bits (some 600 digits)."""

MAX_FACTORIAL = 200


class Unreadable(Exception):  # noqa: N818 - it ends a reading, it reports no error
    """What stands here is no number this package reads, or one beyond its bounds."""


def bounded(value: Fraction) -> Fraction:
    """The value itself, if it is small enough."""
    if value.numerator.bit_length() + value.denominator.bit_length() > MAX_BITS:
        raise Unreadable
    return value


def natural(value: Fraction, limit: int) -> int:
    """A whole number from 0 to `limit`."""
    if value.denominator != 1 or not 0 <= value <= limit:
        raise Unreadable
    return value.numerator


def power(base: Fraction, exponent: Fraction) -> Fraction:
    """A power with a whole exponent, or with a fractional one where the root is exact."""
    if exponent.denominator != 1:
        degree = natural(Fraction(exponent.denominator), 9)
        return power(root(base, degree), Fraction(exponent.numerator))
    size = max(base.numerator.bit_length(), base.denominator.bit_length())
    if abs(exponent) * size > MAX_BITS or (not base and exponent < 0):
        raise Unreadable
    return bounded(Fraction(base**exponent.numerator))


def root(value: Fraction, degree: int) -> Fraction:
    """The exact root of a degree from 2 to 9, if there is one."""
    if value < 0 or degree < 2:
        raise Unreadable
    return Fraction(_whole_root(value.numerator, degree), _whole_root(value.denominator, degree))


def _whole_root(value: int, degree: int) -> int:
    if degree > 2 and value > 2**50:
        raise Unreadable
    found = math.isqrt(value) if degree == 2 else round(value ** (1 / degree))
    if found**degree != value:
        raise Unreadable
    return found


def factorial(value: Fraction) -> Fraction:
    """The factorial of a whole number."""
    return bounded(Fraction(math.factorial(natural(value, MAX_FACTORIAL))))


def binomial(above: Fraction, below: Fraction) -> Fraction:
    """The number of ways to choose `below` of `above` things."""
    return bounded(
        Fraction(math.comb(natural(above, MAX_FACTORIAL), natural(below, MAX_FACTORIAL)))
    )
