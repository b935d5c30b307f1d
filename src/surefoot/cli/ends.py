"""How verbs judge where a chain of steps ends: by a built-in world, or by comparing answers."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from surefoot.errors import UsageError

if TYPE_CHECKING:
    from surefoot.labels.rollouts.ends import Ends

WORLDS = ("last-digit",)


@contextmanager
def open_ends(world: str | None, check: str) -> Iterator[Ends]:
    """How chains are judged: by the world, or by comparing answers as `check` says.

    Raises:
        UsageError: there is no such world.
    """
    from surefoot.labels.answers import AnswerCheck, answer_workers
    from surefoot.labels.rollouts.ends import answer_ends, world_ends

    if world is not None:
        if world not in WORLDS:
            raise UsageError(f"there is no world {world!r}; there is {', '.join(WORLDS)}")
        from surefoot.worlds.last_digit import LastDigit

        yield world_ends(LastDigit())
        return
    checked = AnswerCheck(method=check)
    with answer_workers() as workers:
        yield answer_ends(workers, check=checked)
