"""Whether the equations with names agree: with themselves, with each other, with earlier steps.

An equation whose two sides agree at random values of its names is an identity; one that does not
may be a definition, an equation to solve or a slip, so the counts are evidence, not verdicts. Names
that were given values are put into the equations they stand in, and functions are applied.
"""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Sequence
from typing import TypeAlias

from surefoot.models.features.formulas import EITHER, Formula, Values, read
from surefoot.models.features.statements import Statement, statements_of

KEPT = 40
"""At most this many earlier equations are tried with a new value."""

KINDS = (
    "closed_holds",
    "closed_fails",
    "order_holds",
    "order_fails",
    "mod_holds",
    "mod_fails",
    "identity_first",
    "identity_later",
    "differs_first",
    "differs_later",
    "defines",
    "binds",
    "rebinds",
    "contradicts",
    "satisfies",
    "violates",
    "violates_supposed",
    "substituted_holds",
    "substituted_fails",
    "applies_holds",
    "applies_fails",
    "follows",
    "breaks",
    "unread_sides",
    "read_sides",
    "unknown",
)
BAD = ("closed_fails", "mod_fails", "contradicts", "violates", "applies_fails", "breaks")

_CALL = re.compile(r"([fghPQ])\(([^()]*)\)")
_SUPPOSES = re.compile(
    r"\b(?:suppose|assume|if|when|case|try|choose|test|let|set|for|either|solutions?|or)\b", re.I
)

Pair: TypeAlias = tuple[Formula, Formula]


class Algebra:
    """Features of the equations of a step, given those of the question and the steps before it."""

    def __init__(self, problem: str) -> None:
        self._values: dict[str, complex] = {}
        self._equations: list[Pair] = []
        self._functions: dict[str, tuple[str, Formula]] = {}
        self._past: Counter[str] = Counter()
        for statement in statements_of(problem):
            self._equations += _open_pairs(statement)
            self._learn(statement)

    def step(self, text: str) -> dict[str, float]:
        """The features of the next step, which then belongs to the past."""
        found: Counter[str] = Counter()
        here: list[Pair] = []
        supposes = _SUPPOSES.search(text) is not None
        for statement in statements_of(text):
            found["unread_sides"] += sum(side is None for side in statement.sides)
            found["read_sides"] += sum(side is not None for side in statement.sides)
            self._judge(statement, found)
            self._apply(statement, found)
            self._bind(statement, here, supposes, found)
            for pair in _open_pairs(statement):
                _compare(here[-1] if here else None, pair, found)
                here.append(pair)
            self._learn(statement)
        self._equations = (self._equations + here)[-KEPT:]
        values = {f"algebra_{kind}": float(found[kind]) for kind in KINDS}
        values["algebra_bad"] = float(sum(found[kind] for kind in BAD))
        values["algebra_past_bad"] = float(sum(self._past[kind] for kind in BAD))
        self._past += found
        return values

    def _judge(self, statement: Statement, found: Counter[str]) -> None:
        """Each relation by itself, and with the known values put in."""
        place = 0
        for left, relation, right in _links(statement):
            if left is None or right is None:
                place += 1
                continue
            names = left.names | right.names
            if relation == "mod":
                if not names and statement.modulus:
                    _count(found, "mod", _congruent(left, right, statement.modulus))
            elif relation != "=":
                if not names:
                    _count(found, "order", _ordered(left, right, relation))
            elif statement.modulus:
                pass
            elif not names:
                if left.signs or right.signs:
                    holds = _equal(left, right, {})
                    unsure = holds is False and (left.units or right.units)
                    _count(found, "closed", None if unsure else holds)
            elif _defines(left, right):
                found["defines"] += 1
            else:
                same = _identical(left, right)
                if same is None:
                    found["unknown"] += 1
                else:
                    kind = "identity" if same else "differs"
                    found[kind + ("_later" if place else "_first")] += 1
                if names <= self._values.keys() and not left.is_name and not right.is_name:
                    _count(found, "substituted", _equal(left, right, self._values))
            place += 1

    def _learn(self, statement: Statement) -> None:
        """Keep a function that is defined: f(x) = ..."""
        first, second = statement.sides[0], statement.sides[1]
        if first is None or second is None or statement.relations[0] != "=" or not first.is_name:
            return
        call = _CALL.fullmatch(first.text)
        if call and second.names == {call.group(2).strip()}:
            self._functions[call.group(1)] = (call.group(2).strip(), second)

    def _apply(self, statement: Statement, found: Counter[str]) -> None:
        """Compare f(3) = ... with what the function gives."""
        first = statement.sides[0]
        if first is None or not first.is_name or not (call := _CALL.fullmatch(first.text)):
            return
        known, argument = self._functions.get(call.group(1)), read(call.group(2))
        if known is None or argument is None or argument.names:
            return
        x = argument.at({})
        value = None if x is None else known[1].at({known[0]: x})
        for side, relation in zip(statement.sides[1:], statement.relations, strict=True):
            if side is None or side.names or relation != "=":
                continue
            other = side.at({})
            if value is not None and other is not None:
                _count(found, "applies", _near(value, other, side.rounded or known[1].rounded))

    def _bind(
        self, statement: Statement, here: Sequence[Pair], supposes: bool, found: Counter[str]
    ) -> None:
        """A name that is given a closed value: does it fit what was known?"""
        first, last = statement.sides[0], statement.sides[-1]
        if first is None or last is None or not first.is_name or last.names:
            return
        if set(statement.relations) != {"="} or statement.modulus:
            return
        (name,) = first.names
        value = last.at({})
        if value is None:
            return
        found["binds"] += 1
        if name in self._values and not supposes:
            same = _near(value, self._values[name], last.rounded)
            found["rebinds" if same else "contradicts"] += 1
        tried = {**self._values, name: value}
        for left, right in (*self._equations, *here):
            names = left.names | right.names
            if name in names and names <= tried.keys() and not _is_binding(left, right):
                good = _equal(left, right, tried, last.rounded)
                if good is not None:
                    bad = "violates_supposed" if supposes else "violates"
                    found["satisfies" if good else bad] += 1
        self._values[name] = value


