"""Whether two questions are the same but for how they are typeset.

Training on a question that is later used for evaluation makes the figure worthless, so the
comparison errs on the side of calling questions equal: letters and digits alone count.
"""

from __future__ import annotations

import re
import unicodedata

_LAYOUT = re.compile(r"\\(?:left|right|displaystyle|d?frac|text|mathrm|[,;!\s])")
_NOT_WORDS = re.compile(r"[\W_]+")


def question_key(text: str) -> str:
    """What is left of a question without case, spaces, punctuation and typesetting."""
    plain = unicodedata.normalize("NFKC", _LAYOUT.sub(" ", text)).casefold()
    return _NOT_WORDS.sub("", plain) or text
