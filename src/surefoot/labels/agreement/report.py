"""How far the sources of a set of traces agree: all together, and each with each.

Alpha and kappa are over steps, first errors over traces; every interval is a bootstrap over traces,
since the steps of one trace are not independent.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import TypeAlias, get_args

import numpy as np

from surefoot.labels.agreement.alpha import Coincidences, Metric
from surefoot.labels.agreement.kappa import PairTable, Weights
from surefoot.labels.votes import VoteRule, first_wrong, ratings_by_source, settles
from surefoot.stats import Estimate, FloatArray, bootstrap_each
from surefoot.traces.types import Trace

Ratings: TypeAlias = "tuple[int | None, ...]"

_RATINGS = (-1, 0, 1)


@dataclass(frozen=True)
class PairAgreement:
    """Two sources on what both speak of; a figure is None where there is nothing to measure it on.

    `exact` and `within_one` are the shares of the `num_settled` traces, on which both settle the
    first error, where they put it on the same step, or on the same or a neighbouring one. "No
    error" agrees only with "no error".
    """

    first: str
    second: str
    num_traces: int
    num_steps: int
    kappa: Mapping[Weights, Estimate | None]
    num_settled: int
    exact: Estimate | None
    within_one: Estimate | None

    def to_json(self) -> dict[str, object]:
        """Every figure and count."""
        return {
            "first": self.first,
            "second": self.second,
            "num_traces": self.num_traces,
            "num_steps": self.num_steps,
            "kappa": {name: one and one.to_json() for name, one in self.kappa.items()},
            "num_settled": self.num_settled,
            "exact": self.exact and self.exact.to_json(),
            "within_one": self.within_one and self.within_one.to_json(),
        }


@dataclass(frozen=True)
class AgreementReport:
    """Agreement of all sources and of each pair that meets in some trace.

    `num_traces` and `num_steps` count what at least two sources speak of.
    """

    sources: tuple[str, ...]
    num_traces: int
    num_steps: int
    alpha: Mapping[Metric, Estimate | None]
    pairs: tuple[PairAgreement, ...]

    def to_json(self) -> dict[str, object]:
        """Every figure and count."""
        return {
            "sources": list(self.sources),
            "num_traces": self.num_traces,
            "num_steps": self.num_steps,
            "alpha": {name: one and one.to_json() for name, one in self.alpha.items()},
            "pairs": [one.to_json() for one in self.pairs],
        }


def agreement(
    traces: Iterable[Trace],
    *,
    sources: Sequence[str] | None = None,
    rule: VoteRule | None = None,
    seed: int = 0,
    num_resamples: int = 1000,
) -> AgreementReport:
    """How far the sources of some traces agree; the traces are read once.

    `sources` are patterns of `labels.votes`; without them all that were not merged. Neutral ratings
    lie between right and wrong; value labels count by the rule.
    """
    chosen = rule or VoteRule()
    return agreement_of(
        [ratings_by_source(trace, chosen, sources) for trace in traces],
        rule=chosen,
        seed=seed,
        num_resamples=num_resamples,
    )


def agreement_of(
    said: Sequence[Mapping[str, Ratings]], *, rule: VoteRule, seed: int, num_resamples: int
) -> AgreementReport:
    """As `agreement`, of the ratings of each trace by source."""
    names = sorted({name for one in said for name in one})
    together = [list(zip(*one.values(), strict=True)) for one in said]
    shared = [
        some
        for units in together
        if (some := [unit for unit in units if sum(v is not None for v in unit) > 1])
    ]
    table = Coincidences.of(shared)
    metrics = get_args(Metric)
    alphas: list[Estimate | None] = [None] * len(metrics)
    if shared:
        alphas = bootstrap_each(
            lambda counts: np.stack([table.statistic(counts, one) for one in metrics], axis=1),
            len(shared),
            seed=seed,
            num_resamples=num_resamples,
        )
    pairs = (
        _pair(a, b, said, rule, seed, num_resamples)
        for a, b in combinations(names, 2)
        if any(a in one and b in one for one in said)
    )
    return AgreementReport(
        sources=tuple(names),
        num_traces=len(shared),
        num_steps=sum(map(len, shared)),
        alpha=dict(zip(metrics, alphas, strict=True)),
        pairs=tuple(pairs),
    )


def _pair(
    first: str,
    second: str,
    said: Sequence[Mapping[str, Ratings]],
    rule: VoteRule,
    seed: int,
    num_resamples: int,
) -> PairAgreement:
    both = [(one[first], one[second]) for one in said if first in one and second in one]
    table = PairTable.of(both, _RATINGS)
    firsts = np.array([_first_errors(a, b, rule) for a, b in both], dtype=np.float64)
    weights = get_args(Weights)

    def figures(counts: FloatArray) -> FloatArray:
        settled, exact, near = (counts @ firsts).T
        shares = [
            np.divide(part, settled, out=np.full(len(counts), np.nan), where=settled > 0)
            for part in (exact, near)
        ]
        return np.stack([*(table.statistic(counts, one) for one in weights), *shares], axis=1)

    *kappas, exact, within_one = bootstrap_each(
        figures, len(both), seed=seed, num_resamples=num_resamples
    )
    return PairAgreement(
        first=first,
        second=second,
        num_traces=len(both),
        num_steps=table.num_units,
        kappa=dict(zip(weights, kappas, strict=True)),
        num_settled=int(firsts[:, 0].sum()),
        exact=exact,
        within_one=within_one,
    )


def _first_errors(a: Ratings, b: Ratings, rule: VoteRule) -> tuple[bool, bool, bool]:
    """Whether both settle the first error, put it on the same step, and within one."""
    if not (settles(a, rule) and settles(b, rule)):
        return False, False, False
    one, other = first_wrong(a, rule), first_wrong(b, rule)
    near = one is not None and other is not None and abs(one - other) == 1
    return True, one == other, one == other or near
