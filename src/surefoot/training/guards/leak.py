"""How well a label can be guessed without reading: from where a step stands, how long it is, how
many steps there are and where the trace came from.

A model that is trained on such labels may learn no more than that, and any figure of it has to be
held against these.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np

from surefoot.scores.discrimination import weighted_auroc
from surefoot.stats import Estimate, FloatArray, bootstrap
from surefoot.training.guards.columns import Columns, Flags, Whole
from surefoot.training.guards.logistic import fit_logistic, log_odds

LIMIT = 0.75
"""AUROC above which a feature is called a leak; length alone reaches .68 on ProcessBench."""

MOST_TRACES, MOST_STEPS = 4_000, 20_000
"""How much is looked at: the traces with the least ids, which are hashes and so as good as drawn at
random."""

_RESAMPLES = 200
_FIRST_FEW = 8
"""Positions that have a weight of their own where features work together."""

_PRIOR = 20
"""How many steps with the share of all a domain is taken to have besides its own."""

Seen = Literal["step by step", "whole traces"]
"""Who sees a feature: already a model that reads step by step and scores each one before it reads
on, or only one that reads whole traces first."""


@dataclass(frozen=True, kw_only=True, slots=True)
class FeatureLeak:
    """How well one thing, or several together, tell wrong steps from right ones."""

    name: str
    seen: Seen
    auroc: Estimate | None
    """Of the better direction, which is chosen on all traces, so that the interval may reach below
    one half; for domains and combinations, of what one half of the questions teaches, on the other
    half. None where that half, or all, lacks a class."""
    more_is_wrong: bool | None
    """The direction of a single number; None for the others."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Ends:
    """Where wrong steps are among the labelled ones of their traces, over all traces with at least
    two labelled steps."""

    wrong: int
    wrong_last: int
    """Wrong steps behind which no step of their trace has a label."""
    others: int
    """Steps that are not wrong."""
    others_last: int
    stopping: Mapping[str, int]
    """Domains that have wrong steps, all of them last, and how many."""

    @property
    def all_last(self) -> bool:
        """Whether the labels of a trace stop at its first error, so that being the last labelled
        step gives a wrong one away."""
        return 0 < self.wrong == self.wrong_last

    @property
    def auroc(self) -> float | None:
        """Of being the last labelled step: the mean of the share of wrong steps that are and of the
        share of others that are not. None without steps of both kinds."""
        if not self.wrong or not self.others:
            return None
        return (self.wrong_last / self.wrong + 1 - self.others_last / self.others) / 2


@dataclass(frozen=True, kw_only=True, slots=True)
class Leak:
    """What gives labels away, with 95 % intervals over traces."""

    traces: int
    """Traces that were looked at."""
    steps: int
    features: tuple[FeatureLeak, ...]
    limit: float
    ends: Ends

    @property
    def over(self) -> tuple[FeatureLeak, ...]:
        """What tells labels better than the limit allows."""
        return tuple(f for f in self.features if f.auroc and f.auroc.mean > self.limit)


def leak(columns: Columns, *, outcomes: bool = False, limit: float = LIMIT, seed: int = 0) -> Leak:
    """What gives the labels of some traces away.

    Args:
        columns: The traces.
        outcomes: They are labelled as wholes, so that no step has a position of its own.
        limit: See `LIMIT`.
        seed: For the intervals.
    """
    chosen = _sample(columns)
    numbers = _numbers(columns, chosen, outcomes)
    measure = _Measure(columns, chosen, seed)
    found = [measure.single(name, seen, values) for name, (seen, values) in numbers.items()]
    early = {name: values for name, (seen, values) in numbers.items() if seen == "step by step"}
    every = {name: values for name, (_, values) in numbers.items()}
    if measure.num_domains > 1:
        found.append(measure.learned("domain", "step by step", {}))
    combined: dict[Seen, Mapping[str, FloatArray]] = {"step by step": early, "whole traces": every}
    for seen, together in combined.items():
        if together:
            name = " + ".join([*together, *(["domain"] if measure.num_domains > 1 else [])])
            found.append(measure.learned(name, seen, together))
    return Leak(
        traces=measure.num_traces,
        steps=len(chosen),
        features=tuple(found),
        limit=limit,
        ends=_ends(columns),
    )


def _ends(columns: Columns) -> Ends:
    several = np.bincount(columns.owner, minlength=len(columns.head))[columns.owner] > 1
    last = np.r_[columns.owner[1:] != columns.owner[:-1], True]
    wrong, others = columns.wrong & several, ~columns.wrong & several
    domain, size = columns.domain[columns.owner], len(columns.domains)
    wrong_of = np.bincount(domain[wrong], minlength=size)
    stops = (wrong_of > 0) & (wrong_of == np.bincount(domain[wrong & last], minlength=size))
    return Ends(
        wrong=int(wrong.sum()),
        wrong_last=int((wrong & last).sum()),
        others=int(others.sum()),
        others_last=int((others & last).sum()),
        stopping={columns.domains[d]: int(wrong_of[d]) for d in np.flatnonzero(stops)},
    )


