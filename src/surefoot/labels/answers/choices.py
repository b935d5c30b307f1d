"""Answers to multiple choice: a letter, or the text of an option."""

from __future__ import annotations

import re
from collections.abc import Callable

from surefoot.labels.answers.quantities import Found

Compare = Callable[[str, str], Found]

_SAID = r"(?:(?:the )?(?:correct |right |final )?(?:option|choice|answer)(?: is)?\s*:?\s*)?"
_LETTER = re.compile(
    rf"\W*{_SAID}(?:\(([A-Z])\)|([A-Z])(?=$|[).:]|\s*$))(.*)", re.DOTALL | re.IGNORECASE
)
_LONE = re.compile(r"\(\s*([A-Za-z])\s*\)|([A-Z])[.)]?")
_FURTHER = re.compile(r"(?:\band|\bor|,|&|/)\s*\(?[A-Z]\b")
_OPTION = re.compile(r"(?:(?<![\w(])\(([A-Z])\)|(?<![\w(.])([A-Z])[.):](?=\s))\s*")


def is_choice(answer: str) -> bool:
    """Whether a tidy answer is nothing but the letter of an option."""
    return _LONE.fullmatch(answer) is not None


def options_of(problem: str) -> dict[str, str]:
    """The options that a tidy problem lists, by letter; empty unless they begin A, B.

    The last list counts, if there are several.
    """
    lists: list[list[re.Match[str]]] = []
    for one in _OPTION.finditer(problem):
        letter = one[1] or one[2]
        if letter == "A":
            lists.append([one])
        elif lists and ord(letter) == ord("A") + len(lists[-1]):
            lists[-1].append(one)
    if not lists or len(lists[-1]) < 2:
        return {}
    marks = lists[-1]
    ends = [one.start() for one in marks[1:]] + [len(problem)]
    return {
        one[1] or one[2]: problem[one.end() : end].strip(" ,;").rstrip("\\ ")
        for one, end in zip(marks, ends, strict=True)
    }


def same_choice(reference: str, answer: str, options: dict[str, str], compare: Compare) -> Found:
    """Whether a tidy answer chooses the same option as a tidy reference, by letter or by text.

    `compare` says whether two texts of options are the same.
    """
    right, chosen = _letter(reference), _letter(answer)
    if right and chosen:
        return right == chosen, f"the answer chooses {chosen}"
    if right and is_choice(reference):
        return _by_text(right, answer, options, compare)
    if chosen in options:
        same, why = compare(reference, options[chosen])
        return same, f"the answer chooses {chosen}: {why}"
    return None, "one names no option, and there is no list of options to find it in"


def _by_text(right: str, answer: str, options: dict[str, str], compare: Compare) -> Found:
    if right not in options:
        return None, "the answer names no option, and the problem lists none to compare with"
    same = {letter: compare(text, answer)[0] for letter, text in options.items()}
    if same[right]:
        return True, f"the answer is the text of {right}"
    others = [letter for letter, found in same.items() if found]
    if others:
        return False, f"the answer is the text of {others[0]}"
    return None, "the answer is not the text of any option"


def _letter(answer: str) -> str:
    """The one letter that an answer chooses, or an empty string."""
    found = _LETTER.fullmatch(answer)
    if found is None or _FURTHER.search(found[3]):
        return ""
    return (found[1] or found[2]).upper()
