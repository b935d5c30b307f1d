"""From labelled traces to a saved reward model, whatever it starts from."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from transformers.utils import logging

from surefoot.errors import UsageError
from surefoot.models.contract import Contract
from surefoot.policies.checkpoints import tokenizer_for
from surefoot.traces.types import Trace
from surefoot.training.reward import (
    LabelRule,
    fresh_scorer,
    scorer_on,
    short_enough,
    targets_of,
    train_reward_model,
)
from surefoot.training.scratch import Shape, fresh_tokenizer
from surefoot.training.trainer import OnUpdate, TrainConfig


@dataclass(frozen=True, kw_only=True, slots=True)
class Plan:
    """What to train: on `base`, or from nothing at this `shape`. `shape.max_positions` is the
    longest trace in either case."""

    base: Path | None
    rule: LabelRule
    shape: Shape
    config: TrainConfig


@dataclass(frozen=True, slots=True)
class Trained:
    """What a finished training used and left out, and the loss it ended with.

    `share_right` is the mean target of the labelled steps, `final_loss` the mean loss over the
    updates last reported.
    """

    num_traces: int
    num_steps: int
    share_right: float
    num_too_long: int
    max_tokens: int
    final_loss: float


def train_on(
    traces: Sequence[Trace], out: Path, plan: Plan, on_update: OnUpdate | None = None
) -> Trained:
    """Train a reward model and save it in `out`; traces that are too long are left out and counted.

    Raises:
        UsageError: no trace is short enough, or none carries a label.
        TraceError: a trace has no label of the kind asked for.
        ModelError, ContractError, StorageError: as `train_reward_model`.
    """
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    model, tokenizer = _start(traces, plan)
    outcome = plan.rule.target == "outcome"
    contract = Contract.for_layout(
        tokenizer,
        meaning="value" if outcome else "step-correct",
        aggregate="last" if outcome else "min",
        max_tokens=min(plan.shape.max_positions, model.config.max_position_embeddings),
    )
    short = short_enough(traces, contract, tokenizer)
    if not short:
        raise UsageError(
            f"no trace fits into {contract.max_tokens} tokens; raise max_tokens, or take a base "
            "with more room"
        )
    history = train_reward_model(
        short,
        out,
        model=model,
        tokenizer=tokenizer,
        contract=contract,
        rule=plan.rule,
        config=plan.config,
        on_update=on_update,
    )
    learned = [t for trace in short for t in targets_of(trace, plan.rule) if t is not None]
    return Trained(
        num_traces=len(short),
        num_steps=len(learned),
        share_right=sum(learned) / len(learned),
        num_too_long=len(traces) - len(short),
        max_tokens=contract.max_tokens,
        final_loss=history[-1]["loss"],
    )


def _start(traces: Sequence[Trace], plan: Plan) -> tuple[Any, Any]:
    """The model to train and its tokenizer."""
    seed = plan.config.seed
    if plan.base is not None:
        model = scorer_on(plan.base, seed=seed)
        return model, tokenizer_for(plan.base, model)
    tokenizer = fresh_tokenizer(_texts(traces), plan.shape.vocab_size)
    return fresh_scorer(tokenizer, plan.shape, seed=seed), tokenizer


def _texts(traces: Sequence[Trace]) -> Iterator[str]:
    for trace in traces:
        yield trace.problem
        yield from trace.texts
