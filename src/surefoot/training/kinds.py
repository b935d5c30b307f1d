"""Values of settings held against what their fields are declared to be.

They come from files and command lines, where a number may be text and a switch a word; Python would
take `True` for 1, `"no"` for true and `2.5` for a number of updates.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import is_dataclass
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from surefoot.errors import UsageError

_WORDS = {
    bool: "true or false",
    int: "a whole number",
    float: "a number",
    str: "text",
    NoneType: "null",
}


def check_kinds(kind: Any, values: Mapping[str, Any], where: str) -> None:
    """Hold values against the fields of a dataclass; what else a field may be, such as a protocol,
    it has to check itself.

    Args:
        kind: The dataclass.
        values: By the names of its fields.
        where: What stands before those names in messages.

    Raises:
        UsageError: a value is of another kind.
    """
    hints = get_type_hints(kind)
    for name, value in values.items():
        if not _is_a(value, hints[name]):
            raise UsageError(f"{where}{name} is {value!r}; it must be {_words(hints[name])}")


def _is_a(value: Any, hint: Any) -> bool:
    origin, parts = get_origin(hint), get_args(hint)
    if origin in (Union, UnionType):
        return any(_is_a(value, part) for part in parts)
    if origin is Literal:
        return value in parts
    if origin is tuple:
        if not isinstance(value, (list, tuple)):
            return False
        every = parts[:1] * len(value) if parts[1:] == (...,) else parts
        return len(every) == len(value) and all(map(_is_a, value, every))
    if origin is Mapping:
        return isinstance(value, Mapping) and all(
            _is_a(key, parts[0]) and _is_a(one, parts[1]) for key, one in value.items()
        )
    if hint is float:
        return isinstance(value, (int, float)) and not isinstance(value, bool)
    if hint is int:
        return isinstance(value, int) and not isinstance(value, bool)
    if hint in _WORDS or is_dataclass(hint):
        return isinstance(value, hint)
    return value is not None


def _words(hint: Any) -> str:
    origin, parts = get_origin(hint), get_args(hint)
    if origin in (Union, UnionType):
        return " or ".join(map(_words, parts))
    if origin is Literal:
        return f"one of {', '.join(map(str, parts))}"
    if origin is tuple:
        number = "a list" if parts[1:] == (...,) else f"a list of {len(parts)}"
        return f"{number}, each {_words(parts[0])}"
    if origin is Mapping:
        return f"an object of {_words(parts[1])} by name"
    return _WORDS.get(hint, "an object")
