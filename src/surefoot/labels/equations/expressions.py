"""Tokens to an exact number: a recursive-descent reader of closed arithmetic.

It reads the longest expression that starts at a token and says where it stopped. Where the same spelling has several
customary meanings (is 20 % a fifth or twenty?), every meaning is read and all the values are kept.

    sum      product (+|- product)*
    product  unary (*|/|x|of unary)*            an implicit product 2(3+4) binds tighter than a division
    unary    - unary | power
    power    postfix (^ unary)?
    postfix  atom (!|%)* units?
    atom     number | mixed number | ( sum ) | \\frac{sum}{sum} | \\binom{sum}{sum} | \\sqrt[n]{sum}
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import combinations
from typing import Literal

from surefoot.labels.equations.tokens import Token
from surefoot.labels.equations.words import CONNECTIVES, FUNCTIONS, SCALING, SHORT_UNITS

MAX_DEPTH = 60
MAX_BITS = 2_000
MAX_FACTORIAL = 200
MAX_UNIT_WORDS = 4

Meaning = Literal["percent is a hundredth", "2 1/2 is a sum", "-3^2 squares the 3", "1/2(3) divides by 2(3)"]
"""A customary reading of an ambiguous spelling; the other reading is its denial."""


@dataclass(frozen=True, slots=True)
class Expression:
    """A number as it is written.

    `values` holds its value in every customary reading, the usual one first. `opening` is the value of its first
    number alone; `signs` counts its operations; `places` are the decimals of a number written out (None for a
    computed one); `units` are the words after its numbers; it spans the tokens `first` to `stop` (exclusive).
    """

    values: tuple[Fraction, ...]
    opening: Fraction
    signs: int
    divides: bool
    places: int | None
    rounded: bool
    decimal: bool
    percent: bool
    units: frozenset[str]
    first: int
    stop: int


def read_expression(tokens: Sequence[Token], first: int) -> Expression | None:
    """The longest expression that starts at `first`, or None if none does or its numbers grow beyond bounds."""
    try:
        reader = _Reader(tokens, first, frozenset())
        value = reader.sum()
    except _NotANumber:
        return None
    values = [value]
    for size in range(1, len(reader.met) + 1):
        for denied in combinations(sorted(reader.met), size):
            try:
                other = _Reader(tokens, first, frozenset(denied))
                value = other.sum()
            except _NotANumber:
                continue
            if other.at == reader.at and value not in values:
                values.append(value)
    literal = reader.signs == 0
    return Expression(
        values=tuple(values),
        opening=reader.opening if reader.opening is not None else values[0],
        signs=reader.signs,
        divides=reader.divides,
        places=reader.places if literal else None,
        rounded=reader.rounded,
        decimal=reader.places > 0,
        percent="percent is a hundredth" in reader.met,
        units=frozenset(reader.units),
        first=first,
        stop=reader.at,
    )


def is_variable(word: Token) -> bool:
    """Whether a word looks like a name for a number: one letter, no vowel, or glued to what stands before it."""
    text = word.text
    if text.lower() in SHORT_UNITS:
        return len(text) == 1 and not word.spaced
    short = len(text) == 1 or (len(text) <= 3 and text.isupper())
    return short or not word.spaced or _VOWELS.isdisjoint(text.lower())


_VOWELS = frozenset("aeiouy")
_UNSQUARED = frozenset("ghls")


class _NotANumber(Exception):
    """What stands here is no expression this reader knows, or too large a number."""


class _Reader:
    """One pass over the tokens from `at`, with some meanings denied."""

    def __init__(self, tokens: Sequence[Token], first: int, denied: frozenset[Meaning]) -> None:
        self.tokens = tokens
        self.at = first
        self.denied = denied
        self.met: set[Meaning] = set()
        self.depth = 0
        self.signs = 0
        self.places = 0
        self.divides = False
        self.rounded = False
        self.opening: Fraction | None = None
        self.units: set[str] = set()
        self.portion_ends = -1

    def sum(self) -> Fraction:
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise _NotANumber
        value = self.product()
        while (sign := self.peek()) in ("+", "-"):
            term = self.operand(self.product)
            if term is None:
                break
            value = _bounded(value + term if sign == "+" else value - term)
        self.depth -= 1
        return value

    def product(self) -> Fraction:
        value = self.unary()
        while sign := self.times():
            factor = self.operand(self.unary) if sign != "()" else self.power()
            if factor is None:
                break
            if sign == "/":
                if self.touches() and self.means("1/2(3) divides by 2(3)"):
                    factor = _bounded(factor * self.power())
                value = self.divided(value, factor)
            else:
                value = _bounded(value * factor)
        return value

    def unary(self) -> Fraction:
        if self.peek() != "-":
            return self.power()
        self.at += 1
        if self.peek() == "-":
            raise _NotANumber
        raised = self.kind() == "number" and self.peek(1) == "^"
        if raised and not self.means("-3^2 squares the 3"):
            return self.power(negative=True)
        return -self.power()

    def power(self, *, negative: bool = False) -> Fraction:
        base = -self.postfix() if negative else self.postfix()
        if self.peek() != "^":
            return base
        exponent = self.operand(self.unary)
        return base if exponent is None else _power(base, exponent)

    def postfix(self) -> Fraction:
        value = self.atom()
        while (sign := self.peek()) in ("!", "%"):
            if sign == "%":
                value = value / 100 if self.means("percent is a hundredth") else value
            elif self.kind(1) in ("word", "number", "odd", None):
                break
            else:
                value = _factorial(value)
                self.signs += 1
            self.at += 1
        self.skip_units()
        return value

    def atom(self) -> Fraction:
        token = self.tokens[self.at] if self.at < len(self.tokens) else None
        if token is None:
            raise _NotANumber
        self.at += 1
        if token.kind == "number":
            value = self.number(token)
        elif token.kind == "open":
            value = self.sum()
            self.close()
        elif token.text == "frac":
            value = self.divided(self.group(), self.group())
            self.signs += 1
            self.portion_ends = self.at
        elif token.text == "binom":
            value = _binomial(self.group(), self.group())
            self.signs += 1
        elif token.text in ("sqrt", "√"):
            value = self.root()
            self.signs += 1
        else:
            raise _NotANumber
        if self.opening is None:
            self.opening = value
        return value

    def number(self, token: Token) -> Fraction:
        """A number, with the fraction of a mixed number if one follows."""
        self.places = max(self.places, token.places)
        self.rounded |= token.rounded
        value, mark = token.value, self.at
        if value.denominator != 1 or token.places:
            return value
        following = self.tokens[self.at : self.at + 3]
        if [t.kind for t in following] == ["number", "sign", "number"] and following[1].text == "/":
            above, below = following[0].value, following[2].value
            if 0 < above < below:
                self.at += 3
                self.divides = True
                self.signs += 1
                return value + above / below
        if following and following[0].text == "frac" and "2 1/2 is a sum" not in self.denied:
            self.at += 1
            part = self.divided(self.group(), self.group())
            if 0 < part < 1 and self.means("2 1/2 is a sum"):
                self.signs += 1
                return value + part
            self.at = mark
        return value

    def root(self) -> Fraction:
        degree = 2
        if self.peek() == "[":
            self.at += 1
            degree = _small(self.sum(), 9)
            self.close()
        return _root(self.group(), degree)

    def group(self) -> Fraction:
        if self.kind() == "open":
            self.at += 1
            value = self.sum()
            self.close()
            return value
        if self.kind() != "number":
            raise _NotANumber
        self.at += 1
        return self.tokens[self.at - 1].value

    def close(self) -> None:
        if self.kind() != "close":
            raise _NotANumber
        self.at += 1

    def operand(self, read: Callable[[], Fraction]) -> Fraction | None:
        """What follows the sign at hand, or None, at that sign, if nothing readable does."""
        mark, depth = self.at, self.depth
        self.at += 1
        try:
            value = read()
        except _NotANumber:
            self.at, self.depth = mark, depth
            return None
        self.signs += 1
        return value

    def times(self) -> str:
        """The sign of multiplication or division at hand, "()" for none between factors that touch, or ""."""
        sign = self.peek()
        if sign in ("*", "/"):
            return sign
        if self.touches():
            self.signs += 1
            return "()"
        if sign in ("x", "X") and self.kind(1) in ("number", "open"):
            spaced = self.tokens[self.at].spaced
            even = spaced == self.tokens[self.at + 1].spaced
            return "*" if even and (spaced or self.kind(1) == "number") else ""
        portion = self.portion_ends == self.at or self.tokens[self.at - 1].text == "%"
        return "*" if sign == "of" and portion else ""

    def touches(self) -> bool:
        if self.at >= len(self.tokens):
            return False
        before, here = self.tokens[self.at - 1], self.tokens[self.at]
        if here.kind == "open":
            return here.text != "{" and (not here.spaced or before.kind == "close") and before.kind != "word"
        if here.kind == "command":
            return before.kind in ("number", "close")
        return here.kind == "number" and before.kind == "close" and before.text != "}" and not here.spaced

    def skip_units(self) -> None:
        """Step over the words of a quantity if an operation, or the end, follows them."""
        at, words = self.at, list[str]()
        while len(words) < MAX_UNIT_WORDS and at < len(self.tokens):
            token = self.tokens[at]
            if token.text == "/" and at + 1 < len(self.tokens) and _is_unit(self.tokens[at + 1], True):
                at += 1
            elif token.text == "^" and words and words[-1] not in _UNSQUARED and self.kind(at + 1 - self.at) == "number":
                at += 2
                continue
            elif not _is_unit(token, bool(words)):
                break
            words.append(self.tokens[at].text.lower())
            at += 1
        after = self.tokens[at] if at < len(self.tokens) else None
        ends = after is None or after.kind in ("sign", "relation", "wall", "close") or after.text in ("x", "X")
        if words and ends and (after is None or after.text != "^"):
            self.at = at
            self.units.update(words)

    def divided(self, above: Fraction, below: Fraction) -> Fraction:
        if not below:
            raise _NotANumber
        value = _bounded(above / below)
        self.divides |= value.denominator != 1
        self.portion_ends = self.at
        return value

    def means(self, meaning: Meaning) -> bool:
        self.met.add(meaning)
        return meaning not in self.denied

    def kind(self, ahead: int = 0) -> str | None:
        at = self.at + ahead
        return self.tokens[at].kind if at < len(self.tokens) else None

    def peek(self, ahead: int = 0) -> str:
        at = self.at + ahead
        return self.tokens[at].text if at < len(self.tokens) else ""


def _is_unit(token: Token, inside: bool) -> bool:
    """Whether a word can belong to a quantity; `inside` if it is not the first to do so."""
    if token.kind != "word":
        return False
    word = token.text.lower()
    if inside and token.spaced and word in ("a", "of"):
        return True
    if word in CONNECTIVES and word not in SHORT_UNITS:
        return False
    glued_unit = inside and not token.spaced
    return word not in FUNCTIONS and word not in SCALING and not is_variable(token._replace(spaced=True) if glued_unit else token)


def _bounded(value: Fraction) -> Fraction:
    if value.numerator.bit_length() + value.denominator.bit_length() > MAX_BITS:
        raise _NotANumber
    return value


def _small(value: Fraction, limit: int) -> int:
    if value.denominator != 1 or not 0 <= value <= limit:
        raise _NotANumber
    return value.numerator


def _power(base: Fraction, exponent: Fraction) -> Fraction:
    if exponent.denominator != 1:
        root = _root(base, _small(Fraction(exponent.denominator), 9))
        return _power(root, Fraction(exponent.numerator))
    size = max(base.numerator.bit_length(), base.denominator.bit_length())
    if abs(exponent) * size > MAX_BITS or (not base and exponent < 0):
        raise _NotANumber
    return _bounded(Fraction(base**exponent.numerator))


def _root(value: Fraction, degree: int) -> Fraction:
    """The exact root, if there is one."""
    if value < 0 or degree < 2:
        raise _NotANumber
    parts = []
    for part in (value.numerator, value.denominator):
        root = math.isqrt(part) if degree == 2 else round(float(part) ** (1 / degree)) if part < 2**50 else 0
        if root**degree != part:
            raise _NotANumber
        parts.append(root)
    return Fraction(*parts)


def _factorial(value: Fraction) -> Fraction:
    return _bounded(Fraction(math.factorial(_small(value, MAX_FACTORIAL))))


def _binomial(above: Fraction, below: Fraction) -> Fraction:
    return _bounded(Fraction(math.comb(_small(above, MAX_FACTORIAL), _small(below, MAX_FACTORIAL))))
