"""Every step of a trace checked in the light of the question and of the lines before it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence, Set
from dataclasses import dataclass, replace
from itertools import pairwise

from surefoot.labels.checkers.conversions import find_conversions, find_sums, is_scaled
from surefoot.labels.checkers.derivations import contradiction
from surefoot.labels.checkers.doubts import doubt
from surefoot.labels.checkers.knowledge import Conflict, Knowledge, Line
from surefoot.labels.checkers.rewritings import check_relations
from surefoot.labels.checkers.sides import Readings, Relation, find_relations
from surefoot.labels.checkers.whole_numbers import find_claims
from surefoot.labels.checkers.words import REWRITES
from surefoot.labels.equations import (
    Rule,
    Statement,
    StepCheck,
    Verdict,
    check_step,
    step_check,
)

_LISTED = re.compile(r"\b(?:or|and)\b(?:\\q?quad|\W)*$")
_OPERATION = re.compile(
    r"\boperations?\b|\boperator\b|[a-z\d)][\s\\]*(?:\\(?:star|ast|diamond|oplus|otimes|odot|clubsuit"
    r"|spadesuit|heartsuit|bigcirc|Box|nabla|dagger|S)\b|[@#&☆★◇◆△▲□■⊕⊗⊙])[\s\\]*[a-z\d(]\s*\)?\s*=",
    re.IGNORECASE,
)
"""Signs that the question defines an operation of its own."""

_FORMULA = re.compile(r"[\d\\$=+]")


def check_trace(problem: str, steps: Sequence[str]) -> list[StepCheck]:
    """The evidence for each step; no text makes it raise.

    To `check_step` it adds formulas with variables, roots and functions; equations that do not
    follow from the one before; values that do not solve what was stated before; inequalities,
    divisibility and units. A step fails only by a statement whose `why` a person can check; it
    names the line that the verdict rests on, where that is another one.
    """
    products = "digit" not in problem.lower()
    scaled = is_scaled(problem)
    defined = _OPERATION.search(problem) is not None
    knowledge = Knowledge()
    given = find_relations(problem, products=products)
    knowledge.learn(-1, problem, given)
    stated = {(one.left, one.right) for one in given}
    checks: list[StepCheck] = []
    last: _Last | None = None
    for position, text in enumerate(steps):
        relations = find_relations(text, products=products)
        if relations and last and not relations[0].left and _continues(text, relations[0]):
            end = last.relation
            relations[0] = replace(relations[0], left=end.right, index=end.chain)
        closed = check_step(text).statements
        statements = [
            *closed,
            *(
                _statement(text, v.relation.start, v.relation.end, v.why, v.rule, holds=v.holds)
                for v in check_relations(text, relations, closed)
            ),
            *_derivations(position, text, relations, last, stated),
            *_conflicts(text, knowledge.learn(position, text, relations)),
            *_claims(text, scaled=scaled),
        ]
        checks.append(step_check(list(map(_unsettled, statements)) if defined else statements))
        stated |= {(one.left, one.right) for one in relations}
        if relations:
            last = _last(position, text, relations)
        elif last:
            last = replace(last, rest=f"{last.rest}\n{text}")
    return checks


@dataclass(frozen=True, slots=True)
class _Last:
    """The last equation before a step, and the text since."""

    line: Line
    relation: Relation
    rest: str
    listed: bool


def _last(position: int, text: str, relations: Sequence[Relation]) -> _Last:
    """The last relation of a step; of a chain, its two ends."""
    end = relations[-1]
    return _Last(
        Line(position, text[end.start : end.end]),
        end,
        text[end.end :],
        _is_listed(text, end),
    )


def _is_listed(text: str, relation: Relation) -> bool:
    """Whether an equation is one of several: "or" or "and" stands before it."""
    return _LISTED.search(text, max(0, relation.start - 40), relation.start) is not None


def _statement(
    text: str, start: int, end: int, why: str, rule: Rule, *, holds: bool = False
) -> Statement:
    verdict: Verdict = "holds" if holds else "fails"
    return Statement(text[start:end], start, end, None, None, verdict, why, rule)


def _unsettled(statement: Statement) -> Statement:
    """A statement of a trace whose question defines an operation: it may mean that one."""
    if statement.rule not in ("arithmetic", "closed formula", "comparison"):
        return statement
    return replace(statement, verdict="cannot tell", why="the question defines an operation")


def _continues(text: str, first: Relation) -> bool:
    """Whether a step goes on with the chain before it: it begins with the sign of a relation.

    Words may stand before it if they say that something is rewritten.
    """
    before = text[: first.start].rstrip(" \n\\[($&")
    return not before or (REWRITES.search(before) is not None and not _FORMULA.search(before))


def _derivations(
    position: int,
    text: str,
    relations: Sequence[Relation],
    last: _Last | None,
    stated: Set[tuple[Readings, Readings]],
) -> Iterator[Statement]:
    """Equations that contradict the one before them, in this step or at the end of the last.

    One that was `stated` before is only stated again.
    """
    pairs = [
        (Line(position, text[a.start : a.end]), a, text[a.end : b.start], b)
        for a, b in pairwise(relations)
        if a.clause != b.clause and not _is_listed(text, a)
    ]
    if last and relations and not last.listed:
        between = f"{last.rest}\n{text[: relations[0].start]}"
        pairs.append((last.line, last.relation, between, relations[0]))
    for line, before, between, after in pairs:
        if before.sign != "=" or after.sign != "=" or before.chain > 1 or after.index:
            continue
        if not (before.left and before.right and after.left and after.right):
            continue
        if (after.left, after.right) in stated:
            continue
        why = contradiction(before, after, between, same_step=line.position == position)
        if why and not doubt(text, after.start, after.end):
            why = f"it does not follow from {line}: {why}"
            yield _statement(text, after.start, after.end, why, "derivation")


def _conflicts(text: str, found: Sequence[Conflict]) -> Iterator[Statement]:
    for conflict in found:
        if not doubt(text, conflict.start, conflict.end):
            yield _statement(text, conflict.start, conflict.end, conflict.why, conflict.rule)


def _claims(text: str, *, scaled: bool) -> Iterator[Statement]:
    """Claims about whole numbers, and conversions of units where no scale is spoken of."""
    for claim in find_claims(text):
        if claim.true or not doubt(text, claim.start, claim.end, congruent=claim.modular):
            span = claim.start, claim.end
            yield _statement(text, *span, claim.why, "whole numbers", holds=claim.true)
    for conversion in () if scaled else (*find_conversions(text), *find_sums(text)):
        if conversion.true or not doubt(text, conversion.start, conversion.end):
            span = conversion.start, conversion.end
            yield _statement(text, *span, conversion.why, "units", holds=conversion.true)
