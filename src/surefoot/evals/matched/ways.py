"""The methods of search by size: what of n solutions' worth of samples each makes."""

from __future__ import annotations

from collections.abc import Sequence

from surefoot.errors import UsageError
from surefoot.evals.matched.lines import BEST, LIKELIEST, MAJORITY, ONE, ORACLE, PLAIN, VOTE
from surefoot.search.methods import METHODS, about, method
from surefoot.search.problem_search import Method
from surefoot.search.results import Choice

DRAWN = (BEST, PLAIN, VOTE, MAJORITY, LIKELIEST, ONE, ORACLE)
"""Choices among the same whole solutions, each of which comes with every other."""

NARROW = {"narrow-beam": "beam"}
"""Variants of two beams, by name, and the methods that they are variants of."""

SEARCHED = (*(name for name in METHODS if name not in DRAWN), *NARROW)
"""Methods that are run anew for every size."""


def sized(name: str, n: int) -> Method:
    """A method of `SEARCHED` that draws about as much as n solutions take.

    Raises:
        UsageError: there is no such method.
    """
    if name in NARROW:
        width = 2 if n >= 4 else 1
        return method(NARROW[name], width=width, children=n // width)
    return method(name, n=n)


def choice_of(name: str, choice: Choice) -> Choice:
    """The rule of choice that a method goes by: its own where it is made for one."""
    own = about(NARROW.get(name, name)).choice
    return choice if own == "argmax" else own


def check_names(names: Sequence[str]) -> None:
    """Make sure that all methods are known.

    Raises:
        UsageError: one is not, or is named twice, or there are none.
    """
    known = ", ".join((*SEARCHED, *DRAWN))
    if not names:
        raise UsageError(f"name methods to compare, such as {known}")
    for name in names:
        if name not in SEARCHED and name not in DRAWN:
            raise UsageError(f"there is no method {name!r} to compare; there are {known}")
        if list(names).count(name) > 1:
            raise UsageError(f"the method {name} is named twice; name each once")
