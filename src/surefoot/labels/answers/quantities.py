"""Numbers with their units, compared exactly or with a stated tolerance."""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction
from functools import cache, lru_cache
from itertools import product

from surefoot.labels.answers.units import UNITS, Unit, read_unit
from surefoot.labels.equations.expressions import read_expression
from surefoot.labels.equations.tokens import tokenise

Found = tuple[bool | None, str]
"""Whether two answers are the same (None: that cannot be told), and why."""

_ONES = """zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen
    fifteen sixteen seventeen eighteen nineteen"""
_TENS = "twenty thirty forty fifty sixty seventy eighty ninety"
_SPELLED = {word: number for number, word in enumerate(_ONES.split())}
_SPELLED |= {word: 10 * number for number, word in enumerate(_TENS.split(), start=2)}

_POWERS = {"thousand": 3, "million": 6, "billion": 9, "trillion": 12}
_POWER = re.compile(rf"(?<=\d)\s*({'|'.join(_POWERS)})\b", re.IGNORECASE)
_EXPONENT = re.compile(r"(?<=[\d.])[eE]([+-]?\d{1,4})(?![\w.])")
_PERCENT = re.compile(r"(?<=\d)\s*(?:percent|per cent|pct)(?![a-z])", re.IGNORECASE)
_CURRENCY = re.compile(r"[$€£₹]")
_UNIT_BEGINS = re.compile(r"(?<=[\d)}%!.])\s*(?=[a-zA-Z$€£₹¢]|\^\s*\\circ)")
_MANY = re.compile(r"(\d[\d,]*(?:\.\d+)?)\s*([a-zA-Z]+)(?:\s*(?:,|and|,\s*and)?\s+|$)")
_CLOCK = re.compile(r"(\d{1,2})(?::(\d\d))?\s*(?:([ap])\.?\s?m\.?)?", re.IGNORECASE)
_BASE = re.compile(r"(-?[0-9A-Za-z]+)\s*_\s*\{?\s*(\d{1,2})\s*\}?")


@dataclass(frozen=True, slots=True)
class Quantity:
    """A number in each of its customary readings, and its unit.

    `places` are the decimals that it shows, 0 if it shows none or is a calculation; `words` are
    those behind it, where they are no unit.
    """

    values: tuple[Fraction, ...]
    places: int = 0
    unit: Unit | None = None
    words: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Tolerance:
    """Two numbers are the same if they differ by no more than either of these.

    `relative` is a share of the reference. Both 0: numbers must be equal, and whether a number is
    another one rounded cannot be told.
    """

    absolute: float = 0.0
    relative: float = 0.0

    def __bool__(self) -> bool:
        return self.absolute > 0 or self.relative > 0

    def allows(self, reference: Fraction, value: Fraction) -> bool:
        """Whether a value is near enough."""
        most = max(Fraction(self.absolute), Fraction(self.relative) * abs(reference))
        return abs(reference - value) <= most


def split_unit(formula: str) -> tuple[str, Unit | None]:
    """A tidy formula without the unit that stands behind it, and that unit; one letter is none."""
    for words in re.finditer(r"\s(?=[a-zA-Z]{2})", formula):
        unit = read_unit(formula[words.end() :])
        if unit is not None:
            return formula[: words.start()], unit
    return formula, None


@lru_cache(maxsize=4096)
def read_quantity(answer: str) -> Quantity | None:
    """The one quantity that a tidy answer is, None if it is none."""
    return _spelled(answer) or _many(answer) or _single(answer)


def same_quantity(reference: str, answer: str, tolerance: Tolerance) -> Found | None:
    """Whether two tidy answers are the same quantity, and why; None if they are not quantities."""
    found = _same_in_base(reference, answer) or _same_time_of_day(reference, answer)
    if found:
        return found
    a, b = read_quantity(reference), read_quantity(answer)
    if a is None or b is None:
        return None
    if a.unit is None or b.unit is None:
        return _same_without_unit(a, b, tolerance)
    if a.unit.kinds == b.unit.kinds:
        return _same_values(_scaled(a), _scaled(b), tolerance)
    if _near(a, b, tolerance):
        return None, "the number is the same, its units are of different kinds"
    if {*a.unit.kinds, *b.unit.kinds} <= {"time", "months"}:
        return None, "how many days a month or a year has is not known"
    return False, "numbers and kinds of unit differ"


def _same_without_unit(a: Quantity, b: Quantity, tolerance: Tolerance) -> Found:
    """As `same_quantity`, where one at least has no unit: the other's may be meant, or another."""
    same, why = _same_values(a, b, tolerance)
    unit, words = a.unit or b.unit, a.words | b.words
    if unit is None:
        return same, why
    if words and not any(word in UNITS and UNITS[word].kinds == unit.kinds for word in words):
        return (
            (None, "one has a unit, the other may have one not known here") if same else (same, why)
        )
    factors = _ratios(*sorted(unit.kinds.items()))
    ratios = (x / y for x, y in product(a.values, b.values) if x and y)
    if same is False and any(ratio in factors for ratio in ratios):
        return None, "one says no unit, and in another unit the two would be the same"
    return same, why