def _links(statement: Statement) -> list[tuple[Formula | None, str, Formula | None]]:
    sides = statement.sides
    return list(zip(sides[:-1], statement.relations, sides[1:], strict=True))


def _open_pairs(statement: Statement) -> list[Pair]:
    """The equations with names in them."""
    if statement.modulus:
        return []
    return [
        (left, right)
        for left, relation, right in _links(statement)
        if relation == "=" and left is not None and right is not None and left.names | right.names
    ]


def _is_binding(left: Formula, right: Formula) -> bool:
    return left.is_name and not right.names


def _defines(left: Formula, right: Formula) -> bool:
    """Whether an equation gives a name a meaning, or relates different names."""
    if left.is_name and left.names != right.names:
        return True
    return not (right.names <= left.names or left.names <= right.names)


def _count(found: Counter[str], kind: str, holds: bool | None) -> None:
    found["unknown" if holds is None else f"{kind}_{'holds' if holds else 'fails'}"] += 1


def _sample(name: str, draw: int) -> complex:
    """A value in (1, 3) that depends on the name and the draw alone; a sign for plus-minus."""
    if name == EITHER:
        return complex(1 - 2 * (draw % 2))
    digest = hashlib.sha256(f"{name}:{draw}".encode()).digest()
    return complex(1 + 2 * int.from_bytes(digest[:4]) / 2**32)


def _identical(left: Formula, right: Formula) -> bool | None:
    names = left.names | right.names
    both = [_equal(left, right, {n: _sample(n, draw) for n in names}) for draw in range(2)]
    return None if None in both else all(both)


def _equal(left: Formula, right: Formula, values: Values, rounded: bool = False) -> bool | None:
    a, b = left.at(values), right.at(values)
    if a is None or b is None:
        return None
    return _near(a, b, rounded or left.rounded or right.rounded)


def _near(a: complex, b: complex, rounded: bool) -> bool:
    return abs(a - b) <= (0.01 * max(abs(a), abs(b)) if rounded else 1e-6 * max(1, abs(a), abs(b)))


def _ordered(left: Formula, right: Formula, relation: str) -> bool | None:
    a, b = left.at({}), right.at({})
    if a is None or b is None or a.imag or b.imag:
        return None
    return a.real <= b.real + 1e-9 if relation == "<" else a.real >= b.real - 1e-9


def _congruent(left: Formula, right: Formula, modulus: int) -> bool | None:
    a, b = left.at({}), right.at({})
    if a is None or b is None or a.imag or b.imag or a.real % 1 or b.real % 1:
        return None
    return int(a.real - b.real) % modulus == 0


def _compare(before: Pair | None, after: Pair, found: Counter[str]) -> None:
    """Whether an equation in one name has the root of the equation before it."""
    if before is None or _is_binding(*before):
        return
    names = after[0].names | after[1].names
    if len(names) != 1 or before[0].names | before[1].names != names:
        return
    (name,) = names
    ours, theirs = _root(after, name), _root(before, name)
    if ours is not None and theirs is not None:
        rounded = any(side.rounded for side in (*before, *after))
        found["follows" if _near(ours, theirs, rounded) else "breaks"] += 1


def _root(pair: Pair, name: str) -> complex | None:
    """The root of an equation that is affine in its one name; None if it is not."""
    residuals = []
    for x in (0.0, 1.0, 3.0):
        a, b = pair[0].at({name: complex(x)}), pair[1].at({name: complex(x)})
        if a is None or b is None:
            return None
        residuals.append(a - b)
    slope = residuals[1] - residuals[0]
    bend = residuals[2] - residuals[0] - 3 * slope
    if abs(slope) < 1e-9 or abs(bend) > 1e-6 * max(1.0, abs(slope)):
        return None
    return -residuals[0] / slope
