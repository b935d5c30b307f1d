"""Dawid-Skene over the sources of step labels: how reliable each is, and what each step likely is.

A step is right or wrong; each source says so with error rates of its own, which are found without
knowing the truth, from how the sources agree with each other (`consensus.em`). That is only
possible where each source meets two others that err independently of it given the truth; where that
fails, the fit says so.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import TypeAlias

import numpy as np

from surefoot.errors import UsageError
from surefoot.labels.consensus.em import fit_em, posterior_of
from surefoot.labels.consensus.merged import Merged, merged_labels
from surefoot.labels.votes import (
    MERGED,
    VoteRule,
    is_named,
    labels_by_source,
    shares,
)
from surefoot.stats import FloatArray
from surefoot.traces.types import StepLabels, Trace

_Pattern: TypeAlias = tuple[tuple[str, float], ...]
"""The votes on a step: source and how far for right, by name."""

_FEWEST_TOGETHER = 10
"""The fewest steps that three sources must all speak of to count as meeting."""


@dataclass(frozen=True)
class DawidSkene:
    """Fitted error rates of sources.

    `right` is the share of right steps. `right_if_right` and `wrong_if_wrong` say how often each
    source, where it speaks, is right on a right and on a wrong step. `num_votes` counts its votes,
    `num_steps` the steps with any. `warnings` say where the fit cannot be trusted. The votes of
    `trusted` sources were taken as the truth.
    """

    right: float
    right_if_right: Mapping[str, float]
    wrong_if_wrong: Mapping[str, float]
    num_votes: Mapping[str, int]
    num_steps: int
    iterations: int
    converged: bool
    smoothing: float
    trusted: tuple[str, ...]
    warnings: tuple[str, ...]

    @property
    def annotator(self) -> str:
        """What labels by this fit are signed with."""
        trusted = f", trusting {' and '.join(self.trusted)}" if self.trusted else ""
        return f"{MERGED}Dawid-Skene, smoothing {self.smoothing:g}{trusted}"

    def to_json(self) -> dict[str, object]:
        """Every figure."""
        return {
            "right": self.right,
            "sources": {
                name: {
                    "right_if_right": self.right_if_right[name],
                    "wrong_if_wrong": self.wrong_if_wrong[name],
                    "num_votes": self.num_votes[name],
                }
                for name in self.right_if_right
            },
            "num_steps": self.num_steps,
            "iterations": self.iterations,
            "converged": self.converged,
            "smoothing": self.smoothing,
            "trusted": list(self.trusted),
            "warnings": list(self.warnings),
        }


def fit_dawid_skene(
    traces: Iterable[Trace],
    *,
    sources: Sequence[str] | None = None,
    rule: VoteRule | None = None,
    trusted: Sequence[str] = (),
    smoothing: float = 1.0,
    max_iterations: int = 1000,
) -> DawidSkene:
    """Fit the error rates of the sources; the traces are read once, and their votes counted.

    Args:
        traces: Every step with a vote is an item.
        sources: Patterns of those who vote; without them all that were not merged.
        rule: How labels become votes; fractional ones count as fractions of two votes.
        trusted: Patterns of sources whose label is the truth where there is one, such as `human`.
            The error rates of the others are then learned from these too.
        smoothing: Pseudo-votes for each of right and wrong, in each confusion and in the prior.
        max_iterations: Where to stop if the fit does not converge.

    Raises:
        UsageError: there are no votes.
    """
    chosen = rule or VoteRule()
    found: Counter[_Pattern] = Counter()
    for trace in traces:
        found.update(one for one in _patterns(trace, sources, chosen) if one)
    if not found:
        raise UsageError("no step has a vote; name sources that the traces have labels of")
    names = tuple(sorted({name for pattern in found for name, _ in pattern}))
    patterns = sorted(found)
    votes = _votes(patterns, names)
    known = np.array([_truth(pattern, trusted) for pattern in patterns], dtype=np.int64)
    weights = np.array([found[pattern] for pattern in patterns], dtype=np.float64)
    fit = fit_em(votes, weights, known=known, smoothing=smoothing, max_iterations=max_iterations)
    counted: Counter[str] = Counter()
    for pattern, times in found.items():
        counted.update({name: times for name, _ in pattern})
    warnings = _unidentified(found, names, trusted)
    if not fit.converged:
        warnings.append(f"not converged in {len(fit.objective):,} iterations")
    for kind, share in (("right", fit.prior[0]), ("wrong", fit.prior[1])):
        if share * sum(found.values()) < 1:
            warnings.append(f"hardly any step is {kind}: the sources may all say the same")
    return DawidSkene(
        right=float(fit.prior[0]),
        right_if_right={name: float(fit.confusion[c, 0, 0]) for c, name in enumerate(names)},
        wrong_if_wrong={name: float(fit.confusion[c, 1, 1]) for c, name in enumerate(names)},
        num_votes={name: counted[name] for name in names},
        num_steps=found.total(),
        iterations=len(fit.objective),
        converged=fit.converged,
        smoothing=smoothing,
        trusted=tuple(trusted),
        warnings=tuple(warnings),
    )


def posterior(
    trace: Trace,
    fit: DawidSkene,
    *,
    sources: Sequence[str] | None = None,
    rule: VoteRule | None = None,
    min_votes: int = 1,
) -> Merged:
    """The probability that each step is right, as value labels; silent where fewer than `min_votes`
    sources speak. Sources that the fit does not know have no vote."""
    names = tuple(fit.right_if_right)
    rates = [(fit.right_if_right[name], fit.wrong_if_wrong[name]) for name in names]
    confusion = np.array([[[a, 1 - a], [1 - b, b]] for a, b in rates])
    prior = np.array([fit.right, 1 - fit.right])
    patterns = [
        tuple(vote for vote in one if vote[0] in fit.right_if_right)
        for one in _patterns(trace, sources, rule or VoteRule())
    ]
    likely = posterior_of(_votes(patterns, names), prior, confusion)
    values: list[float | None] = []
    causes: dict[str, str] = {}
    for i, pattern in enumerate(patterns):
        truth = _truth(pattern, fit.trusted)
        if len(pattern) < min_votes or not pattern:
            values.append(None)
            causes[str(i)] = f"{len(pattern)} of {max(1, min_votes)} votes"
        elif truth >= 0:
            values.append(1.0 - truth)
        else:
            values.append(float(min(1.0, likely[i, 0])))
    labels = StepLabels(tuple(values), source="other", scale="value", annotator=fit.annotator)
    parts = tuple(name for name in labels_by_source(trace, sources) if name in names)
    return merged_labels(fit.annotator, parts, labels, causes)


def _patterns(trace: Trace, sources: Sequence[str] | None, rule: VoteRule) -> list[_Pattern]:
    """The votes on each step of a trace."""
    votes = {name: shares(one, rule) for name, one in labels_by_source(trace, sources).items()}
    return [
        tuple((name, vote) for name in sorted(votes) if (vote := votes[name][i]) is not None)
        for i in range(len(trace.steps))
    ]


def _votes(patterns: Sequence[_Pattern], names: Sequence[str]) -> FloatArray:
    """Patterns as votes for right and wrong, (P, C, 2)."""
    place = {name: c for c, name in enumerate(names)}
    votes = np.zeros((len(patterns), len(names), 2))
    for row, pattern in enumerate(patterns):
        for name, right in pattern:
            votes[row, place[name]] = right, 1 - right
    return votes


def _truth(pattern: _Pattern, trusted: Sequence[str]) -> int:
    """0 right, 1 wrong, -1 where no trusted source speaks or those that do disagree."""
    said = {vote for name, vote in pattern if is_named(name, trusted)}
    if said == {1.0}:
        return 0
    return 1 if said == {0.0} else -1


def _unidentified(
    found: Counter[_Pattern], names: Sequence[str], trusted: Sequence[str]
) -> list[str]:
    """What cannot be told from the votes: sources that never meet two others.

    Three sources that err independently are enough for two classes (Kruskal 1977), two are not:
    three free shares of votes for five parameters.
    """
    together: Counter[tuple[str, ...]] = Counter()
    meeting: set[str] = set()
    for pattern, times in found.items():
        speaking = [name for name, _ in pattern]
        if any(is_named(name, trusted) for name in speaking):
            meeting.update(speaking)
        for trio in combinations(speaking, 3):
            together[trio] += times
    for names_together, times in together.items():
        if times >= _FEWEST_TOGETHER:
            meeting.update(names_together)
    alone = [name for name in names if name not in meeting]
    if not alone:
        return []
    return [
        f"the error rates of {', '.join(alone)} cannot be told from the votes: on hardly any step "
        "do they meet two other sources, or a trusted one; what comes out rests on the start and "
        "the smoothing"
    ]
