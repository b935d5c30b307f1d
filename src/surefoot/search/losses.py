"""Why continuations come to nothing: causes that are counted, and texts that go in circles."""

from __future__ import annotations

from collections.abc import Sequence

REPEATS = 3
"""One, two or three steps that come so often in a row, word for word and with nothing in between,
show that the policy goes round in circles. Work that repeats itself, such as an agent's, differs
somewhere: in what it looks at, counts or finds."""
LONGEST_CIRCLE = 3

POLICY_FAILED = "the policy failed"
"""How the cause of a loss begins for which the policy gave a reason."""
UNSCORABLE = "cannot be scored"
"""Likewise the scorer; `losses` counts them as one cause, for each reason names its own prefix."""


def circle_of(prefix: Sequence[str]) -> int | None:
    """How many steps the circle has in which a prefix goes at its end, None if it does not."""
    steps = [step.strip() for step in prefix[-REPEATS * LONGEST_CIRCLE :]]
    for period in range(1, LONGEST_CIRCLE + 1):
        if len(steps) >= REPEATS * period and steps[-REPEATS * period :] == (
            REPEATS * steps[-period:]
        ):
            return period
    return None


def cause_of(why: str) -> str:
    """The cause of a loss, without what is said of a single prefix."""
    return UNSCORABLE if why.startswith(UNSCORABLE) else why
