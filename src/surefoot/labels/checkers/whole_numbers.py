"""Claims about whole numbers in words: prime, divisible, common divisors, congruent."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

_N = r"\\?[($]{0,2}\s*(?<![\w.,/^_{-])(\d{1,12})(?![\d,.]*\d)\s*\\?[)$]{0,2}"
_ONLY = r"(?!\s*(?:or\b|and\b|,\s*\d|[*+/^-]|\\))"
_DIVISOR = r"(?:greatest\ common\ (?:divisor|factor)|gcd|gcf)(?:\ \((?:gcd|gcf)\))?"
_MULTIPLE = r"(?:least\ common\ multiple|lcm)(?:\ \(lcm\))?"


@dataclass(frozen=True, slots=True)
class NumberClaim:
    """A claim, where it stands in the text, whether it is true, and why."""

    start: int
    end: int
    true: bool
    why: str
    modular: bool
    """Whether it speaks of remainders, so that it is what it is in modular arithmetic too."""


_Judge = Callable[[list[int], bool], tuple[bool, str]]


def _is_prime(numbers: list[int], denied: bool) -> tuple[bool, str]:
    (n,) = numbers
    factor = next((d for d in range(2, math.isqrt(n) + 1) if n % d == 0), n)
    prime = n > 1 and factor == n
    said = f"{n} is prime" if prime else f"{n} = {factor} * {n // factor}" if n > 1 else "1 is none"
    return prime != denied, said


def _divides(numbers: list[int], denied: bool) -> tuple[bool, str]:
    n, d = numbers
    rest = n % d
    return (rest == 0) != denied, f"{n} = {d} * {n // d}" + (f" + {rest}" if rest else "")


def _has_divisor(numbers: list[int], denied: bool) -> tuple[bool, str]:
    a, b, claimed = numbers
    return math.gcd(a, b) == claimed, f"it is {math.gcd(a, b)}"


def _has_multiple(numbers: list[int], denied: bool) -> tuple[bool, str]:
    a, b, claimed = numbers
    return math.lcm(a, b) == claimed, f"it is {math.lcm(a, b)}"


def _coprime(numbers: list[int], denied: bool) -> tuple[bool, str]:
    shared = math.gcd(*numbers)
    return shared == 1, f"both are divisible by {shared}" if shared > 1 else "they share none"


def _congruent(numbers: list[int], denied: bool) -> tuple[bool, str]:
    a, b, modulus = numbers
    return (a - b) % modulus == 0, f"{a} - {b} = {a - b} = {modulus} * {(a - b) // modulus}" + (
        f" + {(a - b) % modulus}" if (a - b) % modulus else ""
    )


def _has_remainder(numbers: list[int], denied: bool) -> tuple[bool, str]:
    n, d, q, rest = numbers
    return n == d * q + rest, f"{d} * {q} + {rest} = {d * q + rest}"


def _leaves(numbers: list[int], denied: bool) -> tuple[bool, str]:
    n, d, q, rest = numbers
    return n - d * q == rest, f"{n} - {d} * {q} = {n - d * q}"


_CLAIMS: tuple[tuple[re.Pattern[str], _Judge], ...] = tuple(
    (re.compile(pattern, re.IGNORECASE | re.VERBOSE), judge)
    for pattern, judge in (
        (rf"{_N}\ is\ (not\ )?(?:a\ |also\ |also\ a\ )?prime\b(?!\ or|\ to)", _is_prime),
        (rf"{_N}\ is\ (not\ )?(?:also\ |evenly\ )*divisible\ by\ {_N}{_ONLY}", _divides),
        (rf"{_N}\ is\ (not\ )?(?:also\ )?a\ multiple\ of\ {_N}{_ONLY}", _divides),
        (rf"{_DIVISOR}\ of\ {_N}\ and\ {_N}\ is()\ {_N}{_ONLY}", _has_divisor),
        (rf"{_MULTIPLE}\ of\ {_N}\ and\ {_N}\ is()\ {_N}{_ONLY}", _has_multiple),
        (
            rf"""{_N}\ and\ {_N}()\ (?:are\ (?:relatively\ prime|coprime)
            |(?:do\ not|don't)\ (?:share|have)\ any\ (?:other\ )?common\ (?:factors|divisors))""",
            _coprime,
        ),
        (
            r"(?<![\w.^}*/+-])(-?\d{1,12})()\s*\\equiv\s*(-?\d{1,12})\s*"
            r"\\?(?:\\pmod\s*\{?\s*|\(?\\?(?:bmod|mod)\s*)(\d{1,12})(?!\d)",
            _congruent,
        ),
        (
            rf"""{_N}\ (?:is\ )?divided\ by\ {_N},?()\ (?:is|gives|equals|yields|=)\ {_N}
            \ with\ (?:a\ )?remainder\ (?:of\ )?{_N}{_ONLY}""",
            _has_remainder,
        ),
        (
            r"""(?<![\w.,/^_*+-])(\d{1,12})()\s*=\s*(\d{1,12})\s*(?:\\times|\\cdot|×|⋅|·|\*)\s*
            (\d{1,12})\s*\+\s*(\d{1,12})(?![\d.,]*\d|\s*(?:[*/^]|\\|×|⋅))""",
            _has_remainder,
        ),
        (
            r"""(?<![\w.,/^_*+-])(\d{1,12})()\s*-\s*(\d{1,12})\s*(?:\\times|\\cdot|×|⋅|·|\*)\s*
            (\d{1,12})\s*=\s*(-?\d{1,12})(?![\d.,]*\d|\s*(?:[*/^+-]|\\|×|⋅))""",
            _leaves,
        ),
    )
)

_KEYWORD = re.compile(r"prime|divi|multiple|gc[df]|common|\\equiv|mod\b|remainder", re.I)
"""Every claim has one of these."""

_ASKED = re.compile(
    r"\b(?:if|whether|check|suppose|assume|unless|no|not)\b[^.\n]{0,30}(?:\\?[($]|\\\[)?\s*$",
    re.IGNORECASE,
)
"""What stands before a claim that is asked or supposed."""

_JOINED = re.compile(
    r"(?:[*+/^=-]|\\cdot|\\times|\b(?:and|or|both))\s*(?:\\?[($]|\\\[)?\s*$", re.IGNORECASE
)
"""What stands before a number that belongs to a calculation or to a list."""


def find_claims(text: str) -> Iterator[NumberClaim]:
    """Every claim about whole numbers that is made outright, from pattern to pattern."""
    if not _KEYWORD.search(text):
        return
    for pattern, judge in _CLAIMS:
        for found in pattern.finditer(text):
            groups = found.groups()
            numbers = [int(group) for group in groups if group and group.lstrip("-").isdigit()]
            denied = any(group and group.strip().lower() == "not" for group in groups)
            divisor = numbers[1] if judge is _divides else numbers[-1]
            asked = any(one.search(text, 0, found.start()) for one in (_ASKED, _JOINED))
            if asked or not divisor:
                continue
            true, why = judge(numbers, denied)
            modular = judge in (_congruent, _has_remainder, _leaves)
            yield NumberClaim(found.start(), found.end(), true, why, modular)
