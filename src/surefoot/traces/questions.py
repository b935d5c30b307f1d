"""Whether two questions are the same but for how they are typeset.

Training on a question that is later used for evaluation makes the figure worthless, so the
comparison errs on the side of calling questions equal: letters and digits alone count.
"""

from __future__ import annotations

import re
import unicodedata

_LAYOUT = re.compile(r"\\(?:left|right|displaystyle|d?frac|text|mathrm|[,;!\s])")
_NOT_WORDS = re.compile(r"[\W_]+")
_WORD = re.compile(r"\d+|[^\W\d_]+")


def question_key(text: str) -> str:
    """What is left of a question without case, spaces, punctuation and typesetting."""
    return _NOT_WORDS.sub("", _plain(text)) or text


def question_words(text: str) -> list[str]:
    """The words and numbers of a question, in order, as `question_key` joins them."""
    return _WORD.findall(_plain(text))


def _plain(text: str) -> str:
    return unicodedata.normalize("NFKC", _LAYOUT.sub(" ", text)).casefold()
