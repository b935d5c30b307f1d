"""Whether two answers are the same: which methods there are, and in which order they are asked."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from importlib import import_module
from typing import Any

from surefoot.errors import UsageError
from surefoot.labels.answers.choices import is_choice, options_of, same_choice
from surefoot.labels.answers.quantities import Found, Tolerance, same_quantity
from surefoot.labels.answers.spelling import MAX_LENGTH, name_of, same_text, tidy, unnamed
from surefoot.labels.answers.structures import read_structure, same_structure

MAX_PAIRS = 2_000
"""Pairs of parts that structures within structures may give to compare."""


@dataclass(frozen=True, slots=True)
class Checked:
    """Whether an answer is right (None: that cannot be told), why, and by which method.

    `answer` is the one that was found in a text, where one was.
    """

    same: bool | None
    why: str
    method: str
    answer: str | None = None


@dataclass(frozen=True, slots=True)
class AnswerCheck:
    """How answers are compared.

    Args:
        method: one of `METHODS`, or a function of the user as "module:function": it is given the
            reference and the answer and gives True, False or None.
        absolute, relative: numbers are the same if they differ by no more than `absolute`, or by no
            more than `relative` times the reference. Without either they must be equal, and whether
            one is the other rounded cannot be told.
        algebra: whether formulas are compared by sympy and math-verify too. These may hang, so this
            is for worker processes (`judge_outcomes`, `grade`).
    """

    method: str = "auto"
    absolute: float = 0.0
    relative: float = 0.0
    algebra: bool = True

    def __post_init__(self) -> None:
        if self.method not in METHODS and not is_function(self.method):
            raise UsageError(
                f"there is no method {self.method!r} to compare answers; choose one of"
                f" {', '.join(METHODS)}, or give a function as module:function"
            )
        for name in ("absolute", "relative"):
            value = getattr(self, name)
            if not 0 <= value < float("inf"):
                raise UsageError(f"{name} tolerance {value!r}; it must be 0 or more")

    @property
    def tolerance(self) -> Tolerance:
        """Both tolerances."""
        return Tolerance(self.absolute, self.relative)


def compare(
    reference: str, answer: str, check: AnswerCheck | None = None, *, problem: str = ""
) -> Checked:
    """Whether an answer is the same as the reference.

    `problem` may list the options of a multiple choice. With `check.algebra` this may take for ever
    and belongs into a worker process.
    """
    check = check or AnswerCheck(algebra=False)
    if is_function(check.method):
        return Checked(*_by_function(check.method, reference, answer), check.method)
    if not reference.strip() or not answer.strip():
        return Checked(None, f"the {'answer' if reference.strip() else 'reference'} is empty", "")
    if len(reference) > MAX_LENGTH or len(answer) > MAX_LENGTH:
        same = reference.split() == answer.split()
        return Checked(True if same else None, f"longer than {MAX_LENGTH} characters", "text")
    question = _Question(check, tidy(problem[-20_000:]))
    found = METHODS[check.method](question, tidy(reference), tidy(answer))
    return found or Checked(None, f"not both can be read by the method {check.method}", "")


def same_answer(a: str, b: str) -> bool | None:
    """Whether two answers are the same; None if that cannot be told.

    Equal spelling (apart from spaces, case and mathematics delimiters) is the same; so are equal
    exact numbers, whatever things they count, and in different units of a kind. Two different
    numbers are different; a percentage is the same as its number (``50%`` and ``50``) and as its
    fraction (``0.5``); whether ``1/3`` is ``0.33`` cannot be told. Two single words or letters that
    differ are different. Sets, tuples, intervals and matrices are compared part by part. It does no
    algebra: two different formulas are None, not False.
    """
    return compare(a, b).same


@dataclass(frozen=True, slots=True)
class _Question:
    """What all methods are given: how to compare, and the tidy problem."""

    check: AnswerCheck
    problem: str
    pairs: int = 1

    def inner(self, pairs: int = 1) -> _Question:
        """The same, for so many pairs of parts, or for the text of an option."""
        return replace(self, problem="", pairs=self.pairs * pairs)


def _auto(question: _Question, reference: str, answer: str) -> Checked | None:
    """What the first method says that has anything to say."""
    options = options_of(question.problem).values()
    if is_choice(reference) or is_choice(answer) or reference in options:
        return _choice(question, reference, answer)
    asked = (_text, _number, _structure, _formula)
    return next((one for ask in asked if (one := ask(question, reference, answer))), None)


def _text(question: _Question, reference: str, answer: str) -> Checked | None:
    same = same_text(reference, answer)
    return (
        None if same is None else Checked(same, "the same text" if same else "another word", "text")
    )


def _number(question: _Question, reference: str, answer: str) -> Checked | None:
    found = same_quantity(unnamed(reference), unnamed(answer), question.check.tolerance)
    return Checked(*found, "number") if found else None


def _choice(question: _Question, reference: str, answer: str) -> Checked | None:
    def same(a: str, b: str) -> Found:
        return _found(_auto(question.inner(), a, b))

    if same_text(reference, answer):
        return Checked(True, "the same text", "text")
    options = options_of(question.problem)
    return Checked(*same_choice(reference, answer, options, same), "choice")


def _structure(question: _Question, reference: str, answer: str) -> Checked | None:
    reference, answer = unnamed(reference), unnamed(answer)
    pairs = 1
    for one in (read_structure(reference), read_structure(answer)):
        pairs *= len(one.parts) if one else 1
    parts = question.inner(pairs)
    if parts.pairs > MAX_PAIRS:
        return Checked(None, "too many parts to compare", "structure")

    def same(a: str, b: str) -> Found:
        names = [name_of(one) for one in (a, b)]
        if all(names) and names[0] != names[1]:
            return False, "the names differ"
        return _found(_auto(parts, a, b))

    found = same_structure(reference, answer, same)
    return Checked(*found, "structure") if found else None


def _found(checked: Checked | None) -> Found:
    return (checked.same, checked.why) if checked else (None, "that cannot be told")


def _formula(question: _Question, reference: str, answer: str) -> Checked | None:
    if not question.check.algebra:
        return Checked(None, "formulas were not compared", "formula")
    from surefoot.labels.answers.formulas import same_formula

    return Checked(*same_formula(reference, answer, question.check.tolerance), "formula")


Method = Callable[[_Question, str, str], Checked | None]

METHODS: Mapping[str, Method] = {
    "auto": _auto,
    "text": _text,
    "number": _number,
    "choice": _choice,
    "structure": _structure,
    "formula": _formula,
}
"""Every method by its name; `auto` asks the others in the order that the answers call for."""


def is_function(method: str) -> bool:
    """Whether a method is a function of the user's, given as module:function."""
    module, _, name = method.partition(":")
    return bool(module and name) and all(
        part.isidentifier() for part in (*module.split("."), *name.split("."))
    )


def _by_function(path: str, reference: str, answer: str) -> Found:
    same: Any = find_function(path)(reference, answer)
    if same is not None and not isinstance(same, bool):
        raise UsageError(f"{path} gave {same!r}; it must give True, False or None")
    return same, "as the function says"


@lru_cache(maxsize=8)
def find_function(path: str) -> Callable[[str, str], Any]:
    """The function of the user's at module:function.

    Raises:
        UsageError: there is none.
    """
    module, _, name = path.partition(":")
    try:
        found: Any = import_module(module)
        for part in name.split("."):
            found = getattr(found, part)
    except (ImportError, AttributeError) as error:
        raise UsageError(f"{path} cannot be found: {error}") from None
    if not callable(found):
        raise UsageError(f"{path} is no function")
    return found  # type: ignore[no-any-return]
