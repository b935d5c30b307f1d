"""The words that change what an equation means."""

from __future__ import annotations

import re


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


CONNECTIVES = _words("""
    and or but so then thus hence therefore since because which who where when while if as for from
    to in with is are was were be equals gives get gets we he she they it i this that the there now
    next also not after before
""")
"""Words that end a quantity: a unit never holds one."""

CLAIMING = _words("so then thus hence therefore since because that have has get is")
"""Words after which a lone number opens an equation; after any other it ends a name, as in
"sales in 2019 = 5 * 3"."""

FUNCTIONS = _words("""
    sin cos tan cot sec csc arcsin arccos arctan log ln exp lcm gcd max min root mod modulo choose
    det remainder
""")
"""Words that turn the number beside them into another number."""

SCALING = _words("""
    twice thrice half double doubled triple tripled quarter third than less more fewer negative
    squared cubed hundred thousand million billion trillion dozen percent versus vs
""")
"""Words that scale or shift the expression beside them."""

OTHER_ARITHMETIC = re.compile(
    r"""\b(?:mod|modulo|modular|modulus|congruent|bases?|base-\w+|binary|octal|hexadecimal|clocks?
    |o'clock|[ap]\.?m\.?|borrow(?:ing)?|carry(?:ing)?|operators?|operation\ is\ defined)\b
    |\\[pb]?mod\b|\\equiv|≡|\\pm\b|±""",
    re.IGNORECASE | re.VERBOSE,
)
"""Signs that a step does arithmetic of another kind, in which an equation may fail and be meant."""

NOT_CLAIMED = re.compile(
    r"""\?|n't\b|≠|\\neq?\b|\b(?:not|never|instead|suppose|assum\w+|guess|try|check|whether|if
    |options?|choices?|claims?|should)\b""",
    re.IGNORECASE | re.VERBOSE,
)
"""Signs that a clause asks or supposes its equation."""

DENIED = re.compile(
    r"""contradict\w*|impossible|\b(?:no\ solutions?|mistake
    |(?:is|are|was|were|does|do|did)(?:\ not|n't)
     \ (?:true|possible|equal|hold|correct|work|a\ valid|valid|satisf\w+|match)
    |(?:is|was|are|were)\ (?:false|wrong|incorrect))\b""",
    re.IGNORECASE | re.VERBOSE,
)
"""Signs that a step takes back an equation before them."""

APPROXIMATE = re.compile(
    r"""≈|~|\\approx|\\simeq|\\doteq
    |\b(?:approx\w*|about|around|roughly|round\w*|nearly|nearest|estimat\w*|almost)\b""",
    re.IGNORECASE | re.VERBOSE,
)
"""Signs that a number is rounded."""
