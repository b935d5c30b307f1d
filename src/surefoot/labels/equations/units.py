"""Which words belong to a number: units and things counted, as against variables and prose."""

from __future__ import annotations

from collections.abc import Mapping

from surefoot.labels.equations.tokens import Token
from surefoot.labels.equations.words import CONNECTIVES, FUNCTIONS, SCALING

_DIMENSIONS = (
    "second seconds sec secs s minute minutes min mins hour hours hr hrs h day days week weeks "
    "month months year years",
    "mm cm m km millimeter millimeters centimeter centimeters meter meters metre metres kilometer "
    "kilometers kilometre kilometres in inch inches ft foot feet yd yard yards mi mile miles",
    "mg g gram grams kg kilogram kilograms kilo kilos ton tons tonne tonnes oz ounce ounces lb lbs "
    "pound pounds",
    "ml l liter liters litre litres cup cups pint pints quart quarts gallon gallons gal tablespoon "
    "tablespoons teaspoon teaspoons tbsp tsp",
    "cent cents penny pennies nickel nickels dime dimes quarter quarters dollar dollars",
)
DIMENSION: Mapping[str, int] = {
    word: dimension for dimension, line in enumerate(_DIMENSIONS) for word in line.split()
}
"""Units that convert into one another share a number."""

_SHORT = {word for word in DIMENSION if len(word) < 4} | {"mph", "kph", "kmh", "rpm", "usd", "pts"}
_VOWELS = frozenset("aeiouy")


def is_variable(word: Token) -> bool:
    """Whether a word looks like a name for a number.

    It does if it is one letter, or cannot be spoken, or is glued to what stands before it; units
    that are known by their short names do not, unless a single letter is glued.
    """
    text = word.text
    if text.lower() in _SHORT:
        return len(text) == 1 and not word.spaced
    short = len(text) == 1 or (len(text) <= 3 and text.isupper())
    return short or not word.spaced or _VOWELS.isdisjoint(text.lower())


def is_unit(word: Token, *, first: bool) -> bool:
    """Whether a word can belong to the number before it; `first` if it directly follows it."""
    text = word.text.lower()
    if word.kind != "word" or text in FUNCTIONS or text in SCALING:
        return False
    if text in CONNECTIVES:
        return text in _SHORT
    return (text in ("a", "of") and not first) or not is_variable(word)
