"""What is searched on, within which limits, and what that took."""

from __future__ import annotations

from dataclasses import dataclass

from surefoot.errors import UsageError


@dataclass(frozen=True, slots=True)
class Task:
    """A problem to search on. `reference` is for scorers that read it and never for the search;
    `turns` were said before the problem, and are for a policy that holds conversations."""

    problem: str
    reference: str | None = None
    turns: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class Limits:
    """Where the search on one problem stops."""

    max_steps: int = 64
    """Steps of a solution."""
    step_tokens: int = 512
    """Tokens of one step."""
    solution_tokens: int = 4096
    """Tokens of a solution; one written step by step is given up with the step that goes beyond."""
    tokens: int | None = None
    """Tokens that the policy may write; no request goes beyond."""
    seconds: float | None = None
    """After so many, nothing more is asked for."""

    def __post_init__(self) -> None:
        for name in ("max_steps", "step_tokens", "solution_tokens", "tokens", "seconds"):
            value = getattr(self, name)
            if value is not None and not value > 0:
                raise UsageError(f"{name} is {value}; it must be positive")


@dataclass(slots=True)
class Usage:
    """What the search on one problem has taken.

    `scored_tokens` are those that the scorer computed, None where it does not say.
    """

    new_tokens: int = 0
    read_tokens: int = 0
    """Of prefixes, by the policy."""
    samples: int = 0
    """Continuations drawn."""
    scored_steps: int = 0
    scored_tokens: int | None = 0
    asks: int = 0
    """How often the search waited for the policy or a scorer."""
    seconds: float = 0.0
