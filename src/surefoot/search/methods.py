"""The methods of search by name, with what a user has to know to choose one.

Every method has an option `n`, the solutions it writes or the draws of a round, so that with the
same n all of them write about as many tokens; the finer options say how those are spent.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, get_args, get_type_hints

from surefoot.errors import UsageError
from surefoot.search.adaptive import adaptive
from surefoot.search.asking import Asking
from surefoot.search.beam import beam
from surefoot.search.best_of_n import best_of_n
from surefoot.search.dvts import dvts
from surefoot.search.lookahead import lookahead
from surefoot.search.majority import majority
from surefoot.search.mcts import mcts
from surefoot.search.particles import particles
from surefoot.search.problem_search import Method
from surefoot.search.results import Choice
from surefoot.search.self_consistency import self_consistency


@dataclass(frozen=True, slots=True)
class About:
    """A method: what it does, in a line; the rule of choice that goes with it; whether it goes by
    scores."""

    function: Callable[..., Asking[None]]
    summary: str
    choice: Choice = "argmax"
    scored: bool = True

    @property
    def options(self) -> Mapping[str, Any]:
        """The options and their defaults."""
        return {
            name: one.default
            for name, one in inspect.signature(self.function).parameters.items()
            if one.kind is one.KEYWORD_ONLY
        }


METHODS: Mapping[str, About] = {
    "best-of-n": About(best_of_n, "write n whole solutions, score them, choose"),
    "majority": About(
        majority, "write n whole solutions, take the commonest answer", "majority", False
    ),
    "self-consistency": About(
        self_consistency, "majority that stops when the answer is certain", "majority", False
    ),
    "beam": About(beam, "keep the best beginnings, let each go on in several ways"),
    "dvts": About(dvts, "several greedy subtrees that do not compete"),
    "lookahead": About(lookahead, "beam search that looks a few steps ahead before it keeps"),
    "mcts": About(mcts, "tree search that returns to what it left when that looks better"),
    "particles": About(particles, "n solutions grow at once, the likely ones multiply", "majority"),
    "adaptive": About(adaptive, "a few solutions at first, a search where they leave a doubt"),
}
"""By name, as the command line and the gateway know them."""


def about(name: str) -> About:
    """A method of this name.

    Raises:
        UsageError: there is none.
    """
    if name not in METHODS:
        raise UsageError(f"there is no search method {name!r}; choose one of {', '.join(METHODS)}")
    return METHODS[name]


def method(name: str, **options: Any) -> Method:
    """The method of this name, with its options.

    An option that is None is left at its default. How options must fit each other is seen to when
    the first search begins, before anything is asked for.

    Raises:
        UsageError: there is no such method or option, or a value is of the wrong type.
    """
    function = about(name).function
    given = {option: value for option, value in options.items() if value is not None}
    hints = get_type_hints(function)
    known = about(name).options
    for option, value in given.items():
        if option not in known:
            raise UsageError(f"{name} has no option {option!r}; it has {', '.join(known)}")
        _check(f"{name}: {option}", value, hints[option])
    return partial(function, **given)


def _check(what: str, value: object, hint: object) -> None:
    """A value is of the type that a hint says: a number, a truth value or one of some words."""
    allowed = get_args(hint) or (hint,)
    words = [one for one in allowed if isinstance(one, str)]
    if words:
        if value not in words:
            raise UsageError(f"{what} is {value!r}; choose {' or '.join(words)}")
    elif bool in allowed:
        if not isinstance(value, bool):
            raise UsageError(f"{what} is {value!r}; it must be true or false")
    elif isinstance(value, bool) or not isinstance(value, int | float):
        raise UsageError(f"{what} is {value!r}; it must be a number")
    elif int in allowed:
        if not isinstance(value, int) or value < 1:
            raise UsageError(f"{what} is {value!r}; it must be a whole number, at least 1")
    elif not 0 <= value < float("inf"):
        raise UsageError(f"{what} is {value!r}; it must be a number, not negative")
