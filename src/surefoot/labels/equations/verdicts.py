"""Do the two sides agree: the verdict on every statement of a step, with its evidence.

A statement fails only if it fails in every customary reading, beyond the rounding its spelling allows, and nothing
around it suggests that it means, asks or supposes something else.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import product
from typing import Literal

from surefoot.labels.equations.expressions import Expression
from surefoot.labels.equations.statements import Link, find_links
from surefoot.labels.equations.tokens import DASH, tokenise
from surefoot.labels.equations.words import (
    APPROXIMATE,
    CONVERSIONS,
    DENIED,
    DIMENSION,
    NOT_CLAIMED,
    OTHER_ARITHMETIC,
)

Verdict = Literal["holds", "fails", "chain", "cannot tell"]
"""`chain`: a running calculation such as ``2+3 = 5*2 = 10``, whose equals sign is abused but whose sums are right."""

ROUNDING = Fraction(1, 100)
"""Relative error a side may have that holds decimals or a division that does not come out."""

ROUGH = Fraction(6, 100)
"""Relative error a side may have that is said to be approximate."""

_HAS_RELATION = re.compile(r"[=≈]|\\(?:approx|simeq|doteq)|equals")
_SUM = re.compile(r"[+−-]")
_MONEY = re.compile(r"[$£€¢]")


@dataclass(frozen=True, slots=True)
class Statement:
    """One equation: its characters in the step, its two sides in their usual reading, and whether they agree.

    `left` or `right` is None where no closed number stands; `why` is one sentence for a person.
    """

    text: str
    start: int
    end: int
    left: Fraction | None
    right: Fraction | None
    verdict: Verdict
    why: str


@dataclass(frozen=True, slots=True)
class StepCheck:
    """Every equation of a step, in order, and the verdict on the step.

    `fails` if any statement fails, else `holds` if any holds, else `cannot tell`: there is nothing to check.
    """

    statements: tuple[Statement, ...]
    verdict: Literal["holds", "fails", "cannot tell"]


def check_step(text: str) -> StepCheck:
    """Find the equations of a step and check each exactly; never raises on any text."""
    if not _HAS_RELATION.search(text):
        return StepCheck((), "cannot tell")
    foreign = OTHER_ARITHMETIC.search(text) is not None
    links = [link for tokens in tokenise(text) for link in _with_names(find_links(tokens))]
    statements = tuple(_judged(text, link, foreign) for link in links)
    verdicts = {statement.verdict for statement in statements}
    verdict: Literal["holds", "fails", "cannot tell"] = (
        "fails" if "fails" in verdicts else "holds" if "holds" in verdicts else "cannot tell"
    )
    return StepCheck(statements, verdict)


def _with_names(links: Iterable[Link]) -> Iterator[Link]:
    """The links, where a name that was given a calculation stands for it when it is next given anything."""
    given: dict[tuple[str, ...], Expression] = {}
    name: tuple[str, ...] = ()
    for link in links:
        if link.left is None:
            name = link.name
            yield replace(link, left=given.pop(name, None))
        else:
            yield link
            given.pop(name, None)
        if name and link.right is not None and link.right.signs:
            given[name] = link.right
        name = name if link.continues else ()


def _judged(text: str, link: Link, foreign: bool) -> Statement:
    left, right = link.left, link.right
    verdict, why = _verdict(text, link, foreign)
    return Statement(
        text=text[link.start : link.end],
        start=link.start,
        end=link.end,
        left=left.values[0] if left else None,
        right=right.values[0] if right else None,
        verdict=verdict,
        why=why,
    )


def _verdict(text: str, link: Link, foreign: bool) -> tuple[Verdict, str]:
    left, right = link.left, link.right
    if left is None or right is None:
        side = "left" if left is None else "right"
        return "cannot tell", f"the {side} side is not a closed number"
    if not (left.signs or right.signs or left.percent or right.percent):
        return "cannot tell", "no calculation on either side"
    rough = link.approximate or APPROXIMATE.search(text, max(0, link.start - 60), link.end + 60) is not None
    if any(_agree(a, b, left, right, rough) for a, b in product(left.values, right.values)):
        return "holds", "both sides are equal" if left.values[0] == right.values[0] else "equal as it is written"
    if link.continues and right.signs and any(_agree(a, right.opening, left, right, rough) for a in left.values):
        return "chain", "the right side carries on calculating from the value of the left"
    doubt = _doubt(text, link, left, right, foreign)
    if doubt:
        return "cannot tell", doubt
    return "fails", f"{_shown(left.values[0])} is not {_shown(right.values[0])}"


def _agree(a: Fraction, b: Fraction, left: Expression, right: Expression, rough: bool) -> bool:
    gap, size = abs(a - b), max(abs(a), abs(b))
    if gap == 0 or (rough and gap <= ROUGH * size):
        return True
    computed = left.divides or right.divides
    for side in (left, right):
        if side.places is not None and (side.places or computed) and gap < Fraction(10) ** -side.places:
            return True
    inexact = computed or left.decimal or right.decimal
    return inexact and gap <= ROUNDING * size


def _doubt(text: str, link: Link, left: Expression, right: Expression, foreign: bool) -> str:
    """Why a statement that does not hold may still not be wrong, or an empty string."""
    units = left.units | right.units
    if foreign:
        return "the step may do another kind of arithmetic"
    if link.scaled:
        return "a word beside it changes its value"
    if NOT_CLAIMED.search(text, link.clause_start, link.clause_end + 1) or DENIED.search(text, link.end):
        return "the step may not claim it"
    measured = {unit.rstrip("s"): DIMENSION[unit] for unit in units if unit in DIMENSION}
    if len(measured) > len(set(measured.values())) and _SUM.search(text, link.start, link.end):
        return "its units differ"
    a, b = left.values[0], right.values[0]
    in_units = units or _MONEY.search(text, link.start, link.end + 1)
    if in_units and a and b and (a / b in CONVERSIONS or b / a in CONVERSIONS):
        return "it may change the unit"
    return ""


def _shown(value: Fraction) -> str:
    return str(value) if value.denominator < 1000 else f"{float(value):.6g}"
