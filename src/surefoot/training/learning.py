"""Which traces something can be learned from, what they are taught, and what the trainer draws."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from surefoot.errors import TraceError, UsageError
from surefoot.models.contract import Contract
from surefoot.models.render import Renderer
from surefoot.traces.types import Trace
from surefoot.training.batches import Row
from surefoot.training.config import RewardConfig
from surefoot.training.examples import Example, examples_of
from surefoot.training.guards import DataReport, measure, refuse
from surefoot.training.losses.joint import Joint
from surefoot.training.losses.outcome import Outcome
from surefoot.training.losses.pairwise import Pairwise
from surefoot.training.losses.temporal_difference import TemporalDifference
from surefoot.training.pairs import given_pairs, outcome_pairs, step_pairs
from surefoot.training.targets import LabelRule, TraceTargets, targets_of

_OF_OUTCOMES = (Outcome, Joint, TemporalDifference)
"""Losses that look at a trace's outcome, and at the places of steps without a label."""


@dataclass(frozen=True)
class Learning:
    """Traces, what each is taught, and, once they are written, their examples; `fits` says of each
    trace that was given whether it was short enough."""

    config: RewardConfig
    given: tuple[int, ...]
    """Where each trace was among those that were given."""
    traces: tuple[Trace, ...]
    targets: tuple[TraceTargets, ...]
    examples: tuple[Example, ...] = ()
    too_long: frozenset[int] = frozenset()
    """Which of the given traces are longer than the contract allows."""

    @property
    def num_too_long(self) -> int:
        """How many traces were left out for their length."""
        return len(self.too_long)

    def written(self, contract: Contract, renderer: Renderer) -> Learning:
        """With examples, without what is too long.

        Raises:
            UnscorableError: a step leaves no token of its own.
        """
        made = examples_of(
            self.traces,
            self.targets,
            contract,
            renderer,
            whole_steps=self.config.labels.whole_steps,
            every_step=isinstance(self.config.loss, (*_OF_OUTCOMES, Pairwise)),
        )
        kept = [i for i, one in enumerate(made) if one is not None]
        return replace(
            self,
            given=tuple(self.given[i] for i in kept),
            traces=tuple(self.traces[i] for i in kept),
            targets=tuple(self.targets[i] for i in kept),
            examples=tuple(one for one in made if one is not None),
            too_long=frozenset(self.given[i] for i, one in enumerate(made) if one is None),
        )

    def looked_at(
        self,
        traces: Sequence[Trace],
        development: Sequence[Trace],
        excluded: Sequence[Trace],
        left_out: Mapping[str, int],
    ) -> DataReport | None:
        """What is known of the traces that were given; None where pairs need no labels. The other
        arguments are those of `guards.measure`.

        Raises:
            DataError: nothing can come of them.
        """
        rule = _rule(self.config)
        if rule is None:
            return None
        report = measure(
            traces,
            rule,
            development=development or None,
            excluded=excluded or None,
            left_out=left_out,
            fits=[i not in self.too_long for i in range(len(traces))],
        )
        refuse(report, one_class=self.config.one_class)
        return report

    def rows(self, examples: Sequence[Example]) -> tuple[list[Row], int]:
        """What the trainer draws: traces, or pairs of them; and how many pairs more there are.

        Raises:
            UsageError: there is no pair.
        """
        if not isinstance(self.config.loss, Pairwise):
            return [Row((one,)) for one in examples], 0
        kind = self.config.pairs
        if kind == "steps":
            pairs = step_pairs(self.traces, self.targets)
        elif kind == "outcomes":
            pairs = outcome_pairs(self.traces)
        else:
            pairs = given_pairs(self.traces)
        if not pairs:
            raise UsageError(
                f"the traces hold no pair of the kind {kind!r}, so a pairwise loss has nothing to "
                "learn from"
            )
        rows = [Row((examples[i], examples[j]), (step, other)) for (i, step), (j, other) in pairs]
        return rows, pairs.num_left_out


def learning(traces: Sequence[Trace], config: RewardConfig) -> Learning:
    """The traces that teach something.

    Raises:
        DataError: there are none.
    """
    taught = [(i, own) for i, one in enumerate(traces) if (own := _taught(one, config))]
    if not taught and (rule := _rule(config)) is not None:
        refuse(measure(traces, rule))
    return Learning(
        config,
        tuple(i for i, _ in taught),
        tuple(traces[i] for i, _ in taught),
        tuple(own for _, own in taught),
    )


def can_teach(trace: Trace, config: RewardConfig) -> bool:
    """Whether something can be learned from a trace."""
    return _taught(trace, config) is not None


def _taught(trace: Trace, config: RewardConfig) -> TraceTargets | None:
    try:
        own = targets_of(trace, config.labels)
    except TraceError:
        own = TraceTargets((None,) * len(trace.steps), trace.outcome)
    if isinstance(config.loss, Pairwise) and config.pairs != "steps":
        return own
    if isinstance(config.loss, _OF_OUTCOMES) and own.outcome is not None:
        return own
    return None if own.is_empty else own


def _rule(config: RewardConfig) -> LabelRule | None:
    """The rule by which the data are looked at; None where no label is needed."""
    if isinstance(config.loss, (Outcome, TemporalDifference)):
        return LabelRule(target="outcome")
    if isinstance(config.loss, Pairwise) and config.pairs != "steps":
        return LabelRule(target="outcome") if config.pairs == "outcomes" else None
    return config.labels
