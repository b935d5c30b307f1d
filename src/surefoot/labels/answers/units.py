"""Units of measure: how many of its kind's base unit one is, and of which kind it is."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction

_KINDS = {
    "length": "mm millimeter millimetre 1/1000; cm centimeter centimetre 1/100; dm decimeter 1/10;"
    " m meter metre 1; km kilometer kilometre 1000; in inch inches 0.0254; ft foot feet 0.3048;"
    " yd yard 0.9144; mi mile 1609.344",
    "mass": "mg milligram 1/1000; g gram 1; kg kilogram kilo 1000; tonne 1000000;"
    " oz ounce 28.349523125; lb pound 453.59237",
    "time": "ms millisecond 1/1000; s sec second 1; min minute 60; h hr hour 3600; day 86400;"
    " week 604800",
    "months": "month 1; yr year 12; decade 120; century centuries 1200",
    "volume": "ml milliliter millilitre 1/1000; cl centiliter 1/100; l liter litre 1;"
    " cup 0.2365882365; pint 0.473176473; quart 0.946352946; gallon 3.785411784",
    "dollars": "$ dollar usd buck 1; ¢ cent penny pennies 1/100",
    "euros": "€ euro eur 1",
    "pounds": "£ gbp 1",
    "rupees": "₹ rupee inr 1",
    "angle": "degree 1",
}
"""Units that turn into one another share a kind; a name stands for its plural in -s too."""


@dataclass(frozen=True, slots=True)
class Unit:
    """A unit such as km/h: a factor to base units, and the power of each kind in it."""

    factor: Fraction
    kinds: Mapping[str, int]


def _table() -> dict[str, Unit]:
    found: dict[str, Unit] = {}
    for kind, line in _KINDS.items():
        for entry in line.split("; "):
            *names, factor = entry.removesuffix(";").split()
            unit = Unit(Fraction(factor), {kind: 1})
            for name in names:
                found[name] = unit
                if len(name) > 2:
                    found.setdefault(f"{name}s", unit)
    for name in ("hrs", "yds", "lbs"):
        found[name] = found[name.removesuffix("s")]
    found["yrs"] = found["yr"]
    return found


UNITS: Mapping[str, Unit] = _table()

_ABBREVIATED = {
    "mph": "mi / h", "kph": "km / h", "kmh": "km / h", "sqft": "ft ^ 2", "sqm": "m ^ 2",
    "cc": "cm ^ 3",
}  # fmt: skip
MAX_UNIT = 40
"""No unit takes more characters."""

_SIGNS = re.compile(r"(?:\^\s*\\circ|\\cdot|[a-z0-9$€£₹¢/*^{}()\s-])*")
_WORD = re.compile(r"\^\s*\\circ|[a-z]+|[$€£₹¢/*^]|-?\d+|\\cdot")


def read_unit(words: str) -> Unit | None:
    """The unit that some words name, such as ``km/h``, ``square cm`` or ``miles per hour``.

    None if any of the words is no unit: things that are counted, or another language.
    """
    if len(words) > MAX_UNIT or not _SIGNS.fullmatch(words.lower()):
        return None
    text = re.sub(r"[{}]", "", words.lower().replace(r"^\circ", " degree "))
    tokens = [part for word in _WORD.findall(text) for part in _ABBREVIATED.get(word, word).split()]
    factor, kinds = Fraction(1), dict[str, int]()
    sign, power_before = 1, 0
    at = 0
    while at < len(tokens):
        token = tokens[at]
        at += 1
        if token in ("per", "/"):
            sign = -1
        elif token in ("square", "sq", "cubic"):
            power_before = 3 if token == "cubic" else 2
        elif token in UNITS:
            power = power_before or 1
            power_before = 0
            if at + 1 < len(tokens) and tokens[at] == "^" and tokens[at + 1].lstrip("-").isdigit():
                power = max(-9, min(9, int(tokens[at + 1])))
                at += 2
            elif at < len(tokens) and tokens[at] in ("squared", "cubed"):
                power = 2 if tokens[at] == "squared" else 3
                at += 1
            factor *= UNITS[token].factor ** (sign * power)
            for kind in UNITS[token].kinds:
                kinds[kind] = kinds.get(kind, 0) + sign * power
        elif token not in ("*", r"\cdot", "a", "an"):
            return None
    kinds = {kind: power for kind, power in kinds.items() if power}
    if "volume" in kinds:
        power = kinds.pop("volume")
        kinds["length"] = kinds.get("length", 0) + 3 * power
        factor *= Fraction(1, 1000) ** power
    return Unit(factor, kinds) if kinds else None
