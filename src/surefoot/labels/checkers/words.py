"""The words that decide where a formula begins, what follows from what, and what is not claimed."""

from __future__ import annotations

import re

from surefoot.labels.equations.units import DIMENSION
from surefoot.labels.equations.words import FUNCTIONS, SCALING


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


GREEK = frozenset(
    "\\" + name
    for name in _words("""
        alpha beta gamma delta epsilon varepsilon zeta eta theta vartheta iota kappa lambda mu nu xi
        rho sigma tau phi varphi chi psi omega Delta Omega
    """)
)
"""LaTeX commands that are variables."""

NO_PRODUCT = frozenset(DIMENSION) | _words("""
    and or but so then thus is as at by if in of on to we it be no an the for are not let see use
    log lcm gcd max min mod det lim sup inf cis arg dim ker tr rank deg exp each per has get new
    old all odd even sum add one two six ten area side base rate cost time
""")
"""Short words that are no product of variables."""

BEFORE = _words("""
    so then thus hence therefore since because that have has get gets is gives give obtain obtains
    obtained yields yield becomes become equation into to implies means find found now as see and
    both sides know formula using consider solve solving write rewrite
""")
"""Words after which a formula in running text begins."""

NOT_AFTER = SCALING | FUNCTIONS | _words("or of to per more times modulo mod by")
"""Words that go on with the formula before them."""

FOLLOWS = re.compile(
    r"""\\(?:implies|Rightarrow|Longrightarrow|iff|Leftrightarrow|Longleftrightarrow|therefore|to
        |rightarrow|longrightarrow)\b|⇒|→|=>|->
    |\b(?:so|thus|hence|therefore|simplif\w+|expand\w*|distribut\w+|combin\w+|rearrang\w+
    |rewrit\w+|gives?|yields?|becomes?|implies|means|we\ (?:get|have|find|obtain)|i\ get|solv\w+
    |both\ sides|(?:left|right)[-\ ]hand\ side|factor\w*|divid\w+
    |multipl\w+|subtract\w*|add\w*)\b""",
    re.IGNORECASE | re.VERBOSE,
)
"""Signs, between two equations, that the second follows from the first."""

REWRITES = re.compile(
    r"""\b(?:simplif\w+|expand\w*|distribut\w+|combin\w+|rearrang\w+|both\ sides
    |cross[-\ ]multipl\w+)\b""",
    re.IGNORECASE | re.VERBOSE,
)
"""Words that say that the second is the first, rewritten."""

DIRECT = re.compile(
    r"""(?=.*(?:\n|\\\\|\\\]|\$\$))
    (?:[\s.,;$&\[\]\\]|\\begin\{align\*?\}|\\end\{align\*?\}|Step\s\d+:)*""",
    re.IGNORECASE | re.VERBOSE | re.DOTALL,
)
"""Nothing but punctuation and a new line, between an equation and the next."""

PLAIN = re.compile(
    r"""\bsolv\w+\ for\b|\bfrom\ (?:both|each|the\ (?:left|right))\b
    |\blet(?:'s|\ us|\ me)\b|\bfrom\ step\ \d+|\b(?:on|of|to)\ each\ side""",
    re.IGNORECASE | re.VERBOSE,
)
"""Turns of phrase in which words of `NEW_START` mean no such thing."""

NEW_START = re.compile(
    r"""\b(?:or|if|case|cases|when|let|suppose|assum\w+|tr(?:y|ies|ying)|test\w*|but|however|other
    |another|similarly|second|third|also|for|instead|since|because|substitut\w+|plug\w*|replac\w+
    |given|from|using|original|where|mistake|actually|wait|not|isn't|check\w*|larger|smaller
    |minimum|maximum|vertex|know|system
    |first\ equation|these|each|equations)\b|\bequation\s*\(?\d|\(\d\)|\?
    |\\pm|±|\\text\{\s*or\s*\}""",
    re.IGNORECASE | re.VERBOSE,
)
"""Signs that it does not, or that more was used."""

CONDITIONAL = re.compile(
    r"""\b(?:if|let|suppose|cases?|when|assum\w+|tr(?:y|ies|ying)|or|check\w*|plug\w*|set|setting
    |at|say|choose|take|taking|for|substitut\w+|test\w*|consider\w*|instead|not|possib\w+|either
    |solutions|roots|could|would|might|guess|option|choice|where|contradict\w*|minimum|maximum
    |example|whenever|until|intercepts?|points?|vert\w+|invalid|impossible)\b|\\pm|±|\?""",
    re.IGNORECASE | re.VERBOSE,
)
"""Signs, in its sentence, that a value is supposed, tried or one of several."""

WHOLE = re.compile(
    r"""÷|\\div|\b(?:quotients?|remainders?|whole|integers?|full|complete\w*|floor|round\w*|approx\w*
    |about|around|nearly|nearest|estimat\w*|almost|decimal|digits?|at\ most|people)\b|≈|\\approx""",
    re.IGNORECASE | re.VERBOSE,
)
"""Signs that a number may be cut to a whole one."""

SEVERAL = re.compile(
    r"\b(?:or|cases?|not|options?|choices?|either)\b|\\pm|±|≠|\\neq?\b|\n[A-E][:.)]", re.IGNORECASE
)
"""Signs, in a sentence of the question, that what it gives is one of several."""
