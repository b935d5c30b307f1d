"""Which of the answers to a problem are the same: groups, so that they can be counted and voted on.

Every two answers of a problem are compared, the cheap way first and by algebra in worker processes
where that says nothing; those that are the same are joined, and so is what they are the same as
(union-find), whatever the order they came in. Two that cannot be told stay apart. Where "the same"
is not transitive (`5 cm`, `5`, `5 m`), a group holds answers that differ; these are counted.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from itertools import combinations

from surefoot.labels.answers.comparing import AnswerCheck, Checked, compare, is_function
from surefoot.labels.answers.spelling import MAX_LENGTH, plain, tidy
from surefoot.labels.workers import Workers

MAX_PAIRS = 5_000
"""Pairs of one problem that are compared; those of the longest answers are left out."""


@dataclass(frozen=True, slots=True)
class Question:
    """The answers given to a problem, any number of times and in any order."""

    answers: tuple[str, ...]
    problem: str = ""
    """It may list the options of a multiple choice."""


@dataclass(frozen=True, slots=True)
class GroupCounts:
    """What became of the pairs of differently spelled answers, over all problems.

    `same` and `different` were told; `unknown` could not be, `failed` took too long or crashed,
    `left_out` were too many to compare: these three stay apart unless a third answer joins them.
    `bridged` of the different ones lie in one group all the same.
    """

    same: int = 0
    different: int = 0
    unknown: int = 0
    failed: int = 0
    left_out: int = 0
    bridged: int = 0

    def to_json(self) -> dict[str, int]:
        """The counts by name."""
        return asdict(self)


def group_answers(
    questions: Sequence[Question], workers: Workers | None, *, check: AnswerCheck | None = None
) -> tuple[list[dict[str, int]], GroupCounts]:
    """For each question the number of the group of each answer, and what became of the pairs.

    Groups are numbered from 0 in the order of their shortest answer. Without workers no algebra is
    done.
    """
    check = check or AnswerCheck()
    spellings = [_Spellings.of(one) for one in questions]
    left_out = sum(one.num_left_out for one in spellings)
    pairs = [(i, a, b) for i, one in enumerate(spellings) for a, b in combinations(one.compared, 2)]
    cheap = replace(check, algebra=False)
    foreign = is_function(check.method)
    found: list[Checked | None] = [
        None if foreign else compare(a, b, cheap, problem=questions[i].problem) for i, a, b in pairs
    ]
    if workers is not None and (check.algebra or foreign):
        open_ones = [p for p, one in enumerate(found) if one is None or one.same is None]
        asked = ((*pairs[p][1:], questions[pairs[p][0]].problem) for p in open_ones)
        told = workers.map(partial(_compared, check=check), asked)
        for p, verdict in zip(open_ones, told, strict=True):
            found[p] = verdict if isinstance(verdict, Checked) else None
    for (i, a, b), one in zip(pairs, found, strict=True):
        if one is not None and one.same:
            spellings[i].join(a, b)
    same = [one is not None and one.same for one in found]
    counts = GroupCounts(
        same=sum(one is True for one in same),
        different=sum(one is False for one in same),
        unknown=sum(one is not None and one.same is None for one in found),
        failed=sum(one is None for one in found),
        left_out=left_out,
        bridged=sum(
            one is False and spellings[i].root(a) == spellings[i].root(b)
            for (i, a, b), one in zip(pairs, same, strict=True)
        ),
    )
    return [one.groups() for one in spellings], counts


class _Spellings:
    """The distinct answers of a problem, joined where they are spelled alike, and a forest of those
    that are the same."""

    def __init__(self, first_of: Mapping[str, str]) -> None:
        self.first_of = first_of
        self.parents = {one: one for one in first_of.values()}
        firsts = list(self.parents)
        most = len(firsts)
        while most * (most - 1) // 2 > MAX_PAIRS:
            most -= 1
        self.compared = firsts[:most]
        self.num_left_out = len(firsts) * (len(firsts) - 1) // 2 - most * (most - 1) // 2

    @classmethod
    def of(cls, question: Question) -> _Spellings:
        firsts: dict[str, str] = {}
        ordered = sorted(set(question.answers), key=lambda one: (len(one), one))
        return cls({one: firsts.setdefault(key, one) for key, one in _keyed(ordered)})

    def root(self, answer: str) -> str:
        """The answer that stands for a group."""
        while self.parents[answer] != answer:
            answer = self.parents[answer]
        return answer

    def join(self, a: str, b: str) -> None:
        """Make one group of two."""
        first, second = sorted((self.root(a), self.root(b)), key=lambda one: (len(one), one))
        self.parents[second] = first

    def groups(self) -> dict[str, int]:
        """The number of the group of each answer."""
        numbers: dict[str, int] = {}
        return {
            one: numbers.setdefault(self.root(first), len(numbers))
            for one, first in self.first_of.items()
        }


def _keyed(answers: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Each answer behind its spelling; a long one is spelled only as it is."""
    for one in answers:
        spelling = plain(tidy(one)) if len(one) <= MAX_LENGTH else ""
        yield spelling or one, one


def _compared(asked: tuple[str, str, str], check: AnswerCheck) -> Checked:
    """What a worker process is asked: the shorter answer stands for the reference."""
    a, b, problem = asked
    return compare(a, b, check, problem=problem)
