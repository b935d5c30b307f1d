r"""One side of an equation, names and all, read to a function that can be evaluated at numbers.

    sum      product (+|- product)*
    product  factor ((*|/)? factor)*        factors that touch are multiplied
    factor   (+|-) factor | atom postfix*   where a postfix is ^ argument or !
    atom     number | name | (sum) | {sum} | |sum| | \frac..  | \sqrt[n].. | \binom.. | \sin..

Numbers are complex floats and `i` is the imaginary unit: the exact checker of `labels.equations` is
for verdicts, this is for evidence. Whatever does not fit the grammar is not read.
"""

from __future__ import annotations

import cmath
import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeAlias

Values: TypeAlias = Mapping[str, complex]
_Node: TypeAlias = Callable[[Values], complex]

EITHER = "±"
"""The name of the sign of a plus-minus, whose values are 1 and -1."""

MAX_CHARACTERS, MAX_TOKENS = 1000, 120
"""A longer formula is not read."""

_FORBIDDEN = re.compile(
    r"\\(?:sum|prod|int|lim|pmod|bmod|mod|ldots|dots|cdots|vec|mathbf|overline|mp|infty|angle|"
    r"triangle|mid|cap|cup|in|sim|cong|perp|parallel|neq?|prime|log|ln)(?![a-zA-Z])|['…]|\.\.\."
)
_TOKEN = re.compile(
    r"""
    (?P<skip>   \s+|\\[,;:!\ ]|\\?\$|&
                |\\(?:left|right|displaystyle|bigg?|Bigg?|boxed|d)(?![a-zA-Z]) )
  | (?P<degree> \^\s*\{?\\circ\}?|° )
  | (?P<number> \d{1,3}(?:(?:,|\{,\})\d{3})+(?:\.\d+)?|\d+(?:\.\d+)?|\.\d+ )
  | (?P<frac>   \\[dtc]?frac(?![a-zA-Z]) )
  | (?P<binom>  \\[dt]?binom(?![a-zA-Z]) )
  | (?P<root>   \\sqrt(?![a-zA-Z])|√ )
  | (?P<pi>     \\pi(?![a-zA-Z])|π )
  | (?P<trig>   \\(?:sin|cos|tan|cot|sec|csc)(?![a-zA-Z]) )
  | (?P<times>  \\(?:times|cdot|ast)(?![a-zA-Z])|[*×·⋅] )
  | (?P<over>   \\div(?![a-zA-Z])|[/÷] )
  | (?P<raised> [²³] )
  | (?P<plusminus> \\pm(?![a-zA-Z])|± )
  | (?P<percent> \\?% )
  | (?P<floor>  \\lfloor(?![a-zA-Z]) )
  | (?P<ceil>   \\lceil(?![a-zA-Z]) )
  | (?P<ends>   \\r(?:floor|ceil)(?![a-zA-Z]) )
  | (?P<unit>   \\(?:text|mathrm|textbf|mbox)\s*\{[^{}]*\} )
  | (?P<name>   (?:\\(?:alpha|beta|gamma|delta|theta|lambda|mu|omega|phi|rho|sigma|tau)(?![a-zA-Z])
                |[A-Z]{2,}|[fghPQ]\([^()=]{1,12}\)|[a-zA-Z])(?:_(?:\{[^{}]*\}|\w))? )
  | (?P<sign>   [+\-−–^!(){}\[\]|] )
  | (?P<odd>    . )
    """,
    re.VERBOSE | re.DOTALL,
)
_TRIG: Mapping[str, Callable[[complex], complex]] = {
    "sin": cmath.sin,
    "cos": cmath.cos,
    "tan": cmath.tan,
    "cot": lambda x: 1 / cmath.tan(x),
    "sec": lambda x: 1 / cmath.cos(x),
    "csc": lambda x: 1 / cmath.sin(x),
}
_CLOSES = {"(": ")", "{": "}", "[": "]"}


