r"""Tokens to an exact number: a recursive-descent reader of closed arithmetic.

It reads the longest expression that starts at a token and says where it stopped. Where the same
spelling has several customary meanings (is 20 % a fifth or twenty?), every meaning is read and all
the values are kept.

    sum      product (+|- product)*
    product  unary (*|/|x|of unary)*       factors that touch, as in 2(3+4), are multiplied
    unary    - unary | power
    power    postfix (^ unary)?
    postfix  atom (!|%)* units?
    atom     number | mixed number | ( sum ) | \frac{sum}{sum} | \binom{sum}{sum} | \sqrt[n]{sum}
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import combinations
from typing import Literal

from surefoot.labels.equations import bounded
from surefoot.labels.equations.bounded import Unreadable
from surefoot.labels.equations.tokens import Token
from surefoot.labels.equations.units import is_unit

MAX_DEPTH = 60
"""Brackets and powers nested deeper than this are not read."""

MAX_UNIT_WORDS = 4
"""A quantity has at most this many words, as in "12 square feet of carpet"."""

Meaning = Literal[
    "percent is a hundredth", "2 1/2 is a sum", "-3^2 squares the 3", "1/2(3) divides by 2(3)"
]
"""One customary reading of an ambiguous spelling; the other reading is its denial."""


@dataclass(frozen=True, slots=True)
class Expression:
    """A number as it is written.

    `values` holds its value in every customary reading, the usual one first; `opening` is the value
    of its first number alone; `signs` counts its operations; `divides` says that a division does
    not come out whole, `decimal` that a number has decimals. `places` are the decimals of a lone
    number (None for a calculation). `units` are the words after its numbers. It spans the tokens
    from `first` to before `stop`.
    """

    values: tuple[Fraction, ...]
    opening: Fraction
    signs: int
    divides: bool
    decimal: bool
    places: int | None
    percent: bool
    units: frozenset[str]
    first: int
    stop: int


def read_expression(tokens: Sequence[Token], first: int) -> tuple[Expression | None, int]:
    """The longest expression that starts at `first`, if any does, and where reading stopped."""
    reader = _Reader(tokens, first, len(tokens), frozenset())
    try:
        values = [reader.sum()]
    except Unreadable:
        return None, reader.at
    for size in range(1, len(reader.met) + 1):
        for denied in combinations(sorted(reader.met), size):
            other = _Reader(tokens, first, min(len(tokens), reader.at + 1), frozenset(denied))
            try:
                value = other.sum()
            except Unreadable:
                continue
            if other.at == reader.at and value not in values:
                values.append(value)
    expression = Expression(
        values=tuple(values),
        opening=values[0] if reader.opening is None else reader.opening,
        signs=reader.signs,
        divides=reader.divides,
        decimal=reader.places > 0,
        places=None if reader.signs else reader.places,
        percent="percent is a hundredth" in reader.met,
        units=frozenset(reader.units),
        first=first,
        stop=reader.at,
    )
    return expression, reader.at


_END = Token("wall", "", 0, 0)


class _Reader:
    """One pass over the tokens from `at` to before `end`; each method reads one rule."""

    def __init__(
        self, tokens: Sequence[Token], first: int, end: int, denied: frozenset[Meaning]
    ) -> None:
        self.tokens = tokens
        self.at = first
        self.end = end
        self.denied = denied
        self.met: set[Meaning] = set()
        self.depth = 0
        self.signs = 0
        self.places = 0
        self.divides = False
        self.opening: Fraction | None = None
        self.units: set[str] = set()
        self.portion_ends = -1

    def sum(self) -> Fraction:
        value = self.product()
        while (sign := self.token().text) in ("+", "-"):
            term = self.operand(self.product)
            if term is None:
                break
            value = bounded.bounded(value + term if sign == "+" else value - term)
        return value

    def product(self) -> Fraction:
        value = self.unary()
        while sign := self.times():
            factor = self.power() if sign == "()" else self.operand(self.unary)
            if factor is None:
                break
            if sign != "/":
                value = bounded.bounded(value * factor)
                continue
            if self.touches() and self.means("1/2(3) divides by 2(3)"):
                factor = bounded.bounded(factor * self.power())
            value = self.divided(value, factor)
        return value

    def unary(self) -> Fraction:
        if self.token().text != "-":
            return self.power()
        self.at += 1
        if self.token().text == "-":
            raise Unreadable
        raised = self.token().kind == "number" and self.token(1).text == "^"
        if raised and not self.means("-3^2 squares the 3"):
            return self.power(negative=True)
        return -self.power()

    def power(self, *, negative: bool = False) -> Fraction:
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise Unreadable
        base = -self.postfix() if negative else self.postfix()
        exponent = self.operand(self.unary) if self.token().text == "^" else None
        self.depth -= 1
        return base if exponent is None else bounded.power(base, exponent)

    def postfix(self) -> Fraction:
        value = self.atom()
        while (sign := self.token().text) in ("!", "%"):
            if sign == "%" and self.means("percent is a hundredth"):
                value /= 100
            elif sign == "!":
                after = self.token(1)
                if after.kind in ("word", "odd", "wall") or (
                    after.kind == "number" and after.spaced
                ):
                    break
                value = bounded.factorial(value)
                self.signs += 1
            self.at += 1
        self.skip_units()
        return value

    def atom(self) -> Fraction:
        token = self.token()
        self.at += 1
        match token.kind, token.text:
            case "number", _:
                value = self.number(token)
            case "open", _:
                value = self.sum()
                self.close()
            case "command", "frac":
                value = self.divided(self.group(), self.group())
                self.signs += 1
            case "command", "binom":
                value = bounded.binomial(self.group(), self.group())
                self.signs += 1
            case "command", "sqrt":
                value = self.root()
                self.signs += 1
            case _:
                raise Unreadable
        if self.opening is None:
            self.opening = value
        return value

    def number(self, token: Token) -> Fraction:
        """A number, with the fraction of a mixed number if one follows it."""
        self.places = max(self.places, token.places)
        whole, mark = token.value, self.at
        if token.places:
            return whole
        part = Fraction(0)
        if self.token().text == "frac" and "2 1/2 is a sum" not in self.denied:
            self.at += 1
            part = self.group() / (self.group() or 1)
        elif self.token().kind == self.token(2).kind == "number" and self.token(1).text == "/":
            part = self.token().value / (self.token(2).value or 1)
            self.at += 3
        mixed = 0 < part < 1 and (self.token(-1).kind == "number" or self.means("2 1/2 is a sum"))
        if not mixed:
            self.at = mark
            return whole
        self.divides = True
        self.signs += 1
        return whole + part

    def root(self) -> Fraction:
        degree = 2
        if self.token().text == "[":
            self.at += 1
            degree = bounded.natural(self.sum(), 9)
            self.close()
        return bounded.root(self.group(), degree)

    def group(self) -> Fraction:
        """What a LaTeX command takes: a bracket or a lone number."""
        token = self.token()
        self.at += 1
        if token.kind == "number":
            return token.value
        if token.kind != "open":
            raise Unreadable
        value = self.sum()
        self.close()
        return value

    def close(self) -> None:
        if self.token().kind != "close":
            raise Unreadable
        self.at += 1

    def operand(self, read: Callable[[], Fraction]) -> Fraction | None:
        """What follows the sign at hand, or None, still at that sign, if that cannot be read."""
        mark, depth = self.at, self.depth
        self.at += 1
        try:
            value = read()
        except Unreadable:
            self.at, self.depth = mark, depth
            return None
        self.signs += 1
        return value

    def times(self) -> str:
        """The sign of multiplication or division at hand, "()" for factors that touch, or ""."""
        token, after = self.token(), self.token(1)
        if token.text in ("*", "/"):
            return token.text
        if self.touches():
            self.signs += 1
            return "()"
        if token.text in ("x", "X") and token.spaced == after.spaced:
            spelled = after.kind == "number" or (after.kind == "open" and after.spaced)
            return "*" if spelled else ""
        portion = self.portion_ends == self.at or self.token(-1).text == "%"
        return "*" if token.text == "of" and portion else ""

    def touches(self) -> bool:
        before, here = self.token(-1), self.token()
        if here.kind == "open":
            beside = not here.spaced or before.kind == "close"
            return beside and here.text != "{" and before.kind != "word"
        if here.kind == "command":
            return before.kind in ("number", "close")
        factor = before.text in (")", "]", "!")
        return here.kind == "number" and factor and not here.spaced

    def skip_units(self) -> None:
        """Step over the words of a quantity if an operation, or the end, follows them."""
        mark, words = self.at, list[str]()
        while len(words) < MAX_UNIT_WORDS:
            token, after = self.token(), self.token(1)
            if token.text == "/" and is_unit(after._replace(spaced=True), first=True):
                self.at += 1
            elif token.text == "^" and words and after.kind == "number" and len(words[-1]) > 1:
                self.at += 2
                continue
            elif not is_unit(token, first=not words):
                break
            words.append(self.token().text.lower())
            self.at += 1
        after = self.token()
        ends = after.kind in ("sign", "relation", "wall", "close") and after.text != "^"
        if ends or after.text in ("x", "X"):
            self.units.update(words)
        else:
            self.at = mark

    def divided(self, above: Fraction, below: Fraction) -> Fraction:
        if not below:
            raise Unreadable
        value = bounded.bounded(above / below)
        self.divides |= value.denominator != 1
        self.portion_ends = self.at
        return value

    def means(self, meaning: Meaning) -> bool:
        self.met.add(meaning)
        return meaning not in self.denied

    def token(self, ahead: int = 0) -> Token:
        at = self.at + ahead
        return self.tokens[at] if 0 <= at < self.end else _END
