"""How a search is run, whatever its method."""

from __future__ import annotations

from dataclasses import dataclass, field

from surefoot.policies.base import Sampling
from surefoot.search.results import Choice
from surefoot.search.reward import Reward
from surefoot.search.task import Limits


@dataclass(frozen=True, kw_only=True, slots=True)
class Settings:
    """How to sample, what a solution is worth, which is chosen and where to stop."""

    sampling: Sampling = field(default_factory=Sampling)
    """Temperature, top_p and top_k; lengths are those of `limits`."""
    reward: Reward = field(default_factory=Reward)
    choice: Choice = "argmax"
    limits: Limits = field(default_factory=Limits)
    seed: int = 0
