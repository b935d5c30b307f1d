"""Formulas against Python's own arithmetic."""

import cmath
import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from surefoot.models.features.formulas import EITHER, read
from surefoot.models.features.statements import statements_of


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("2+3*4", 14),
        ("-2^2", -4),
        ("2^{-1}", 0.5),
        ("2^10", 1024),
        (r"2^{3}4", 32),
        (r"\frac34", 0.75),
        ("2(3+4)", 14),
        (r"\frac{1}{2}\cdot 6", 3),
        (r"\frac12", 0.5),
        (r"\dfrac{1}{1+\frac{1}{3}}", 0.75),
        (r"\sqrt{2}\sqrt{8}", 4),
        (r"\sqrt[3]{27}", 3),
        (r"\binom{5}{2}", 10),
        ("5! / 3!", 20),
        (r"\sin 30^\circ", 0.5),
        (r"\cos^2 60^\circ", 0.25),
        (r"\tan\left(\frac{\pi}{4}\right)", 1),
        (r"90^\circ - 30^\circ", 60),
        ("|3-5|", 2),
        ("i^2", -1),
        (r"\lfloor 3.7 \rfloor + \lceil 3.2 \rceil", 7),
        (r"12 \text{ cm} \times 3", 36),
        ("1,250 - 250", 1000),
        ("√(2² + 0)", 2),
        (r"3x^2y", 3 * 2**2 * 5),
        (r"x_1 + AB", 7 + 11),
        (r"2 \pm 3", -1),
    ],
)
def test_values(text: str, value: complex) -> None:
    formula = read(text)
    assert formula is not None
    names = {"x": 2, "y": 5, "x_1": 7, "AB": 11, EITHER: -1}
    assert formula.at(names) == pytest.approx(value)


@pytest.mark.parametrize(
    "text",
    ["", "2 +", "(2", "2)", "3 4", r"\sum_{k=1}^n k", r"1 + 2 + \cdots", "a' + b", "1" * 1001, "#"],
)
def test_what_is_no_formula_is_not_read(text: str) -> None:
    assert read(text) is None


@pytest.mark.parametrize("text", ["1/0", "10^{300}", "(-1)!", "101!", "9" * 400, "0^{-1}", "x"])
def test_what_has_no_value(text: str) -> None:
    formula = read(text)
    assert formula is not None
    assert formula.at({}) is None


def test_what_is_told_of_a_formula() -> None:
    one, other = read("f(x)"), read(r"2.5 \text{ m}")
    assert one is not None
    assert other is not None
    assert one.is_name
    assert one.names == {"f(x)"}
    assert (other.rounded, other.units, other.is_name, other.signs) == (True, True, False, 0)


@st.composite
def expressions(draw: st.DrawFn, depth: int = 3) -> str:
    """Python expressions that are formulas too."""
    if depth == 0 or draw(st.integers(0, 3)) == 0:
        return draw(st.sampled_from(["x", "y", "1", "2", "7", "12", "0.5"]))
    left, right = draw(expressions(depth=depth - 1)), draw(expressions(depth=depth - 1))
    sign = draw(st.sampled_from("+-*/"))
    return f"({left}) {sign} ({right})" if draw(st.booleans()) else f"({left} {sign} {right})"


@settings(deadline=None)
@given(expressions(), st.floats(1, 3), st.floats(1, 3))
def test_any_arithmetic_is_read_as_python_reads_it(text: str, x: float, y: float) -> None:
    formula = read(text)
    assert formula is not None
    try:
        expected = eval(text, {"__builtins__": {}}, {"x": complex(x), "y": complex(y)})
    except ZeroDivisionError:
        expected = complex(math.inf)
    value = formula.at({"x": complex(x), "y": complex(y)})
    if not cmath.isfinite(expected) or abs(expected) >= 1e15:
        assert value is None
    else:
        assert value == pytest.approx(expected)


@settings(deadline=None)
@given(st.text(max_size=60))
def test_no_text_makes_it_raise(text: str) -> None:
    formula = read(text)
    if formula is not None:
        formula.at(dict.fromkeys(formula.names, complex(2)))
    list(statements_of(text))


def test_statements_and_their_relations() -> None:
    text = r"We get \(x + 1 = 4 < 5\), so $y \equiv 2 \pmod{7}$ \[a = b \implies c = d.\]"
    found = [(one.relations, one.modulus, len(one.sides)) for one in statements_of(text)]
    assert found == [
        (("=", "<"), None, 3),
        (("mod",), 7, 2),
        (("=",), None, 2),
        (("=",), None, 2),
    ]


def test_a_text_without_delimiters_is_cut_at_its_words() -> None:
    (one,) = statements_of("Therefore 2x + 3 = 7 because they agree.")
    assert [side.names if side else None for side in one.sides] == [{"x"}, frozenset()]
