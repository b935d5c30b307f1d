r"""The final answer of a solution, as it is written there."""

from __future__ import annotations

import re

_BOXED = re.compile(r"\\f?boxed\s*\{")
_MARKED = re.compile(
    r"(?:####|#\s*answer\b|\bfinal answer(?: is)?\b|\banswer(?: is|\s*:))[ \t:*]*"
    r"(?=[^\n])",
    re.IGNORECASE,
)
_BOLD = re.compile(r"(?<!\*)\*\*([^*:]{1,60})\*\*(?!\*)")
_NUMBER = re.compile(r"-?\$?(?:[0-9]{1,3}(?:,[0-9]{3})+|[0-9]+)(?:\.[0-9]+)?(?:/[0-9]+)?%?")


def extract_answer(text: str) -> str | None:
    r"""The answer a text arrives at, as it is written there, or None if it holds none.

    The last ``\boxed{...}`` counts; else what follows the last "# Answer" or "answer is", or a
    "####" on the last line (of several words that hold a number, only the number); else the last
    number in bold on the last line; else the last number.
    """
    boxed = _last_boxed(text)
    if boxed:
        return boxed
    last_line = text.rstrip().rfind("\n") + 1
    marks = [
        mark
        for mark in _MARKED.finditer(text)
        if mark.start() >= last_line or not mark.group().startswith("####")  # elsewhere a heading
    ]
    if marks:
        answer = re.split(r"\.(?:\s|$)|\n", text[marks[-1].end() :], maxsplit=1)[0].strip(" \t:*$`")
        answer = answer.removeprefix("\\(").removesuffix("\\)").strip()
        if answer:
            number = _NUMBER.search(answer) if " " in answer and "\\" not in answer else None
            return number.group().replace("$", "") if number else answer
    bold = [one for one in _BOLD.findall(text[last_line:]) if any(map(str.isdigit, one))]
    numbers = _NUMBER.findall(bold[-1]) if bold else []
    numbers = numbers or _NUMBER.findall(text)
    return numbers[-1].replace("$", "") if numbers else None


def _last_boxed(text: str) -> str | None:
    """What the last box holds, braces matched; None without a box that closes."""
    starts = [found.end() for found in _BOXED.finditer(text)]
    depth = 1
    for at in range(starts[-1], len(text)) if starts else ():
        depth += {"{": 1, "}": -1}.get(text[at], 0)
        if depth == 0:
            return text[starts[-1] : at].strip()
    return None
