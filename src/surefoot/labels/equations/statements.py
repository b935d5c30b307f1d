"""Which expressions an equals sign joins: one `Link` for each relation of a step.

The left side is the expression that ends at the relation, the right side the one that starts there.
A side counts only if it is closed: nothing beside it may still belong to it, such as an operation,
a variable or a function.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from surefoot.labels.equations.expressions import Expression, read_expression
from surefoot.labels.equations.tokens import DASH, Token
from surefoot.labels.equations.units import is_variable
from surefoot.labels.equations.words import CLAIMING, FUNCTIONS, SCALING


@dataclass(frozen=True, slots=True)
class Link:
    """Two sides and the relation between them.

    `left` or `right` is None where no closed expression stands; `name` holds the words that stand
    on the left instead, as in "total cost = 12". It spans the characters from `start` to before
    `end` of the step, within a clause from wall to wall. `continues` says that another relation
    follows the right side; `scaled` that a word beside a side scales it ("twice", "million").
    """

    left: Expression | None
    right: Expression | None
    name: tuple[str, ...]
    start: int
    end: int
    clause_start: int
    clause_end: int
    approximate: bool
    continues: bool
    scaled: bool


def find_links(tokens: Sequence[Token]) -> Iterator[Link]:
    """Every relation of a token list, from left to right."""
    clause: list[Token] = []
    for token in tokens:
        if token.kind == "wall":
            yield from _clause_links(clause)
            clause = [token]
        else:
            clause.append(token)
    yield from _clause_links(clause)


def _clause_links(clause: list[Token]) -> Iterator[Link]:
    """The links between two walls; a clause begins with the wall before it."""
    relations = [i for i, token in enumerate(clause) if token.kind == "relation"]
    if not relations:
        return
    borders = [0 if clause[0].kind == "wall" else -1, *relations, len(clause)]
    sides = [_sides(clause, low + 1, high) for low, high in pairwise(borders)]
    if clause[0].text == DASH:
        sides[0] = (None, _or_negative(clause, sides[0][1]))
    for n, relation in enumerate(relations):
        left, right = sides[n][1], sides[n + 1][0]
        name = _name(clause, borders[n] + 1, relation)
        first = left.first if left else relation - len(name)
        end = clause[right.stop - 1].end if right else clause[relation].end
        yield Link(
            left=left,
            right=right,
            name=name,
            start=clause[first].start,
            end=end,
            clause_start=clause[0].start,
            clause_end=clause[-1].end,
            approximate=clause[relation].text != "=",
            continues=right is not None and right.stop == borders[n + 2] < len(clause),
            scaled=any(side is not None and _is_scaled(clause, side) for side in (left, right)),
        )


def _sides(
    clause: Sequence[Token], low: int, high: int
) -> tuple[Expression | None, Expression | None]:
    """Between two relations: what starts there and what ends there, each if it is closed."""
    start = read_expression(clause, low)[0] if low < high else None
    if start is not None and start.stop == high:
        return start, start if _closed_before(clause, start) else None
    end = _ending(clause, low, high)
    return (
        start if start is not None and _closed_after(clause, start.stop) else None,
        end if end is not None and _closed_before(clause, end) else None,
    )


def _name(clause: Sequence[Token], low: int, relation: int) -> tuple[str, ...]:
    """The words that alone fill a left side, if they are no variables."""
    words = clause[low:relation]
    named = all(word.kind == "word" and not is_variable(word) for word in words)
    return tuple(word.text.lower() for word in words) if named else ()


def _or_negative(clause: list[Token], side: Expression | None) -> Expression | None:
    """A side behind a dash that opens a line, with the values it has if the dash is a minus."""
    if side is None or side.first != 1:
        return side
    negated = [clause[0]._replace(kind="sign", text="-"), *clause[1:]]
    negative, _ = read_expression(negated, 0)
    return replace(side, values=side.values + (negative.values if negative else ()))


def _ending(clause: Sequence[Token], low: int, high: int) -> Expression | None:
    at = low
    while at < high:
        found, stop = read_expression(clause, at) if _can_start(clause, at) else (None, at)
        if found is not None and stop == high:
            return found
        at = max(at + 1, stop)
    return None


def _can_start(clause: Sequence[Token], at: int) -> bool:
    token = clause[at]
    if token.text == "-":
        after_word = at > 0 and clause[at - 1].kind in ("word", "wall", "relation")
        return after_word and at + 1 < len(clause) and not clause[at + 1].spaced
    return token.kind in ("number", "open", "command")


def _closed_before(clause: Sequence[Token], side: Expression) -> bool:
    """Whether a side begins where it seems to, and does not end a name such as "for 3 apples"."""
    before = clause[side.first - 1] if side.first else None
    if _is_quantity(clause, side):
        return False
    if before is None or before.kind in ("wall", "relation"):
        return True
    if before.kind != "word" or not clause[side.first].spaced:
        return False
    word = before.text.lower()
    return (side.signs > 0 or word in CLAIMING) and not _takes_part(before)


def _closed_after(clause: Sequence[Token], stop: int) -> bool:
    after = clause[stop] if stop < len(clause) else None
    if after is None or after.kind in ("wall", "relation"):
        return True
    goes_on = stop + 1 < len(clause) and clause[stop + 1].kind == "sign"
    return after.kind == "word" and not goes_on and not _takes_part(after)


def _takes_part(word: Token) -> bool:
    """Whether a word beside an expression may belong to it: a variable or a function."""
    article = word.text in ("a", "I") and word.spaced
    return (is_variable(word) and not article) or word.text.lower() in FUNCTIONS


def _is_quantity(clause: Sequence[Token], side: Expression) -> bool:
    """Whether a side is a mere number or fraction with a unit, such as "1/2 inch"."""
    if not side.units or side.signs > 1:
        return False
    if clause[side.first].text == "frac":
        return clause[side.stop - 1].kind == "word"
    return side.signs == 0 or (
        clause[side.first + 1].text == "/" and clause[side.first + 2].kind == "number"
    )


def _is_scaled(clause: Sequence[Token], side: Expression) -> bool:
    before = [token.text.lower() for token in clause[max(0, side.first - 2) : side.first]]
    after = [token.text.lower() for token in clause[side.stop : side.stop + 1]]
    part_of = before[-1:] == ["of"] and before[0] in SCALING | FUNCTIONS | {"square", "cube"}
    return part_of or not SCALING.isdisjoint(before[-1:] + after)
