"""Polynomials against plain evaluation, and common divisors against their roots."""

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from surefoot.labels.checkers.nodes import Node, evaluate, number
from surefoot.labels.checkers.polynomials import coefficients, common_divisor, quotient, times
from surefoot.labels.equations.bounded import Unreadable

LEAVES = st.one_of(
    st.integers(-5, 5).map(number), st.sampled_from("xy").map(lambda name: Node("name", name=name))
)


def joined(parts: st.SearchStrategy[Node]) -> st.SearchStrategy[Node]:
    pair = st.tuples(st.sampled_from("+-*/"), parts, parts).map(lambda t: Node(t[0], t[1:]))
    power = st.tuples(parts, st.integers(0, 3)).map(lambda t: Node("^", (t[0], number(t[1]))))
    return st.one_of(pair, power, parts.map(lambda part: Node("neg", (part,))))


def value(polynomial: dict, point: dict[str, Fraction]) -> Fraction:
    total = Fraction(0)
    for monomial, coefficient in polynomial.items():
        for name, exponent in monomial:
            coefficient *= point[name] ** exponent
        total += coefficient
    return total


@given(st.recursive(LEAVES, joined, max_leaves=8), st.fractions(-3, 3), st.fractions(-3, 3))
def test_a_quotient_has_the_values_of_the_formula(node: Node, x: Fraction, y: Fraction) -> None:
    point = {"x": x, "y": y}
    try:
        expected = evaluate(node, point)
        above, below = quotient(node)
    except Unreadable:
        return
    assert value(above, point) == expected * value(below, point)


@given(st.lists(st.integers(-4, 4), min_size=1, max_size=3), st.integers(-4, 4), st.integers(-4, 4))
def test_common_divisors_hold_the_common_roots(roots: list[int], a: int, b: int) -> None:
    def with_roots(*given: int) -> list[Fraction]:
        product = {(): Fraction(1)}
        for root in given:
            product = times(product, {(("x", 1),): Fraction(1), (): Fraction(-root)})
        return coefficients(product, "x")

    divisor = common_divisor(with_roots(*roots, a), with_roots(*roots, b))
    assert len(divisor) - 1 == len(roots) + (a == b)
    for root in roots:
        assert sum(c * root**n for n, c in enumerate(divisor)) == 0


def test_what_is_no_polynomial() -> None:
    x = Node("name", name="x")
    root = Node("root", (number(2), x))
    with pytest.raises(Unreadable):
        quotient(root)
    assert len(quotient(Node("+", (root, root)), opaque=True)[0]) == 1
    with pytest.raises(Unreadable):
        quotient(Node("^", (Node("+", (x, number(1))), number(10**9))))
    with pytest.raises(Unreadable):
        quotient(Node("/", (x, Node("-", (x, x)))))
    with pytest.raises(Unreadable):
        coefficients(quotient(Node("*", (x, Node("name", name="y"))))[0], "x")
