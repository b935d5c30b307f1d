"""What a client may ask for by name: methods of search, and how many draws they make."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from surefoot.search.methods import METHODS, method
from surefoot.search.problem_search import Method
from surefoot.search.results import Choice

AUTO = "auto"
"""The name of what the server does by itself."""

DEFAULT_N = 16

_NUMBERED = re.compile(r"(.+)-([0-9]{1,6})")


@dataclass(frozen=True, slots=True)
class Offer:
    """A method as a client sees it.

    `method` is its name in `METHODS`, `choice` the rule by which it chooses, None where the
    server's own holds; `scored` says whether it needs a reward model.
    """

    method: str
    summary: str
    choice: Choice | None = None
    scored: bool = True

    def build(self, n: int) -> Method:
        """The method with `n` solutions, or draws of a round."""
        return method(self.method, n=n)


OFFERS: Mapping[str, Offer] = {
    **{
        name: Offer(name, one.summary, None if one.choice == "argmax" else one.choice, one.scored)
        for name, one in METHODS.items()
    },
    "vote": Offer("best-of-n", "write n whole solutions, take the answer of most score", "vote"),
}


def offers(*, scored: bool) -> dict[str, Offer]:
    """What there is, with a reward model or without."""
    return {name: one for name, one in OFFERS.items() if scored or not one.scored}


def split_name(name: str) -> tuple[str, int | None]:
    """The method and the number in a name such as `beam-16`; None where it has no number."""
    match = _NUMBERED.fullmatch(name)
    if name in OFFERS or match is None:
        return name, None
    return match[1], int(match[2])
