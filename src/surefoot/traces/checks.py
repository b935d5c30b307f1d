"""What may stand in a trace: valid Unicode text, finite numbers, plain JSON.

Each check raises `TraceError`, which names what it was given as `what`.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

from surefoot.errors import TraceError

_MAX_DEPTH = 100
_MAX_BITS = 4096


def check_text(value: object, what: str) -> None:
    """That the value is text which UTF-8 can hold."""
    if not isinstance(value, str):
        raise TraceError(f"{what} is {type(value).__name__}; it must be text")
    if value.isascii():
        return
    try:
        value.encode()
    except UnicodeEncodeError as error:
        raise TraceError(
            f"{what} holds a lone surrogate at character {error.start}; the text was not UTF-8"
        ) from None


def check_choice(what: str, value: object, names: Iterable[str]) -> None:
    """That the value is one of the names."""
    if value not in (names := tuple(names)):
        raise TraceError(f"{what} is {value!r}; it must be one of {', '.join(names)}")


def number(value: object, what: str) -> float:
    """The value as a float that is the same number."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise TraceError(f"{what} is {value!r}; it must be a number or null")
    if isinstance(value, int):
        if abs(value) > 2**53:
            raise TraceError(f"{what} is a whole number beyond 2**53, which a float cannot hold")
    elif not math.isfinite(value):
        raise TraceError(f"{what} is {value!r}; use null where there is no number")
    return float(value)


def count(pair: Any, what: str) -> tuple[int, int] | None:
    """Successes and trials, k of n, as a pair of whole numbers; or None."""
    if pair is None:
        return None
    if not isinstance(pair, (list, tuple)) or len(pair) != 2:
        raise TraceError(f"{what} is {pair!r}; it must be a pair (k, n) or null")
    k, n = pair
    if not all(isinstance(c, int) and not isinstance(c, bool) for c in (k, n)):
        raise TraceError(f"{what} is {k!r} of {n!r}; both must be whole numbers")
    if not 0 <= k <= n < 2**63:
        raise TraceError(f"{what} is {k} of {n}; k must be between 0 and n, and n below 2**63")
    return k, n


def json_copy(value: object, what: str, depth: int = 0) -> Any:
    """The value as plain dicts and lists, which JSON gives back exactly as they are."""
    if depth > _MAX_DEPTH:
        raise TraceError(f"{what.split('.')[0]} is nested more than {_MAX_DEPTH} levels deep")
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int):
        if value.bit_length() > _MAX_BITS:
            raise TraceError(f"{what} is a whole number of more than {_MAX_BITS} bits")
        return value
    if isinstance(value, float):
        return number(value, what)
    if isinstance(value, str):
        check_text(value, what)
        return value
    if isinstance(value, (list, tuple)):
        return [json_copy(one, f"{what}.{i}", depth + 1) for i, one in enumerate(value)]
    if not isinstance(value, Mapping):
        raise TraceError(f"{what} is {type(value).__name__}, which JSON cannot hold")
    copy = {}
    for key, one in value.items():
        check_text(key, f"a key of {what}")
        copy[key] = json_copy(one, f"{what}.{key}", depth + 1)
    return copy