@dataclass(frozen=True, slots=True)
class Formula:
    """One side of an equation.

    `names` are its variables, `is_name` tells a lone one, `signs` counts its operations, `rounded`
    tells that it holds a decimal number, `units` that words or percent signs were left out.
    """

    text: str
    names: frozenset[str]
    is_name: bool
    signs: int
    rounded: bool
    units: bool
    node: _Node

    def at(self, values: Values) -> complex | None:
        """Its value, or None where it has none or is out of bounds."""
        try:
            value = self.node(values)
        except (ArithmeticError, ValueError, KeyError):
            return None
        return value if cmath.isfinite(value) and abs(value) < 1e15 else None


def read(text: str) -> Formula | None:
    """The formula of a text, or None if it is not one."""
    text = text.strip().rstrip(".,:; ")
    if len(text) > MAX_CHARACTERS or _FORBIDDEN.search(text):
        return None
    tokens: list[tuple[str, str]] = []
    units = False
    for one in _TOKEN.finditer(text):
        kind = one.lastgroup or "odd"
        if kind == "skip":
            continue
        if kind == "odd":
            return None
        if kind == "percent" or (kind == "unit" and tokens and tokens[-1][0] != "name"):
            units = True
            continue
        if kind == "unit":
            kind = "name"
        tokens.append((kind, one.group().strip()))
    if not 0 < len(tokens) <= MAX_TOKENS:
        return None
    reader = _Reader(tokens)
    try:
        node = reader.sum()
    except _UnreadableError:
        return None
    if reader.at != len(tokens):
        return None
    return Formula(
        text=text,
        names=frozenset(reader.names),
        is_name=len(tokens) == 1 and tokens[0][0] == "name" and tokens[0][1] != "i",
        signs=reader.signs,
        rounded=any(kind == "number" and "." in word for kind, word in tokens),
        units=units,
        node=node,
    )


class _UnreadableError(Exception):
    """The tokens are not a formula."""


