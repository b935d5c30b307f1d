"""What each step of a trace is taught: labels of any kind, from any number of sources, as targets.

Nothing is rounded: a value stays a value, k of n stays k of n, a missing label stays missing. Where
several label sets speak of a step they are merged without loss: the weighted mean of their targets
and the sum of their weights give cross-entropy and squared error the same gradient as the sets one
by one, since both are linear in the target up to a constant.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

from surefoot.errors import TraceError, UsageError
from surefoot.traces.types import LabelSource, StepLabels, Trace

Target = Literal["steps", "outcome"]
Neutral = Literal["right", "wrong", "own", "masked"]
AfterError = Literal["as-labelled", "masked", "wrong"]


@dataclass(frozen=True, kw_only=True, slots=True)
class LabelRule:
    """How labels become targets."""

    target: Target = "steps"
    """`steps` learns step labels; `outcome` learns, at every step, whether the answer will be right
    (as Cobbe et al. 2021, arXiv:2110.14168, do at every token)."""
    sources: Mapping[str, float] | None = None
    """Weight of each source of step labels that is learned from; None takes the source of the first
    labels of each trace that say anything. Annotators of one source share its weight."""
    neutral: Neutral = "right"
    """Whether a neutral rating counts as right, as wrong, as a class of its own or not at all."""
    after_error: AfterError = "as-labelled"
    """What labels behind the first wrong step are: `as-labelled` keeps them (where there are none,
    nothing is assumed), `masked` drops them, `wrong` makes every later step wrong."""
    wrong_weight: float = 1.0
    """How much more the wrong part of a target weighs than the right part."""
    whole_steps: bool = False
    """Put a step's target on all of its tokens, not only on the one that ends it (as in VersaPRM,
    arXiv:2502.06737, with `label_last_n` at its full length). Scores are read at the end in any
    case."""

    def __post_init__(self) -> None:
        for name, choices in (
            ("target", get_args(Target)),
            ("neutral", get_args(Neutral)),
            ("after_error", get_args(AfterError)),
        ):
            if getattr(self, name) not in choices:
                raise UsageError(
                    f"{name} is {getattr(self, name)!r}; it must be one of {', '.join(choices)}"
                )
        if self.sources is not None:
            object.__setattr__(self, "sources", dict(self.sources))
            if not self.sources:
                raise UsageError("sources is empty; name some, or leave it out")
        for source, weight in (self.sources or {}).items():
            if source not in get_args(LabelSource):
                raise UsageError(
                    f"{source!r} is no source of labels; there are "
                    f"{', '.join(get_args(LabelSource))}"
                )
            if not 0 < weight < float("inf"):
                raise UsageError(f"the weight of {source} is {weight}; it must be positive")
        if not 0 < self.wrong_weight < float("inf"):
            raise UsageError(f"wrong_weight is {self.wrong_weight}; it must be positive")


@dataclass(frozen=True, slots=True)
class StepTarget:
    """What one step is taught.

    `good` and `neutral` are the shares, in [0, 1], of the right and of the neutral class; the rest
    is wrong. `weight` is the sum of the weights of the labels. `successes` of `trials` are the
    weighted counts, for labels that have some; a plain label counts as one trial, of which its
    value is the success.
    """

    good: float
    neutral: float = 0.0
    weight: float = 1.0
    successes: float = 0.0
    trials: float = 1.0


@dataclass(frozen=True, slots=True)
class TraceTargets:
    """What a trace is taught: one target per step, None where it has none, and its outcome."""

    steps: tuple[StepTarget | None, ...]
    outcome: bool | None = None

    @property
    def is_empty(self) -> bool:
        """Whether no step has a target."""
        return all(step is None for step in self.steps)


def targets_of(trace: Trace, rule: LabelRule) -> TraceTargets:
    """What a trace is taught by a rule.

    Raises:
        TraceError: the trace has no label of the kind asked for.
    """
    if rule.target == "outcome":
        if trace.outcome is None:
            raise TraceError(f"trace {trace.id} has no outcome")
        good = float(trace.outcome)
        every = _merged([("outcome", 1.0, _Vote(good, 0.0, good, 0.0, 1 - good))], rule)
        return TraceTargets((every,) * len(trace.steps), trace.outcome)
    weights = _sources(trace, rule)
    chosen = [labels for labels in trace.labels if labels.source in weights]
    if not chosen:
        named = ", ".join(weights) or "any"
        raise TraceError(f"trace {trace.id} has no step labels of source {named}")
    votes = [(labels.source, weights[labels.source], _votes(labels, rule)) for labels in chosen]
    return TraceTargets(
        tuple(
            _merged([(source, weight, own[i]) for source, weight, own in votes], rule)
            for i in range(len(trace.steps))
        ),
        trace.outcome,
    )


@dataclass(frozen=True, slots=True)
class _Vote:
    """What one label says of a step: shares of the right and the neutral class, and trials that
    were a success, neutral, and a failure."""

    good: float
    neutral: float
    successes: float
    neutrals: float
    failures: float


def _sources(trace: Trace, rule: LabelRule) -> Mapping[str, float]:
    """The sources that are learned from, with their weights."""
    if rule.sources is not None:
        return rule.sources
    for labels in trace.labels:
        if any(value is not None for value in labels.values):
            return {labels.source: 1.0}
    return {}


def _votes(labels: StepLabels, rule: LabelRule) -> list[_Vote | None]:
    """What a set of labels says of each step, with those behind the first wrong one as the rule
    wants them."""
    votes = [_vote(labels, i, rule.neutral) for i in range(len(labels.values))]
    if rule.after_error == "as-labelled":
        return votes
    wrong = next((i for i, one in enumerate(votes) if one and one.good + one.neutral < 0.5), None)
    if wrong is None:
        return votes
    for i in range(wrong + 1, len(votes)):
        _, trials = _count(labels, i) or (0, 1)
        votes[i] = None if rule.after_error == "masked" else _Vote(0.0, 0.0, 0.0, 0.0, trials)
    return votes


def _vote(labels: StepLabels, i: int, neutral: Neutral) -> _Vote | None:
    value = labels.values[i]
    if value is None:
        return None
    good, middle = value, 0.0
    if labels.scale == "rating":
        good = float(value > 0)
        if value == 0:
            if neutral == "masked":
                return None
            good, middle = float(neutral == "right"), float(neutral == "own")
    count = _count(labels, i)
    if count is None:
        return _Vote(good, middle, good, middle, 1 - good - middle)
    successes, trials = count
    return _Vote(good, middle, successes, 0.0, trials - successes)


def _count(labels: StepLabels, i: int) -> tuple[int, int] | None:
    """The k of n of a step, where it has one."""
    return None if labels.counts is None else labels.counts[i]


def _merged(votes: Sequence[tuple[str, float, _Vote | None]], rule: LabelRule) -> StepTarget | None:
    """One target of what several label sets say of a step; sets of one source share its weight.

    The wrong part weighs more where the rule says so: y log p + w (1 - y) log(1 - p) is, up to the
    weight y + w (1 - y), the cross-entropy with the target y / (y + w (1 - y)), and likewise for
    squared error.
    """
    speaking = [(source, weight, vote) for source, weight, vote in votes if vote is not None]
    if not speaking:
        return None
    of_source = Counter(source for source, _, _ in speaking)
    good = neutral = wrong = successes = neutrals = failures = 0.0
    for source, weight, vote in speaking:
        own = weight / of_source[source]
        good += own * vote.good
        neutral += own * vote.neutral
        wrong += own * rule.wrong_weight * (1 - vote.good - vote.neutral)
        successes += own * vote.successes
        neutrals += own * vote.neutrals
        failures += own * rule.wrong_weight * vote.failures
    total = good + neutral + wrong
    return StepTarget(
        good / total, neutral / total, total, successes, successes + neutrals + failures
    )
