"""What each step of a trace is taught: labels of any kind, from any number of sources, as targets.

Nothing is rounded: a value stays a value, k of n stays k of n, a missing label stays missing. Where
several label sets speak of a step they are merged without loss: the weighted mean of their targets
and the sum of their weights give cross-entropy and squared error the same gradient as the sets one
by one, since both are linear in the target up to a constant.
"""

from __future__ import annotations

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
    labels of each trace. Annotators of one source share its weight."""
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
    weighted counts, for labels that have some, and count a plain label as one trial.
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
        every = _weighted(StepTarget(good, 0.0, 1.0, good, 1.0), rule.wrong_weight)
        return TraceTargets((every,) * len(trace.steps), trace.outcome)
    chosen = _chosen(trace, rule)
    if not chosen:
        named = ", ".join(rule.sources) if rule.sources else "any"
        raise TraceError(f"trace {trace.id} has no step labels of source {named}")
    votes = [
        (labels, weight, _ratings(labels, rule)) for labels, weight in _with_weights(chosen, rule)
    ]
    steps = []
    for i in range(len(trace.steps)):
        merged = _merged([(labels, weight, own[i]) for labels, weight, own in votes], i)
        steps.append(None if merged is None else _weighted(merged, rule.wrong_weight))
    return TraceTargets(tuple(steps), trace.outcome)


_Share = tuple[float, float]
"""The right and the neutral share of one label."""


def _chosen(trace: Trace, rule: LabelRule) -> list[StepLabels]:
    """The label sets of a trace that are learned from."""
    sources = rule.sources or ({trace.labels[0].source: 1.0} if trace.labels else {})
    return [labels for labels in trace.labels if labels.source in sources]


def _with_weights(chosen: Sequence[StepLabels], rule: LabelRule) -> list[tuple[StepLabels, float]]:
    sources = rule.sources or {}
    return [(labels, sources.get(labels.source, 1.0)) for labels in chosen]


def _ratings(labels: StepLabels, rule: LabelRule) -> list[_Share | None]:
    """The shares that each label gives, with the labels behind the first wrong step as the rule
    wants them."""
    shares = [_share(labels, i, rule.neutral) for i in range(len(labels.values))]
    if rule.after_error == "as-labelled":
        return shares
    wrong = next((i for i, one in enumerate(shares) if one and sum(one) < 0.5), None)
    if wrong is None:
        return shares
    later: _Share | None = None if rule.after_error == "masked" else (0.0, 0.0)
    return shares[: wrong + 1] + [later] * (len(shares) - wrong - 1)


def _share(labels: StepLabels, i: int, neutral: Neutral) -> _Share | None:
    value = labels.values[i]
    if value is None:
        return None
    if labels.scale == "value":
        return value, 0.0
    if value == 0:
        return {
            "right": (1.0, 0.0),
            "wrong": (0.0, 0.0),
            "own": (0.0, 1.0),
            "masked": None,
        }[neutral]
    return float(value > 0), 0.0


def _merged(votes: Sequence[tuple[StepLabels, float, _Share | None]], i: int) -> StepTarget | None:
    """One target of what several label sets say of step `i`; sets of one source share its
    weight."""
    speaking = [(labels, weight, share) for labels, weight, share in votes if share is not None]
    if not speaking:
        return None
    of_source: dict[str, int] = {}
    for labels, _, _ in speaking:
        of_source[labels.source] = of_source.get(labels.source, 0) + 1
    weight = good = neutral = successes = trials = 0.0
    for labels, source_weight, share in speaking:
        own = source_weight / of_source[labels.source]
        pair = labels.counts[i] if labels.counts is not None else None
        number = 1 if pair is None else pair[1]
        weight += own
        good += own * share[0]
        neutral += own * share[1]
        trials += own * number
        successes += own * number * share[0]
    return StepTarget(good / weight, neutral / weight, weight, successes, trials)


def _weighted(target: StepTarget, wrong_weight: float) -> StepTarget:
    """The target in which the wrong part weighs more: y log p + w (1 - y) log(1 - p) is, up to the
    weight y + w (1 - y), the cross-entropy with the target y / (y + w (1 - y))."""
    if wrong_weight == 1:
        return target
    wrong = 1 - target.good - target.neutral
    total = target.good + target.neutral + wrong_weight * wrong
    failures = target.trials - target.successes
    return StepTarget(
        target.good / total,
        target.neutral / total,
        target.weight * total,
        target.successes,
        target.successes + wrong_weight * failures,
    )