@cache
def _ratios(*kinds: tuple[str, int]) -> frozenset[Fraction]:
    """How many of one unit of a kind may be in another."""
    factors = [unit.factor for unit in UNITS.values() if unit.kinds == dict(kinds)]
    return frozenset(x / y for x, y in product(factors, repeat=2))


def _same_values(a: Quantity, b: Quantity, tolerance: Tolerance) -> Found:
    if _near(a, b, tolerance):
        return True, "the numbers are " + ("near enough" if tolerance else "equal")
    if not tolerance and _may_round(a, b):
        return None, "one number may be the other, rounded; give a tolerance"
    return False, "the numbers differ"


def _near(a: Quantity, b: Quantity, tolerance: Tolerance) -> bool:
    return any(x == y or tolerance.allows(x, y) for x, y in product(a.values, b.values))


def _may_round(a: Quantity, b: Quantity) -> bool:
    """Whether one may be the other, rounded to the decimals that it shows."""
    gap = min(abs(x - y) for x, y in product(a.values, b.values))
    return any(side.places and gap < Fraction(1, 10**side.places) for side in (a, b))


def _scaled(quantity: Quantity) -> Quantity:
    assert quantity.unit is not None
    factor = quantity.unit.factor
    return Quantity(tuple(value * factor for value in quantity.values), quantity.places)


def _spelled(answer: str) -> Quantity | None:
    """A number in words, up to ninety-nine."""
    words = re.split(r"[ -]", answer.lower())
    numbers = [_SPELLED.get(word) for word in words]
    match numbers:
        case [int(number)]:
            return Quantity((Fraction(number),))
        case [int(tens), int(ones)] if tens >= 20 and 0 < ones < 10:
            return Quantity((Fraction(tens + ones),))
    return None


def _single(answer: str) -> Quantity | None:
    if r"\begin" in answer:
        return None
    text = _PERCENT.sub("%", re.sub(r"^([-+])\s+", r"\1", answer))
    text = _POWER.sub(lambda at: rf" \times 10^{{{_POWERS[at[1].lower()]}}}", text)
    text = _EXPONENT.sub(lambda at: rf" \times 10^{{{int(at[1])}}}", text)
    number, unit = _without_unit(text)
    tokens = tokenise(number)[0]
    whole, stop = read_expression(tokens, 0) if tokens else (None, 0)
    if whole is None or stop < len(tokens):
        return None
    return Quantity(whole.values, whole.places or 0, unit, whole.units)


def _without_unit(text: str) -> tuple[str, Unit | None]:
    """A number without the unit before or behind it, and that unit."""
    if _CURRENCY.match(text):
        return text[1:], read_unit(text[0])
    for gap in _UNIT_BEGINS.finditer(text):
        words = text[gap.end() :].strip(" ()")
        glued = not gap.group() and re.fullmatch("[a-zA-Z]", words)  # which is a factor
        unit = None if glued else read_unit(words)
        if unit is not None:
            return text[: gap.start()], unit
    return text, None


def _many(answer: str) -> Quantity | None:
    """A quantity in several units of a kind, such as 5 feet 6 inches."""
    parts = list(_MANY.finditer(answer))
    units = [read_unit(part[2]) for part in parts]
    known = [unit for unit in units if unit is not None]
    if len(parts) < 2 or len(known) < len(parts) or sum(len(p[0]) for p in parts) < len(answer):
        return None
    if any(unit.kinds != known[0].kinds for unit in known):
        return None
    numbers = (Fraction(part[1].replace(",", "")) for part in parts)
    total = sum((n * unit.factor for n, unit in zip(numbers, known, strict=True)), Fraction(0))
    return Quantity((total,), 0, Unit(Fraction(1), known[0].kinds))


def _same_time_of_day(reference: str, answer: str) -> Found | None:
    """Whether two answers are the same time; None if they are no times."""
    a, b = _CLOCK.fullmatch(reference), _CLOCK.fullmatch(answer)
    if not (a and b and (a[2] or a[3]) and (b[2] or b[3])):
        return None
    (hours, half), (other_hours, other_half) = (
        (int(at[1]) * 60 + int(at[2] or 0), (at[3] or "").lower()) for at in (a, b)
    )
    if hours % 720 != other_hours % 720 or (half and other_half and half != other_half):
        return False, "the times differ"
    if hours != other_hours:
        return None, "the times may be twelve hours apart"
    return True, "the times are the same"


def _same_in_base(reference: str, answer: str) -> Found | None:
    """Whether two answers are the same number, where one names its base; else None."""
    a, b = _BASE.fullmatch(reference), _BASE.fullmatch(answer)
    if a and b:
        x, y = _digits(a), _digits(b)
        if x is None or y is None:
            return None, "digits do not fit their base"
        return x == y, "the numbers in their bases are " + ("equal" if x == y else "different")
    based, other = (a, answer) if a else (b, reference)
    if based is None or not re.fullmatch(r"-?[0-9A-Za-z]+", other):
        return None
    if based[1] == other:
        return True, f"the digits are equal; one side alone names base {based[2]}"
    if str(_digits(based)) == other:
        return None, "one is the other in base 10"
    return False, "the digits differ"


def _digits(found: re.Match[str]) -> int | None:
    base = int(found[2])
    if not 2 <= base <= 36 or len(found[1]) > 200:
        return None
    try:
        return int(found[1], base)
    except ValueError:
        return None
