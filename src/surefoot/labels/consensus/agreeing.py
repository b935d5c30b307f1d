"""Agreement filter: labels are kept only where all of the named sources agree on the first error.

Zhang et al. 2025, The Lessons of Developing Process Reward Models (arXiv:2501.07301, section 3.2),
keep a trace whose rollouts and judge put the first error on the same step, and train on less than
half of the labels with a better model. Here the sources may be any, and single steps can be kept.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, get_args

from surefoot.errors import UsageError
from surefoot.labels.consensus.merged import Merged, merged_labels
from surefoot.labels.votes import (
    MERGED,
    VoteRule,
    first_wrong,
    is_named,
    ratings_by_source,
    settles,
)
from surefoot.traces.types import StepLabels, Trace

Unit = Literal["trace", "step"]


def agreed(
    trace: Trace,
    *,
    sources: Sequence[str] = ("rollout", "judge"),
    rule: VoteRule | None = None,
    keep: Unit = "trace",
) -> Merged:
    """Right before the first error that all put on the same step, wrong there, nothing behind it.

    Every label set that one of `sources` names takes part, and each of `sources` must name one that
    says something. `keep="trace"` labels only traces whose first error, or that there is none, all
    settle alike. `keep="step"` labels a trace up to where the first of them sees an error or falls
    silent: right up to there, and wrong at that step if all say so.

    Raises:
        UsageError: fewer than two sources, or there is no such unit.
    """
    if len(set(sources)) < 2:
        raise UsageError(
            "agreement needs two sources or more; name them, such as rollout and judge"
        )
    if keep not in get_args(Unit):
        raise UsageError(f"keep is {keep!r}; it must be one of {', '.join(get_args(Unit))}")
    chosen = rule or VoteRule()
    annotator = f"{MERGED}agreement of {' and '.join(sources)}, by {keep}"
    said = {
        name: one
        for name, one in ratings_by_source(trace, chosen, sources).items()
        if any(rating is not None for rating in one)
    }
    missing = [one for one in sources if not any(is_named(name, [one]) for name in said)]
    if missing:
        cause = f"no labels of {', '.join(missing)}"
        return Merged(annotator, tuple(said), None, {"trace": cause})
    n = len(trace.steps)
    ends = {name: _end(one, chosen) for name, one in said.items()}
    alike = len(set(ends.values())) == 1 and all(settles(one, chosen) for one in said.values())
    if alike or keep == "step":
        end = min(ends.values())
        values: list[float | None] = [1] * end + [None] * (n - end)
        if end < n and all(first_wrong(one, chosen) == end for one in said.values()):
            values[end] = -1
        behind = {} if alike else {"trace": _told(said, chosen)}
        labels = StepLabels(tuple(values), source="other", annotator=annotator)
        return merged_labels(annotator, tuple(said), labels, behind)
    return Merged(annotator, tuple(said), None, {"trace": _told(said, chosen)})


def _end(rated: Sequence[int | None], rule: VoteRule) -> int:
    """The first step on which a source does not say right; the number of steps if there is none."""
    wrong = first_wrong(rated, rule)
    until = len(rated) if wrong is None else wrong
    for i in range(until):
        if rated[i] is None or (rated[i] == 0 and rule.neutral == "silent"):
            return i
    return until


def _told(said: dict[str, tuple[int | None, ...]], rule: VoteRule) -> str:
    """What each source says of the first error."""
    parts = []
    for name, rated in said.items():
        wrong = first_wrong(rated, rule)
        where = "no error" if wrong is None else f"step {wrong}"
        parts.append(f"{name}: {where if settles(rated, rule) else 'not settled'}")
    return "; ".join(parts)
