r"""Algebra: whether two formulas are the same, by sympy and math-verify; for worker processes only.

Formulas are read by the LaTeX grammar of math-verify (latex2sympy2_extended), which builds sympy
objects and never evaluates text as code; sympy's own `sympify` and `parse_expr` do, and see none.
Both may hang and take any memory, so nothing here is called outside `surefoot.labels.workers`.

"Different" is said only where values at sampled points differ: math-verify's own "no" covers what
it could not read as well, so it counts as "cannot tell".
"""

from __future__ import annotations

import logging
import random
import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import mpmath
import sympy
from latex2sympy2_extended.latex2sympy2 import latex2sympy
from latex2sympy2_extended.math_normalization import NormalizationConfig, normalize_latex
from math_verify import verify
from sympy.core.relational import Relational

from surefoot.labels.answers.quantities import Found, Tolerance, split_unit

MAX_FORMULA = 400
"""Longer formulas are not read."""

MAX_DEPTH = 40
"""Nor are formulas with brackets nested deeper than this."""

DIGITS = 30
NUM_POINTS = 4

_SAME = 1e-12
_APART = 1e-8
"""Relative differences up to which formulas that hold decimals are equal, and from which not."""

_SLASH = re.compile(r"(\d+)\s*/\s*(\d+)(?=\s*[a-zA-Z(\\])")
_UNCLEAR = re.compile(r"/\s*[a-zA-Z]\s*[a-zA-Z(\\]")
"""A fraction before a factor, which some read as below the slash; and one that is left unread."""

_DECIMALS = re.compile(r"\d*\.(\d+)")
_WORDS = re.compile(r"(?<![\\a-zA-Z])[a-zA-Z]{4,}(?:\s|$)|[a-zA-Z]{3,}\s+[a-zA-Z]{2,}")
_FUNCTION = re.compile(r"(?<![\\a-zA-Z])(sin|cos|tan|cot|sec|csc|log|ln|exp|pi)(?![a-zA-Z])")
_CONFIG = NormalizationConfig(
    basic_latex=True,
    units=False,
    malformed_operators=True,
    nits=True,
    boxed="none",
    equations=False,
)

logging.getLogger("math_verify").setLevel(logging.ERROR)  # it warns that it keeps no time itself


@dataclass(frozen=True, slots=True)
class _Formula:
    """A formula as sympy has it, and as it was written."""

    value: Any
    text: str

    @property
    def places(self) -> int:
        """The decimals that it shows."""
        return max((len(shown) for shown in _DECIMALS.findall(self.text)), default=0)


def same_formula(reference: str, answer: str, tolerance: Tolerance) -> Found:
    """Whether two tidy formulas are the same, and why."""
    (reference, unit), (answer, other) = split_unit(reference), split_unit(answer)
    if unit and other and unit != other:
        return None, "the units differ"
    if len({r"\circ" in reference, r"\circ" in answer}) == 2 and r"\pi" in reference + answer:
        return None, "one may be in degrees, the other in radians"
    if _UNCLEAR.search(reference) or _UNCLEAR.search(answer):
        return None, "what is below the slash cannot be told"
    found = _same_text(reference, answer, tolerance)
    if _SLASH.search(reference) or _SLASH.search(answer):
        a, b = (_SLASH.sub(r"\\frac{\1}{\2}", one) for one in (reference, answer))
        if _same_text(a, b, tolerance)[0] is not found[0]:
            return None, "what is below the slash cannot be told"
    return found


def _same_text(reference: str, answer: str, tolerance: Tolerance) -> Found:
    """Whether two formulas are the same in the usual reading."""
    try:
        a, b = _read(reference), _read(answer)
    except _UnreadableError as error:
        return None, str(error)
    same, why = _compared(a, b, tolerance)
    expressions = isinstance(a.value, sympy.Expr) and isinstance(b.value, sympy.Expr)
    if same is None and not expressions and _verified(a, b):
        return True, "math-verify finds them the same"
    return same, why


