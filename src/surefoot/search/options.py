"""What the options of methods must be, said the same way by all of them."""

from __future__ import annotations

from surefoot.errors import UsageError
from surefoot.search.problem_search import Search


def check_counts(**options: int | None) -> None:
    """Numbers of things, at least 1; None is not given.

    Raises:
        UsageError: one is less.
    """
    for name, value in options.items():
        if value is not None and value < 1:
            raise UsageError(f"{name} is {value}; it must be at least 1")


def check_share(name: str, value: float) -> None:
    """A share or a probability, from 0 to 1.

    Raises:
        UsageError: it is not.
    """
    if not 0 <= value <= 1:
        raise UsageError(f"{name} is {value}; it must lie between 0 and 1")


def check_scored(search: Search, name: str) -> None:
    """A method that goes by scores has a scorer.

    Raises:
        UsageError: it has none.
    """
    if not search.scores:
        raise UsageError(
            f"{name} goes by step scores, and there is no scorer; give one, or use "
            "majority or self-consistency"
        )


def widths(n: int | None, width: int | None, children: int | None) -> tuple[int, int, int]:
    """Draws of a round, beams and children of each, from those that are given: n is width times
    children. Where too little is given, children are 4 (n, if that is less) and n is 16.

    Raises:
        UsageError: one is less than 1, or they contradict each other.
    """
    check_counts(n=n, width=width, children=children)
    if width is not None:
        if children is None:
            children = 4 if n is None else max(1, n // width)
        if n is not None and n // children != width:
            raise UsageError(
                f"{width} beams of {children} children are {width * children} draws in a round, "
                f"not {n}; leave one of the three out"
            )
        return width * children if n is None else n, width, children
    n = 16 if n is None else n
    children = min(4, n) if children is None else children
    if children > n:
        raise UsageError(f"{children} children of a beam are more than the {n} draws of a round")
    return n, n // children, children
