"""Choose one of N candidate solutions of a problem: by reward, by vote, or by both.

Each rule returns a probability for every candidate, an array that sums to 1: ties are not broken
but shared, so any expected figure of the choice (right, sound) is exact and does not depend on the
order of the candidates.

Rewards are numbers, higher is better; minus infinity stands for "the scorer gave none" and is
chosen only where no candidate has a reward. Answers are compared by equality, so bring them to one
form first; None is "gave no answer" and wins a vote only where no candidate gave one.

References: majority, Wang et al. 2023, self-consistency (arXiv:2203.11171); vote weighted by a
verifier, Li et al. 2023 (arXiv:2206.02336); argmax, Cobbe et al. 2021 (arXiv:2110.14168).
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from surefoot.errors import UsageError

FloatArray: TypeAlias = NDArray[np.float64]
Rewards: TypeAlias = "Sequence[float] | FloatArray"

TIE = 1e-12
"""Rewards and vote totals that differ by at most this share of the higher one count as equal: two
products of the same step scores in another order do, and rounding must not choose between them."""


def argmax(rewards: Rewards) -> FloatArray:
    """The candidate of the highest reward; equal ones share. Rewards and result have shape (N,).

    Any combination of rewards works here, log-probabilities too.

    Raises:
        UsageError: no candidates, or a NaN or infinite reward.
    """
    ranks = reward_ranks(checked_rewards(rewards))
    best = ranks == ranks.max()
    chosen: FloatArray = best / best.sum()
    return chosen


def majority(answers: Sequence[Hashable | None]) -> FloatArray:
    """The most frequent answer, shown by a random candidate that gave it; equally frequent ones
    share. Shape (N,).

    Raises:
        UsageError: no candidates.
    """
    return weighted_vote(np.ones(len(answers)), answers)


def weighted_vote(rewards: Rewards, answers: Sequence[Hashable | None]) -> FloatArray:
    """The answer of the highest total reward, shown by the candidate of highest reward that gave
    it. Shape (N,).

    Rewards are weights and must not be negative: probabilities and values will do,
    log-probabilities will not (use `argmax` for those). A candidate without a reward weighs 0.

    Raises:
        UsageError: no candidates, lengths that differ, or a reward that is NaN, negative or plus
        infinity.
    """
    weights = vote_weights(checked_rewards(rewards))
    groups = answer_groups(answers)
    if len(weights) != len(groups):
        raise UsageError(
            f"{len(weights)} rewards for {len(groups)} answers; give one of each per candidate"
        )
    everyone = np.ones((1, len(groups)), dtype=np.bool_)
    chosen: FloatArray = vote_in_subsets(weights, groups, everyone)[0]
    return chosen


def answer_groups(answers: Sequence[Hashable | None]) -> NDArray[np.int64]:
    """A number for each candidate, equal for equal answers, from 0 in order of appearance; -1 for
    no answer.

    Raises:
        UsageError: no candidates.
    """
    if len(answers) == 0:
        raise UsageError("there are no candidates to choose from")
    numbers: dict[Hashable, int] = {}
    return np.array(
        [-1 if answer is None else numbers.setdefault(answer, len(numbers)) for answer in answers]
    )


def checked_rewards(rewards: Rewards) -> FloatArray:
    """The rewards as an array of shape (N,).

    Raises:
        UsageError: no candidates, or a NaN or infinite reward (minus infinity is allowed).
    """
    numbers = np.asarray(rewards, dtype=np.float64)
    if numbers.ndim != 1 or len(numbers) == 0:
        raise UsageError(
            f"rewards have shape {numbers.shape}; give one per candidate, at least one"
        )
    bad = np.flatnonzero(np.isnan(numbers) | (numbers == np.inf))
    if len(bad):
        raise UsageError(
            f"the reward of candidate {bad[0]} is {numbers[bad[0]]}; give minus infinity where "
            "there is no reward"
        )
    return numbers


def reward_ranks(rewards: FloatArray) -> NDArray[np.int64]:
    """The place of each reward, 0 for the lowest and equal for rewards within `TIE`; shape (N,)."""
    order = np.argsort(rewards)
    ranked = rewards[order]
    with np.errstate(invalid="ignore"):
        new = np.diff(ranked) > TIE * np.abs(ranked[1:])
    ranks = np.empty(len(rewards), dtype=np.int64)
    ranks[order] = np.r_[0, np.cumsum(new)]
    return ranks


def vote_weights(rewards: FloatArray) -> FloatArray:
    """Rewards as weights of a vote: minus infinity weighs 0.

    Raises:
        UsageError: a reward is negative.
    """
    weights = np.where(np.isneginf(rewards), 0.0, rewards)
    if (weights < 0).any():
        raise UsageError(
            f"a vote was to be weighted by the reward {weights.min():g}; weights must not be "
            "negative: vote with "
            "probabilities, or choose by argmax"
        )
    return weights


def vote_in_subsets(
    weights: FloatArray, groups: NDArray[np.int64], members: NDArray[np.bool_]
) -> FloatArray:
    """`weighted_vote` within many subsets of the candidates at once; with equal weights it is
    `majority`.

    `weights` (n,) are not negative, `groups` (n,) are those of `answer_groups`, and row b of
    `members` (B, n) says who is in subset b. Returns (B, n): for each subset a distribution over
    its members.
    """
    order = np.argsort(groups, kind="stable")
    ordered = groups[order]
    new = np.r_[True, ordered[1:] != ordered[:-1]]
    starts, group_of = np.flatnonzero(new), np.cumsum(new) - 1
    voters = (members & (groups >= 0))[:, order]

    cast = np.where(voters, weights[order], 0.0)
    ranks = np.where(voters, reward_ranks(weights)[order], -1)
    best = np.maximum.reduceat(ranks, starts, axis=1)
    totals = np.add.reduceat(cast, starts, axis=1)
    totals[best < 0] = -1.0
    leading = totals >= totals.max(axis=1, keepdims=True) * (1 - TIE)
    leading &= totals >= 0
    num_leading = np.maximum(leading.sum(axis=1, keepdims=True), 1)

    shown = voters & (ranks == best[:, group_of])
    num_shown = np.add.reduceat(shown, starts, axis=1, dtype=np.float64)
    share = leading / num_leading / np.maximum(num_shown, 1.0)
    chosen = np.empty_like(cast)
    chosen[:, order] = np.where(shown, share[:, group_of], 0.0)
    silent = ~voters.any(axis=1)
    chosen[silent] = members[silent] / members[silent].sum(axis=1, keepdims=True)
    return chosen
