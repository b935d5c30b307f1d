"""The words that change what an equation means."""

from __future__ import annotations

import re
from collections.abc import Mapping

_DIMENSIONS = (
    "second seconds sec secs s minute minutes min mins hour hours hr hrs h day days week weeks month months year years",
    "mm cm m km millimeter millimeters centimeter centimeters meter meters metre metres kilometer kilometers "
    "kilometre kilometres in inch inches ft foot feet yd yard yards mi mile miles",
    "mg g gram grams kg kilogram kilograms kilo kilos ton tons tonne tonnes oz ounce ounces lb lbs pound pounds",
    "ml l liter liters litre litres cup cups pint pints quart quarts gallon gallons gal tablespoon tablespoons "
    "teaspoon teaspoons tbsp tsp",
    "cent cents penny pennies nickel nickels dime dimes quarter quarters dollar dollars",
)
DIMENSION: Mapping[str, int] = {
    word: dimension for dimension, line in enumerate(_DIMENSIONS) for word in line.split()
}
"""Units that convert into one another share a number."""

SHORT_UNITS = frozenset(w for w in DIMENSION if len(w) < 4) | frozenset("mph kph kmh rpm usd hp pts pcs".split())
"""Units too short to tell from a variable by their looks."""

CONVERSIONS = frozenset({7, 12, 24, 30, 60, 100, 365, 1000, 3600, 1_000_000})
"""Two sides of which one is this many times the other differ by a change of unit, when units are in sight."""

CONNECTIVES = frozenset(
    "and or but so then thus hence therefore since because which who where when while if as for from to with is are "
    "was were be equals gives get gets we he she they it i this that the there now next also not after before".split()
)
"""Words that end a quantity; a unit never holds one."""

CLAIMING = frozenset("so then thus hence therefore since because that have has get and is".split())
"""Words after which a lone number opens an equation; after any other word it ends a name, as in "sales in 2019 =" """

FUNCTIONS = frozenset(
    "sin cos tan cot sec csc arcsin arccos arctan log ln exp lcm gcd max min sqrt root mod modulo choose det "
    "remainder".split()
)
"""Words that turn the number beside them into another number."""

SCALING = frozenset(
    "twice thrice half double doubled triple tripled quarter third than less more fewer negative squared cubed hundred "
    "thousand million billion trillion dozen times minus plus percent versus vs".split()
)
"""Words that scale or shift the expression beside them: an equation that fails beside one may mean something else."""

OTHER_ARITHMETIC = re.compile(
    r"\b(?:mod|modulo|modular|modulus|congruent|bases?|base-\w+|binary|octal|hexadecimal|clocks?|o'clock|[ap]\.?m\.?"
    r"|borrow(?:ing)?|carry(?:ing)?|operators?|operation is defined)\b|\\[pb]?mod\b|\\equiv|≡|\\pm\b|±",
    re.IGNORECASE,
)
"""Signs that a step does arithmetic of another kind, in which an ordinary equation may fail and be meant."""

NOT_CLAIMED = re.compile(
    r"\?|n't\b|≠|\\neq?\b|\b(?:not|never|instead|suppose|assum\w+|guess|try|check|whether|if|options?|choices?|claims?"
    r"|should)\b",
    re.IGNORECASE,
)
"""Signs that a clause asks or supposes its equation."""

DENIED = re.compile(
    r"contradict\w*|impossible|\b(?:no solutions?|mistake|(?:is|are|was|were|does|do|did)(?: not|n't) (?:true|possible|equal"
    r"|hold|correct|work|a? ?valid|satisf\w+|match)|(?:is|was|are|were) (?:false|wrong|incorrect))\b",
    re.IGNORECASE,
)
"""Signs that a step takes back an equation before them."""

APPROXIMATE = re.compile(
    r"≈|\\approx|\\simeq|\\doteq|\b(?:approx\w*|about|around|roughly|round\w*|nearly|nearest|estimat\w*|almost)\b|~",
    re.IGNORECASE,
)
"""Signs that a number is rounded."""
