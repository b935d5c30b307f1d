"""What a trace has established so far: values of variables, and equations they must solve.

A value counts only where the binding is certain. A variable that is given two different values, or
one under a condition, in a case or as a trial, is known no more for the rest of the trace.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Literal

from surefoot.labels.checkers.derivations import is_assignment, variables
from surefoot.labels.checkers.doubts import doubt, sentence
from surefoot.labels.checkers.identities import ROUNDED
from surefoot.labels.checkers.nodes import Node, Value, evaluate
from surefoot.labels.checkers.points import EXACT, has_decimals, near, shown
from surefoot.labels.checkers.sides import Relation
from surefoot.labels.checkers.words import CONDITIONAL, SEVERAL
from surefoot.labels.equations.bounded import Unreadable

MAX_APART = 1
"""Values given further apart (in steps) may belong to different cases."""


@dataclass(frozen=True, slots=True)
class Line:
    """A part of the trace: the position of its step (-1 for the question) and its text."""

    position: int
    text: str

    def __str__(self) -> str:
        where = "the question" if self.position < 0 else f"step {self.position}"
        text = " ".join(self.text.split())
        return f'{where}: "{text if len(text) <= 80 else text[:77] + "..."}"'


@dataclass(frozen=True, slots=True)
class Conflict:
    """Something in the step at hand that earlier lines contradict; it spans `start` to `end`."""

    start: int
    end: int
    why: str
    rule: Literal["system", "substitution"]


@dataclass(frozen=True, slots=True)
class _Binding:
    value: Value
    line: Line
    start: int
    end: int
    rounded: bool


class Knowledge:
    """The bindings and equations of the lines learnt so far."""

    def __init__(self) -> None:
        self._bound: dict[str, _Binding] = {}
        self._unsure: set[str] = set()
        self._open: list[tuple[Relation, Line]] = []

    def learn(self, position: int, text: str, relations: Sequence[Relation]) -> list[Conflict]:
        """Take in a line; gives where it contradicts what was known, or itself."""
        conflicts: list[Conflict] = []
        for relation in relations:
            if relation.sign != "=" or not relation.left or not relation.right:
                continue
            line = Line(position, text[relation.start : relation.end])
            doubtful = CONDITIONAL if position >= 0 else SEVERAL
            sure = not doubtful.search(sentence(text, relation.start, relation.end))
            if is_assignment(relation):
                self._bind(relation, line, sure=sure)
                continue
            if sure and position >= 0 and not doubt(text, relation.start, relation.end):
                conflicts += self._substituted(relation)
            if sure and len(variables(relation)) > 1 and _one_reading(relation):
                self._open.append((relation, line))
        conflicts += self._solved(position)
        return conflicts

    def _bind(self, relation: Relation, line: Line, *, sure: bool) -> None:
        name = relation.left[0].name
        try:
            value = evaluate(relation.right[0], {})
        except Unreadable:
            self._unsure.add(name)
            return
        known = self._bound.get(name)
        if (
            not sure
            or not _one_reading(relation)
            or (known and not near(known.value, value, ROUNDED))
        ):
            self._unsure.add(name)
        if known is None:
            rounded = has_decimals(relation.right)
            self._bound[name] = _Binding(value, line, relation.start, relation.end, rounded)

    def _known(self, names: frozenset[str]) -> dict[str, _Binding] | None:
        if names & self._unsure or not names <= self._bound.keys():
            return None
        return {name: self._bound[name] for name in names}

    def _solved(self, position: int) -> Iterator[Conflict]:
        """Equations all of whose variables are known now, and that their values do not solve."""
        for entry in list(self._open):
            relation, line = entry
            known = self._known(variables(relation))
            if known is None:
                continue
            self._open.remove(entry)
            point = {name: binding.value for name, binding in known.items()}
            rounded = has_decimals(relation.left + relation.right)
            rounded = rounded or any(binding.rounded for binding in known.values())
            try:
                a, b = (evaluate(side[0], point) for side in (relation.left, relation.right))
            except Unreadable:
                continue
            positions = [binding.line.position for binding in known.values()]
            if max(positions) - min(positions) > MAX_APART or _at_axis(relation, point):
                continue
            last = max(known.values(), key=lambda binding: (binding.line.position, binding.start))
            here = last.line.position == position >= 0
            if here and not near(a, b, ROUNDED if rounded else EXACT):
                given = ", ".join(
                    f"{name} = {shown(one.value)}" for name, one in sorted(known.items())
                )
                yield Conflict(
                    last.start,
                    last.end,
                    f"{given} does not solve {line}: {shown(a)} is not {shown(b)}",
                    "system",
                )

    def _substituted(self, relation: Relation) -> Iterator[Conflict]:
        """A formula with known variables whose numbers were put in wrongly."""
        known = self._known(variables(relation))
        left = relation.left[0]
        if not known or relation.index or not _one_reading(relation) or left.operation == "neg":
            return
        slips: list[str] = []
        if _match(relation.left[0], relation.right[0], known, slips) and len(slips) == 1:
            yield Conflict(relation.start, relation.end, slips[0], "substitution")


def _at_axis(relation: Relation, point: Mapping[str, Value]) -> bool:
    """Whether one of the values solves an equation with 0 for the others, as an intercept does."""
    for name, value in point.items():
        try:
            alone = dict.fromkeys(point, Fraction(0)) | {name: value}
            if near(evaluate(relation.left[0], alone), evaluate(relation.right[0], alone)):
                return True
        except Unreadable:
            continue
    return False


def _one_reading(relation: Relation) -> bool:
    return len(relation.left) == len(relation.right) == 1


def _match(left: Node, right: Node, known: Mapping[str, _Binding], slips: list[str]) -> bool:
    """Whether the right side is the left with numbers for its variables; collects wrong ones."""
    if left.operation == "name":
        try:
            value = evaluate(right, {})
        except Unreadable:
            return False
        binding = known[left.name]
        if right.operation not in ("number", "neg"):
            return False
        if not near(binding.value, value, ROUNDED):
            slips.append(f"{left.name} is not {shown(value)}, by {binding.line}")
        return True
    if left.operation == "number" and right.operation == "number":
        if left.number != right.number:
            slips.append(f"{shown(left.number)} became {shown(right.number)}")
        return True
    if left.operation != right.operation or len(left.parts) != len(right.parts) or not left.parts:
        return False
    pairs = zip(left.parts, right.parts, strict=True)
    return all(_match(a, b, known, slips) for a, b in pairs)