class _Reader:
    """One pass over the tokens; each method reads one rule."""

    def __init__(self, tokens: list[tuple[str, str]]) -> None:
        self._tokens = tokens
        self._degrees = any(kind == "trig" for kind, _ in tokens)
        self._bars = 0
        self.at = 0
        self.names: set[str] = set()
        self.signs = 0

    def sum(self) -> _Node:
        left = self._product()
        while True:
            kind, sign = self._next()
            if kind != "plusminus" and sign not in ("+", "-", "−", "–"):
                return left
            self.at += 1
            self.signs += 1
            right = self._product()
            if kind == "plusminus":
                right, sign = _times(self._either(), right), "+"
            left = _plus(left, right, 1 if sign == "+" else -1)

    def _either(self) -> _Node:
        """The sign of a plus-minus, a name of its own."""
        self.names.add(EITHER)
        return lambda values: values[EITHER]

    def _product(self) -> _Node:
        left = self._factor()
        while True:
            kind, word = self._next()
            if kind in ("times", "over"):
                self.at += 1
                self.signs += 1
                left = (_times if kind == "times" else _over)(left, self._factor())
            elif (
                kind in ("number", "name", "frac", "binom", "root", "pi", "trig", "floor", "ceil")
                or word in ("(", "{", "[")
                or (word == "|" and not self._bars)
            ):
                if kind == "number" and self._tokens[self.at - 1][0] == "number":
                    raise _UnreadableError
                self.signs += 1
                left = _times(left, self._factor())
            else:
                return left

    def _factor(self) -> _Node:
        kind, word = self._next()
        if kind == "plusminus":
            self.at += 1
            return _times(self._either(), self._factor())
        if word in ("-", "−", "–", "+"):
            self.at += 1
            self.signs += word != "+"
            inner = self._factor()
            return inner if word == "+" else _times(_constant(-1), inner)
        node = self._atom()
        while True:
            kind, word = self._next()
            if kind == "degree":
                self.at += 1
                if self._degrees:
                    node = _times(node, _constant(math.pi / 180))
            elif kind == "raised":
                self.at += 1
                node = _power(node, _constant("²³".index(word) + 2))
            elif word == "^":
                self.at += 1
                self.signs += 1
                node = _power(node, self._argument(whole=True))
            elif word == "!":
                self.at += 1
                self.signs += 1
                node = _factorial(node)
            else:
                return node

    def _argument(self, *, whole: bool = False) -> _Node:
        """What follows a command: a group, or one digit or name. An exponent may be a `whole`
        number without braces: 2^10 is seldom meant as LaTeX sets it."""
        kind, word = self._next()
        if word in ("{", "("):
            return self._atom()
        if word in ("-", "−"):
            self.at += 1
            return _times(_constant(-1), self._argument(whole=whole))
        if kind == "number" and word.isdigit() and len(word) > 1 and not whole:
            self._tokens[self.at] = (kind, word[1:])
            return _constant(float(word[0]))
        if kind in ("number", "name", "pi", "frac", "root"):
            return self._atom()
        raise _UnreadableError

    def _atom(self) -> _Node:
        kind, word = self._next()
        self.at += 1
        if kind == "number":
            return _constant(float(re.sub(r"[,{}]", "", word)))
        if kind == "pi":
            return _constant(math.pi)
        if kind == "name":
            if word == "i":
                return _constant(1j)
            self.names.add(word)
            return lambda values: values[word]
        if kind == "frac":
            self.signs += 1
            return _over(self._argument(), self._argument())
        if kind == "binom":
            self.signs += 1
            return _choose(self._argument(), self._argument())
        if kind == "root":
            self.signs += 1
            degree = self._atom() if self._next()[1] == "[" else _constant(2)
            return _power(self._argument(), _over(_constant(1), degree))
        if kind == "trig":
            return self._trig(word)
        if kind in ("floor", "ceil"):
            whole = self.sum()
            if self._next()[0] != "ends":
                raise _UnreadableError
            self.at += 1
            rounder = math.floor if kind == "floor" else math.ceil
            return lambda values: complex(rounder(_real(whole(values))))
        if word in _CLOSES:
            inner = self.sum()
            if self._next()[1] != _CLOSES[word]:
                raise _UnreadableError
            self.at += 1
            return inner
        if word == "|" and not self._bars:
            self._bars += 1
            inner = self.sum()
            self._bars -= 1
            if self._next()[1] != "|":
                raise _UnreadableError
            self.at += 1
            return lambda values: complex(abs(inner(values)))
        raise _UnreadableError

    def _trig(self, word: str) -> _Node:
        power: _Node | None = None
        if self._next()[1] == "^":
            self.at += 1
            power = self._argument()
        inner, function = self._trig_argument(), _TRIG[word.lstrip("\\")]
        self.signs += 1
        node: _Node = lambda values: function(inner(values))  # noqa: E731
        return node if power is None else _power(node, power)

    def _trig_argument(self) -> _Node:
        if self._next()[1] in ("(", "{"):
            return self._factor()
        left = self._factor()
        while self._next()[0] in ("name", "pi"):
            left = _times(left, self._factor())
        return left

    def _next(self) -> tuple[str, str]:
        return self._tokens[self.at] if self.at < len(self._tokens) else ("end", "")


def _constant(value: complex) -> _Node:
    return lambda values: value


def _plus(a: _Node, b: _Node, sign: int) -> _Node:
    return lambda values: a(values) + sign * b(values)


def _times(a: _Node, b: _Node) -> _Node:
    return lambda values: a(values) * b(values)


def _over(a: _Node, b: _Node) -> _Node:
    return lambda values: a(values) / b(values)


def _power(a: _Node, b: _Node) -> _Node:
    def node(values: Values) -> complex:
        base, exponent = a(values), b(values)
        if abs(exponent) > 200:
            raise OverflowError
        return complex(base**exponent)

    return node


def _real(value: complex) -> float:
    if abs(value.imag) > 1e-9:
        raise ValueError
    return round(value.real, 9)


def _whole(value: complex) -> int:
    if value.imag or value.real % 1 or not 0 <= value.real <= 100:
        raise ValueError
    return int(value.real)


def _factorial(a: _Node) -> _Node:
    return lambda values: complex(math.factorial(_whole(complex(a(values)))))


def _choose(a: _Node, b: _Node) -> _Node:
    return lambda values: complex(math.comb(_whole(complex(a(values))), _whole(complex(b(values)))))
