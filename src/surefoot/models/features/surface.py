"""How a step is written: lengths, formulas, words that tell what it does, and how much is new.

Marks that differ between data sets and not between right and wrong (dollar signs or brackets around
formulas, headings, line breaks, bold type) are left out on purpose.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping

_WORD = re.compile(r"[^\W\d_]+")
_TOKEN = re.compile(r"\\[a-zA-Z]+|[^\W\d_]+|\d+|[^\w\s]")
_FORMULA = re.compile(r"\$[^$]{0,1000}\$|\\\(.{0,1000}?\\\)|\\\[.{0,1000}?\\\]", re.DOTALL)
_SENTENCE = re.compile(r"[.!?:](?:\s|$)")
_VARIABLE = re.compile(r"(?<![a-zA-Z\\])[a-zA-Z](?![a-zA-Z])")

NAN = float("nan")
"""Where there is nothing to tell by; the trees send it the way that fits best."""

CUES: Mapping[str, re.Pattern[str]] = {
    "concludes": re.compile(r"\b(?:therefore|thus|hence|so|in conclusion|finally|answer)\b", re.I),
    "final": re.compile(r"\\boxed|####|\b(?:final answer|the answer is)\b", re.I),
    "supposes": re.compile(r"\b(?:let|suppose|assume|denote|consider|call)\b", re.I),
    "reasons": re.compile(r"\b(?:since|because|as|given that|we know|note that)\b", re.I),
    "must": re.compile(r"\b(?:must|cannot|can't|only|always|never|every|any|all|each)\b", re.I),
    "hedges": re.compile(
        r"\b(?:approximately|about|maybe|might|perhaps|seems?|likely|appears?|estimate)\b", re.I
    ),
    "corrects": re.compile(
        r"\b(?:wait|mistake|actually|correct(?:ion|ed)?|incorrect|instead|however|but|re-?check"
        r"|re-?evaluate|error|oops|hmm|sorry|apologi[sz]e)\b",
        re.I,
    ),
    "checks": re.compile(r"\b(?:check|verify|confirm|substitut\w*|plug\w*)\b", re.I),
    "plans": re.compile(r"\b(?:need to|we will|we can|let's|to (?:find|solve|determine))\b", re.I),
    "recalls": re.compile(r"\b(?:formula|theorem|property|identity|definition|rule|law)\b", re.I),
    "simplifies": re.compile(r"\b(?:simplif\w+|factor\w*|expand\w*|combin\w+|rewrit\w+)\b", re.I),
    "counts": re.compile(
        r"\b(?:ways?|possib\w+|choices?|combinations?|permutations?|cases?|pairs?|probabilit\w+)\b",
        re.I,
    ),
    "figure": re.compile(
        r"\b(?:triangles?|angles?|circles?|area|sides?|radius|perimeter|diagonals?|sphere|square"
        r"|parallel|perpendicular|midpoint|symmetr\w+)\b",
        re.I,
    ),
    "trigonometry": re.compile(r"\\?\b(?:sin|cos|tan|cot|sec|csc)\b|\\(?:sin|cos|tan|theta)"),
}
"""Words and marks that tell what a step does; each is counted."""


class Surface:
    """Features of the wording of a step, given the question and the steps before it."""

    def __init__(self, problem: str) -> None:
        self._words = set(_words(problem))
        self._grams: set[tuple[str, ...]] = set(_grams(_TOKEN.findall(problem.lower())))
        self._names = set(_VARIABLE.findall(problem))
        self._lengths: list[int] = []
        self._past_formulas = 0
        self._past_relations = 0
        self._question = {
            "question_chars": math.log1p(len(problem)),
            "question_tokens": math.log1p(len(_TOKEN.findall(problem))),
            "question_formulas": float(len(_FORMULA.findall(problem))),
            "question_commands": float(problem.count("\\")),
            "question_drawing": float("[asy]" in problem),
            "question_names": float(len(self._names)),
            **{
                f"question_{name}": float(len(CUES[name].findall(problem)))
                for name in ("counts", "figure", "trigonometry")
            },
        }

    def step(self, text: str) -> dict[str, float]:
        """The features of the next step, which then belongs to the past."""
        tokens = _TOKEN.findall(text)
        lowered = [token.lower() for token in tokens]
        words = _words(text)
        grams = _grams(lowered)
        names = set(_VARIABLE.findall(text)) - {"a", "A", "I"}
        formulas = _FORMULA.findall(text)
        formula_chars = sum(map(len, formulas))
        fresh = sum(gram not in self._grams for gram in grams)
        lines = [line for line in text.splitlines() if line.strip()]
        relations = text.count("=")
        past = sum(self._lengths)
        mean = past / len(self._lengths) if self._lengths else NAN
        values = {
            "chars": math.log1p(len(text)),
            "tokens": math.log1p(len(tokens)),
            "words": math.log1p(len(words)),
            "sentences": float(len(_SENTENCE.findall(text))),
            "longest_line": math.log1p(max(map(len, lines), default=0)),
            "formula_chars": math.log1p(formula_chars),
            "formula_share": formula_chars / max(1, len(text)),
            "formulas": float(len(formulas)),
            "commands": float(text.count("\\")),
            "relations": float(relations),
            "fractions": float(text.count("frac") + text.count("/")),
            "roots_powers": float(text.count("sqrt") + text.count("^")),
            "inequalities": float(sum(map(text.count, ("<", ">", "\\le", "\\ge", "\\neq")))),
            "brackets": float(text.count("(") + text.count("[") + text.count("{")),
            "commas": float(text.count(",")),
            "digit_share": sum(map(str.isdigit, text)) / max(1, len(text)),
            "position": float(len(self._lengths)),
            "past_chars": math.log1p(past),
            "relative_chars": math.log((len(text) + 1) / (mean + 1)),
            "last_chars": math.log1p(self._lengths[-1]) if self._lengths else NAN,
            "longest_so_far": float(len(text) > max(self._lengths, default=0)),
            "past_formulas": float(self._past_formulas),
            "past_relations": float(self._past_relations),
            "fresh_grams": math.log1p(fresh),
            "fresh_share": fresh / max(1, len(grams)),
            "words_of_question": _share(words, self._words),
            "fresh_names": float(len(names - self._names)),
            "names": float(len(names)),
            "types_per_token": len(set(lowered)) / max(1, len(lowered)),
            **{name: float(len(pattern.findall(text))) for name, pattern in CUES.items()},
            **self._question,
        }
        self._lengths.append(len(text))
        self._grams.update(grams)
        self._names |= names
        self._past_formulas += len(formulas)
        self._past_relations += relations
        return values


def _words(text: str) -> list[str]:
    return [word.lower() for word in _WORD.findall(text)]


def _grams(tokens: list[str]) -> list[tuple[str, ...]]:
    return list(zip(tokens, tokens[1:], tokens[2:], strict=False))


def _share(words: list[str], known: set[str]) -> float:
    return sum(word in known for word in words) / max(1, len(words))
