"""Development traces, scored while a model learns by the very pass that it learns with."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

import torch
from torch import Tensor, nn

from surefoot.errors import UsageError
from surefoot.models.contract import Contract
from surefoot.models.heads import Read, link, signed
from surefoot.models.render import Renderer
from surefoot.scores.development import Development, measure
from surefoot.scores.fitting import Calibrate, Fit, fitted
from surefoot.traces.types import StepScores, Trace
from surefoot.training.batches import batched
from surefoot.training.config import RewardConfig
from surefoot.training.examples import Example, examples_of
from surefoot.training.targets import LabelRule, TraceTargets

_TOKENS = 8192
"""Tokens of the traces that are scored together."""


@dataclass(frozen=True)
class Watch:
    """Traces to measure on, as examples; `num_too_long` others are longer than the contract
    allows."""

    traces: Sequence[Trace]
    examples: Sequence[Example]
    contract: Contract
    name: str
    num_too_long: int
    label_source: str | None
    neutral: bool

    def __call__(self, model: nn.Module) -> dict[str, float]:
        """Every figure by its name."""
        return self.measured(self.scores(model)).flat()

    def measured(self, scores: Sequence[StepScores], *, num_resamples: int = 0) -> Development:
        """The figures of scores."""
        return measure(
            self.traces,
            scores,
            label_source=self.label_source,
            neutral=self.neutral,
            num_resamples=num_resamples,
        )

    def fitted(self, scores: Sequence[StepScores], calibrate: Calibrate) -> tuple[Contract, Fit]:
        """The contract with a threshold and a calibration for such scores."""
        return fitted(
            self.contract,
            self.traces,
            scores,
            calibrate=calibrate,
            label_source=self.label_source,
            neutral=self.neutral,
        )

    @torch.no_grad()
    def scores(self, model: nn.Module) -> list[StepScores]:
        """What a trainee gives each trace, on whatever devices it is."""
        found: list[StepScores] = []
        for group in _groups(self.examples):
            batch = batched(group).to(next(model.parameters()).device)
            reads = iter(_reads(model(batch), self.contract))
            for example in group:
                own = list(islice(reads, len(example.places)))
                ends = [own[end] for end in example.ends]
                found.append(signed(ends, self.contract, self.name))
        return found


def watch(
    traces: Sequence[Trace],
    contract: Contract,
    renderer: Renderer,
    config: RewardConfig,
    *,
    name: str,
) -> Watch:
    """Traces to measure on.

    Raises:
        UsageError: none of them fits into the contract.
    """
    nothing = [TraceTargets((None,) * len(trace.steps), trace.outcome) for trace in traces]
    made = examples_of(traces, nothing, contract, renderer, every_step=True)
    pairs = [(t, one) for t, one in zip(traces, made, strict=True) if one is not None]
    if not pairs:
        raise UsageError(
            f"none of the {len(traces)} development traces fits into {contract.max_tokens} tokens"
        )
    return Watch(
        [trace for trace, _ in pairs],
        [one for _, one in pairs],
        contract,
        name,
        len(traces) - len(pairs),
        label_source(config.labels),
        config.labels.neutral != "wrong",
    )


def _groups(examples: Sequence[Example]) -> Iterator[list[Example]]:
    group: list[Example] = []
    size = 0
    for one in examples:
        tokens = sum(map(len, one.rows))
        if group and size + tokens > _TOKENS:
            yield group
            group, size = [], 0
        group.append(one)
        size += tokens
    if group:
        yield group


def _reads(logits: Tensor, contract: Contract) -> list[Read]:
    """What the scorer would read in these logits; a second head's number stands behind them."""
    reading = contract.reading
    if reading.link == "log-ratio":
        return [Read(value, None) for value in logits[:, 0].tolist()]
    return link(logits[None, :, : reading.classes], reading)


def label_source(rule: LabelRule) -> str | None:
    """The source of labels to measure against: the only one that is learned from, or any."""
    sources = list(rule.sources or ())
    return sources[0] if len(sources) == 1 else None
