"""How large a demo is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from surefoot.errors import UsageError

POLICY_BATCH = 8
REWARD_BATCH = 16


@dataclass(frozen=True, kw_only=True, slots=True)
class DemoConfig:
    """Sizes of every part of the demo; the same settings and seed give the same run."""

    seed: int = 0
    policy_updates: int = 1200
    """Updates of the policy, each on 8 chains of the simulated authors."""
    train_problems: int = 2500
    train_samples: int = 2
    """Chains of the policy for each training problem; PRM and ORM learn from the same ones."""
    hot_samples: int = 2
    """More such chains, sampled at a higher temperature."""
    reward_updates: int = 1200
    """Updates of the PRM and of the ORM, each on 16 chains."""
    rounds: int = 0
    """Rounds in which the PRM is shown its own convincing wrong answers, beside a control of equal
    size.
    """
    round_problems: int = 500
    round_samples: int = 32
    round_chosen: int = 6
    round_updates: int = 400
    heldout_problems: int = 500
    """Problems with one chain each, on which first errors are measured."""
    test_problems: int = 200
    test_samples: int = 64

    def __post_init__(self) -> None:
        for name in self.__slots__:
            least = 0 if name in ("seed", "rounds", "hot_samples") else 1
            if getattr(self, name) < least:
                raise UsageError(f"{name} is {getattr(self, name)}; it must be at least {least}")
        if self.seed >= 2**32:
            raise UsageError(f"seed is {self.seed}; it must be below 2**32")

    @property
    def author_chains(self) -> int:
        """Chains the policy learns from."""
        return self.policy_updates * POLICY_BATCH

    @property
    def num_problems(self) -> int:
        """Problems of every part together."""
        return (
            self.author_chains
            + self.train_problems
            + self.rounds * self.round_problems
            + self.heldout_problems
            + self.test_problems
        )

    @property
    def ns(self) -> tuple[int, ...]:
        """The numbers of candidates at which selection is measured: powers of two."""
        return tuple(2**k for k in range(self.test_samples.bit_length()))


SIZES: Mapping[str, DemoConfig] = {
    "quick": DemoConfig(
        policy_updates=800,
        train_problems=400,
        reward_updates=300,
        heldout_problems=150,
        test_problems=40,
        test_samples=16,
    ),
    "standard": DemoConfig(),
    "long": DemoConfig(
        policy_updates=3000,
        train_problems=8000,
        reward_updates=5000,
        rounds=2,
        round_problems=400,
        round_updates=800,
        heldout_problems=1000,
        test_problems=300,
    ),
}
"""`quick` takes about a minute on two cores, `standard` at most five, `long` at most thirty."""
