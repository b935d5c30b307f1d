"""Several scorers as one, and how far they disagree on each step.

Each step gets the mean or the least of the members' scores. A member that abstains on a step is
left out of it; where all abstain, so does the ensemble. Disagreement shows which steps to have
labelled next.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TypeVar, cast

from surefoot import aggregate
from surefoot.errors import UnscorableError, UsageError
from surefoot.models.base import BatchScorer, Branch, Growth, RewardModel, Scored, Session
from surefoot.models.foreign import framed
from surefoot.traces.types import StepScores, Trace

T = TypeVar("T")


def _mean(values: Sequence[float]) -> float:
    # a mean of equal numbers is that number; the sum may round away from it
    return min(max(math.fsum(values) / len(values), min(values)), max(values))


def _log_odds_of_mean(log_odds: Sequence[float]) -> float:
    """The log-odds of the mean of probabilities that are given by theirs: p = 1 / (1 + exp(-z)).

    log(sum p) - log(sum (1 - p)), where log p and log(1 - p) are exact however close p is to 0 or
    1; an infinite z stands for exactly 0 or 1.
    """
    return _log_sum([_log_p(z) for z in log_odds]) - _log_sum([_log_p(-z) for z in log_odds])


def _log_p(z: float) -> float:
    """log(1 / (1 + exp(-z)))."""
    return -math.log1p(math.exp(-z)) if z > 0 else z - math.log1p(math.exp(z))


def _log_sum(logs: Sequence[float]) -> float:
    """log(sum(exp))."""
    most = max(logs)
    if most == -math.inf:
        return most
    return most + math.log(math.fsum(math.exp(one - most) for one in logs))


@dataclass(frozen=True, slots=True)
class Rule:
    """How scores of one step become one: of the scores, and of their log-odds."""

    combine: Callable[[Sequence[float]], float]
    combine_log_odds: Callable[[Sequence[float]], float]


RULES: Mapping[str, Rule] = {
    "mean": Rule(_mean, _log_odds_of_mean),
    "min": Rule(min, min),
}


@dataclass(frozen=True, slots=True)
class Disagreement:
    """How far the members of an ensemble are apart on each step of a trace.

    `deviations` are population standard deviations of the members' scores of a step, `ranges` the
    greatest minus the least; both None where fewer than two members gave a score.
    """

    scores: StepScores
    """Those of the ensemble."""
    members: tuple[StepScores, ...]
    """Those of each member, in the ensemble's order."""
    deviations: tuple[float | None, ...]
    ranges: tuple[float | None, ...]


class Ensemble(BatchScorer):
    """Reward models whose scores are combined step by step.

    All must give the same kind of score. Rewards and log-ratios of different models have no scale
    in common, so those are refused unless `same_scale` says that they have, as where only the seed
    of the training differs.

    Log-odds are given for probabilities and values if at least one member gives them: those of the
    combined score, exact where it rounds to 0 or 1.

    Args:
        members: At least one.
        rule: A name of `RULES`.
        name: What the scores are signed with; `rule(member, member, ...)` if not given.
        default_aggregate: That of all members if not given; it must be where they differ.
        threshold: Likewise.
        same_scale: Rewards or log-ratios of the members may be combined.

    Raises:
        UsageError: there are no members, or no such rule or aggregate.
    """

    def __init__(
        self,
        members: Sequence[RewardModel],
        rule: str = "mean",
        *,
        name: str | None = None,
        default_aggregate: str | None = None,
        threshold: float | None = None,
        same_scale: bool = False,
    ) -> None:
        if not members:
            raise UsageError("an ensemble needs at least one member")
        if rule not in RULES:
            raise UsageError(f"no ensemble rule {rule!r}; choose one of {', '.join(RULES)}")
        if default_aggregate is not None:
            aggregate.rule(default_aggregate)
        self.members = tuple(members)
        self._scorers = [framed(one) for one in members]
        self.rule = rule
        self.name = name or f"{rule}({', '.join(member.name for member in members)})"
        self.default_aggregate = default_aggregate
        self.threshold = threshold
        self.same_scale = same_scale

    def score_batch(self, traces: Sequence[Trace]) -> list[StepScores]:
        """The combined scores of each trace, in order.

        Raises:
            UsageError: the members' scores cannot be combined, or they differ in aggregate or
                threshold and none was given.
            UnscorableError: a trace is not for one of the members.
        """
        return [self.combine(found) for found in self._by_trace(traces)]

    def disagreement(self, traces: Sequence[Trace]) -> list[Disagreement]:
        """How far the members are apart on each trace, in order; raises what scoring does."""
        return [
            Disagreement(
                scores=self.combine(found),
                members=found,
                deviations=tuple(_spread(step, statistics.pstdev) for step in _by_step(found)),
                ranges=tuple(_spread(step, _range) for step in _by_step(found)),
            )
            for found in self._by_trace(traces)
        ]

    def open(self, problem: str, *, reference: str | None = None) -> Session:
        """A session that holds one of each member, so that each pays for what is new to it."""
        opened = [scorer.open(problem, reference=reference) for scorer in self._scorers]
        return _EnsembleSession(self, opened, problem, reference)

    def combine(self, found: Sequence[StepScores]) -> StepScores:
        """One score per step from those that the members gave to the same trace.

        Raises:
            UsageError: as `score_batch`.
        """
        kind = self._agreed("kind", [one.kind for one in found])
        if kind in ("reward", "log-ratio") and not self.same_scale and len(found) > 1:
            raise UsageError(
                f"{self.name} would combine {kind}s, which have no scale in common; turn them into "
                "probabilities first, or say same_scale=True where the members are of one recipe"
            )
        rule = RULES[self.rule]
        values = [rule.combine(step) if step else None for step in _by_step(found)]
        return StepScores(
            tuple(values),
            self.name,
            kind=kind,
            default_aggregate=self.default_aggregate
            or self._agreed("default_aggregate", [one.default_aggregate for one in found]),
            threshold=self._agreed("threshold", [one.threshold for one in found])
            if self.threshold is None
            else self.threshold,
            log_odds=_log_odds(found, rule) if kind in ("probability", "value") else None,
        )

    def _by_trace(self, traces: Sequence[Trace]) -> list[tuple[StepScores, ...]]:
        """For each trace, the scores of every member."""
        by_member = [scorer.score(traces) for scorer in self._scorers]
        return list(zip(*by_member, strict=True))

    def _agreed(self, what: str, given: Sequence[T]) -> T:
        """What all members give."""
        if any(one != given[0] for one in given):
            each = ", ".join(
                f"{member.name}: {one}" for member, one in zip(self.members, given, strict=True)
            )
            mend = "combine only one kind" if what == "kind" else f"give the ensemble a {what}"
            raise UsageError(f"the members of {self.name} differ in {what} ({each}); {mend}")
        return given[0]


