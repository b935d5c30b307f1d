"""The verdict on each relation between formulas: roots and functions, identities, inequalities."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Literal

from surefoot.labels.checkers.doubts import doubt, sentence
from surefoot.labels.checkers.identities import claims_identity, compare, is_closed
from surefoot.labels.checkers.nodes import Node, evaluate, walk
from surefoot.labels.checkers.points import Witness, near, shown
from surefoot.labels.checkers.sides import Relation
from surefoot.labels.checkers.words import WHOLE
from surefoot.labels.equations import Statement
from surefoot.labels.equations.bounded import Unreadable
from surefoot.labels.equations.verdicts import CONVERSIONS

CLOSE = 0.01
"""Floats that differ by less (relatively) are never called unequal in an inequality."""

MAX_DECIMALS = 12
"""A number with more decimals is cut off."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether a relation holds, by which rule, and why."""

    relation: Relation
    holds: bool
    rule: Literal["closed formula", "identity", "comparison"]
    why: str


def check_relations(
    text: str, relations: Sequence[Relation], closed: Sequence[Statement]
) -> Iterator[Verdict]:
    """A verdict on each relation on which there is one.

    `closed` are the statements of `check_step`, which has the first word on equations that it can
    read.
    """
    for relation in relations:
        if not relation.left or not relation.right:
            continue
        if _is_trivial(relation):
            verdict = _plain_numbers(text, relation)
        elif relation.sign != "=":
            verdict = _inequality(relation) if is_closed(relation) else None
        elif is_closed(relation):
            verdict = _equation(text, relation, closed)
        else:
            verdict = _identity(relation)
        if verdict and (verdict.holds or not doubt(text, relation.start, relation.end)):
            yield verdict


def _is_trivial(relation: Relation) -> bool:
    leaves = ("number", "name", "neg", "pi")
    return relation.left[0].operation in leaves and relation.right[0].operation in leaves


def _plain_numbers(text: str, relation: Relation) -> Verdict | None:
    """Two numbers set equal that are not; those of a ratio, or cut out of a formula, are not."""
    if text[relation.start] in "{([" or text[relation.end :].lstrip()[:1] in (":", "}"):
        return None
    a, b = _whole(relation.left[0]), _whole(relation.right[0])
    if relation.sign != "=" or relation.index or a is None or b is None or a == b:
        return None
    if a and b and (a / b in CONVERSIONS or b / a in CONVERSIONS):
        return None
    return Verdict(relation, False, "comparison", f"{shown(a)} is not {shown(b)}")


def _whole(node: Node) -> Fraction | None:
    """The whole number that a formula is written as, if it is."""
    if node.operation == "neg":
        value = _whole(node.parts[0])
        return None if value is None else -value
    return node.number if node.operation == "number" and node.number.denominator == 1 else None


def _inequality(relation: Relation) -> Verdict | None:
    if len(relation.left) > 1 or len(relation.right) > 1:
        return None
    try:
        a, b = _real(relation.left[0]), _real(relation.right[0])
    except Unreadable:
        return None
    exact = isinstance(a, Fraction) and isinstance(b, Fraction)
    if not exact and near(a, b, CLOSE):
        return None
    holds = {"<": a < b, ">": a > b, "≤": a <= b, "≥": a >= b, "≠": a != b}.get(relation.sign)
    if holds is None:
        return None
    why = f"{shown(a)} {'<' if a < b else '>' if a > b else '='} {shown(b)}"
    return Verdict(relation, holds, "comparison", why)


def _real(node: Node) -> Fraction | float:
    value = evaluate(node, {})
    if isinstance(value, complex):
        raise Unreadable
    return value


def _equation(text: str, relation: Relation, closed: Sequence[Statement]) -> Verdict | None:
    """An equation between numbers that `check_step` could not read, or took for rounded."""
    said = [one for one in closed if one.start < relation.end and relation.start < one.end]
    read = [one for one in said if one.left is not None and one.right is not None]
    if read and not any(_was_rounded(text, one, relation) for one in read):
        return None
    found = None if _mixes_angles(relation) else compare(relation, rounded=not read)
    if found is None:
        return None
    holds = found is True
    if read and holds:
        return None
    if not holds and not read and not _irrational(relation):
        return None
    return Verdict(relation, holds, "closed formula", _why(found))


def _was_rounded(text: str, statement: Statement, relation: Relation) -> bool:
    """Whether it was let pass as rounded, though nothing speaks of that or asks for it."""
    if statement.verdict != "holds" or statement.left is None or statement.right is None:
        return False
    if _needs_no_rounding(relation):
        return statement.left != statement.right
    whole = statement.right.denominator == 1
    exact = not _may_be_rounded(relation.left[0]) and abs(statement.left - statement.right) >= 1
    off = exact or not near(statement.left, statement.right, CLOSE)
    return whole and off and not WHOLE.search(sentence(text, relation.start, relation.end))


def _needs_no_rounding(relation: Relation) -> bool:
    """Whether the left side comes out in no more decimals than the number on the right has.

    Numbers such as 0.33 and 0.67 may be rounded ones; only multiples of 0.05 are surely not.
    """
    left, right = relation.left[0], relation.right[0]
    if len(relation.left) > 1 or right.operation != "number":
        return False
    if _may_be_rounded(left):
        return False
    try:
        value = evaluate(left, {})
    except Unreadable:
        return False
    if not isinstance(value, Fraction):
        return False
    return _decimals(value) <= min(_decimals(right.number), MAX_DECIMALS)


def _may_be_rounded(node: Node) -> bool:
    return any(20 % part.number.denominator for part in walk(node) if part.operation == "number")


def _decimals(value: Fraction) -> int:
    """How many decimals a number has; more than `MAX_DECIMALS` if it has no end of them."""
    places = range(MAX_DECIMALS + 1)
    return next((n for n in places if (value * 10**n).denominator == 1), MAX_DECIMALS + 1)


def _mixes_angles(relation: Relation) -> bool:
    """Whether an inverse function gives an angle where angles are in degrees."""
    found = {part.operation for side in relation.left + relation.right for part in walk(side)}
    return "degrees" in found and any(operation.startswith("arc") for operation in found)


def _irrational(relation: Relation) -> bool:
    """Whether a side has a root or a function: a sum alone was left unread for some reason."""
    known = ("number", "neg", "+", "-", "*", "/", "^")
    sides = (relation.left[0], relation.right[0])
    return any(part.operation not in known for side in sides for part in walk(side))


def _identity(relation: Relation) -> Verdict | None:
    found = compare(relation)
    if found is True:
        return Verdict(relation, True, "identity", _why(found))
    if isinstance(found, Witness) and claims_identity(relation):
        return Verdict(relation, False, "identity", _why(found))
    return None


def _why(found: Literal[True] | Witness) -> str:
    return "both sides are the same" if found is True else str(found)
