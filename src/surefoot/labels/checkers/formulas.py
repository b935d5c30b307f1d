r"""Tokens to formulas: a recursive-descent reader of school algebra, plain and LaTeX.

    sum      product (+|- product)*
    product  unary (*|/|nothing unary)*      factors that touch, as in 2x(y+1), are multiplied
    unary    - unary | power
    power    atom !* (^ exponent)?
    atom     number | variable | ( sum ) | \frac | \binom | \sqrt | \sin, \log ... of a product

Where a spelling has two customary meanings (is 1/2x a half of x?), both are read. Words, units,
percentages, absolute values, derivatives and applied functions such as f(x) are not read at all.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import combinations
from typing import Literal

from surefoot.labels.checkers.nodes import FUNCTIONS, Node, number
from surefoot.labels.checkers.words import GREEK, NO_PRODUCT
from surefoot.labels.equations.bounded import Unreadable
from surefoot.labels.equations.tokens import Token

MAX_DEPTH = 80
MAX_NODES = 200

Meaning = Literal["1/2x is x/2", "2 1/2 is a product", "an angle is in radians", "log is log10"]
"""The usual reading of an ambiguous spelling."""

_APPLIED = frozenset("fghFGHPQRSTACDLMVW")
"""A letter that, with a bracket touching it, is taken for a function."""
_APPLIED_TO_ONE = frozenset("pqrsuvyz")
"""A letter that is taken for a function if the bracket holds a lone number or letter."""
_DEGREE = re.compile(r"\s*(?:\^\s*\{?\s*\\circ\b\s*\}?|°)")
_END = Token("wall", "", 0, 0)


def read_formula(
    tokens: Sequence[Token],
    first: int,
    text: str,
    prose: Sequence[bool],
    *,
    products: bool = True,
) -> tuple[tuple[Node, ...], int]:
    """Every customary reading of the longest formula that starts at `first`, and where it stops.

    `prose[k]` says that token k stands in running text, where "a" is an article; `products` that
    abc is a product, not the three digits of a number. No formula: ().
    """
    reader = _Reader(tokens, first, text, prose, products, frozenset())
    try:
        readings = [reader.sum()]
    except Unreadable:
        return (), reader.at
    for size in range(1, len(reader.met) + 1):
        for denied in combinations(sorted(reader.met), size):
            other = _Reader(tokens, first, text, prose, products, frozenset(denied))
            try:
                node = other.sum()
            except Unreadable:
                continue
            if other.at == reader.at and node not in readings:
                readings.append(node)
    return tuple(readings), reader.at


class _Reader:
    """One pass over the tokens; each method reads one rule."""

    def __init__(
        self,
        tokens: Sequence[Token],
        first: int,
        text: str,
        prose: Sequence[bool],
        products: bool,
        denied: frozenset[Meaning],
    ) -> None:
        self.tokens = tokens
        self.at = first
        self.text = text
        self.prose = prose
        self.products = products
        self.denied = denied
        self.met: set[Meaning] = set()
        self.depth = 0
        self.size = 0

    def sum(self) -> Node:
        value = self.product()
        while (sign := self.token().text) in ("+", "-") and self.token().kind == "sign":
            self.at += 1
            value = self.node(sign, value, self.product())
        return value

    def product(self) -> Node:
        value = self.unary()
        while True:
            token = self.token()
            if token.kind == "sign" and token.text in ("*", "/"):
                self.at += 1
                factor = self.unary()
                if token.text == "/" and self.touches():
                    if self.means("1/2x is x/2"):
                        value = self.node("/", value, factor)
                        continue
                    while self.touches():
                        factor = self.node("*", factor, self.power())
                value = self.node(token.text, value, factor)
            elif self.touches():
                value = self.node("*", value, self.power())
            else:
                return value

    def unary(self) -> Node:
        if self.token().kind == "sign" and self.token().text == "-":
            self.at += 1
            if self.token().text == "-":
                raise Unreadable
            return self.node("neg", self.unary())
        return self.power()

    def power(self) -> Node:
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise Unreadable
        base = self.atom()
        self.depth -= 1
        while self.token().text == "!" and self.token().start == self.token(-1).end:
            self.at += 1
            base = self.node("!", base)
        if self.token().text == "^":
            self.at += 1
            raised = self.node("^", base, self.exponent())
            if base.name[:1] in _APPLIED and base.name and self.touches_bracket():
                raise Unreadable
            return raised
        return base

    def exponent(self) -> Node:
        if self.token().text == "-":
            self.at += 1
            return self.node("neg", self.power())
        return self.power() if self.token().kind == "open" else self.atom()

    def atom(self) -> Node:
        token = self.token()
        if token.kind == "number":
            self.at += 1
            return self.number(token)
        if token.kind == "open":
            return self.group()
        if token.kind == "command":
            self.at += 1
            return self.command(token.text)
        if (name := self.function()) is not None:
            return self.applied(name)
        return self.variable()

    def number(self, token: Token) -> Node:
        value = number(token.value)
        if token.places or token.value.denominator != 1 or self.token().text != "frac":
            return value
        mark = self.at
        self.at += 1
        above, below = self.group(), self.group()
        mixed = above.operation == below.operation == "number" and above.number < below.number
        if not mixed or self.means("2 1/2 is a product"):
            self.at = mark
            return value
        return self.node("+", value, self.node("/", above, below))

    def command(self, name: str) -> Node:
        if name == "frac":
            above = self.group()
            if above.name == "d" or (above.operation == "*" and above.parts[0].name == "d"):
                raise Unreadable
            return self.node("/", above, self.group())
        if name == "binom":
            return self.node("binom", self.group(), self.group())
        degree = number(2)
        if self.token().text == "[":
            degree = self.group()
        return self.node("root", degree, self.group())

    def group(self) -> Node:
        """A bracket, or the lone number or variable that a LaTeX command takes."""
        token = self.token()
        if token.kind == "number":
            self.at += 1
            return number(token.value)
        if token.kind != "open":
            return self.variable()
        self.at += 1
        value = self.sum()
        if self.token().kind != "close":
            raise Unreadable
        self.at += 1
        return value

    def variable(self) -> Node:
        token = self.token()
        if token.text == "\\pi" or token.text == "π":
            self.at += 1
            return self.node("pi")
        letters = token.text if token.kind == "word" else ""
        if token.kind == "odd" and token.text in GREEK:
            letters = token.text[1]
            self.at += 1
            return self.subscripted(token.text)
        if not self.is_variables():
            raise Unreadable
        self.at += 1
        if len(letters) == 1:
            node = self.subscripted(letters)
            self.refuse_application(node, letters)
            return node
        value = self.node("name", name=letters[0])
        for letter in letters[1:-1]:
            value = self.node("*", value, self.node("name", name=letter))
        last = self.subscripted(letters[-1])
        if self.token().text == "^":
            self.at += 1
            last = self.node("^", last, self.exponent())
        return self.node("*", value, last)

    def is_variables(self) -> bool:
        """Whether the word at hand is a variable, or several that are multiplied."""
        token = self.token()
        letters = token.text
        if token.kind != "word" or not letters.isascii() or letters in FUNCTIONS:
            return False
        prose = self.at < len(self.prose) and self.prose[self.at]
        if len(letters) == 1:
            after = self.token(1)
            joined = after.kind in ("sign", "relation", "close") or after.text == "_"
            return joined or not (prose and letters in "aAI" and token.spaced)
        glued = not prose or (not token.spaced and self.token(-1).kind == "number")
        return (
            self.products
            and glued
            and len(letters) <= 4
            and letters.islower()
            and letters not in NO_PRODUCT
        )

    def subscripted(self, name: str) -> Node:
        if self.token().text != "_":
            return self.node("name", name=name)
        self.at += 1
        start = self.at
        if self.token().kind == "open":
            while self.token().kind not in ("close", "wall", "relation"):
                self.at += 1
            if self.token().kind != "close":
                raise Unreadable
        elif self.token().kind not in ("number", "word", "odd"):
            raise Unreadable
        self.at += 1
        below = "".join(token.text for token in self.tokens[start : self.at]).strip("{}()")
        return self.node("name", name=f"{name}_{below}")

    def touches_bracket(self) -> bool:
        token = self.token()
        return token.kind == "open" and token.text != "{" and not token.spaced

    def refuse_application(self, node: Node, letter: str) -> None:
        if not self.touches_bracket():
            return
        inside, after = self.token(1), self.token(2)
        lone = after.kind == "close" and inside.kind in ("number", "word")
        if letter in _APPLIED or (lone and letter in _APPLIED_TO_ONE) or "_" in node.name:
            raise Unreadable

    def function(self) -> str | None:
        token = self.token()
        name = token.text.removeprefix("\\")
        known = name in FUNCTIONS or name in ("log", "lg")
        return name if known and token.kind in ("word", "odd") else None

    def applied(self, name: str) -> Node:
        self.at += 1
        base: Node | None = None
        if name in ("log", "lg"):
            if self.token().text == "_":
                self.at += 1
                base = self.group()
            else:
                base = number(10)
                if not self.means("log is log10"):
                    name = "ln"
        exponent: Node | None = None
        if self.token().text == "^":
            self.at += 1
            exponent = self.exponent()
            if exponent.operation == "neg":
                raise Unreadable
        bracketed = self.token().kind == "open" and self.token().text != "{"
        angle = self.group() if self.token().kind == "open" else self.power()
        while not bracketed and self.touches() and self.function() is None:
            if self.token().kind == "open":
                raise Unreadable
            angle = self.node("*", angle, self.power())
        if name in ("log", "lg"):
            assert base is not None
            value = self.node("log", base, angle)
        else:
            if name in ("sin", "cos", "tan", "cot", "sec", "csc"):
                angle = self.angle(angle)
            value = self.node(name, angle)
        return value if exponent is None else self.node("^", value, exponent)

    def angle(self, angle: Node) -> Node:
        last = self.token(-1)
        before = self.token(-2)
        marked = _DEGREE.match(self.text, last.end) or (
            last.kind == "close" and _DEGREE.match(self.text, before.end)
        )
        plain = all(part.operation not in ("name", "pi") for part in _leaves(angle))
        if marked or (plain and not self.means("an angle is in radians")):
            return self.node("degrees", angle)
        return angle

    def touches(self) -> bool:
        """Whether what stands here multiplies what stands before it."""
        token, before = self.token(), self.token(-1)
        if token.kind == "open":
            return token.text != "[" or before.kind == "close" or not token.spaced
        if token.kind == "command" or self.function() is not None:
            return True
        if token.kind == "odd":
            return token.text in GREEK or token.text in ("\\pi", "π")
        if token.kind != "word" or not self.is_variables():
            return False
        prose = self.at < len(self.prose) and self.prose[self.at]
        return not prose or not token.spaced

    def node(self, operation: str, *parts: Node, name: str = "") -> Node:
        self.size += 1
        if self.size > MAX_NODES:
            raise Unreadable
        return Node(operation, parts, name=name)

    def means(self, meaning: Meaning) -> bool:
        self.met.add(meaning)
        return meaning not in self.denied

    def token(self, ahead: int = 0) -> Token:
        at = self.at + ahead
        return self.tokens[at] if 0 <= at < len(self.tokens) else _END


def _leaves(node: Node) -> list[Node]:
    return [node] if not node.parts else [leaf for part in node.parts for leaf in _leaves(part)]
