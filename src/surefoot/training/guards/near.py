"""Which questions are nearly the same: one with an addition, a cut, or a word changed.

A question is near another if 70 % of the runs of eight words of one of them are in the other (the
rule of Chowdhery et al. 2022, arXiv:2204.02311, for contaminated samples, which they apply to one
side only), unless what differs are numbers: the same words with other numbers are another problem,
and families of those are what training data are made of. Runs that many questions hold never count
as shared, so that the rules of a game, with which all begin, do not make them near.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from difflib import SequenceMatcher

from surefoot.traces.questions import question_words

RUN = 8
"""Words in a run."""

SHARED = 0.7
"""Share of the runs of one question that must be in the other."""

_FEWEST_RUNS = 4
"""A question of fewer runs, so of fewer than eleven words, is only compared as a whole."""

_COMMONEST = 10
"""The most questions that hold a run for which it counts as shared."""

_MOST_COMPARED = 3
"""Candidates that are looked at word by word."""


class NearQuestions:
    """Questions by the runs of words they hold, to be asked which of them is near another."""

    def __init__(self, questions: Iterable[str]) -> None:
        self._words = [question_words(one) for one in questions]
        self._with: dict[int, list[int]] = {}
        self._num_runs: list[int] = []
        for number, words in enumerate(self._words):
            runs = _runs(words)
            self._num_runs.append(len(runs))
            for run in runs:
                self._with.setdefault(run, []).append(number)

    def find(self, question: str) -> int | None:
        """The number, from 0, of a question that is near this one, the nearest first; or None."""
        words = question_words(question)
        runs = _runs(words)
        shared: Counter[int] = Counter()
        for run in runs:
            holders = self._with.get(run, ())
            if len(holders) <= _COMMONEST:
                shared.update(holders)
        close: dict[int, float] = {}
        for number, count in shared.items():
            fewer = min(len(runs), self._num_runs[number])
            if fewer >= _FEWEST_RUNS and count >= SHARED * fewer:
                close[number] = count / fewer
        for number in sorted(close, key=lambda one: (-close[one], one))[:_MOST_COMPARED]:
            if not _differ_in_numbers(words, self._words[number]):
                return number
        return None


def _runs(words: list[str]) -> set[int]:
    """Hashes, of this process alone, of the runs of a question's words."""
    return {hash(tuple(words[i : i + RUN])) for i in range(len(words) - RUN + 1)}


def _differ_in_numbers(one: list[str], other: list[str]) -> bool:
    """Whether other numbers stand in the place of some, in words that are otherwise the same."""
    return any(
        tag == "replace" and _has_number(one[a:b]) and _has_number(other[c:d])
        for tag, a, b, c, d in SequenceMatcher(None, one, other, autojunk=False).get_opcodes()
    )


def _has_number(words: list[str]) -> bool:
    return any(word.isdigit() for word in words)
