r"""The final answer of a solution, as it is written there."""

from __future__ import annotations

import re
from dataclasses import dataclass

MAX_RIVALS = 8

PROSE = 4
"""So many words without a number are no answer."""

_BOXED = re.compile(r"\\f?boxed\s*\{")
_MARKED = re.compile(
    r"(?:####|#\s*answer\b|\bfinal answer(?: is)?\b|\banswer(?: is|\s*:))[ \t:*]*"
    r"(?=[^\n])",
    re.IGNORECASE,
)
_BOLD = re.compile(r"(?<!\*)\*\*([^*:]{1,60})\*\*(?!\*)")
_SENTENCE = re.compile(r"\.(?:\s|$)|\n")
_NUMBER = re.compile(r"-?\$?(?:[0-9]{1,3}(?:,[0-9]{3})+|[0-9]+)(?:\.[0-9]+)?(?:/[0-9]+)?%?")
_RESULT = re.compile(rf"=\s*\\?({_NUMBER.pattern})")


@dataclass(frozen=True, slots=True)
class FoundAnswer:
    """The answer of a text. `rivals` are the other numbers of its last sentence, where nothing but
    its place says which of them is the answer.
    """

    text: str
    rivals: tuple[str, ...] = ()


def extract_answer(text: str) -> str | None:
    r"""The answer a text arrives at, as it is written there, or None if it holds none.

    The last ``\boxed{...}`` counts; else what follows the last "# Answer" or "answer is", or a
    "####" on the last line (of several words that hold a number, only the number; four words
    without one are no answer); else the last number in bold on the last line; else, of the numbers
    in the last sentence that holds any, the one that was worked out last, or the last (none if the
    text breaks off in a formula).
    """
    found = find_answer(text)
    return found.text if found else None


def find_answer(text: str) -> FoundAnswer | None:
    """As `extract_answer`, with the numbers that might be the answer instead."""
    if (stated := stated_answer(text)) is not None:
        return FoundAnswer(stated)
    last_line = text.rstrip().rfind("\n") + 1
    bold = [one for one in _BOLD.findall(text[last_line:]) if _NUMBER.search(one)]
    if bold:
        return FoundAnswer(_numbers(bold[-1])[-1])
    if not _NUMBER.search(text) or _is_cut(text):
        return None
    said = next(one for one in reversed(_SENTENCE.split(text)) if _NUMBER.search(one))
    choices = list(dict.fromkeys(reversed(_numbers(said))))
    results = [found[1].replace("$", "") for found in _RESULT.finditer(text)]
    if results and _value(results[-1]) in map(_value, choices):
        choices.sort(key=lambda one: _value(one) != _value(results[-1]))
    return FoundAnswer(choices[0], tuple(choices[1 : MAX_RIVALS + 1]))


def stated_answer(text: str) -> str | None:
    r"""The answer that a text says is its answer, by ``\boxed{...}``, "answer is", "# Answer" or
    "####": as `extract_answer`, without its guesses from numbers. A solution that states one is
    complete."""
    if boxed := _last_boxed(text):
        return boxed
    last_line = text.rstrip().rfind("\n") + 1
    for mark in reversed(list(_MARKED.finditer(text))):
        heading = mark.group().startswith("####") and mark.start() < last_line
        if not heading and (answer := _marked(text[mark.end() :])):
            return answer
    return None


def _is_cut(text: str) -> bool:
    """Whether a text ends in the middle of a formula, as one does that reached its length limit."""
    braces = _BOXED.sub("", text.replace(r"\{", "").replace(r"\}", ""))
    return text.count(r"\[") > text.count(r"\]") or braces.count("{") > braces.count("}")


def _value(number: str) -> str:
    return re.sub(r"(\.\d*?)0+$", r"\1", number.replace(",", "")).rstrip(".%")


def _marked(text: str) -> str:
    """The answer at the beginning of a text, or an empty string."""
    answer = _SENTENCE.split(text, maxsplit=1)[0].strip(" \t:*$`")
    answer = answer.removeprefix("\\(").removesuffix("\\)").strip()
    if " " not in answer or "\\" in answer:
        return answer
    if number := _NUMBER.search(answer):
        return number.group().replace("$", "")
    return answer if len(answer.split()) < PROSE else ""


def _numbers(text: str) -> list[str]:
    return [number.replace("$", "") for number in _NUMBER.findall(text)]


def _last_boxed(text: str) -> str | None:
    """What the last box holds, braces matched; None without a box that closes."""
    starts = [found.end() for found in _BOXED.finditer(text)]
    depth = 1
    for at in range(starts[-1], len(text)) if starts else ():
        depth += {"{": 1, "}": -1}.get(text[at], 0)
        if depth == 0:
            return text[starts[-1] : at].strip()
    return None