class _EnsembleSession(Session):
    """A session that holds one of each member."""

    def __init__(
        self, ensemble: Ensemble, sessions: Sequence[Session], problem: str, reference: str | None
    ) -> None:
        super().__init__(problem, reference)
        self._ensemble, self._sessions = ensemble, sessions
        self._twins = {self.root: tuple(session.root for session in sessions)}
        """The branch of each member's session that stands for one of ours."""
        self._new: list[tuple[Branch, ...]] = []

    def plant(self, problem: str, *, reference: str | None = None) -> Branch:
        """One more problem, in every member's session."""
        twins = []
        with ExitStack() as undo:
            for session in self._sessions:
                twins.append(session.plant(problem, reference=reference))
                undo.callback(session.drop, twins[-1])
            root = super().plant(problem, reference=reference)
            undo.pop_all()
        self._twins[root] = tuple(twins)
        return root

    def _score(
        self, growths: Sequence[Growth], *, partly: bool
    ) -> Sequence[Scored | UnscorableError]:
        refused: dict[int, UnscorableError] = {}
        twins: list[list[Branch]] = [[] for _ in growths]
        with ExitStack() as undo:
            for place, session in enumerate(self._sessions):
                open_places = [i for i in range(len(growths)) if i not in refused]
                extensions = [
                    (self._twins[growths[i].branch][place], growths[i].new_steps)
                    for i in open_places
                ]
                grown = session.try_extend(extensions) if partly else session.extend(extensions)
                for i, one in zip(open_places, grown, strict=True):
                    if isinstance(one, UnscorableError):
                        refused[i] = one
                    else:
                        twins[i].append(one)
                        undo.callback(session.drop, one)
            scored = [
                refused[i] if i in refused else self._combined(own) for i, own in enumerate(twins)
            ]
            undo.pop_all()
        for i in refused:
            for session, twin in zip(self._sessions, twins[i], strict=False):
                session.drop(twin)
        self._new = [tuple(own) for i, own in enumerate(twins) if i not in refused]
        return scored

    def _combined(self, twins: Sequence[Branch]) -> Scored:
        scores = self._ensemble.combine([cast(StepScores, twin.scores) for twin in twins])
        costs = [twin.num_tokens for twin in twins if twin.num_tokens is not None]
        return Scored(scores, sum(costs) if len(costs) == len(twins) else None)

    def _keep(self, grown: Sequence[Branch]) -> None:
        self._twins.update(zip(grown, self._new, strict=True))
        self._new = []

    def _forget(self, branch: Branch) -> None:
        for session, twin in zip(self._sessions, self._twins.pop(branch), strict=True):
            session.drop(twin)


def _by_step(found: Sequence[StepScores]) -> list[list[float]]:
    """For each step, the scores of the members that gave one."""
    steps = zip(*(one.values for one in found), strict=True)
    return [[value for value in step if value is not None] for step in steps]


def _log_odds(found: Sequence[StepScores], rule: Rule) -> tuple[float | None, ...] | None:
    """The log-odds of the combined scores; None if no member gives any, or if one is infinite."""
    if all(one.log_odds is None for one in found):
        return None
    steps = zip(*map(_all_log_odds, found), strict=True)
    given = [[z for z in step if z is not None] for step in steps]
    combined = [rule.combine_log_odds(step) if step else None for step in given]
    return None if any(z is not None and math.isinf(z) for z in combined) else tuple(combined)


def _all_log_odds(one: StepScores) -> Sequence[float | None]:
    """The log-odds that a member gives, or those of its scores, infinite at 0 and 1."""
    if one.log_odds is not None:
        return one.log_odds
    return [
        None if p is None else math.log(p) - math.log1p(-p) if 0 < p < 1 else (2 * p - 1) * math.inf
        for p in one.values
    ]


def _spread(values: Sequence[float], measure: Callable[[Sequence[float]], float]) -> float | None:
    return measure(values) if len(values) > 1 else None


def _range(values: Sequence[float]) -> float:
    return max(values) - min(values)
