"""How well scores tell wrong steps from right ones, whatever the threshold: AUROC and average
precision.

Both are exact, treat equal scores as one group, and take weights of shape (..., S), such as the
counts of a bootstrap, of which each row gives one value.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from surefoot.errors import UsageError
from surefoot.stats import Difference, Estimate, FloatArray, bootstrap, bootstrap_difference
from surefoot.traces.types import StepScores, Trace

Flags: TypeAlias = "Sequence[bool] | NDArray[np.bool_]"
Scores: TypeAlias = "Sequence[float] | FloatArray"


def auroc(positive: Flags, scores: Scores) -> float:
    """The chance that a random positive scores higher than a random negative; equal scores count
    half.

    Raises:
        UsageError: no positives, no negatives, a NaN score, or lengths that differ.
    """
    flags, numbers = _checked(positive, scores)
    if flags.all() or not flags.any():
        raise UsageError(
            f"{int(flags.sum())} of {len(flags)} are positive; AUROC needs positives and negatives"
        )
    return float(weighted_auroc(flags, numbers, np.ones((1, len(flags))))[0])


def average_precision(positive: Flags, scores: Scores) -> float:
    """Mean precision at the rank of each positive, highest score first: sum of (recall gained) x
    (precision).

    Equal scores are taken in at once. A scorer that ranks at random reaches the share of positives.

    Raises:
        UsageError: no positives, a NaN score, or lengths that differ.
    """
    flags, numbers = _checked(positive, scores)
    if not flags.any():
        raise UsageError("none is positive; average precision needs at least one")
    return float(weighted_average_precision(flags, numbers, np.ones((1, len(flags))))[0])


def weighted_auroc(positive: Flags, scores: Scores, weights: FloatArray) -> FloatArray:
    """`auroc` with each element counted `weights[..., s]` times; NaN where one side weighs
    nothing."""
    flags, numbers = _checked(positive, scores)
    ups, downs = _tied_weights(flags, numbers, weights)
    below = np.cumsum(downs, axis=-1) - downs
    wins = np.sum(ups * (below + 0.5 * downs), axis=-1)
    return _ratio(wins, np.sum(ups, axis=-1) * np.sum(downs, axis=-1))


def weighted_average_precision(positive: Flags, scores: Scores, weights: FloatArray) -> FloatArray:
    """`average_precision` with each element counted `weights[..., s]` times; NaN without
    positives."""
    flags, numbers = _checked(positive, scores)
    ups, downs = (side[..., ::-1] for side in _tied_weights(flags, numbers, weights))
    found = np.cumsum(ups, axis=-1)
    taken = found + np.cumsum(downs, axis=-1)
    precision = np.divide(found, taken, out=np.zeros_like(found), where=taken > 0)
    return _ratio(np.sum(ups * precision, axis=-1), found[..., -1])


@dataclass(frozen=True, eq=False)
class LabelledSteps:
    """The S labelled steps of T traces laid end to end: whose they are (S,), which (S,), and
    whether wrong (S,)."""

    owner: NDArray[np.int64]
    position: NDArray[np.int64]
    wrong: NDArray[np.bool_]
    num_traces: int

    @classmethod
    def of(
        cls, traces: Sequence[Trace], label_source: str | None = None, *, neutral: bool = True
    ) -> LabelledSteps:
        """Every step that the first labels of a source (any if None) call right or wrong."""
        rows: list[tuple[int, int, bool]] = []
        for t, trace in enumerate(traces):
            labels = trace.labels_from(label_source)
            if labels is None:
                continue
            for i in range(len(trace.steps)):
                right = labels.is_right(i, neutral=neutral)
                if right is not None:
                    rows.append((t, i, not right))
        owner, position, wrong = np.array(rows, dtype=np.int64).reshape(-1, 3).T
        return cls(owner, position, wrong.astype(np.bool_), len(traces))

    @property
    def of_both_kinds(self) -> bool:
        """Whether some are wrong and some right, so that there is anything to tell apart."""
        return bool(self.wrong.any()) and not bool(self.wrong.all())

    def suspicion(self, scores: Sequence[StepScores | None]) -> FloatArray:
        """Minus the score of each step, (S,); the least, minus infinity, where the scorer gave
        none."""
        values = [
            None if (one := scores[t]) is None else one.values[i]
            for t, i in zip(self.owner, self.position, strict=True)
        ]
        return np.array([-np.inf if value is None else -value for value in values])


@dataclass(frozen=True)
class StepDiscrimination:
    """AUROC and average precision of wrong steps among labelled ones, with intervals over traces.

    None where the steps are not of both kinds. `num_unscored` steps had no score and rank as least
    suspicious.
    """

    auroc: Estimate | None
    average_precision: Estimate | None
    num_steps: int
    num_wrong: int
    num_unscored: int

    def to_json(self) -> dict[str, object]:
        """Every figure with its interval, and the counts."""
        return {
            "auroc": self.auroc.to_json() if self.auroc else None,
            "average_precision": (
                self.average_precision.to_json() if self.average_precision else None
            ),
            "num_steps": self.num_steps,
            "num_wrong": self.num_wrong,
            "num_unscored": self.num_unscored,
        }


def step_discrimination(
    steps: LabelledSteps,
    scores: Sequence[StepScores | None],
    *,
    seed: int = 0,
    num_resamples: int = 1000,
) -> StepDiscrimination:
    """How well one scorer's scores, one `StepScores` (or None) per trace, pick out the wrong
    steps."""
    suspicion = steps.suspicion(scores)

    def estimate(figure: Callable[[Flags, Scores, FloatArray], FloatArray]) -> Estimate | None:
        if not steps.of_both_kinds:
            return None
        return bootstrap(
            lambda counts: figure(steps.wrong, suspicion, counts[:, steps.owner]),
            steps.num_traces,
            seed=seed,
            num_resamples=num_resamples,
        )

    return StepDiscrimination(
        auroc=estimate(weighted_auroc),
        average_precision=estimate(weighted_average_precision),
        num_steps=len(steps.wrong),
        num_wrong=int(steps.wrong.sum()),
        num_unscored=int(np.isneginf(suspicion).sum()),
    )


def auroc_difference(
    steps: LabelledSteps,
    a: Sequence[StepScores | None],
    b: Sequence[StepScores | None],
    *,
    seed: int = 0,
    num_resamples: int = 1000,
) -> Difference:
    """AUROC of scorer `a` minus that of `b` on the same steps, paired over traces.

    Raises:
        UsageError: the steps are not of both kinds.
    """
    first, second = steps.suspicion(a), steps.suspicion(b)

    def lead(counts: FloatArray) -> FloatArray:
        weights = counts[:, steps.owner]
        ours = weighted_auroc(steps.wrong, first, weights)
        return ours - weighted_auroc(steps.wrong, second, weights)

    return bootstrap_difference(lead, steps.num_traces, seed=seed, num_resamples=num_resamples)


def _checked(positive: Flags, scores: Scores) -> tuple[NDArray[np.bool_], FloatArray]:
    flags = np.asarray(positive, dtype=np.bool_)
    numbers = np.asarray(scores, dtype=np.float64)
    if flags.ndim != 1 or flags.shape != numbers.shape or len(flags) == 0:
        raise UsageError(
            f"{flags.shape} flags for {numbers.shape} scores; give one of each per element, at "
            "least one"
        )
    if np.isnan(numbers).any():
        raise UsageError(
            f"{int(np.isnan(numbers).sum())} scores are NaN; rank them or leave them out"
        )
    return flags, numbers


def _tied_weights(
    flags: NDArray[np.bool_], numbers: FloatArray, weights: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Weight of positives and of negatives at each distinct score, lowest first: two arrays (...,
    distinct)."""
    order = np.argsort(numbers, kind="stable")
    ranked = numbers[order]
    starts = np.flatnonzero(np.r_[True, ranked[1:] != ranked[:-1]])
    ordered = weights[..., order]
    ups = np.add.reduceat(ordered * flags[order], starts, axis=-1)
    downs = np.add.reduceat(ordered * ~flags[order], starts, axis=-1)
    return ups, downs


def _ratio(above: FloatArray, below: FloatArray) -> FloatArray:
    return np.divide(above, below, out=np.full_like(above, np.nan), where=below > 0)
