"""Which expressions an equals sign joins: one `Link` for each relation of a step.

The left side is the expression that ends at the relation, the right side the one that starts there. A side counts
only if it is closed: nothing beside it may still belong to it, such as an operation, a variable or a function.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from surefoot.labels.equations.expressions import Expression, is_variable, read_expression
from surefoot.labels.equations.tokens import DASH, Token
from surefoot.labels.equations.words import FUNCTIONS, SCALING


@dataclass(frozen=True, slots=True)
class Link:
    """Two sides and the relation between them.

    `left` or `right` is None where no closed expression stands. `start` and `end` are characters of the step, and
    `clause_start` to `clause_end` the walls around it. `continues` says that another relation follows the right side;
    `scaled` that a word beside a side scales it, such as "twice" or "million".
    """

    left: Expression | None
    right: Expression | None
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
    sides = [_sides(clause, low + 1, high) for low, high in zip(borders, borders[1:], strict=False)]
    if clause[0].text == DASH:
        sides[0] = (None, _or_negative(clause, sides[0][1]))
    for n, relation in enumerate(relations):
        left, right = sides[n][1], sides[n + 1][0]
        start = clause[left.first].start if left else clause[relation].start
        end = clause[right.stop - 1].end if right else clause[relation].end
        yield Link(
            left=left,
            right=right,
            start=start,
            end=end,
            clause_start=clause[0].start,
            clause_end=clause[-1].end,
            approximate=clause[relation].text != "=",
            continues=right is not None and right.stop in relations,
            scaled=any(side is not None and _is_scaled(clause, side) for side in (left, right)),
        )


def _sides(clause: Sequence[Token], low: int, high: int) -> tuple[Expression | None, Expression | None]:
    """Between two relations: the expression that starts there and the one that ends there, each if closed."""
    start = read_expression(clause, low) if low < high else None
    if start is not None and start.stop == high:
        return start, start if _closed_before(clause, low) else None
    end = _ending(clause, low, high)
    return (
        start if start is not None and _closed_after(clause, start.stop) else None,
        end if end is not None and _closed_before(clause, end.first) else None,
    )


def _or_negative(clause: list[Token], side: Expression | None) -> Expression | None:
    """A side that opens a line behind a dash, with the values it has if the dash is a minus sign."""
    if side is None or side.first != 1:
        return side
    negative = read_expression([clause[0]._replace(kind="sign", text="-"), *clause[1:]], 0)
    return replace(side, values=side.values + (negative.values if negative is not None else ()))


def _ending(clause: Sequence[Token], low: int, high: int) -> Expression | None:
    at = low
    while at < high:
        found = read_expression(clause, at) if _can_start(clause, at) else None
        if found is not None and found.stop == high:
            return found
        at = max(at + 1, found.stop if found is not None else 0)
    return None


def _can_start(clause: Sequence[Token], at: int) -> bool:
    token = clause[at]
    if token.text == "-":
        after_word = at > 0 and clause[at - 1].kind in ("word", "wall", "relation")
        return after_word and at + 1 < len(clause) and not clause[at + 1].spaced
    return token.kind in ("number", "open", "command") or token.text == "√"


def _closed_before(clause: Sequence[Token], first: int) -> bool:
    if first == 0:
        return True
    before = clause[first - 1]
    if before.kind == "word":
        article = before.text in ("a", "I") and before.spaced
        glued = not clause[first].spaced and clause[first].kind == "open"
        return not glued and (article or not is_variable(before)) and before.text.lower() not in FUNCTIONS
    return before.kind in ("wall", "relation")


def _closed_after(clause: Sequence[Token], stop: int) -> bool:
    if stop >= len(clause):
        return True
    after = clause[stop]
    if after.kind == "word":
        article = after.text == "a" and after.spaced
        return (article or not is_variable(after)) and after.text.lower() not in FUNCTIONS
    return after.kind in ("wall", "relation")


def _is_scaled(clause: Sequence[Token], side: Expression) -> bool:
    beside = (side.first - 1, side.stop)
    return any(0 <= i < len(clause) and clause[i].text.lower() in SCALING for i in beside)
