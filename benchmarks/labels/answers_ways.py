"""Ways of checking an answer that `answers.py` compares; worker processes import them from here."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from surefoot.labels.answers import AnswerCheck, Given, extract_answer
from surefoot.labels.answers.grading import judge


def same_spelling(given: Given) -> bool:
    """The plainest baseline: the answer is spelled as the reference, spaces apart."""
    answer = extract_answer(given.text) or ""
    return "".join(answer.split()) == "".join(given.reference.split())


def math_verify_alone(given: Given) -> bool:
    """math-verify with its own way of finding answers; its own clock off, since ours runs."""
    from math_verify import parse, verify

    reference = parse(f"${given.reference}$", parsing_timeout=None)
    answer = parse(given.text, parsing_timeout=None)
    return bool(verify(reference, answer, timeout_seconds=None))


def checked(check: AnswerCheck, given: Given) -> bool | None:
    """Ours."""
    return judge(given, check).same


WAYS: dict[str, Callable[[Given], bool | None]] = {
    "same spelling": same_spelling,
    "numbers": partial(checked, AnswerCheck("number")),
    "math-verify alone": math_verify_alone,
    "auto without algebra": partial(checked, AnswerCheck(algebra=False)),
    "auto": partial(checked, AnswerCheck()),
}
