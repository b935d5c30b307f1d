"""Which equations claim to hold for all values of their variables, and whether they do.

An equation such as ``2x + 3 = 7`` is a condition; a chain ``(x+1)^2 = x^2 + 2x + 1 = ...`` claims
that its sides are the same formula. Only what looks like a rewriting counts as such a claim.
"""

from __future__ import annotations

from typing import Literal

from surefoot.labels.checkers.nodes import Node, names, walk
from surefoot.labels.checkers.points import EXACT, Witness, has_decimals, same
from surefoot.labels.checkers.polynomials import Polynomial, quotient, times
from surefoot.labels.checkers.sides import Relation
from surefoot.labels.equations.bounded import Unreadable

ROUNDED = 0.02
"""Relative difference allowed where a side has decimals."""


def is_closed(relation: Relation) -> bool:
    """Whether neither side has a variable."""
    return not (names(relation.left[0]) or names(relation.right[0]))


def compare(relation: Relation, *, rounded: bool = True) -> Literal[True] | Witness | None:
    """Whether both sides are the same formula; as `same`, with room for rounded numbers."""
    rounded = rounded and has_decimals(relation.left + relation.right)
    return same(relation.left, relation.right, ROUNDED if rounded else EXACT)


def claims_identity(relation: Relation) -> bool:
    """Whether an equation between formulas with variables claims to hold for all their values."""
    left, right = relation.left[0], relation.right[0]
    if names(left) != names(right) or left.operation == "name" or right.operation == "name":
        return False
    try:
        a, b = _worked_out(left, right)
    except Unreadable:
        return relation.index > 0 and _can_be_worked_out(left)
    if len(a) == 1 and a.keys() == b.keys() and a.keys() != {()}:
        return True
    if relation.index > 0:
        return _can_be_worked_out(left)
    if left.operation == right.operation == "^":
        return False
    return (_can_be_worked_out(left) or _can_be_worked_out(right)) and _nearly_the_same(a, b)


def _worked_out(left: Node, right: Node) -> tuple[Polynomial, Polynomial]:
    """Two polynomials that are the same if the formulas are; of roots, what stands under them."""
    if left.operation == right.operation == "root" and left.parts[0] == right.parts[0]:
        left, right = left.parts[1], right.parts[1]
    (a, b), (c, d) = (quotient(side, opaque=True) for side in (left, right))
    return (a, c) if b == d else (times(a, d), times(c, b))


def _can_be_worked_out(node: Node) -> bool:
    """Whether a formula holds a sum inside a product, a power or a fraction, or like terms."""
    for part in walk(node):
        sums = [one for one in part.parts if one.operation in ("+", "-") and names(one)]
        if sums and part.operation in ("*", "/", "^", "root", "neg"):
            return True
        if part.operation == "/" and any(one.operation == "/" for one in part.parts):
            return True
    monomials = [_variables(term) for term in _terms(node)]
    with_variables = [monomial for monomial in monomials if monomial]
    repeated = any(len(set(monomial)) < len(monomial) for monomial in with_variables)
    return repeated or len({tuple(sorted(m)) for m in with_variables}) < len(with_variables)


def _terms(node: Node) -> list[Node]:
    if node.operation in ("+", "-"):
        return [term for part in node.parts for term in _terms(part)]
    return _terms(node.parts[0]) if node.operation == "neg" else [node]


def _variables(term: Node) -> list[str]:
    """The factors of a product that have variables, as text; a power counts as one factor."""
    if term.operation == "*" or (term.operation == "/" and not names(term.parts[1])):
        return [factor for part in term.parts for factor in _variables(part)]
    return [repr(term)] if names(term) else []


def _nearly_the_same(a: Polynomial, b: Polynomial) -> bool:
    """Whether they share at least half of their terms: one of them is the other with one slip."""
    shared = sum(b.get(monomial) == coefficient for monomial, coefficient in a.items())
    return _degree(a) > 1 and 2 * shared >= len(a.keys() | b.keys()) and shared > 0


def _degree(a: Polynomial) -> int:
    return max((sum(exponent for _, exponent in monomial) for monomial in a), default=0)
