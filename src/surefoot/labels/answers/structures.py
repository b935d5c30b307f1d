"""Answers of several parts: sets, tuples, intervals, unions of them, matrices, lists."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from surefoot.labels.answers.quantities import Found, read_quantity

Compare = Callable[[str, str], Found]

Kind = Literal["tuple", "set", "interval", "union", "matrix", "list"]

MAX_PARTS = 32
"""Structures of more parts are not read."""

_MATRIX = re.compile(
    r"\\begin\s*\{([pbvBV]?matrix|array)\}\s*(?:\{[lcr| ]*\})?(.*)\\end\s*\{\1\}", re.DOTALL
)
_OPENING = {"(": ")", "[": "]", "{": "}", r"\{": r"\}", r"\langle": r"\rangle"}
_TOKEN = re.compile(r"\\[{}]|\\[a-zA-Z]+|\\\\|.", re.DOTALL)
_AND = re.compile(r"\s*(?:,\s*)?\b(?:and|or)\b\s*")
_PM = re.compile(r"\\pm(?![a-z])")


@dataclass(frozen=True, slots=True)
class Structure:
    """Parts of a kind. Of an interval, `ends` are its two brackets; of a matrix, `columns` its
    width, with the entries row by row.
    """

    kind: Kind
    parts: tuple[str, ...]
    ends: str = ""
    columns: int = 0


def read_structure(answer: str) -> Structure | None:
    r"""The structure of a tidy answer, None for one of a single part.

    ``(1, 2)`` is a tuple, though it may be meant as an open interval: to compare them, it does not
    matter. ``[1, 2]`` is an interval, and ``[1, 2, 3]`` a list.
    """
    if matrix := _MATRIX.fullmatch(answer.strip()):
        return _matrix(matrix[2])
    union = _split(answer, (r"\cup",))
    if len(union) > 1:
        return Structure("union", tuple(union))
    opening, inside, closing = _enclosed(answer)
    parts = _split(inside, (",", ";"))
    if not opening:
        parts = _split(_AND.sub(", ", answer), (",", ";"))
        if len(parts) == 1 and len(_PM.findall(answer)) == 1:
            return Structure("list", (_PM.sub("+", answer), _PM.sub("-", answer)))
        return Structure("list", tuple(parts)) if _is_list(parts) else None
    if opening in (r"\{", "{"):
        if opening == "{" and len(parts) == 1:
            return None
        return Structure("set", tuple(_spread(parts)))
    if not _is_list(parts):
        return None
    if opening == "[" or closing == "]":
        kind: Kind = "interval" if len(parts) == 2 else "list"
        return Structure(kind, tuple(parts), opening + closing)
    return Structure("tuple", tuple(parts), "()")


def same_structure(reference: str, answer: str, compare: Compare) -> Found | None:
    """Whether a tidy answer has the parts of a reference, in order where that has an order.

    `compare` says whether two parts are the same. None if neither has parts, or one alone and that
    says nothing.
    """
    a, b = read_structure(reference), read_structure(answer)
    if a is None:
        return _single(b, reference, lambda part: compare(reference, part)) if b else None
    if b is None:
        return _single(a, answer, lambda part: compare(part, answer))
    if "matrix" in (a.kind, b.kind):
        return _same_matrix(a, b, compare)
    if "union" in (a.kind, b.kind) and a.kind != b.kind:
        return None, "one is a union of sets, the other is not"
    if "interval" in (a.kind, b.kind) and {"set", "list"} & {a.kind, b.kind}:
        return _ordered_by_unordered(a, b, compare)
    if a.kind in ("set", "union") or (a.kind == "list" and b.kind != "tuple"):
        found = _same_unordered(a.parts, b.parts, compare)
        if found[0] and a.kind != "list" and b.kind == "tuple":
            return None, "the parts are those of the set, given as a tuple"
        return found
    if b.kind in ("set", "list") and a.kind == "tuple":
        return _ordered_by_unordered(a, b, compare)
    return _same_ordered(a, b, compare)


def _single(structure: Structure, answer: str, compare: Callable[[str], Found]) -> Found | None:
    """A structure beside a single answer, which may be the one part of a set."""
    if len(structure.parts) == 1 and structure.kind == "set":
        return compare(structure.parts[0])
    thousands = re.fullmatch(r"[^,]*\d{1,3}(?:, ?\d{3})+[^,]*", ", ".join(structure.parts))
    if structure.kind == "tuple" or thousands or read_quantity(answer) is None:
        return None
    if structure.kind == "list" and None in map(read_quantity, structure.parts):
        return None
    return False, "one has several parts, the other is a number"


def _same_matrix(a: Structure, b: Structure, compare: Compare) -> Found:
    if a.kind != b.kind:
        same, why = _all_same(a.parts, b.parts, compare)
        return (False, why) if same is False else (None, "one is a matrix, the other is not")
    if (a.columns, len(a.parts)) != (b.columns, len(b.parts)):
        return False, "the matrices differ in shape"
    return _all_same(a.parts, b.parts, compare)


def _same_ordered(a: Structure, b: Structure, compare: Compare) -> Found:
    same, why = _all_same(a.parts, b.parts, compare)
    if same and "interval" in (a.kind, b.kind) and a.ends != b.ends:
        return False, f"the interval has the brackets {b.ends}, not {a.ends}"
    if same is False and a.kind == "list" and _same_unordered(a.parts, b.parts, compare)[0]:
        return None, "the parts are those of the list in another order"
    return same, why


def _ordered_by_unordered(a: Structure, b: Structure, compare: Compare) -> Found:
    """Parts with an order, or an interval, answered by parts without brackets or by a set."""
    same, why = _all_same(a.parts, b.parts, compare)
    if same and b.kind == "list" and a.kind == "tuple":
        return True, why
    if same or _same_unordered(a.parts, b.parts, compare)[0]:
        return None, f"the parts are those of the {a.kind}, given as a {b.kind}"
    return same, why


def _all_same(a: tuple[str, ...], b: tuple[str, ...], compare: Compare) -> Found:
    if len(a) != len(b):
        return False, f"{len(b)} parts where the reference has {len(a)}"
    found = [compare(x, y) for x, y in zip(a, b, strict=True)]
    for wanted in (False, None):
        for i, (same, why) in enumerate(found):
            if same is wanted:
                return wanted, f"part {i + 1}: {why}"
    return True, "all parts are the same"


def _same_unordered(a: tuple[str, ...], b: tuple[str, ...], compare: Compare) -> Found:
    """Whether each part of either has its like in the other; repeated parts count once."""
    table = [[compare(x, y)[0] for y in b] for x in a]
    rows = table + [list(column) for column in zip(*table, strict=True)]
    if any(all(same is False for same in row) for row in rows):
        return False, "a part of one is not in the other"
    if all(True in row for row in rows):
        return True, "the parts are the same"
    return None, "whether the parts are the same cannot be told"


def _matrix(body: str) -> Structure | None:
    rows = [_split(row, ("&",)) for row in _split(body, (r"\\",)) if row.strip()]
    if not rows or any(len(row) != len(rows[0]) for row in rows):
        return None
    return Structure("matrix", tuple(entry for row in rows for entry in row), "", len(rows[0]))


def _is_list(parts: list[str]) -> bool:
    return 1 < len(parts) <= MAX_PARTS and all(parts)


def _spread(parts: list[str]) -> list[str]:
    """The parts with each plus-or-minus as two."""
    return [
        one
        for part in parts
        for one in ((_PM.sub("+", part), _PM.sub("-", part)) if _PM.search(part) else (part,))
    ]


def _enclosed(text: str) -> tuple[str, str, str]:
    """The bracket around a whole text, what is in it, and its end; empty where there is none."""
    tokens = _TOKEN.findall(text.strip())
    if len(tokens) < 2 or tokens[0] not in _OPENING:
        return "", text, ""
    depth = 0
    for i, token in enumerate(tokens):
        depth += (token in _OPENING) - (token in _OPENING.values())
        if depth == 0 and i < len(tokens) - 1:
            return "", text, ""
    if depth or tokens[-1] not in _OPENING.values():
        return "", text, ""
    half_open = {tokens[0], tokens[-1]} in ({"(", "]"}, {"[", ")"})
    if tokens[-1] != _OPENING[tokens[0]] and not half_open:
        return "", text, ""
    return tokens[0], "".join(tokens[1:-1]), tokens[-1]


def _split(text: str, separators: tuple[str, ...]) -> list[str]:
    """The parts of a text between separators that stand in no bracket."""
    parts, depth = [""], 0
    for token in _TOKEN.findall(text):
        depth += (token in _OPENING) - (token in _OPENING.values())
        if depth <= 0 and token in separators:
            parts.append("")
        else:
            parts[-1] += token
    return [part.strip() for part in parts]
