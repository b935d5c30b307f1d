"""Cut running text into steps, and join steps into text again.

    strategy      cuts                                        joins with
    paragraphs    at blank lines                              a blank line
    numbered      at "Step k:", "Step k.", "k." or "k)" at    "Step k: " before each step
                  the start of a line, where k counts up by
                  one; this head is not part of the step
    lines         at line ends                                a line end
    sentences     after . ? ! before white space              a space
    auto          numbered if there are two heads or more,    (name one of the others)
                  else paragraphs if there is a blank line,
                  else lines if there is a line end, else
                  sentences

Fenced code blocks and display maths ($$..$$, \\[..\\], \\begin{align}..) are never cut. Sentences
are not cut within inline maths or code either, nor at decimals, abbreviations or an ellipsis. Blank
pieces are no steps. All run in time linear in the text.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Literal

from surefoot.errors import TraceError, UsageError
from surefoot.traces.regions import Span, displays, inlines, outside

SplitStrategy = Literal["auto", "paragraphs", "numbered", "lines", "sentences"]


def split_steps(
    text: str, strategy: SplitStrategy = "auto", *, separator: str | None = None
) -> list[str]:
    """The steps of a text, in order: by a strategy, or cut exactly where `separator` occurs.

    Raises:
        TraceError: the text is empty or blank.
        UsageError: there is no such strategy, or both a strategy and a separator are given.
    """
    if not text.strip():
        raise TraceError("there is no text to cut into steps")
    return _cut(text, strategy, _checked_separator(separator, strategy != "auto"))


def join_steps(
    steps: Sequence[str], strategy: SplitStrategy = "paragraphs", *, separator: str | None = None
) -> str:
    """The text that `split_steps`, asked for the same strategy or separator, cuts into these steps.

    Raises:
        TraceError: there is no such text, because a step holds the separator; the message names it.
        UsageError: there is no such strategy, it is `auto`, or a separator is given as well.
    """
    separator = _checked_separator(separator, strategy != "paragraphs")
    if separator is not None:
        text = separator.join(steps)
    elif strategy == "numbered":
        text = "\n".join(f"Step {k}: {step}" for k, step in enumerate(steps, 1))
    elif strategy in _GLUE:
        text = _GLUE[strategy].join(steps)
    else:
        names = ", ".join(["numbered", *_GLUE])
        raise UsageError(f"steps cannot be joined by {strategy!r}; choose one of {names}")
    if not steps:
        raise TraceError("there are no steps to join")
    again = _cut(text, strategy, separator)
    if again != list(steps):
        raise TraceError(_why_not(steps, again, strategy, separator))
    return text


_GLUE: Mapping[str, str] = {"paragraphs": "\n\n", "lines": "\n", "sentences": " "}


def _checked_separator(separator: str | None, has_strategy: bool) -> str | None:
    if separator is not None and has_strategy:
        raise UsageError("give a strategy or a separator, not both")
    if separator == "":
        raise UsageError("the separator is empty; give the text that stands between two steps")
    return separator


def _cut(text: str, strategy: str, separator: str | None) -> list[str]:
    if separator is not None:
        return _solid(text.split(separator))
    if strategy not in _STRATEGIES:
        raise UsageError(f"no strategy {strategy!r}; choose one of {', '.join(_STRATEGIES)}")
    return _STRATEGIES[strategy](text)


def _why_not(steps: Sequence[str], again: list[str], strategy: str, separator: str | None) -> str:
    how = f"the separator {separator!r}" if separator is not None else strategy
    for i, step in enumerate(steps):
        alone = _cut(step, strategy, separator)
        if not alone:
            return f"step {i} is blank"
        if len(alone) > 1 or alone[0].strip() != step.strip():
            return f"step {i} itself holds what {how} cuts at; join the steps another way"
        if alone[0] != step:
            return f"step {i} begins or ends with white space, which {how} does not keep; strip it"
    i = next(i for i, step in enumerate(steps) if i >= len(again) or again[i] != step)
    return f"step {i} runs into its neighbour when joined by {how}; join the steps another way"


def _paragraphs(text: str) -> list[str]:
    return _solid(_between(text, outside(_spans_of(_BLANK_LINES, text), displays(text))))


def _lines(text: str) -> list[str]:
    return _solid(_between(text, outside(_spans_of(_LINE_END, text), displays(text))))


def _numbered(text: str) -> list[str]:
    return _stripped(_between(text, _heads(text)))


def _sentences(text: str) -> list[str]:
    steps: list[str] = []
    for paragraph in _paragraphs(text):
        shown = displays(paragraph)
        gaps = outside(_sentence_gaps(paragraph), shown)
        gaps = outside(gaps, inlines(paragraph, shown))
        steps += _stripped(_between(paragraph, gaps))
    return steps


def _auto(text: str) -> list[str]:
    if len(_heads(text)) >= 2:
        return _numbered(text)
    for cut in (_paragraphs, _lines):
        steps = cut(text)
        if len(steps) > 1:
            return steps
    return _sentences(text)


_STRATEGIES: Mapping[str, Callable[[str], list[str]]] = {
    "auto": _auto,
    "paragraphs": _paragraphs,
    "numbered": _numbered,
    "lines": _lines,
    "sentences": _sentences,
}


def _solid(pieces: Iterable[str]) -> list[str]:
    return [piece for piece in pieces if piece.strip()]


def _stripped(pieces: Iterable[str]) -> list[str]:
    return [piece.strip() for piece in pieces if piece.strip()]


def _spans_of(pattern: re.Pattern[str], text: str) -> Iterator[Span]:
    return (match.span() for match in pattern.finditer(text))


def _between(text: str, gaps: Iterable[Span]) -> Iterator[str]:
    """The pieces of text between ascending gaps."""
    start = 0
    for gap_start, gap_end in gaps:
        yield text[start:gap_start]
        start = gap_end
    yield text[start:]


_BLANK_LINES = re.compile(r"\A(?:[ \t]*\r?\n)+|\r?\n(?:[ \t]*\r?\n)+(?:[ \t]*\Z)?|\r?\n[ \t]*\Z")
_LINE_END = re.compile(r"\r?\n")


_STEP_HEAD = re.compile(
    r"^[ \t]*(?:#{1,6}[ \t]+)?(?:"
    r"Step[ \t]+(?P<plain>\d{1,6})[ \t]*(?:[:.)](?!\d)|$)[ \t]*"
    r"|\*\*Step[ \t]+(?P<bold>\d{1,6})[ \t]*(?:[:.)][ \t]*\*\*|\*\*[:.)]?)[ \t]*"
    r"|\*\*Step[ \t]+(?P<titled>\d{1,6})[ \t]*[:.)](?!\d))",
    re.MULTILINE | re.IGNORECASE,
)
_DOT_HEAD = re.compile(r"^[ \t]*(?P<dot>\d{1,6})\.(?:[ \t]+|$)", re.MULTILINE)
_BRACKET_HEAD = re.compile(r"^[ \t]*(?P<bracket>\d{1,6})\)(?:[ \t]+|$)", re.MULTILINE)


def _heads(text: str) -> list[Span]:
    """The heads of one style, counting up by one: of the first style with two or more, if any.

    A head in bold type together with its title is cut before and stays with the step.
    """
    kept = displays(text)
    found: list[list[Span]] = []
    for style in (_STEP_HEAD, _DOT_HEAD, _BRACKET_HEAD):
        numbers: dict[Span, int] = {}
        for match in style.finditer(text):
            kind, (start, end) = str(match.lastgroup), match.span()
            numbers[(start, start if kind == "titled" else end)] = int(match[kind])
        found.append(_longest_count([(numbers[span], span) for span in outside(numbers, kept)]))
    several = [heads for heads in found if len(heads) >= 2]
    return next(iter(several or [heads for heads in found if heads]), [])


def _longest_count(heads: list[tuple[int, Span]]) -> list[Span]:
    """The longest run of heads whose numbers go up by one; others between them are plain text."""
    best: dict[int, tuple[int, int]] = {}
    before: list[int | None] = []
    for i, (number, _) in enumerate(heads):
        length, previous = best.get(number - 1, (0, None))
        before.append(previous)
        if length + 1 > best.get(number, (0, 0))[0]:
            best[number] = (length + 1, i)
    at = max(best.values(), key=lambda run: run[0])[1] if best else None
    run: list[Span] = []
    while at is not None:
        run.append(heads[at][1])
        at = before[at]
    return run[::-1]


_STOP = re.compile(
    r"(?<![.?!…])(?P<stop>[.?!]++|…)(?P<close>[)\]}\"'”’»*_$\\]*+)(?P<gap>\s++)(?=\S)"
)
_ABBREVIATION = re.compile(
    r"al|approx|ca|cf|ch|cor|dr|e\.g|eqs?|figs?|i\.e|lem|mrs?|ms|prof|prop|resp|s\.t|sec|st|thm|viz|vs"
    r"|w\.l\.o\.g|w\.r\.t",
    re.IGNORECASE,
)
_MAYBE_END = re.compile(r"a\.m|etc|ft|hrs?|in|inc|jr|lbs?|min|no|oz|p\.m|sr|u\.s", re.IGNORECASE)
"""Abbreviations that do end a sentence where a capital letter follows."""


def _sentence_gaps(text: str) -> Iterator[Span]:
    """The white space after each sentence, within a paragraph."""
    begun = 0
    for match in _STOP.finditer(text):
        at = match.start()
        before, after = text[max(0, at - 12) : at], text[match.end()]
        if match["stop"] == "!" and not (after.isupper() or after in "\"'“‘($\\"):
            continue
        if match["stop"].startswith((".", "…")):
            if match["stop"] != "." or after == "." or before.endswith(". "):
                continue
            if at - begun <= 12 and text[begun:at].strip().isdecimal():
                continue
            word = before.split()[-1].lstrip("([{\"'“‘") if before.strip() else ""
            if not match["close"] and (
                _ABBREVIATION.fullmatch(word)
                or (_MAYBE_END.fullmatch(word) and not after.isupper())
            ):
                continue
        begun = match.end()
        yield match.span("gap")