class _UnreadableError(Exception):
    """A formula cannot be read; the message says why."""


@lru_cache(maxsize=4096)
def _read(text: str) -> _Formula:
    if len(text) > MAX_FORMULA:
        raise _UnreadableError(f"{len(text)} characters are too long for a formula")
    if _depth(text) > MAX_DEPTH:
        raise _UnreadableError("its brackets are nested too deeply")
    if _WORDS.search(re.sub(r"\\(?:sqrt|frac|left|right|[a-z]+)", " ", text)):
        raise _UnreadableError(f"{text[:60]!r} holds words")
    spelled = _FUNCTION.sub(r"\\\1 ", text.replace("**", "^"))
    try:
        value = latex2sympy(normalize_latex(spelled, _CONFIG))
    except Exception as error:  # the grammar raises plain Exception, and sympy anything
        raise _UnreadableError(f"{text[:60]!r} is no formula that can be read") from error
    return _Formula(value, text)


def _depth(text: str) -> int:
    depth = deepest = 0
    for c in text:
        depth += (c in "([{") - (c in ")]}")
        deepest = max(deepest, depth)
    return max(deepest, text.count("^") + text.count("_"))


def _compared(a: _Formula, b: _Formula, tolerance: Tolerance) -> Found:
    if isinstance(a.value, Relational) or isinstance(b.value, Relational):
        return _same_relation(a.value, b.value)
    if not (isinstance(a.value, sympy.Expr) and isinstance(b.value, sympy.Expr)):
        return None, "one is no expression with a value"
    if not _variables(a.value) and not _variables(b.value):
        return _same_constant(a, b, tolerance)
    return _same_function(a.value, b.value)


def _same_constant(a: _Formula, b: _Formula, tolerance: Tolerance) -> Found:
    x, y = _value(a.value, {}), _value(b.value, {})
    if x is None or y is None:
        return None, "one has no finite value"
    apart, gap = _apart(a.value, b.value, {}), abs(x - y)
    if apart is False:
        return True, "the values are equal"
    if tolerance:
        near = bool(gap <= max(tolerance.absolute, tolerance.relative * abs(x)))
        return near, f"the values are {'near enough' if near else 'different'}"
    if any(one.places and gap < 10**-one.places for one in (a, b)):
        return None, "one value may be the other, rounded; give a tolerance"
    return (False, "the values differ") if apart else (None, "whether the values differ is unclear")


def _same_function(a: Any, b: Any) -> Found:
    if _variables(a) != _variables(b):
        if len(_variables(a)) == len(_variables(b)):
            return None, "the variables have other names"
        if any(isinstance(one, sympy.Symbol) for one in (a, b)):
            return None, "one is a name alone"
    points = _points(sorted(_variables(a) | _variables(b), key=str))
    defined = [one for one in points if None not in (_value(a, one), _value(b, one))]
    found = {_apart(a, b, point) for point in defined}
    if found == {False}:
        return True, "the values are equal at every sampled point"
    if found == {True}:
        return False, "the values differ at every sampled point"
    if not found:
        return None, "no sampled point gives both a value"
    return None, "the values are equal at some points alone"


def _same_relation(a: Any, b: Any) -> Found:
    """Equations and inequalities are the same if their sides differ by a constant factor."""
    if not (isinstance(a, Relational) and isinstance(b, Relational)):
        return None, "one is an equation or inequality, the other is not"
    if not all(isinstance(side, sympy.Expr) for one in (a, b) for side in one.args):
        return None, "one is about sets"
    signs = [_direction(one) for one in (a, b)]
    if signs[0][0] != signs[1][0]:
        return None, "the relations are of different kinds"
    p, q = ((one.lhs - one.rhs) * sign for one, (_, sign) in zip((a, b), signs, strict=True))
    factor = _factor(p, q)
    if factor is not None:
        if isinstance(a, sympy.Eq) or factor > 0:
            return True, "the two sides differ by a constant factor"
        return False, "the inequality is the other way round"
    named = isinstance(a, sympy.Eq) and a.lhs == b.lhs and isinstance(a.lhs, sympy.Symbol)
    if named and a.lhs not in _variables(a.rhs) | _variables(b.rhs):
        return _same_function(a.rhs, b.rhs)
    return None, "the relations are not multiples of each other"


