"""Do the two sides agree: the verdict on every statement of a step, with its evidence.

A statement fails only if it fails in every customary reading, beyond the rounding its spelling
allows, and nothing around it suggests that it means, asks or supposes something else.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import product
from typing import Literal

from surefoot.labels.equations.expressions import Expression
from surefoot.labels.equations.statements import Link, find_links
from surefoot.labels.equations.tokens import tokenise
from surefoot.labels.equations.units import DIMENSION
from surefoot.labels.equations.words import (
    APPROXIMATE,
    DENIED,
    NOT_CLAIMED,
    OTHER_ARITHMETIC,
)

Verdict = Literal["holds", "fails", "chain", "cannot tell"]
"""`chain`: a running calculation such as ``2+3 = 5*2 = 10``, right but for its equals sign."""

ROUNDING = Fraction(1, 100)
"""Relative error allowed where there are decimals or a division that does not come out whole."""

ROUGH = Fraction(6, 100)
"""Relative error allowed where the text speaks of rounding."""

CONVERSIONS = frozenset({7, 12, 24, 30, 60, 100, 365, 1000, 3600, 1_000_000})
"""Where units are in sight, one side may be this many times the other by a change of unit."""

NEARBY = 200
"""How many characters around a statement may cast doubt on it."""

_HAS_RELATION = re.compile(r"[=≈]|\\(?:approx|simeq|doteq)|equals")
_SUM = re.compile(r"[+−-]")
_MONEY = re.compile(r"[$£€¢]")


Rule = Literal[
    "arithmetic",
    "closed formula",
    "identity",
    "derivation",
    "system",
    "substitution",
    "comparison",
    "whole numbers",
    "units",
]
"""What a statement was checked by; all but the first are of `surefoot.labels.checkers`."""


@dataclass(frozen=True, slots=True)
class Statement:
    """One equation: where it stands in the step, its two sides, and whether they agree.

    `left` and `right` are the sides in their usual reading, or None where no closed number stands;
    where a name stands on the left, `left` is the calculation the name was given before. `why` is
    for a person.
    """

    text: str
    start: int
    end: int
    left: Fraction | None
    right: Fraction | None
    verdict: Verdict
    why: str
    rule: Rule = "arithmetic"


@dataclass(frozen=True, slots=True)
class StepCheck:
    """Every equation of a step, in order, and the verdict on the step.

    It fails if any statement fails, else holds if any holds; else there is nothing to tell by.
    """

    statements: tuple[Statement, ...]
    verdict: Literal["holds", "fails", "cannot tell"]


def check_step(text: str) -> StepCheck:
    """Find the equations of a step and check each exactly; no text makes it raise."""
    if not _HAS_RELATION.search(text):
        return StepCheck((), "cannot tell")
    foreign = OTHER_ARITHMETIC.search(text) is not None
    denied_until = max((found.start() for found in DENIED.finditer(text)), default=-1)
    statements = []
    for tokens in tokenise(text):
        for link in _with_names(find_links(tokens)):
            verdict, why = _verdict(text, link)
            if verdict == "fails":
                doubt = _doubt(text, link, foreign, link.end <= denied_until)
                verdict, why = ("cannot tell", doubt) if doubt else (verdict, why)
            statements.append(_statement(text, link, verdict, why))
    return step_check(statements)


def step_check(statements: Sequence[Statement]) -> StepCheck:
    """The verdict on a step of which these are the statements."""
    verdicts = {statement.verdict for statement in statements}
    if "fails" in verdicts:
        return StepCheck(tuple(statements), "fails")
    return StepCheck(tuple(statements), "holds" if "holds" in verdicts else "cannot tell")


def _with_names(links: Iterable[Link]) -> Iterator[Link]:
    """The links, where a name that was given a calculation stands for it when next it is given.

    A name that is then given a chain of calculations is taken to be given something new.
    """
    given: dict[tuple[str, ...], Expression] = {}
    name: tuple[str, ...] = ()
    for link in links:
        if link.left is None:
            name = link.name
            before = given.pop(name, None)
            yield link if link.continues else replace(link, left=before)
        else:
            yield link
            given.pop(name, None)
        if name and link.right is not None and link.right.signs:
            given[name] = link.right
        name = name if link.continues else ()


def _statement(text: str, link: Link, verdict: Verdict, why: str) -> Statement:
    return Statement(
        text=text[link.start : link.end],
        start=link.start,
        end=link.end,
        left=link.left.values[0] if link.left else None,
        right=link.right.values[0] if link.right else None,
        verdict=verdict,
        why=why,
    )


def _verdict(text: str, link: Link) -> tuple[Verdict, str]:
    left, right = link.left, link.right
    if left is None or right is None:
        side = "left" if left is None else "right"
        return "cannot tell", f"the {side} side is not a closed number"
    if not (left.signs or right.signs or left.percent or right.percent):
        return "cannot tell", "no calculation on either side"
    rough = link.approximate or _says(APPROXIMATE, text, link.start - 60, link.end + 60)
    if left.values[0] == right.values[0]:
        return "holds", "both sides are equal"
    if any(_agree(a, b, left, right, rough) for a, b in product(left.values, right.values)):
        return "holds", "both sides are equal as they are written or rounded"
    carries_on = link.continues and right.signs > 0
    if carries_on and any(_agree(a, right.opening, left, right, rough) for a in left.values):
        return "chain", "the right side carries on calculating from the value of the left"
    return "fails", f"{_shown(left.values[0])} is not {_shown(right.values[0])}"


def _agree(a: Fraction, b: Fraction, left: Expression, right: Expression, rough: bool) -> bool:
    """Whether two values are equal up to the rounding that their spelling allows."""
    gap, size = abs(a - b), max(abs(a), abs(b))
    computed = left.divides or right.divides
    rounded = computed or left.decimal or right.decimal
    if gap <= (ROUGH if rough else ROUNDING if rounded else 0) * size:
        return True
    places = [side.places for side in (left, right) if side.places is not None]
    return any(gap < Fraction(1, 10**n) for n in places if n or computed)


def _doubt(text: str, link: Link, foreign: bool, denied: bool) -> str:
    """Why a statement that does not hold may still not be wrong, or an empty string."""
    left, right = link.left, link.right
    assert left is not None
    assert right is not None
    if foreign:
        return "the step may do another kind of arithmetic"
    if link.scaled:
        return "a word beside it changes its value"
    clause_start = max(link.clause_start, link.start - NEARBY)
    clause_end = min(link.clause_end + 2, link.end + NEARBY)
    if denied or _says(NOT_CLAIMED, text, clause_start, clause_end):
        return "the step may not claim it"
    units = left.units | right.units
    measured = {unit.rstrip("s"): DIMENSION[unit] for unit in units if unit in DIMENSION}
    mixed = len(measured) > len(set(measured.values()))
    if mixed and _says(_SUM, text, link.start, link.end):
        return "its units differ"
    a, b = left.values[0], right.values[0]
    in_units = units or _says(_MONEY, text, link.start, link.end + 1)
    if in_units and a and b and (a / b in CONVERSIONS or b / a in CONVERSIONS):
        return "it may change the unit"
    return ""


def _says(pattern: re.Pattern[str], text: str, start: int, end: int) -> bool:
    return pattern.search(text, max(0, start), end) is not None


def _shown(value: Fraction) -> str:
    return str(value) if value.denominator < 1000 else f"{float(value):.6g}"
