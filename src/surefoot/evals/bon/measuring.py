"""What every way of choosing gets from N of the candidates of a pool, with intervals and in pairs.

All figures are of the same problems and of the same resamples of them, so any two methods can be
compared afterwards, at any N.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from surefoot.errors import UsageError
from surefoot.evals.benchmark import Options
from surefoot.evals.bon.preparing import KEY, pools_of
from surefoot.evals.bon.rewards import Reward, rewards_of
from surefoot.evals.candidates import BoolArray, Candidates
from surefoot.evals.exact_majority import is_feasible
from surefoot.evals.figures import Figures
from surefoot.evals.pools import STEP_LENGTH, Pool, expectations
from surefoot.scores.steps import IntArray
from surefoot.search.choosing import answer_groups
from surefoot.stats import (
    Difference,
    Estimate,
    FloatArray,
    Statistic,
    difference_from,
    estimate_from,
)
from surefoot.traces.types import Trace

Figure = Literal["accuracy", "sound", "flawed_share"]
BASELINES = ("majority", "random", "oracle")


@dataclass(frozen=True, kw_only=True)
class BonOptions:
    """How pools are measured.

    `num` is the largest N; None takes the size of the smallest problem. Problems with fewer
    candidates are left out and counted. `num_subsets` subsets stand for all where a vote cannot be
    counted out. `aggregate` and `columns` are those of `rewards.rewards_of`.
    """

    options: Options = field(default_factory=Options)
    num: int | None = None
    num_subsets: int = 512
    aggregate: str | None = None
    columns: tuple[str, ...] = ()


@dataclass(frozen=True)
class Method:
    """One way of choosing: a baseline, the argmax of a reward, or the vote that it weighs."""

    name: str
    kind: Literal["baseline", "argmax", "vote"]
    reward: Reward | None = None

    @property
    def scorer(self) -> str | None:
        """Whose scores it goes by."""
        return self.reward.scorer if self.reward else None

    @property
    def is_chief(self) -> bool:
        """Whether its scorer is judged by it."""
        return self.reward is not None and self.reward.is_chief


@dataclass(frozen=True, eq=False)
class PoolResult:
    """All figures of one pool.

    `traces` are the candidates of the problems that count, problem by problem, `owner` (T,) the
    number of the problem of each, and `right` (T,) whether its answer is. `left_out` counts
    problems by reason, `counts` what else a reader must know. `exact` says for votes of the
    majority and for weighted votes at which N they are counted out.
    """

    name: str
    traces: tuple[Trace, ...]
    owner: IntArray
    right: BoolArray
    ns: tuple[int, ...]
    methods: tuple[Method, ...]
    rewards: tuple[Reward, ...]
    figures: Figures
    options: BonOptions
    left_out: Mapping[str, int]
    counts: Mapping[str, int]
    exact: Mapping[str, Mapping[int, bool]]

    @property
    def num(self) -> int:
        """The largest N."""
        return self.ns[-1]

    @property
    def num_problems(self) -> int:
        """How many problems count."""
        return len(self.figures.units)

    def estimate(self, method: str, n: int, figure: Figure = "accuracy") -> Estimate | None:
        """A figure of a method at one N, with its interval; None where the data do not define it.

        Raises:
            UsageError: there is no such method or N.
        """
        name = self._name(method, n, figure)
        drawn = self._drawn()
        if name not in drawn:
            return None
        return estimate_from(self.figures.value(name), drawn[name])

    def difference(
        self, ours: str, theirs: str, n: int, figure: Figure = "accuracy"
    ) -> Difference | None:
        """The figure of one method less that of another at the same N, paired over problems.

        Raises:
            UsageError: there is no such method or N.
        """
        names = [self._name(method, n, figure) for method in (ours, theirs)]
        drawn = self._drawn()
        if not all(name in drawn for name in names):
            return None
        gap = self.figures.value(names[0]) - self.figures.value(names[1])
        return difference_from(gap, drawn[names[0]] - drawn[names[1]])

    def _drawn(self) -> Mapping[str, FloatArray]:
        how = self.options.options
        return self.figures.drawn(how.seed, how.num_resamples)

    def _name(self, method: str, n: int, figure: str) -> str:
        if not any(one.name == method for one in self.methods):
            raise UsageError(
                f"no method {method!r} on {self.name}; there are "
                f"{', '.join(one.name for one in self.methods)}"
            )
        if n not in self.ns:
            raise UsageError(f"N = {n} was not measured; {', '.join(map(str, self.ns))} were")
        return f"{figure}/{method}/{n}"


def measure(
    traces: Sequence[Trace], scorers: Sequence[str], options: BonOptions | None = None
) -> list[PoolResult]:
    """Measure every pool of prepared candidates (`preparing.prepare`) that hold their scores.

    Raises:
        UsageError: no problem of a pool can be measured.
    """
    options = options or BonOptions()
    return [_measure(name, some, scorers, options) for name, some in pools_of(traces).items()]


def _measure(
    name: str, traces: Sequence[Trace], scorers: Sequence[str], options: BonOptions
) -> PoolResult:
    problems: dict[str, list[Trace]] = {}
    for trace in traces:
        problems.setdefault(trace.meta[KEY]["problem"], []).append(trace)
    left_out: dict[str, int] = {}
    kept = {}
    for key, some in problems.items():
        if reason := _reason(some, options.num):
            left_out[reason] = left_out.get(reason, 0) + 1
        else:
            kept[key] = some
    if not kept:
        told = "; ".join(f"{num}: {reason}" for reason, num in left_out.items())
        raise UsageError(f"{name}: none of {len(problems)} problems can be measured ({told})")
    most = options.num or min(map(len, kept.values()))
    ns = tuple(sorted({*(2**k for k in range(most.bit_length()) if 2**k <= most), most}))

    members = [trace for some in kept.values() for trace in some]
    sizes = [len(some) for some in kept.values()]
    owner = np.repeat(np.arange(len(kept), dtype=np.int64), sizes)
    right = np.array([trace.outcome is True for trace in members])
    lengths = np.array([-float(sum(map(len, trace.texts))) for trace in members])
    rewards = [Reward(STEP_LENGTH, lengths)]
    rewards += rewards_of(members, scorers, aggregate=options.aggregate, columns=options.columns)
    pool = _pool(list(kept), members, owner, right, rewards, options.options.label_source)
    methods = [Method(one, "baseline") for one in BASELINES]
    methods += [
        Method(one.name, "argmax" if one.scorer or one.is_outcome else "baseline", one)
        for one in rewards
    ]
    methods += [Method(f"{one.name}_vote", "vote", one) for one in rewards if one.can_vote]
    expected = expectations(
        pool,
        [one.name for one in methods],
        ns,
        seed=options.options.seed,
        num_subsets=options.num_subsets,
    )
    counts = _counts(problems, kept, pool)
    return PoolResult(
        name=name,
        traces=tuple(members),
        owner=owner,
        right=right,
        ns=ns,
        methods=tuple(methods),
        rewards=tuple(rewards),
        figures=Figures(
            tuple(kept),
            _statistics(expected, ns, knows_flaws=counts["right, soundness known"] > 0),
        ),
        options=options,
        left_out=left_out,
        counts=counts,
        exact=_exact(pool, ns, options.num_subsets),
    )


def _reason(candidates: Sequence[Trace], num: int | None) -> str | None:
    """Why a problem cannot be measured, None if it can."""
    if any(one.outcome is None and one.reference is None for one in candidates):
        return "a candidate has neither an outcome nor a reference"
    if num is not None and len(candidates) < num:
        return f"fewer than {num} candidates"
    return None


def _pool(
    keys: Sequence[str],
    traces: Sequence[Trace],
    owner: IntArray,
    right: BoolArray,
    rewards: Sequence[Reward],
    label_source: str | None,
) -> Pool:
    starts = np.flatnonzero(np.r_[True, owner[1:] != owner[:-1]]).tolist()
    spans = [slice(*ends) for ends in zip(starts, [*starts[1:], len(traces)], strict=True)]
    return Pool(
        tuple(
            Candidates(
                problem=key,
                answers=tuple(one.meta[KEY]["group"] for one in traces[span]),
                correct=right[span],
                sound=tuple(_is_sound(one, label_source) for one in traces[span]),
                rewards={one.name: one.values[span] for one in rewards},
            )
            for key, span in zip(keys, spans, strict=True)
        )
    )


def _is_sound(trace: Trace, source: str | None) -> bool | None:
    """Whether every step is right, by the first labels of a source that settle it."""
    for labels in trace.labels:
        if source in (None, labels.source) and labels.knows_first_error():
            return labels.first_error() is None
    return None


def _statistics(
    expected: Mapping[str, FloatArray], ns: Sequence[int], *, knows_flaws: bool
) -> dict[str, Statistic]:
    """The figures of every method at every N; those of soundness only where it is known of some
    right candidate."""
    found: dict[str, Statistic] = {}
    for method, values in expected.items():
        for k, n in enumerate(ns):
            right, sound = values[:, k, 0], values[:, k, 1]
            known = np.isfinite(sound)
            found[f"accuracy/{method}/{n}"] = _mean(right, np.ones(len(right)))
            if knows_flaws and known.any():
                held = np.where(known, sound, 0.0)
                lost = np.where(known, np.maximum(right - held, 0.0), 0.0)
                found[f"sound/{method}/{n}"] = _mean(held, known.astype(np.float64))
                found[f"flawed_share/{method}/{n}"] = _mean(lost, np.where(known, right, 0.0))
    return found


def _mean(values: FloatArray, weights: FloatArray) -> Statistic:
    """A ratio of sums over problems; NaN where the weights come to nothing."""

    def statistic(counts: FloatArray) -> FloatArray:
        whole = counts @ weights
        return np.divide(counts @ values, whole, out=np.full_like(whole, math.nan), where=whole > 0)

    return statistic


def _counts(
    problems: Mapping[str, Sequence[Trace]], kept: Mapping[str, Sequence[Trace]], pool: Pool
) -> dict[str, int]:
    candidates = [one for some in kept.values() for one in some]
    right = sum(int(one.correct.sum()) for one in pool.problems)
    unknown = sum(int(np.isnan(one.right_and_sound).sum()) for one in pool.problems)
    return {
        "problems": len(problems),
        "problems measured": len(kept),
        "candidates measured": len(candidates),
        "without an answer": sum(one.meta[KEY]["group"] is None for one in candidates),
        "rightness cannot be told, taken as wrong": sum(one.outcome is None for one in candidates),
        "right": right,
        "right, soundness known": right - unknown,
        "problems all of whose candidates are right or all wrong": sum(
            bool(one.correct.all() or not one.correct.any()) for one in pool.problems
        ),
    }


def _exact(pool: Pool, ns: Sequence[int], limit: int) -> dict[str, dict[int, bool]]:
    """At which N votes are counted out on every problem that votes can decide."""
    mixed = [one for one in pool.problems if one.correct.any() and not one.correct.all()]
    sizes = {len(one) for one in mixed}
    whole = True
    for one in mixed:
        groups = answer_groups(one.answers)
        counts = np.bincount(groups[groups >= 0]).tolist()
        whole = whole and is_feasible(counts, int((groups < 0).sum()), ns)
    drawn = {n: all(math.comb(size, n) <= limit for size in sizes) for n in ns}
    return {
        "majority": {n: whole or drawn[n] for n in ns},
        "weighted votes": drawn,
    }
