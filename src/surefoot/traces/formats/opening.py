"""Where a question ends and the first step begins, in formats that write both as one text.

Math-Shepherd, OpenRLHF and RLHFlow rows join the two with one space and mark nothing. The rule, in
order:

1. "Step 1:" occurs once: the step begins there.
2. One blank line occurs: the step begins after it.
3. One question mark followed by a space or newline occurs: the step begins after that.

Anything else cannot be told apart and is a RowError. A text with two "Step 1:" is one too.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from surefoot.errors import RowError

_NUMBERED = re.compile(r"(?<!\S)Step 1:")
_QUESTION_MARK = re.compile(r"\?(?=[ \n]\S)")


def cut_opening(text: str, field: str) -> tuple[str, str, str]:
    """Question, separator and first step of an opening text.

    Raises:
        RowError: it cannot be told where the question ends.
    """
    numbered = list(_NUMBERED.finditer(text))
    if len(numbered) > 1:
        raise RowError("'Step 1:' occurs twice, so the question's end cannot be told", field=field)
    if numbered:
        start = numbered[0].start()
        return _parts(text, len(text[:start].rstrip()), start, field)
    if text.count("\n\n") == 1:
        end = text.index("\n\n")
        return _parts(text, end, end + 2, field)
    marks = list(_QUESTION_MARK.finditer(text))
    if len(marks) == 1:
        return _parts(text, marks[0].end(), marks[0].end() + 1, field)
    raise RowError(
        "the question and the first step are one text with no 'Step 1:', single blank line or "
        "single '?' between",
        field=field,
    )


def _parts(text: str, end: int, start: int, field: str) -> tuple[str, str, str]:
    question, step = text[:end], text[start:]
    if not question.strip() or not step.strip():
        raise RowError("the question or the first step is empty", field=field)
    return question, text[end:start], step


def opening_loss(question: str, separator: str, step: str) -> set[str]:
    """What `cut_opening` would not find again: nothing, outer whitespace, or the end of the
    question."""
    try:
        found = cut_opening(question + separator + step, "")
    except RowError:
        return {"end of the question"}
    if found == (question, separator, step):
        return set()
    same = (found[0].strip(), found[2].strip()) == (question.strip(), step.strip())
    return {"outer whitespace"} if same else {"end of the question"}


def separator_of(own: Mapping[str, Any]) -> str:
    """What stood between the question and the first step, by what the format's reader kept."""
    found = own.get("opening")
    return found if isinstance(found, str) and not found.strip() else " "
