r"""Invariances: other spellings of the same reasoning.

Rules are plain replacements that keep the meaning, all made at once, so that none undoes another. A
step with a fenced code block is left as it is.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Sequence

from surefoot.evals.probes.probe import Piece, rewritten
from surefoot.traces.types import Trace

Rules = Sequence[tuple[str, str]]
"""Patterns without groups of their own, and what stands in their place."""

_LATEX: Rules = (
    (r"\\[dt]frac(?![a-zA-Z])", r"\frac"),
    (r"\\(?:left|right)(?![a-zA-Z])\.?", ""),
    (r"(?<!\\)\\\([ \t]*|[ \t]*(?<!\\)\\\)", "$"),
    (r"(?<!\\)\\\[|(?<!\\)\\\]", "$$"),
    (r"\\leq(?![a-zA-Z])", r"\le"),
    (r"\\geq(?![a-zA-Z])", r"\ge"),
    (r"\\neq(?![a-zA-Z])", r"\ne"),
    (r"(?<!\\)\\[,;!]", ""),
)

_PARAPHRASES: Rules = tuple(
    (rf"(?<![\w\\]){said}(?!\w)", other)
    for said, other in (
        ("Therefore", "Hence"),
        ("therefore", "hence"),
        ("Thus", "So"),
        ("thus", "so"),
        ("So(?=,)", "Thus"),
        ("is equal to", "equals"),
        ("we get", "we obtain"),
        ("We get", "We obtain"),
        ("Let's", "Let us"),
        ("we need to", "we have to"),
        ("We need to", "We have to"),
        ("First(?=,)", "To begin with"),
        ("Next(?=,)", "Then"),
        ("Since", "As"),
        ("in order to", "to"),
    )
)

_SPACE = re.compile(r"(?<=\S) (?=\S)")
_NUMBERED = re.compile(r"\s*(?:Step\s*)?\d+\s*[:.)]", re.IGNORECASE)


def white_space(trace: Trace, rng: random.Random) -> list[Piece]:
    """Two spaces between words in place of one."""
    return rewritten(trace, _outside_code(lambda text: _SPACE.sub("  ", text)))


def latex(trace: Trace, rng: random.Random) -> list[Piece]:
    r"""The same formulas in other LaTeX: \frac for \dfrac, $ for \(, \le for \leq, no \left."""
    return rewritten(trace, _outside_code(_replacing(_LATEX)))


def paraphrase(trace: Trace, rng: random.Random) -> list[Piece]:
    """Connecting words in place of others: hence for therefore, equals for is equal to."""
    return rewritten(trace, _outside_code(_replacing(_PARAPHRASES)))


def numbering(trace: Trace, rng: random.Random) -> list[Piece] | None:
    """`Step k:` before every step; not where a step has a number already."""
    if any(_NUMBERED.match(text) for text in trace.texts):
        return None
    numbers = iter(range(1, len(trace.steps) + 1))
    return rewritten(trace, lambda text: f"Step {next(numbers)}: {text}")


def _outside_code(rewrite: Callable[[str], str]) -> Callable[[str], str]:
    """Of steps without a fenced block; a step that would be left blank stays as it is."""

    def done(text: str) -> str:
        new = text if "```" in text else rewrite(text)
        return new if new.strip() else text

    return done


def _replacing(rules: Rules) -> Callable[[str], str]:
    pattern = re.compile("|".join(f"(?P<r{i}>{said})" for i, (said, _) in enumerate(rules)))
    return lambda text: pattern.sub(lambda found: rules[int(str(found.lastgroup)[1:])][1], text)
