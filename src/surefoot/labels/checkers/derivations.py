"""Whether one equation follows from the one before it: ``2x + 3 = 7, so x = 3`` does not.

A value that solves the one and not the other is the proof. For equations in one variable it is
enough that they have no solution in common; for several variables both must have points that the
other has not, since an equation may also be used together with others.
"""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction

from surefoot.labels.checkers.identities import ROUNDED
from surefoot.labels.checkers.nodes import evaluate, names
from surefoot.labels.checkers.points import has_decimals, near, shown
from surefoot.labels.checkers.polynomials import (
    Polynomial,
    coefficients,
    common_divisor,
    plus,
    quotient,
    scaled,
    times,
)
from surefoot.labels.checkers.sides import Relation
from surefoot.labels.checkers.words import DIRECT, FOLLOWS, NEW_START, PLAIN, REWRITES
from surefoot.labels.equations.bounded import Unreadable

MAX_BETWEEN = 160
"""Equations further apart (in characters) are not taken to follow from one another."""

MAX_VARIABLES = 5


def variables(relation: Relation) -> frozenset[str]:
    """The variables of an equation."""
    return names(relation.left[0]) | names(relation.right[0])


def is_assignment(relation: Relation) -> bool:
    """Whether it gives a variable a number, as x = 3 does."""
    return relation.left[0].operation == "name" and not names(relation.right[0])


def contradiction(
    before: Relation, after: Relation, between: str, *, same_step: bool = True
) -> str | None:
    """Why an equation cannot follow from the one before it, or None.

    `between` is the text that parts them; `same_step` says that no step begins in it.
    """
    if len(between) > MAX_BETWEEN or NEW_START.search(PLAIN.sub(" ", between)):
        return None
    if any(len(side) != 1 for side in (before.left, before.right, after.left, after.right)):
        return None
    unknowns = variables(before)
    if not unknowns or unknowns != variables(after) or len(unknowns) > MAX_VARIABLES:
        return None
    stated = FOLLOWS.search(between) is not None
    try:
        if len(unknowns) == 1:
            direct = DIRECT.fullmatch(between) is not None or (
                before.left == after.left and not between.strip(" ,;$")
            )
            return _one_variable(before, after, next(iter(unknowns)), stated, direct)
        stated = REWRITES.search(between) is not None or (same_step and stated)
        return _several_variables(before, after) if stated else None
    except Unreadable:
        return None


def _one_variable(
    before: Relation, after: Relation, name: str, stated: bool, direct: bool
) -> str | None:
    if not (stated or direct):
        return None
    if is_assignment(before):
        return _recalculated(before, after) if is_assignment(after) else None
    if _is_listed(before, after, stated):
        return None
    a, b = (coefficients(difference(one), name) for one in (before, after))
    if len(a) < 2 or len(b) < 2 or len(common_divisor(a, b)) > 1:
        return None
    rounded = has_decimals(before.left + before.right + after.left + after.right)
    if rounded and not (len(a) == len(b) == 2 and not near(a[0] / a[1], b[0] / b[1], ROUNDED)):
        return None
    for solved, failed, told in (
        (b, before, "{root} solves this one but not that one, where {values}"),
        (a, after, "{root} solves that one but not this one, where {values}"),
    ):
        if len(solved) == 2:
            root = -solved[0] / solved[1]
            left, right = (evaluate(side[0], {name: root}) for side in (failed.left, failed.right))
            values = f"{shown(left)} is not {shown(right)}"
            return told.format(root=f"{name} = {shown(root)}", values=values)
    return f"no value of {name} solves both"


def _recalculated(before: Relation, after: Relation) -> str | None:
    """``V = 1/3 * 6``, simplified to ``V = 3``."""
    if before.right[0].operation in ("number", "neg") or before.right == after.right:
        return None
    a, b = evaluate(before.right[0], {}), evaluate(after.right[0], {})
    rounded = has_decimals(before.right + after.right)
    whole = isinstance(b, Fraction) and b.denominator == 1
    if near(a, b, ROUNDED if rounded or whole else 1e-9):
        return None
    return f"{shown(a)} is not {shown(b)}"


def _is_listed(before: Relation, after: Relation, stated: bool) -> bool:
    """Whether they share a side as the items of a list do: x - 4 = 1, x - 4 = 11.

    A shared side is also that of one equation rewritten, if the other had something to work out.
    """
    if before.left == after.left:
        right = before.right[0]
        return not right.parts or (bool(names(right)) and not stated)
    return before.right == after.right and bool(names(after.right[0])) and not stated


def difference(relation: Relation) -> Polynomial:
    """A polynomial that is 0 where the equation holds: left minus right, cleared of fractions.

    Raises:
        Unreadable: a side is no quotient of polynomials.
    """
    (a, b), (c, d) = quotient(relation.left[0]), quotient(relation.right[0])
    return plus(times(a, d), scaled(times(c, b), Fraction(-1)))


def _several_variables(before: Relation, after: Relation) -> str | None:
    if has_decimals(before.left + before.right + after.left + after.right):
        return None
    if is_definition(before):
        return None
    a, b = difference(before), difference(after)
    there, back = list(_solutions(a)), list(_solutions(b))
    missed = [point for point in there if _value(b, point)]
    if not there or not back or len(missed) < len(there):
        return None
    if not all(_value(a, point) for point in back):
        return None
    at = ", ".join(f"{name} = {shown(value)}" for name, value in sorted(missed[0].items()))
    return f"{at} solves that one but not this one"


def is_definition(relation: Relation) -> bool:
    """Whether a variable alone stands on the left and not on the right: it may name something."""
    left = relation.left[0]
    return left.operation == "name" and left.name not in names(relation.right[0])


def _solutions(a: Polynomial) -> Iterator[dict[str, Fraction]]:
    """Points at which a polynomial is 0, by solving for a variable of which it has no power."""
    found = sorted({name for monomial in a for name, _ in monomial})
    for name in found:
        if any(n == name and exponent > 1 for monomial in a for n, exponent in monomial):
            continue
        for values in ((2, 3, 5, 7, 11), (7, 5, 3, 2, 13)):
            others = (other for other in found if other != name)
            point = {other: Fraction(v) for other, v in zip(others, values, strict=False)}
            slope = _value(_derivative(a, name), point)
            if slope:
                rest = _value({m: c for m, c in a.items() if name not in dict(m)}, point)
                yield point | {name: -rest / slope}
        return


def _derivative(a: Polynomial, name: str) -> Polynomial:
    """Of a polynomial without powers of the variable."""
    return {
        tuple(factor for factor in monomial if factor[0] != name): c
        for monomial, c in a.items()
        if name in dict(monomial)
    }


def _value(a: Polynomial, point: dict[str, Fraction]) -> Fraction:
    total = Fraction(0)
    for monomial, coefficient in a.items():
        for name, exponent in monomial:
            if name not in point:
                return Fraction(0)
            coefficient *= point[name] ** exponent
        total += coefficient
    return total
