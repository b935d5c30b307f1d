"""Best-of-N on a frozen pool as what a study of settings is after (`training.tuning`)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal, get_args

from surefoot.errors import UsageError
from surefoot.evals.pools import Pool, curve, expectations
from surefoot.scores.outcomes import reward_of
from surefoot.traces.types import Trace
from surefoot.training.tuning.goal import Found, Goal, Scores

Choose = Literal["argmax", "vote"]

_METHODS = {"argmax": "model", "vote": "model_vote"}
_BASELINES = {"majority": "majority vote", "random": "any one", "step_length": "shortest"}


def pool_goal(
    traces: Sequence[Trace],
    *,
    num: int | None = None,
    choose: Choose = "argmax",
    watch: str | None = None,
) -> Goal:
    """How often the answer is right that a model chooses among N candidates.

    Args:
        traces: The pool: several traces of every problem, with outcomes.
        num: N; None is the number of candidates of the problem that has the fewest.
        choose: `argmax` takes the trace of the highest aggregate, `vote` lets the aggregates vote
            for answers.
        watch: Which figure of development traces chooses the weights of a trial and says which
            trials are hopeless, where there are development traces.

    Raises:
        UsageError: a trace has no outcome, or N is more than there are candidates of a problem.
    """
    if choose not in get_args(Choose):
        raise UsageError(f"choose is {choose!r}; it must be one of {', '.join(get_args(Choose))}")
    if not traces:
        raise UsageError("the pool holds no traces")
    pool, method = Pool.from_traces(traces, {}), _METHODS[choose]
    n = min(map(len, pool.problems)) if num is None else num
    plain = expectations(pool, [*_BASELINES], [n])

    def accuracy(traces: Sequence[Trace], scores: Scores, num_resamples: int) -> Found | None:
        rewards = [reward_of(one) for one in scores]
        if choose == "vote" and any(-math.inf < one < 0 for one in rewards):
            return None
        own = Pool.from_traces(traces, {"model": rewards})
        if not num_resamples:
            return Found(float(expectations(own, [method], [n])[method][:, 0, 0].mean()))
        found = curve(own, method, [n], num_resamples=num_resamples)[n].accuracy
        return Found(found.mean, found.low, found.high)

    return Goal(
        name=f"accuracy of best of {n} by {choose}",
        direction="maximize",
        traces=traces,
        measure=accuracy,
        depends_on_aggregate=True,
        watch=watch,
        baselines={words: float(plain[name][:, 0, 0].mean()) for name, words in _BASELINES.items()},
    )
