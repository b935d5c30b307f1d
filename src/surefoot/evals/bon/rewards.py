"""The numbers that candidates can be chosen by: every aggregate of every scorer, and what the
traces bring along."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from surefoot.aggregate import RULES
from surefoot.errors import UsageError
from surefoot.evals.candidates import BoolArray
from surefoot.stats import FloatArray
from surefoot.traces.types import StepScores, Trace

ANY_SIGN = ("min", "last", "mean", "sum")
NOT_NEGATIVE = ("min", "product", "last", "mean", "geometric", "sum")
"""The rules that can be had of scores of any sign, and of those that are never negative. `nll`
chooses as `geometric` does."""

LOG_PROBABILITY = "logprob"
"""The key of `meta` under which our policies keep the log-probability of a chain."""


@dataclass(frozen=True, eq=False)
class Reward:
    """One number per candidate, higher is better; minus infinity where there is none.

    `scorer` is whose scores it comes from and `rule` how, both None for what the traces bring
    along. The chief reward of a scorer is the one that it is judged by. `is_outcome` says that it
    scores the whole candidate, as an outcome reward model does; `is_weight` that votes may be
    weighed by it.
    """

    name: str
    values: FloatArray
    scorer: str | None = None
    rule: str | None = None
    is_chief: bool = False
    is_outcome: bool = False
    is_weight: bool = False

    @property
    def can_vote(self) -> bool:
        """Whether it can weigh a vote: it is meant to, and never negative."""
        given = self.values[np.isfinite(self.values)]
        return self.is_weight and bool((given >= 0).all())

    @property
    def num_missing(self) -> int:
        """How many candidates have none."""
        return int(np.isneginf(self.values).sum())


def scorers_of(traces: Sequence[Trace]) -> tuple[str, ...]:
    """Whose scores the candidates hold, in order of appearance."""
    return tuple(dict.fromkeys(one.model for trace in traces for one in trace.scores))


def rewards_of(
    traces: Sequence[Trace],
    scorers: Sequence[str],
    *,
    aggregate: str | None = None,
    columns: Sequence[str] = (),
) -> list[Reward]:
    """Every reward of T candidates, those of a scorer together with its chief one first.

    Args:
        traces: The candidates.
        scorers: Whose scores count; one that has none of these candidates is passed over.
        aggregate: The rule that scorers are judged by; the one their scores carry if None.
        columns: Keys of `meta` that hold one number per candidate, such as the score of an outcome
            reward model; the log-probability is found by itself.

    Raises:
        UsageError: a column is no number in some candidate, or a scorer's scores are of two kinds.
    """
    found = [_column(name, traces) for name in columns]
    if LOG_PROBABILITY not in columns and all(LOG_PROBABILITY in one.meta for one in traces):
        found.append(_column(LOG_PROBABILITY, traces))
    for scorer in scorers:
        scores = [next((s for s in one.scores if s.model == scorer), None) for one in traces]
        if any(scores):
            found += _of_scorer(scorer, scores, aggregate)
    return found


def padded(scores: Sequence[StepScores | None]) -> tuple[FloatArray, BoolArray]:
    """The scores of T traces, and where there are any: two arrays (T, S)."""
    longest = max((len(one.values) for one in scores if one is not None), default=0)
    values = np.full((len(scores), longest), math.nan)
    for row, one in zip(values, scores, strict=True):
        if one is not None:
            row[: len(one.values)] = one.values
    return values, ~np.isnan(values)


def _of_scorer(
    scorer: str, scores: Sequence[StepScores | None], aggregate: str | None
) -> list[Reward]:
    kinds = {(one.kind, one.default_aggregate) for one in scores if one is not None}
    if len(kinds) > 1:
        raise UsageError(f"{scorer} has scores of several kinds, {sorted(kinds)}; name them apart")
    kind, own = next(iter(kinds))
    values, mask = padded(scores)
    scored = mask.any(axis=1)
    is_outcome = _scores_ends_alone(scores, mask)
    if is_outcome:
        rules: tuple[str, ...] = ("last",)
    elif kind in ("probability", "value"):
        rules = NOT_NEGATIVE
    else:
        rules = ANY_SIGN
    own = "geometric" if own == "nll" else own
    chief = aggregate if aggregate in rules else own if own in rules else rules[0]
    found = []
    for rule in sorted(rules, key=lambda one: one != chief):
        column = np.full(len(scores), -math.inf)
        if scored.any():
            column[scored] = RULES[rule](values[scored], mask[scored])
        found.append(
            Reward(
                name=scorer if is_outcome else f"{scorer}:{rule}",
                values=column,
                scorer=scorer,
                rule=rule,
                is_chief=rule == chief,
                is_outcome=is_outcome,
                is_weight=kind in ("probability", "value"),
            )
        )
    return found


def _scores_ends_alone(scores: Sequence[StepScores | None], mask: BoolArray) -> bool:
    """Whether a scorer gives a number to the last step of a trace and to no other."""
    ends = [
        (row.sum() == 1 and bool(row[len(one.values) - 1]), len(one.values) > 1)
        for one, row in zip(scores, mask, strict=True)
        if one is not None and row.any()
    ]
    return any(several for _, several in ends) and all(last for last, _ in ends)


def _column(name: str, traces: Sequence[Trace]) -> Reward:
    values = []
    for trace in traces:
        value = trace.meta.get(name)
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            raise UsageError(
                f"meta.{name} of trace {trace.id} is {value!r}; a column needs a number in every "
                "candidate"
            )
        values.append(float(value))
    is_outcome = name != LOG_PROBABILITY
    return Reward(name, np.array(values), is_outcome=is_outcome, is_weight=is_outcome)
