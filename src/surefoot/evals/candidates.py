"""The candidates of one problem, and what each way of choosing among them is expected to get."""

from __future__ import annotations

import math
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from surefoot.errors import UsageError
from surefoot.evals.subsets import Subsets, argmax_of_n, oracle_of_n, random_of_n, vote_of_n
from surefoot.search.choosing import answer_groups, checked_rewards, vote_weights
from surefoot.stats import FloatArray

BoolArray: TypeAlias = NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Candidates:
    """All candidates of one problem, in one order.

    `answers` are keys that are equal where the answers are (None: gave none), `correct` whether the
    answer is right, `sound` whether every step is (None: not known), `rewards` one number per
    candidate for each scorer; minus infinity where it gave none.
    """

    problem: Hashable
    answers: tuple[Hashable | None, ...]
    correct: BoolArray
    sound: tuple[bool | None, ...]
    rewards: Mapping[str, FloatArray]

    def __post_init__(self) -> None:
        correct = np.asarray(self.correct, dtype=np.bool_)
        rewards = {name: checked_rewards(values) for name, values in self.rewards.items()}
        object.__setattr__(self, "correct", correct)
        object.__setattr__(self, "rewards", rewards)
        lengths = {"correct": len(correct), "sound": len(self.sound)}
        lengths |= {f"reward {name!r}": len(values) for name, values in rewards.items()}
        for what, length in lengths.items():
            if length != len(self.answers) or length == 0:
                raise UsageError(
                    f"problem {self.problem!r}: {what} has {length} values for {len(self.answers)} "
                    "answers; give one "
                    "per candidate, at least one"
                )

    def __len__(self) -> int:
        return len(self.answers)

    @cached_property
    def right_and_sound(self) -> FloatArray:
        """1 where a candidate is right and sound, shape (n,); NaN where it is right and not known
        to be sound."""
        known = np.array([math.nan if one is None else float(one) for one in self.sound])
        return np.where(self.correct, known, 0.0)


def expected_gains(
    one: Candidates,
    weighers: Mapping[str, str | None],
    ns: Sequence[int],
    num_subsets: int,
    seed: Sequence[int],
) -> dict[str, FloatArray]:
    """What each method is expected to get: right ones, and right and sound ones, (len(ns), 2).

    `weighers` has for each method the reward that weighs its vote, "" for a majority vote and None
    for what is no vote, as in `pools`.
    """
    gains = np.stack([one.correct.astype(np.float64), one.right_and_sound], axis=1)
    if np.array_equal(gains, np.tile(gains[0], (len(gains), 1)), equal_nan=True):
        return dict.fromkeys(weighers, np.tile(gains[0], (len(ns), 1)))
    groups = answer_groups(one.answers)
    found: dict[str, FloatArray] = {}
    votes: dict[str, FloatArray] = {}
    for method, weigher in weighers.items():
        if method == "random":
            found[method] = random_of_n(gains, ns)
        elif method == "oracle":
            found[method] = oracle_of_n(gains, ns)
        elif weigher is None:
            found[method] = argmax_of_n(one.rewards[method], gains, ns)
        elif not weigher and (exact := vote_of_n(groups, gains, ns)) is not None:
            found[method] = exact
        else:
            votes[method] = vote_weights(one.rewards[weigher]) if weigher else np.ones(len(one))
    if votes:
        subsets = Subsets(len(one), ns, limit=num_subsets, seed=seed)
        weights = np.stack(list(votes.values()))
        found |= zip(votes, subsets.votes(weights, groups, gains), strict=True)
    return found
