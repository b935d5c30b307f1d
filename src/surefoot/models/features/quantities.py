"""Where the numbers of a step come from: the question, earlier steps, a calculation, or nowhere."""

from __future__ import annotations

import math
import re

_NUMBER = re.compile(r"(?<![\w.])\d{1,3}(?:,\d{3})+(?:\.\d+)?(?![\d])|\d+(?:\.\d+)?|\.\d+")
_RESULT = re.compile(
    r"(?:=|≈|\\approx|\bis|\bequals|####|boxed\{)(?:\\\(|\$|\\\$|\s|\\boxed\{|\*\*)*"
    r"(-?\d[\d,]*(?:\.\d+)?)(?![\d]|\s*[-+*/^=(x]|\s*\\(?:times|cdot|div|frac))"
)
_RESULT_SIGN = re.compile(r"(?:=|\()\s{0,3}-\s{0,3}\d")

MAX_OPERANDS = 40
"""How many known numbers, the latest first, are tried as operands."""

MAX_DIGITS = 15
"""Longer numbers are left out: a float cannot tell them apart."""

_SPELLED = {
    word: float(i)
    for i, word in enumerate(
        [
            "zero",
            "one",
            "two",
            "three",
            "four",
            "five",
            "six",
            "seven",
            "eight",
            "nine",
            "ten",
            "eleven",
            "twelve",
        ]
    )
}
_SPELLED |= {"half": 0.5, "twice": 2.0, "double": 2.0, "triple": 3.0, "dozen": 12.0, "third": 3.0}
_WORD = re.compile(r"[a-z]+")


def numbers_of(text: str) -> list[float]:
    """Every number that is written in digits, in order, without its sign."""
    return _values(_NUMBER.findall(text))


class Quantities:
    """Features of the numbers of a step, given the question and the steps before it."""

    def __init__(self, problem: str) -> None:
        spelled = {_SPELLED[w] for w in _WORD.findall(problem.lower()) if w in _SPELLED}
        self._asked = set(numbers_of(problem))
        self._given = self._asked | spelled
        self._known: dict[float, int] = dict.fromkeys(self._given, -1)
        self._unused = set(self._asked)
        self._results: list[float] = []
        self._at = 0
        self._largest = max(self._asked, default=0.0)
        self._past = 0

    def step(self, text: str) -> dict[str, float]:
        """The features of the next step, which then belongs to the past."""
        numbers = numbers_of(text)
        distinct = list(dict.fromkeys(numbers))
        results = _values([found.lstrip("-") for found in _RESULT.findall(text)])
        fresh = [number for number in distinct if number not in self._known]
        small = [number for number in fresh if number <= 2 or number in (10, 100)]
        operands = [*dict.fromkeys([*distinct, *reversed(self._known)])][:MAX_OPERANDS]
        derived = _derived([n for n in fresh if n not in small], operands)
        large = max(distinct, default=0.0)
        last = self._results[-1] if self._results else None
        values = {
            "numbers": float(len(numbers)),
            "distinct_numbers": float(len(distinct)),
            "fresh_numbers": float(len(fresh)),
            "fresh_number_share": len(fresh) / max(1, len(distinct)),
            "odd_numbers": float(len(fresh) - len(small) - derived),
            "derived_numbers": float(derived),
            "given_numbers": float(sum(number in self._given for number in distinct)),
            "first_used": float(sum(number in self._unused for number in distinct)),
            "unused_left": float(len(self._unused - set(distinct))),
            "results": float(len(results)),
            "fresh_results": float(sum(number not in self._known for number in results)),
            "given_results": float(sum(number in self._given for number in results)),
            "reuses_last": float("nan") if last is None else float(last in distinct),
            "decimals": float(sum(number % 1 != 0 for number in distinct)),
            "fresh_decimals": float(sum(number % 1 != 0 for number in fresh)),
            "negatives": float(len(_RESULT_SIGN.findall(text))),
            "large": math.log1p(large),
            "large_over_question": math.log1p(large) - math.log1p(self._largest),
            "digits": float(max((len(f"{number:.12g}") for number in distinct), default=0)),
            "past_numbers": float(len(self._known)),
            "past_results": float(len(self._results)),
            "question_numbers": float(len(self._asked)),
            "question_large": math.log1p(self._largest),
            "past_number_mentions": float(self._past),
        }
        for number in distinct:
            self._known.setdefault(number, self._at)
        self._unused -= set(distinct)
        self._results += results
        self._past += len(numbers)
        self._at += 1
        return values


def _derived(numbers: list[float], operands: list[float]) -> int:
    """How many numbers are one operation on two others away."""
    made = 0
    for number in numbers:
        others = [other for other in operands if other != number]
        known = set(others)
        made += any(
            _near(number - other, known)
            or _near(number + other, known)
            or (other != 0 and (_near(number / other, known) or _near(number * other, known)))
            for other in others
        )
    return made


def _near(value: float, known: set[float]) -> bool:
    return value in known or round(value, 6) in known


def _values(found: list[str]) -> list[float]:
    plain = [text.replace(",", "") for text in found]
    return [float(text) for text in plain if len(text) <= MAX_DIGITS]
