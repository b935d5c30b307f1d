"""What the rollouts of one prefix have shown: right and wrong ones counted, the others by cause."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Literal

from surefoot.labels.rollouts.draws import Ask, Rollout
from surefoot.labels.rollouts.ends import UNFINISHED, Ending

Unfinished = Literal["wrong", "apart"]
"""How a rollout counts that was cut by the length limit or arrives at no answer.

`wrong` makes it one of the n that is not right, as in Math-Shepherd, where the value of a step is
how often the policy arrives at the right answer from there; but not where no rollout of the prefix
arrives at any answer, which says more of the policy and its limit than of the step. `apart` leaves
it out of n. A rollout without a single step, one whose answer cannot be compared and one that a
server failed on are never counted.
"""


@dataclass(slots=True)
class Evidence:
    """The rollouts of a prefix so far."""

    steps: tuple[str, ...]
    unfinished: Unfinished = "wrong"
    right: int = 0
    wrong: int = 0
    causes: Counter[str] = field(default_factory=Counter)
    drawn: int = 0
    tokens: int = 0

    def add(self, rollouts: Iterable[Rollout]) -> None:
        """Count rollouts that were drawn from this prefix."""
        for one in rollouts:
            self.drawn += 1
            self.tokens += one.num_tokens
            self.count(one.ending)

    def count(self, ending: Ending) -> None:
        """Count one end of a chain that holds this prefix."""
        if ending.right is None:
            self.causes[ending.cause or "not known"] += 1
        elif ending.right:
            self.right += 1
        else:
            self.wrong += 1

    @property
    def n(self) -> int:
        """How many rollouts count."""
        own = self.right + self.wrong
        if self.unfinished == "apart" or not own:
            return own
        return own + sum(num for cause, num in self.causes.items() if cause in UNFINISHED)

    @property
    def counts(self) -> tuple[int, int] | None:
        """k of n; None where nothing counts."""
        return (self.right, self.n) if self.n else None

    @property
    def value(self) -> float | None:
        """k / n, Math-Shepherd's soft estimate (2312.08935, equation 4)."""
        return self.right / self.n if self.n else None

    def ask(self, n: int) -> Ask:
        """`n` rollouts that have not been seen yet."""
        return Ask(self.steps, n, self.drawn)
