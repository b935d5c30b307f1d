"""What makes a trace worth a person's time: one number each, higher for sooner.

`convincing-wrong` is the active learning of Lightman et al. 2023 (Let's Verify Step by Step,
arXiv:2305.20050, section 4.2): the answers that the current reward model likes best among those
that are wrong, since there it errs for certain. They took 80 % of a batch so; what the rest is, is
up to the caller (`choosing.SelectionRule.random_share`).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import combinations
from typing import TypeAlias

import numpy as np

from surefoot.labels.votes import VoteRule, first_wrong, labels_by_source, ratings, shares
from surefoot.traces.types import StepScores, Trace

Priority: TypeAlias = Callable[["Trace", "StepScores | None", VoteRule], "float | None"]
"""How much a trace is worth, or None where it is not for this strategy."""

_LARGEST_LOG_ODDS = 40.0


@dataclass(frozen=True)
class Strategy:
    """A way to choose: what it says of a trace, and what the trace needs for that."""

    priority: Priority
    needs: str
    spreads: bool = False
    """Whether the chosen are to lie far apart, not to have the highest priority."""


def convincing_wrong(trace: Trace, scores: StepScores | None, rule: VoteRule) -> float | None:
    """The model's reward, by its own aggregate, of a trace whose answer is wrong."""
    if trace.outcome is not False or scores is None or not scores.scored:
        return None
    return scores.aggregate()


def uncertainty(trace: Trace, scores: StepScores | None, rule: VoteRule) -> float | None:
    """How near the predicted first error is to the threshold: minus the distance, in log-odds for
    probabilities.

    Where no step is below the threshold, the step that comes nearest is looked at.
    """
    if scores is None or not scores.scored:
        return None
    fine = scores.values if scores.log_odds is None else scores.log_odds
    step = scores.first_error()
    if step is None:
        step = min((value, i) for i, value in enumerate(fine) if value is not None)[1]
    value, odds = scores.values[step], fine[step]
    assert value is not None
    assert odds is not None
    if scores.kind not in ("probability", "value"):
        return -abs(value - scores.threshold)
    if scores.log_odds is None:
        odds = _log_odds(value)
    return -abs(odds - _log_odds(scores.threshold))


def disagreement(trace: Trace, scores: StepScores | None, rule: VoteRule) -> float | None:
    """How far those who judged the trace differ: the share of their pairs that put the first error
    on different steps, plus the mean over steps of the deviation of what they say.

    Those are the label sets that were not merged, and the scores of every model.
    """
    firsts: list[int | None] = []
    said: list[list[float]] = []
    for labels in labels_by_source(trace).values():
        votes = shares(labels, rule)
        if any(vote is not None for vote in votes):
            firsts.append(first_wrong(ratings(labels, rule), rule))
            said.append([math.nan if vote is None else vote for vote in votes])
    for one in trace.scores:
        if one.scored:
            firsts.append(one.first_error())
            bounded = one.kind in ("probability", "value")
            said.append(
                [
                    math.nan if v is None else v if bounded else float(v >= one.threshold)
                    for v in one.values
                ]
            )
    if len(firsts) < 2:
        return None
    pairs = [a != b for a, b in combinations(firsts, 2)]
    table = np.array(said)
    spoken = (~np.isnan(table)).sum(axis=0) > 1
    deviation = float(np.nanstd(table[:, spoken], axis=0).mean()) if spoken.any() else 0.0
    return sum(pairs) / len(pairs) + deviation


def even(trace: Trace, scores: StepScores | None, rule: VoteRule) -> float | None:
    """Nothing in favour of any trace."""
    return 0.0


STRATEGIES: Mapping[str, Strategy] = {
    "convincing-wrong": Strategy(convincing_wrong, "a wrong outcome and scores of the model"),
    "uncertainty": Strategy(uncertainty, "scores of the model"),
    "disagreement": Strategy(disagreement, "two label sets or models that say something"),
    "diversity": Strategy(even, "nothing", spreads=True),
    "random": Strategy(even, "nothing"),
}
"""Every strategy by name."""


def _log_odds(p: float) -> float:
    if p <= 0 or p >= 1:
        return math.copysign(_LARGEST_LOG_ODDS, p - 0.5)
    return math.log(p / (1 - p))
