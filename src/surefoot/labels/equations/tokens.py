"""Text to tokens: numbers, signs, words and walls, from plain text and LaTeX alike.

A wall is where one statement ends and the next may begin: a full stop, a comma, an arrow, a line
break. Currency signs, spacing and mathematics delimiters vanish. Brackets that hold a wall or a
relation become walls themselves, so that every `open` token left has its `close` and no statement
crosses a bracket.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from fractions import Fraction
from functools import lru_cache
from typing import Literal, NamedTuple

Kind = Literal["number", "sign", "word", "command", "open", "close", "relation", "wall", "odd"]

DASH = "- "
"""The text of the wall at a dash that opens a line: a bullet, or a minus sign."""

MAX_DIGITS = 60
"""Longer numbers are `odd`: no reasoning step depends on them and arithmetic on them is slow."""


class Token(NamedTuple):
    """One token: its normalised spelling and its characters in the step."""

    kind: Kind
    text: str
    start: int
    end: int
    value: Fraction = Fraction(0)
    places: int = 0
    """Digits after the decimal point of a number."""
    spaced: bool = True
    """Whether space or a wall parts it from the token before."""


_PATTERN = re.compile(
    r"""
    (?P<bullet>     ^[^\S\n]*[-*•–]\ )
  | (?P<repeating>  [0-9]{0,60}\.[0-9]{0,60}\\overline\{[0-9]{1,60}\} )
  | (?P<number>     (?:[0-9]{1,3}(?:(?:,|\{,\}|,\\!|\\,)[0-9]{3})+(?![0-9])|[0-9]+)
                    (?:\.[0-9]+(?:\.\.\.|…|\\l?dots\b)?)?|\.[0-9]+ )
  | (?P<space>      [^\S\n]+|\$(?!\$)|[€£¥~]|\\[,;:!\ $]
                    |\\(?:left|right|boxed|fbox|displaystyle|textstyle|limits|[bB]igg?[lr]?)
                    (?![a-zA-Z])\.? )
  | (?P<arrow>      \\(?:q?quad|implies|iff|to|leq?|geq?|lt|gt|neq?|therefore|because|newline
                    |(?:long|Long)?(?:left|Left)?(?:right|Right)?arrow)(?![a-zA-Z])
                    |[=!<>:+*/-]=+|=>|->|<-|[<>≤≥≠→⇒—] )
  | (?P<operator>   (?:divided|multiplied)\ by\b|(?:times|plus|minus)\b )
  | (?P<equals>     equals\b )
  | (?P<word>       [^\W\d_²³]+(?:['’][^\W\d_²³]+|-[a-z]{2,})* )
  | (?P<degree>     \^\s*(?:\\circ|\{\s*\\circ\s*\})|° )
  | (?P<digits>     \\[dt]?frac\s*[0-9]\s*[0-9] )
  | (?P<letters>    \\(?:text|textbf|textit|textrm|mathrm|mbox)\s*\{[^{}]*\} )
  | (?P<environment>\\(?:begin|end|tag)\s*\{[^{}]*\} )
  | (?P<command>    \\[a-zA-Z]+ )
  | (?P<soft>       \n|\\\\|\\\[|\\\]|\$\$|& )
  | (?P<percent>    \\?% )
  | (?P<relation>   [=≈] )
  | (?P<power>      (?<=[\w)\]])\*\*(?=[\w([-])|\ \*\*\  )
  | (?P<bold>       \*\*|__ )
  | (?P<raised>     [²³] )
  | (?P<sign>       [+*/^!×⋅·∙÷∕⁄−–-] )
  | (?P<root>       √ )
  | (?P<open>       [({\[]|\\\( )
  | (?P<close>      [)}\]]|\\\) )
  | (?P<ellipsis>   \.\.\.|… )
  | (?P<clock>      (?<=[0-9]):(?=[0-9]) )
  | (?P<wall>       [.,;?"“”`:] )
  | (?P<odd>        . )
    """,
    re.VERBOSE | re.DOTALL | re.MULTILINE,
)

_ANNOTATION = re.compile(r"<<[^<>\n]*>>")
_SIGNS = {"×": "*", "⋅": "*", "·": "*", "∙": "*", "÷": "/", "∕": "/", "⁄": "/", "−": "-", "–": "-"}
_SPELLED = {"times": "*", "plus": "+", "minus": "-", "divided by": "/", "multiplied by": "*"}
_CLOSES = {"(": ")", "[": "]", "{": "}", "\\(": "\\)"}

_COMMANDS: dict[str, tuple[Kind, str]] = {
    **dict.fromkeys(("\\times", "\\cdot", "\\ast"), ("sign", "*")),
    "\\div": ("sign", "/"),
    **dict.fromkeys(("\\frac", "\\dfrac", "\\tfrac", "\\cfrac"), ("command", "frac")),
    **dict.fromkeys(("\\binom", "\\dbinom", "\\tbinom"), ("command", "binom")),
    "\\sqrt": ("command", "sqrt"),
    **dict.fromkeys(("\\approx", "\\simeq", "\\doteq"), ("relation", "≈")),
}
"""What a LaTeX command becomes; a command that is not here is `odd`."""


@lru_cache(maxsize=4)
def tokenise(text: str) -> tuple[tuple[Token, ...], ...]:
    """The tokens of a step: of its running text, then of each GSM8K annotation ``<<3*4=12>>``.

    The last few steps are remembered, for the checkers that read them one after the other.
    """
    annotations = list(_ANNOTATION.finditer(text))
    blanked = _ANNOTATION.sub(lambda found: " " * len(found.group()), text) if annotations else text
    streams = [_close_brackets(_tokens(blanked, 0, len(blanked)))]
    streams += [_close_brackets(_tokens(text, a.start() + 2, a.end() - 2)) for a in annotations]
    return tuple(map(tuple, streams))


def _tokens(text: str, start: int, end: int) -> list[Token]:
    tokens: list[Token] = []
    last = Token("wall", "", start, start)
    for raw in _raw(text, start, end):
        gap = text[last.end : raw.start]
        spaced = last.kind == "wall" or "{" in gap or any(map(str.isspace, gap))
        token = raw if spaced else raw._replace(spaced=False)
        last = raw
        soft = token.kind == "wall" and token.text == "\n"
        if soft and tokens and tokens[-1].kind == "relation":
            continue
        if token.kind == "relation":
            while tokens and tokens[-1].kind == "wall" and tokens[-1].text == "\n":
                tokens.pop()
        tokens.append(token)
    return tokens


def _raw(text: str, start: int, end: int) -> Iterator[Token]:
    for found in _PATTERN.finditer(text, start, end):
        group, word, (i, j) = found.lastgroup, found.group(), found.span()
        match group:
            case "space" | "degree" | "bold":
                continue
            case "word":
                yield Token("command" if word == "sqrt" else "word", word, i, j)
            case "number":
                yield _number(word, i, j)
            case "root":
                yield Token("command", "sqrt", i, j)
            case "sign":
                yield Token("sign", _SIGNS.get(word, word), i, j)
            case "bullet":
                yield Token("wall", "*" if "*" in word or "•" in word else DASH, j - 2, j)
            case "relation":
                yield Token("relation", word, i, j)
            case "open":
                yield Token("open", word, i, j)
            case "close":
                yield Token("close", word, i, j)
            case "soft":
                yield Token("wall", "\n", i, j)
            case "wall" | "arrow" | "environment":
                yield Token("wall", word, i, j)
            case "percent":
                yield Token("sign", "%", i, j)
            case "operator":
                yield Token("sign", _SPELLED[word], i, j)
            case "equals":
                yield Token("relation", "=", i, j)
            case "power":
                yield Token("sign", "^", i, j)
            case "raised":
                yield Token("sign", "^", i, i)
                yield Token("number", word, i, j, Fraction("²³".index(word) + 2))
            case "command":
                kind, name = _COMMANDS.get(word, ("odd", word))
                yield Token(kind, name, i, j)
            case "letters":
                yield from _raw(text, i + word.index("{") + 1, j - 1)
            case "digits":
                above, below = (int(digit) for digit in word if digit.isdigit())
                value = Fraction(above, below or 1)
                yield Token("number" if below else "odd", word, i, j, value)
            case "repeating":
                yield _repeating(word, i, j)
            case _:
                yield Token("odd", word, i, j)


def _number(word: str, start: int, end: int) -> Token:
    plain = re.sub(r"[^0-9.]", "", word).rstrip(".")
    whole, _, decimals = plain.partition(".")
    if len(plain) > MAX_DIGITS:
        return Token("odd", word, start, end)
    value = Fraction(int(whole + decimals), 10 ** len(decimals))
    return Token("number", word, start, end, value, len(decimals))


def _repeating(word: str, start: int, end: int) -> Token:
    head, _, cycle = word.removesuffix("}").partition("\\overline{")
    whole, _, decimals = head.partition(".")
    scaled = int("0" + whole + decimals) + Fraction(int(cycle), 10 ** len(cycle) - 1)
    value = scaled / 10 ** len(decimals)
    return Token("number", word, start, end, value, len(decimals) + len(cycle))


def _close_brackets(tokens: list[Token]) -> list[Token]:
    """Turn brackets without a partner, or around a wall or a relation, into walls.

    Asides such as the one in "12 (red ones) + 5" vanish, as do the delimiters of formulas.
    """
    partner: dict[int, int] = {}
    asides: dict[int, int] = {}
    opened: list[int] = []
    last_break = last_other = last_name = -1
    for i, token in enumerate(tokens):
        if token.kind == "open":
            opened.append(i)
        elif token.kind in ("relation", "wall"):
            last_break = i
        elif token.kind == "close":
            while opened and _CLOSES[tokens[opened[-1]].text] != token.text:
                last_break = max(last_break, opened.pop())
            if opened and (first := opened.pop()) > last_break:
                partner[first], partner[i] = i, first
                after_number = first > 0 and tokens[first - 1].kind in ("number", "close")
                in_words = last_name > first and (last_other == first or after_number)
                if token.text == ")" and tokens[first].spaced and in_words:
                    asides[first] = i
            else:
                last_break = i
        if token.kind != "word":
            last_other = i
        elif len(token.text) > 2:
            last_name = i
    kept: list[Token] = []
    i = 0
    while i < len(tokens):
        if i in asides:
            i = asides[i] + 1
            continue
        token = tokens[i]
        i += 1
        if token.kind not in ("open", "close"):
            kept.append(token)
        elif i - 1 not in partner:
            kept.append(token._replace(kind="wall"))
        elif len(token.text) == 1:
            kept.append(token)
    return kept