def _sample(columns: Columns) -> Whole:
    """The steps of the traces with the least ids: as many as may be looked at, and one trace at
    least."""
    sizes = np.bincount(columns.owner, minlength=len(columns.head))
    order = np.argsort(columns.head, kind="stable")[:MOST_TRACES]
    few = np.cumsum(sizes[order]) <= MOST_STEPS
    few[:1] = True
    kept = np.zeros(len(columns.head), dtype=np.bool_)
    kept[order[few]] = True
    return np.flatnonzero(kept[columns.owner])


def _numbers(
    columns: Columns, chosen: Whole, outcomes: bool
) -> Mapping[str, tuple[Seen, FloatArray]]:
    """Each single number, (S,), and who sees it."""
    position = columns.position[chosen].astype(np.float64)
    size = columns.num_steps[columns.owner[chosen]].astype(np.float64)
    length = columns.characters[chosen].astype(np.float64)
    if outcomes:
        return {"steps": ("whole traces", size), "characters": ("whole traces", length)}
    return {
        "position": ("step by step", position),
        "characters": ("step by step", length),
        "steps behind": ("whole traces", size - 1 - position),
        "relative position": ("whole traces", position / np.maximum(size - 1, 1)),
        "steps": ("whole traces", size),
    }


class _Measure:
    """Measures features of the chosen steps against their labels."""

    def __init__(self, columns: Columns, chosen: Whole, seed: int) -> None:
        self.wrong: Flags = columns.wrong[chosen]
        traces, self.owner = np.unique(columns.owner[chosen], return_inverse=True)
        self.num_traces = len(traces)
        domains, self.domain = np.unique(columns.domain[columns.owner[chosen]], return_inverse=True)
        self.num_domains = len(domains)
        halves = columns.question[columns.owner[chosen]] >> np.uint64(32) & np.uint64(1)
        self.taught: Flags = halves == 0
        self.seed = seed

    def single(self, name: str, seen: Seen, values: FloatArray) -> FeatureLeak:
        """One number, in the better of its two directions."""
        found = self._auroc(values, np.ones(len(values), dtype=np.bool_))
        more = found is None or found.mean >= 0.5
        if found is not None and not more:
            found = Estimate(1 - found.mean, 1 - found.high, 1 - found.low)
        return FeatureLeak(name=name, seen=seen, auroc=found, more_is_wrong=more if found else None)

    def learned(self, name: str, seen: Seen, numbers: Mapping[str, FloatArray]) -> FeatureLeak:
        """Domain and numbers together: learned on one half of the questions, measured on the
        other."""
        found = None
        if _both(self.wrong[self.taught]):
            features = np.stack([self._of_domain(), *_shaped(numbers)], axis=1)
            weights = fit_logistic(features[self.taught], self.wrong[self.taught])
            found = self._auroc(log_odds(features, weights), ~self.taught)
        return FeatureLeak(name=name, seen=seen, auroc=found, more_is_wrong=None)

    def _auroc(self, values: FloatArray, where: Flags) -> Estimate | None:
        wrong, owner = self.wrong[where], self.owner[where]
        if not _both(wrong):
            return None
        return bootstrap(
            lambda counts: weighted_auroc(wrong, values[where], counts[:, owner]),
            self.num_traces,
            seed=self.seed,
            num_resamples=_RESAMPLES,
        )

    def _of_domain(self) -> FloatArray:
        """The log-odds of wrong in each step's domain, by the half that teaches, (S,)."""
        here, wrong = self.domain[self.taught], self.wrong[self.taught]
        share = wrong.mean()
        bad = np.bincount(here, weights=wrong, minlength=self.num_domains) + _PRIOR * share
        good = np.bincount(here, weights=~wrong, minlength=self.num_domains) + _PRIOR * (1 - share)
        odds: FloatArray = np.log(bad / good)[self.domain]
        return odds


def _shaped(numbers: Mapping[str, FloatArray]) -> list[FloatArray]:
    """Numbers as features of unit scale: as they are, their logarithm, its square, and, of places,
    which of the first few they are."""
    shaped = []
    for name, values in numbers.items():
        logs = np.log1p(values)
        shaped += [_unit(values), _unit(logs), _unit(logs) ** 2]
        if name in ("position", "steps behind"):
            shaped += [(values == k).astype(np.float64) for k in range(_FIRST_FEW)]
    return shaped


def _unit(values: FloatArray) -> FloatArray:
    spread = values.std()
    return (values - values.mean()) / spread if spread else np.zeros_like(values)


def _both(wrong: Flags) -> bool:
    return bool(wrong.any()) and not bool(wrong.all())
