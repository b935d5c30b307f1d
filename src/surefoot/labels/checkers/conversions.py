"""Quantities set equal in two units: ``5 km = 500 m``, ``3 hours is 180 minutes``."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction

_KINDS = (
    "1 second seconds sec secs; 60 minute minutes min mins; 3600 hour hours hr hrs; "
    "86400 day days; 604800 week weeks",
    "1 month months; 12 year years",
    "1 mm millimeter millimeters; 10 cm centimeter centimeters; "
    "1000 m meter meters metre metres; 1000000 km kilometer kilometers kilometre kilometres",
    "1 inch inches; 12 foot feet ft; 36 yard yards yd; 63360 mile miles",
    "1 mg milligram milligrams; 1000 g gram grams; 1000000 kg kilogram kilograms",
    "1 oz ounce ounces; 16 lb lbs pound pounds",
    "1 ml milliliter milliliters; 1000 l liter liters litre litres",
    "1 cup cups; 2 pint pints; 4 quart quarts; 16 gallon gallons",
    "1 cent cents; 100 dollar dollars",
)
_SIZES: Mapping[str, tuple[int, int]] = {
    unit: (kind, int(size))
    for kind, line in enumerate(_KINDS)
    for size, *units in (entry.split() for entry in line.split("; "))
    for unit in units
}
"""Unit to its kind and its size in the smallest unit of that kind."""

_NUMBER = r"(\d[\d,]{0,20}(?:\.\d{1,20})?|\d+\s*/\s*\d+)"
_UNIT = (
    r"\s*(?:\\text\{\s*)?[ -]?(" + "|".join(sorted(_SIZES, key=len, reverse=True)) + r")\b\s*\}?"
)
_EQUATION = re.compile(
    rf"(?<![\w.,/^}}]){_NUMBER}{_UNIT}\s*(?:=|is\ equal\ to|equals)\s*{_NUMBER}{_UNIT}"
    r"(?!\s*(?:[*/+×^-]|\\times|\\cdot|per\b|and\b|\d))",
    re.IGNORECASE,
)
_TERM = rf"{_NUMBER}{_UNIT}(?:\s+in\s+a\s+(?:day|week|year|foot|yard))?"
_SUM = re.compile(
    rf"(?<![\w.,/^}}]){_TERM}\s*([+-])\s*{_TERM}(?:\s*([+-])\s*{_TERM})?\s*=\s*{_NUMBER}{_UNIT}"
    r"(?!\s*(?:[*/+×^-]|\\times|\\cdot|per\b|and\b|\d))",
    re.IGNORECASE,
)
_CALCULATION = re.compile(r"(?:[*+/^×·÷=(-]|\\times|\\cdot|\\div|\b(?:of|per|and|every|each))\s*$")

_SCALE = re.compile(
    r"\b(?:scale|maps?|drawings?|models?|represents?|corresponds?)\b", re.IGNORECASE
)

MAX_FACTOR = 100
"""A conversion that is further off is one of a scale, such as "1 inch = 20 miles"."""

ROUNDED = Fraction(2, 100)


@dataclass(frozen=True, slots=True)
class Conversion:
    """Two quantities set equal, where they stand, whether they are, and why."""

    start: int
    end: int
    true: bool
    why: str


def find_sums(text: str) -> Iterator[Conversion]:
    """Every sum or difference of two or three quantities of one kind in different units."""
    if "=" not in text or is_scaled(text):
        return
    for found in _SUM.finditer(text):
        if _CALCULATION.search(text, 0, found.start()):
            continue
        a, unit_a, sign, b, unit_b, again, c, unit_c, result, unit = found.groups()
        terms = [("+", a, unit_a), (sign, b, unit_b), (again, c, unit_c)][: 3 if c else 2]
        sizes = [_SIZES[name.lower()] for name in (*(name for _, _, name in terms), unit)]
        numbers = [_value(text) for text in (*(text for _, text, _ in terms), result)]
        values = [number for number in numbers if number is not None]
        if len({kind for kind, _ in sizes}) > 1 or len(set(sizes)) == 1 or None in numbers:
            continue
        amounts = [value * size for value, (_, size) in zip(values, sizes, strict=True)]
        signed = zip(terms, amounts, strict=False)
        total = sum((n if sign == "+" else -n for (sign, _, _), n in signed), Fraction(0))
        true = abs(total - amounts[-1]) <= ROUNDED * max(amounts)
        why = f"it is {_shown(total / sizes[-1][1])} {unit}"
        yield Conversion(found.start(), found.end(), true, why)


def is_scaled(text: str) -> bool:
    """Whether a text speaks of a scale, by which lengths stand for others."""
    return _SCALE.search(text) is not None


def find_conversions(text: str) -> Iterator[Conversion]:
    """Every equation of two quantities in different units of one kind, except those of a scale."""
    if ("=" not in text and "equal" not in text) or is_scaled(text):
        return
    for found in _EQUATION.finditer(text):
        if _CALCULATION.search(text, 0, found.start()):
            continue
        a, unit_a, b, unit_b = found.groups()
        (kind, size_a), (other, size_b) = _SIZES[unit_a.lower()], _SIZES[unit_b.lower()]
        left, right = _value(a), _value(b)
        if kind != other or size_a == size_b or left is None or right is None:
            continue
        converted = left * size_a / size_b
        true = abs(converted - right) <= ROUNDED * max(converted, right)
        low, high = sorted((converted, right))
        if not true and high > MAX_FACTOR * low:
            continue
        yield Conversion(
            found.start(), found.end(), true, f"{a} {unit_a} are {_shown(converted)} {unit_b}"
        )


def _value(text: str) -> Fraction | None:
    above, _, below = text.replace(",", "").replace(" ", "").partition("/")
    if below and not int(below):
        return None
    return Fraction(above) / (int(below) if below else 1)


def _shown(value: Fraction) -> str:
    return str(value) if value.denominator == 1 else f"{float(value):.6g}"