def _factor(p: Any, q: Any) -> float | None:
    """The real number that `p` is `q` times at every sampled point, None where it is not."""
    points = _points(sorted(_variables(p) | _variables(q), key=str))
    defined = [one for one in points if _value(p, one) is not None and _value(q, one)]
    if len(defined) < 2:
        return None
    first, *others = defined
    for point in others:
        if _apart(p.subs(point) * q.subs(first), p.subs(first) * q.subs(point), {}) is not False:
            return None
    ratio = _value(p, first) / _value(q, first)  # type: ignore[operator]
    return float(ratio.real) if abs(ratio.imag) <= _SAME * abs(ratio) else None


def _direction(relation: Any) -> tuple[str, int]:
    """The kind of a relation, and 1, or -1 where its sides are to be swapped."""
    kinds = {"==": ("=", 1), "!=": ("!=", 1), "<": ("<", 1), "<=": ("<=", 1), ">": ("<", -1)}
    return kinds.get(relation.rel_op, ("<=", -1))


def _verified(a: _Formula, b: _Formula) -> bool:
    """Whether math-verify finds them the same, whichever is the reference."""
    return any(
        verify(x.value, y.value, timeout_seconds=None, float_rounding=12)
        for x, y in ((a, b), (b, a))
    )


def _variables(value: Any) -> set[Any]:
    """The names in a formula, apart from that of the imaginary unit."""
    return {one for one in value.free_symbols if str(one) != "i"}


def _points(names: list[Any]) -> list[dict[Any, Any]]:
    """Values for names: positive ones and signed ones, always the same for as many names."""
    draw = random.Random(len(names))
    lowest = [40] * NUM_POINTS + [-290] * NUM_POINTS
    return [{name: sympy.Rational(draw.randint(low, 290), 97) for name in names} for low in lowest]


def _apart(a: Any, b: Any, point: dict[Any, Any]) -> bool | None:
    """Whether two formulas differ at a point where both have a value; None for nearly.

    The difference is evaluated to as many digits as it takes, so that large values that differ by
    little are told apart.
    """
    parts = _parts(a - b, point)
    if parts is None:
        return None
    if all(part == 0 or (part.is_Float and part._prec == 1) for part in parts):
        return False
    if not a.has(sympy.Float) and not b.has(sympy.Float):
        return True
    x, y = _value(a, point), _value(b, point)
    if x is None or y is None:
        return None
    gap, size = abs(mpmath.mpc(*parts)), abs(x) + abs(y)
    return False if gap <= _SAME * size else True if gap >= _APART * size else None


def _value(expression: Any, point: dict[Any, Any]) -> Any | None:
    """The complex value at a point, None where there is none or an infinite one."""
    parts = _parts(expression, point)
    return None if parts is None else mpmath.mpc(*parts)


def _parts(expression: Any, point: dict[Any, Any]) -> tuple[Any, Any] | None:
    """The real and the imaginary part of a value; one without a certain digit has precision 1."""
    given = {**point, **{one: sympy.I for one in expression.free_symbols if str(one) == "i"}}
    try:
        value = expression.subs(given)
        parts = value.evalf(DIGITS).as_real_imag()
        if not all(part.is_Number for part in parts):  # sums, limits and the like
            parts = value.doit().evalf(DIGITS).as_real_imag()
    except (TypeError, ValueError, AttributeError, ArithmeticError, NotImplementedError):
        return None
    return parts if all(part.is_Number and part.is_finite for part in parts) else None
