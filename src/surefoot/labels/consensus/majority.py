"""Majority: each step is what most of the sources that speak of it say."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, get_args

from surefoot.errors import UsageError
from surefoot.labels.consensus.merged import Merged, merged_labels
from surefoot.labels.votes import MERGED, VoteRule, labels_by_source, shares
from surefoot.traces.types import StepLabels, Trace

Ties = Literal["silent", "right", "wrong"]


def majority(
    trace: Trace,
    *,
    sources: Sequence[str] | None = None,
    rule: VoteRule | None = None,
    min_votes: int = 2,
    ties: Ties = "silent",
) -> Merged:
    """The majority of the sources on each step, with k of n: k of the n votes are for right.

    Each label set has one vote a step. A step with fewer than `min_votes` is silent; one with as
    many votes for right as for wrong is what `ties` says. Fractional votes are added up, and have
    no k of n.

    Raises:
        UsageError: `min_votes` is below 1, or there is no such rule for ties.
    """
    if min_votes < 1:
        raise UsageError(f"min_votes is {min_votes}; it must be at least 1")
    if ties not in get_args(Ties):
        raise UsageError(f"ties is {ties!r}; it must be one of {', '.join(get_args(Ties))}")
    chosen = rule or VoteRule()
    annotator = f"{MERGED}majority, at least {min_votes}, ties {ties}"
    votes = {
        name: shares(labels, chosen) for name, labels in labels_by_source(trace, sources).items()
    }
    values: list[float | None] = []
    counts: list[tuple[int, int] | None] = []
    causes: dict[str, str] = {}
    for i in range(len(trace.steps)):
        cast = [vote for one in votes.values() if (vote := one[i]) is not None]
        value = _decided(sum(cast), len(cast), min_votes, ties)
        values.append(value)
        whole = value is not None and all(vote in (0, 1) for vote in cast)
        counts.append((int(sum(cast)), len(cast)) if whole else None)
        if value is None:
            few = len(cast) < min_votes
            causes[str(i)] = f"{len(cast)} of {min_votes} votes" if few else "a tie"
    labels = StepLabels(
        tuple(values),
        source="other",
        annotator=annotator,
        counts=tuple(counts) if any(counts) else None,
    )
    return merged_labels(annotator, tuple(votes), labels, causes)


def _decided(right: float, num_votes: int, min_votes: int, ties: Ties) -> float | None:
    if num_votes < min_votes:
        return None
    if 2 * right != num_votes:
        return 1 if 2 * right > num_votes else -1
    return {"silent": None, "right": 1, "wrong": -1}[ties]
