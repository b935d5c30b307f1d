"""The tree of a search: every prefix that was written, what it is worth and what became of it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal

from surefoot.models.base import Branch
from surefoot.traces.types import StepScores

Status = Literal["open", "pruned", "finished", "dead"]
"""open: may go on; pruned: given up for better ones; finished: a whole solution; dead: came to
nothing, `why` says the reason."""


@dataclass(eq=False, slots=True)
class Node:
    """A prefix of a solution: its parent's steps and `steps` further ones.

    `logprob` is the policy's, of all steps (natural log, temperature 1), None where it does not
    say; `draws` how often this continuation of the parent was drawn: equal ones are one node.
    """

    parent: Node | None
    steps: tuple[str, ...]
    number: int
    """Its place in the order of creation; the root is 0."""
    depth: int
    """Steps of the whole prefix."""
    logprob: float | None = 0.0
    num_tokens: int = 0
    """That the policy wrote, of the whole prefix."""
    draws: int = 1
    ends: int = 0
    """How often the policy, asked to go on, ended it right here."""
    status: Status = "open"
    why: str | None = None
    branch: Branch | None = None
    """What a scorer's session keeps of it, None where it was not scored or was let go."""
    scores: StepScores | None = None
    """Of all steps of the prefix."""
    outcome: float | None = None
    """What an outcome model gives the finished solution."""
    children: list[Node] = field(default_factory=list)

    def path(self) -> Iterator[Node]:
        """The nodes from this one up to the root."""
        node: Node | None = self
        while node is not None:
            yield node
            node = node.parent

    @property
    def text(self) -> tuple[str, ...]:
        """All steps of the prefix."""
        return tuple(step for node in reversed([*self.path()]) for step in node.steps)
