r"""The final answer of a solution, and whether two answers are the same: yes, no, or cannot tell.

Covers plain text, numbers in any common spelling (``8,400``, ``\frac{1}{2}``, ``50\%``, ``$12``,
``3 apples``) and closed arithmetic. It does no algebra: two different formulas are None, not False.
"""

from __future__ import annotations

import re
from fractions import Fraction

from surefoot.labels.equations.expressions import Expression, read_expression
from surefoot.labels.equations.tokens import tokenise

_BOXED = re.compile(r"\\f?boxed\s*\{")
_MARKED = re.compile(
    r"(?:####|#\s*answer\b|\bfinal answer(?: is)?\b|\banswer(?: is|\s*:))[ \t:*]*(?=[^\n])",
    re.IGNORECASE,
)
_NUMBER = re.compile(r"-?\$?(?:[0-9]{1,3}(?:,[0-9]{3})+|[0-9]+)(?:\.[0-9]+)?(?:/[0-9]+)?%?")
_NAME = re.compile(r"^\s*[a-zA-Z]\s*=(?!=)")
_NOISE = re.compile(
    r"\\(?:left|right|displaystyle|[,;:! ]|[()\[\]])|\\(?:text|mathrm|textbf|mbox)\s*(?=\{)|[$*`\s]"
)


def extract_answer(text: str) -> str | None:
    r"""The answer a text arrives at, as it is written there, or None if it holds none.

    The last ``\boxed{...}`` counts; else what follows the last "####", "# Answer" or "answer is"
    (of several words that hold a number, only the number); else the last number.
    """
    boxed = _last_boxed(text)
    if boxed:
        return boxed
    marks = list(_MARKED.finditer(text))
    if marks:
        answer = re.split(r"\.(?:\s|$)|\n", text[marks[-1].end() :], maxsplit=1)[0].strip(" \t:*$`")
        answer = answer.removeprefix("\\(").removesuffix("\\)").strip()
        if answer:
            number = _NUMBER.search(answer) if " " in answer and "\\" not in answer else None
            return number.group().replace("$", "") if number else answer
    numbers = _NUMBER.findall(text)
    return numbers[-1].replace("$", "") if numbers else None


def same_answer(a: str, b: str) -> bool | None:
    """Whether two answers are the same; None if that cannot be told.

    Equal spelling (apart from spaces, case and mathematics delimiters) is the same; so are equal
    exact numbers, whatever their units. Two different numbers are different; a percentage is the
    same as its number (``50%`` and ``50``) and as its fraction (``0.5``); whether ``1/3`` is
    ``0.33`` cannot be told. Two single words or letters that differ are different. All else cannot
    be told.
    """
    plain_a, plain_b = _plain(a), _plain(b)
    if not plain_a or not plain_b:
        return None
    if plain_a == plain_b:
        return True
    number_a, number_b = _number(a), _number(b)
    if number_a and number_b:
        if not set(number_a.values).isdisjoint(number_b.values):
            return True
        return None if _may_round(number_a, number_b) else False
    if plain_a.isalpha() and plain_b.isalpha():
        return False
    return None


def _last_boxed(text: str) -> str | None:
    """What the last box holds, braces matched; None without a box that closes."""
    starts = [found.end() for found in _BOXED.finditer(text)]
    depth = 1
    for at in range(starts[-1], len(text)) if starts else ():
        depth += {"{": 1, "}": -1}.get(text[at], 0)
        if depth == 0:
            return text[starts[-1] : at].strip()
    return None


def _plain(answer: str) -> str:
    text = _NOISE.sub("", answer).rstrip(".").lower()
    text = re.sub(r"\\[dt]frac", r"\\frac", _NAME.sub("", text))
    return re.sub(r"^\(([a-z])\)$", r"\1", re.sub(r"^\{([^{}]*)\}$", r"\1", text))


def _number(answer: str) -> Expression | None:
    """The one closed number an answer is, if it is one."""
    plain = _NAME.sub("", answer).strip().rstrip(".")
    tokens = [token for token in tokenise(plain)[0] if token.kind != "wall"]
    expression, stop = read_expression(tokens, 0) if tokens else (None, 0)
    return expression if stop == len(tokens) else None


def _may_round(a: Expression, b: Expression) -> bool:
    """Whether one may be the other, rounded to the decimals that it shows."""
    gap = min(abs(x - y) for x in a.values for y in b.values)
    return any(side.places and gap < Fraction(1, 10**side.places) for side in (a, b))
