"""What a method came to on each problem at each of its sizes: all that a comparison looks at."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

from surefoot.errors import UsageError

Kind = Literal["search", "best of n", "control"]
"""best of n: whole solutions, chosen by scores; control: what needs no scorer, or knows the
answer."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Attempt:
    """One search on one problem.

    `right` and `sound` are probabilities where the choice is by chance, as among equals; `right` is
    None where there is no reference, `sound` (right, and every step of it too) where nobody says.
    Tokens are those of all that was tried: `new_tokens` the policy wrote, `read_tokens` it read
    before, `scored_tokens` the scorer read; None where the scorer does not say.
    """

    right: float | None
    new_tokens: float
    sound: float | None = None
    read_tokens: float = 0.0
    scored_tokens: float | None = 0.0
    seconds: float | None = None
    """From the beginning of the search to its end, others beside it."""
    ended: str = "done"


Attempts: TypeAlias = Mapping[str, Attempt]
"""Of one method at one size, by problem."""


@dataclass(frozen=True)
class Line:
    """A method at several sizes: how many solutions' worth of tokens it may write."""

    name: str
    kind: Kind
    sizes: Mapping[int, Attempts]

    @property
    def largest(self) -> int:
        """The largest size."""
        return max(self.sizes)


def keys_of(problems: Sequence[str]) -> list[str]:
    """A name for each problem: its text, and its number where it comes again."""
    seen: Counter[str] = Counter()
    keys = []
    for text in problems:
        seen[text] += 1
        keys.append(text if seen[text] == 1 else f"{text} (number {seen[text]})")
    return keys


def common_problems(lines: Sequence[Line]) -> tuple[str, ...]:
    """The problems that all methods were tried on, in the order of the first.

    Raises:
        UsageError: there are no lines or problems, or two sizes are over other problems.
    """
    everything = [(line.name, n, some) for line in lines for n, some in line.sizes.items()]
    if not everything or not everything[0][2]:
        raise UsageError("there is nothing to compare: no method was tried on any problem")
    first, size, own = everything[0]
    for name, n, some in everything[1:]:
        lacking = [key for key in own if key not in some]
        further = [key for key in some if key not in own]
        if lacking or further:
            told = [
                f"{len(keys)} only in {where}, such as {keys[0][:80]!r}"
                for keys, where in (
                    (lacking, f"{first} at n = {size}"),
                    (further, f"{name} at n = {n}"),
                )
                if keys
            ]
            raise UsageError(
                f"{first} at n = {size} and {name} at n = {n} are not over the same problems: "
                f"{'; '.join(told)}; run both on the same file, to its end"
            )
    return tuple(own)
