"""Best-of-N on a frozen pool: what each way of choosing would have got from N of the candidates at
hand.

Every figure is an expectation over the subsets of N candidates of a problem, averaged over
problems, with a bootstrap interval over problems. For argmax, random and oracle the expectation has
a closed form (ties shared), and so has a majority vote (`exact_majority`). Votes that rewards weigh
are enumerated where there are few subsets, such as all candidates at once, and otherwise averaged
over seeded random subsets, the same for every vote.

Methods by name: "majority", "random" (any one), "oracle" (a right one if there is one, a sound one
if there is one); the name of a reward chooses its argmax; "<reward>_vote" the vote that it weighs.

References: unbiased best-of-N, Chen et al. 2021, pass@k (arXiv:2107.03374, section 2.1); best-of-N
curves of a fixed pool, Lightman et al. 2023 (arXiv:2305.20050, section 3).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np

from surefoot.errors import UsageError
from surefoot.evals.candidates import Candidates, expected_gains
from surefoot.stats import (
    Difference,
    Estimate,
    FloatArray,
    Statistic,
    bootstrap,
    bootstrap_difference,
)
from surefoot.traces.types import Trace

Figure = Literal["accuracy", "sound", "flawed_share"]
RewardOf: TypeAlias = "Callable[[Trace], float | None] | Sequence[float | None]"

STEP_LENGTH = "step_length"
_CONTROLS = ("majority", "random", "oracle")


@dataclass(frozen=True, eq=False)
class Pool:
    """Frozen candidates of some problems, every problem with the same rewards."""

    problems: tuple[Candidates, ...]

    def __post_init__(self) -> None:
        if not self.problems:
            raise UsageError("the pool holds no problem")
        names = set(self.problems[0].rewards)
        if names & set(_CONTROLS):
            raise UsageError(f"a reward is named {sorted(names & set(_CONTROLS))}; rename it")
        for one in self.problems:
            if set(one.rewards) != names:
                raise UsageError(
                    f"problem {one.problem!r} has the rewards {sorted(one.rewards)}, the first "
                    f"{sorted(names)}; every "
                    "problem needs the same"
                )

    @classmethod
    def from_traces(
        cls,
        traces: Sequence[Trace],
        rewards: Mapping[str, RewardOf],
        *,
        problem: Callable[[Trace], Hashable] = lambda trace: trace.problem,
        answer: Callable[[Trace], Hashable | None] = lambda trace: trace.answer,
        sound: Callable[[Trace], bool | None] | None = None,
    ) -> Pool:
        """Group traces into problems, in order of appearance.

        A reward is a function of a trace or a sequence with one value per trace; None means that
        the scorer gave none. `step_length`, minus the characters of all steps, so that the shortest
        wins, is added unless given. Soundness comes from the first labels that settle it, or from
        `sound`.

        Raises:
            UsageError: a trace has no outcome, or a sequence of rewards has not one value per
            trace.
        """
        columns = {STEP_LENGTH: [-float(sum(map(len, trace.texts))) for trace in traces]}
        columns |= {name: _column(name, reward, traces) for name, reward in rewards.items()}
        members: dict[Hashable, list[int]] = {}
        for i, trace in enumerate(traces):
            if trace.outcome is None:
                raise UsageError(
                    f"trace {trace.id} has no outcome; check its answer first, a pool needs to "
                    "know what is right"
                )
            members.setdefault(problem(trace), []).append(i)
        is_sound = sound or _soundness
        return cls(
            tuple(
                Candidates(
                    problem=key,
                    answers=tuple(answer(traces[i]) for i in who),
                    correct=np.array([traces[i].outcome is True for i in who]),
                    sound=tuple(is_sound(traces[i]) for i in who),
                    rewards={name: np.array(column)[who] for name, column in columns.items()},
                )
                for key, who in members.items()
            )
        )

    @property
    def methods(self) -> tuple[str, ...]:
        """Every method that can be asked for; votes only of rewards that are never negative."""
        names = list(self.problems[0].rewards)
        votes = [
            f"{name}_vote"
            for name in names
            if all((np.maximum(p.rewards[name], 0) == p.rewards[name]).all() for p in self.problems)
        ]
        return (*_CONTROLS, *names, *votes)

    def num_unscored(self, reward: str) -> int:
        """How many candidates have no such reward: argmax never chooses them, in a vote they weigh
        0."""
        return sum(int(np.isneginf(p.rewards[reward]).sum()) for p in self.problems)


@dataclass(frozen=True)
class Selection:
    """What a method gets with N candidates, as shares in [0, 1].

    `accuracy`: the chosen answer is right. `sound`: it is right and every step of the chosen chain
    too. `flawed_share`: of the right answers chosen, the share whose chain is flawed (a ratio of
    sums over problems). The last two are None where the soundness of some right candidate is not
    known; the last also where no right answer is ever chosen.
    """

    accuracy: Estimate
    sound: Estimate | None
    flawed_share: Estimate | None

    def to_json(self) -> dict[str, dict[str, float] | None]:
        """Each figure as `{"mean", "low", "high"}`, or None."""
        figures = {
            "accuracy": self.accuracy,
            "sound": self.sound,
            "flawed_share": self.flawed_share,
        }
        return {name: one.to_json() if one else None for name, one in figures.items()}


def curves(
    pool: Pool,
    methods: Sequence[str],
    ns: Sequence[int],
    *,
    seed: int = 0,
    num_subsets: int = 256,
    num_resamples: int = 1000,
) -> dict[str, dict[int, Selection]]:
    """What each method gets at each N: `curves(...)["majority"][16].accuracy.mean`.

    Raises:
        UsageError: an unknown method, N below 1 or above the size of the smallest problem, or a
            vote by a reward that can be negative.
    """
    expected = expectations(pool, methods, ns, seed=seed, num_subsets=num_subsets)
    return {
        method: {
            n: _selection(expected[method][:, k], seed, num_resamples) for k, n in enumerate(ns)
        }
        for method in methods
    }


def curve(
    pool: Pool,
    method: str,
    ns: Sequence[int],
    *,
    seed: int = 0,
    num_subsets: int = 256,
    num_resamples: int = 1000,
) -> dict[int, Selection]:
    """What one method gets at each N; as `curves`."""
    return curves(
        pool, [method], ns, seed=seed, num_subsets=num_subsets, num_resamples=num_resamples
    )[method]


def paired(
    pool: Pool,
    a: str,
    b: str,
    n: int,
    *,
    figure: Figure = "accuracy",
    seed: int = 0,
    num_subsets: int = 256,
    num_resamples: int = 1000,
) -> Difference:
    """The figure of method `a` minus that of `b` at N = `n`, over the same problems and, for votes,
    the same subsets.

    Raises:
        UsageError: as `curves`, or the figure does not exist for one of the methods.
    """
    expected = expectations(pool, [a, b], [n], seed=seed, num_subsets=num_subsets)
    first, second = (_statistic(figure, expected[method][:, 0]) for method in (a, b))
    return bootstrap_difference(
        lambda counts: first(counts) - second(counts),
        len(pool.problems),
        seed=seed,
        num_resamples=num_resamples,
    )


def expectations(
    pool: Pool,
    methods: Sequence[str],
    ns: Sequence[int],
    *,
    seed: int = 0,
    num_subsets: int = 256,
) -> dict[str, FloatArray]:
    """For each method an array (P problems, len(ns), 2): the chance to choose a right, and a right
    and sound, candidate.

    The second is NaN for problems with a right candidate that is not known to be sound or not.
    """
    _check(pool, methods, ns)
    weighers = {method: _weigher(pool, method) for method in methods}
    found = {method: np.empty((len(pool.problems), len(ns), 2)) for method in methods}
    for row, one in enumerate(pool.problems):
        for method, value in expected_gains(one, weighers, ns, num_subsets, (seed, row)).items():
            found[method][row] = np.clip(value, 0, 1)  # rounding may pass the ends
    return found


def _check(pool: Pool, methods: Sequence[str], ns: Sequence[int]) -> None:
    for method in methods:
        known = method in _CONTROLS or method in pool.problems[0].rewards
        if not known and _weigher(pool, method) is None:
            names = ", ".join((*_CONTROLS, *pool.problems[0].rewards))
            raise UsageError(f"no method {method!r}; there are {names} and <reward>_vote")
    if not ns:
        raise UsageError("no N was given; give at least one, such as [1, 4, 16]")
    smallest = min(pool.problems, key=len)
    for n in ns:
        if not 1 <= n <= len(smallest):
            raise UsageError(
                f"N = {n} cannot be drawn: problem {smallest.problem!r} has {len(smallest)} "
                "candidates"
            )


def _weigher(pool: Pool, method: str) -> str | None:
    """The reward that weighs a vote, "" for a majority vote, None for what is no vote."""
    if method == "majority":
        return ""
    rewards = pool.problems[0].rewards
    name = method.removesuffix("_vote")
    return name if method not in rewards and name != method and name in rewards else None


def _statistic(figure: Figure, expected: FloatArray) -> Statistic:
    """A figure as a function of how often each problem was drawn; `expected` has shape (P, 2)."""
    right, sound = expected[:, 0], expected[:, 1]
    if figure == "flawed_share":
        lost = np.maximum(right - sound, 0)

        def flawed(counts: FloatArray) -> FloatArray:
            some = counts @ right
            return np.divide(counts @ lost, some, out=np.full_like(some, np.nan), where=some > 0)

        return flawed
    values = right if figure == "accuracy" else sound
    return lambda counts: counts @ values / len(values)


def _selection(expected: FloatArray, seed: int, num_resamples: int) -> Selection:
    def estimate(figure: Figure) -> Estimate:
        statistic = _statistic(figure, expected)
        return bootstrap(statistic, len(expected), seed=seed, num_resamples=num_resamples)

    known = not np.isnan(expected[:, 1]).any()
    return Selection(
        accuracy=estimate("accuracy"),
        sound=estimate("sound") if known else None,
        flawed_share=estimate("flawed_share") if known and expected[:, 0].any() else None,
    )


def _column(name: str, reward: RewardOf, traces: Sequence[Trace]) -> list[float]:
    values = [reward(trace) for trace in traces] if callable(reward) else list(reward)
    if len(values) != len(traces):
        raise UsageError(
            f"reward {name!r} has {len(values)} values for {len(traces)} traces; give one per trace"
        )
    return [-math.inf if value is None else float(value) for value in values]


def _soundness(trace: Trace) -> bool | None:
    """Whether every step is right, by the first labels that settle it."""
    for labels in trace.labels:
        if labels.knows_first_error():
            return labels.first_error() is None
    return None
