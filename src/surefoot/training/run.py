"""From labelled traces to a saved reward model, whatever it starts from."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from transformers.utils import logging

from surefoot.errors import UsageError
from surefoot.models.contract import Contract
from surefoot.policies.checkpoints import read_tokenizer
from surefoot.traces.layout import Layout
from surefoot.traces.types import Trace
from surefoot.training.reward import (
    LabelRule,
    fresh_scorer,
    scorer_on,
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
    """What a finished training used, and the mean loss over its last reported updates."""

    num_traces: int
    num_steps: int
    share_right: float
    final_loss: float


def train_on(
    traces: Sequence[Trace],
    out: Path,
    plan: Plan,
    left_out: Counter[str],
    on_update: OnUpdate | None = None,
) -> Trained:
    """Train a reward model and save it in `out`; too long traces are counted in `left_out`.

    Raises:
        UsageError: no trace is short enough.
    """
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    model, tokenizer = _start(traces, plan)
    outcome = plan.rule.target == "outcome"
    contract = Contract.for_tokenizer(
        tokenizer,
        meaning="value" if outcome else "step-correct",
        aggregate="last" if outcome else "min",
        max_tokens=min(plan.shape.max_positions, model.config.max_position_embeddings),
    )
    short = _short_enough(traces, contract.layout, tokenizer, contract.max_tokens)
    if len(short) < len(traces):
        left_out[f"more than {contract.max_tokens} tokens"] += len(traces) - len(short)
    if not short:
        raise UsageError(
            f"all {len(traces)} traces have more than {contract.max_tokens} tokens; "
            "raise max_tokens"
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
    return Trained(len(short), len(learned), sum(learned) / len(learned), history[-1]["loss"])


def _start(traces: Sequence[Trace], plan: Plan) -> tuple[Any, Any]:
    """The model to train and its tokenizer."""
    seed = plan.config.seed
    if plan.base is not None:
        return scorer_on(plan.base, seed=seed), read_tokenizer(plan.base)
    tokenizer = fresh_tokenizer(_texts(traces), plan.shape.vocab_size)
    return fresh_scorer(tokenizer, plan.shape, seed=seed), tokenizer


def _texts(traces: Sequence[Trace]) -> Iterator[str]:
    for trace in traces:
        yield trace.problem
        yield from trace.texts


def _short_enough(
    traces: Sequence[Trace], layout: Layout, tokenizer: Any, max_tokens: int
) -> list[Trace]:
    encoded = layout.encode([(t.problem, t.texts) for t in traces], tokenizer)
    return [t for t, one in zip(traces, encoded, strict=True) if len(one.ids) <= max_tokens]
