"""Train a reward model on labelled steps (a PRM) or on outcomes (an ORM).

The body is that of a causal language model; a two-class head reads the token that ends each step.
The loss is cross-entropy between the label and the head's softmax,

    loss = -(1/M) sum_m [ y_m log p_m + (1 - y_m) log (1 - p_m) ],

over the M labelled positions of a batch (Lightman et al. 2023, arXiv:2305.20050; Cobbe et al. 2021,
arXiv:2110.14168, for outcomes). y may be any number in [0, 1]. Steps without a label have no part
in it.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch
from torch.nn.functional import binary_cross_entropy_with_logits
from transformers import AutoModelForTokenClassification

from surefoot.errors import ModelError, TraceError, UsageError
from surefoot.models.contract import Contract
from surefoot.models.discriminative import DiscriminativeModel
from surefoot.models.render import Rendered, Renderer, fits, render, text_of, too_long
from surefoot.policies.checkpoints import first_few, read_weights
from surefoot.traces.types import StepLabels, Trace
from surefoot.training.scratch import Shape, fresh_config
from surefoot.training.trainer import OnUpdate, TrainConfig, fit, scratch_of

Target = Literal["steps", "outcome"]

CLASSES = ("wrong", "right")
_CLASS_SETTINGS: Mapping[str, Any] = {
    "id2label": dict(enumerate(CLASSES)),
    "label2id": {name: number for number, name in enumerate(CLASSES)},
    "classifier_dropout": 0.0,
}


@dataclass(frozen=True, kw_only=True, slots=True)
class LabelRule:
    """How labels become targets."""

    target: Target = "steps"
    """`steps` learns step labels; `outcome` learns, at every step, whether the answer will be right
    (as Cobbe et al. do at every token)."""
    source: str | None = None
    """Which source of step labels to learn; None takes the first of each trace."""
    neutral: bool | None = True
    """Whether a neutral step counts as right, as wrong (False), or not at all (None)."""
    whole_steps: bool = True
    """Put a step's target on all of its tokens, not only on the one that ends it (as in VersaPRM,
    arXiv:2502.06737, with `label_last_n` at its full length). Scores are read at the end in any
    case."""


def step_targets(labels: StepLabels, rule: LabelRule) -> list[float | None]:
    """The target of each step in [0, 1], or None where it has none."""
    targets: list[float | None] = []
    for value in labels.values:
        if value is None or labels.scale == "value":
            targets.append(value)
        elif value == 0:
            targets.append(None if rule.neutral is None else float(rule.neutral))
        else:
            targets.append(float(value > 0))
    return targets


def targets_of(trace: Trace, rule: LabelRule) -> list[float | None]:
    """The target of each step of a trace.

    Raises:
        TraceError: the trace has no label of the kind asked for.
    """
    if rule.target == "outcome":
        if trace.outcome is None:
            raise TraceError(f"trace {trace.id} has no outcome")
        return [float(trace.outcome)] * len(trace.steps)
    labels = trace.labels_from(rule.source)
    if labels is None:
        raise TraceError(f"trace {trace.id} has no step labels of source {rule.source or 'any'}")
    return step_targets(labels, rule)


def train_reward_model(
    traces: Sequence[Trace],
    out: Path,
    *,
    model: Any,
    tokenizer: Any,
    contract: Contract,
    rule: LabelRule,
    config: TrainConfig,
    on_update: OnUpdate | None = None,
) -> list[dict[str, float]]:
    """Train a two-class token classifier in place and save it in `out` with its contract; gives
    the losses reported on the way. Traces of which no step has a target have no part in it.

    Raises:
        UsageError: no trace carries a target, so there is nothing to learn.
        TraceError: a trace has no label of the kind asked for.
        ContractError: the model, its tokenizer and the contract do not fit each other.
        ModelError: a trace is longer than the contract allows, or training failed; as `fit`.
        StorageError: the folder cannot be written.
    """
    targets = [targets_of(trace, rule) for trace in traces]
    if not any(t is not None for row in targets for t in row):
        raise UsageError("no step carries a label, so there is nothing to learn")
    scorer = DiscriminativeModel(model, tokenizer, contract, name=out.resolve().name)
    rendered = [own for (own,) in render(list(map(text_of, traces)), contract, scorer.renderer)]
    for trace, one in zip(traces, rendered, strict=True):
        if not fits([one], contract.max_tokens):
            raise too_long(text_of(trace), [one], contract.max_tokens)
    rows = [
        {"input_ids": one.ids, "marks": _marks(one, row, rule.whole_steps)}
        for one, row in zip(rendered, targets, strict=True)
        if any(t is not None for t in row)
    ]
    scratch = scratch_of(out)
    history = fit(model, rows, _collate, _loss, config, scratch=scratch, on_update=on_update)
    scorer.save(out)
    shutil.rmtree(scratch, ignore_errors=True)
    return history


def short_enough(traces: Sequence[Trace], contract: Contract, tokenizer: Any) -> list[Trace]:
    """The traces that are not longer than the contract allows."""
    rendered = render(list(map(text_of, traces)), contract, Renderer(contract.template, tokenizer))
    return [
        trace
        for trace, rows in zip(traces, rendered, strict=True)
        if fits(rows, contract.max_tokens)
    ]


def scorer_on(base: Path, *, seed: int) -> Any:
    """A two-class token classifier on the body of a checkpoint; its head is new unless the
    checkpoint has one of two classes.

    Raises:
        ModelError: the folder is not a readable checkpoint, or the body's weights are not all
            there.
    """
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model, missing, _ = read_weights(base, AutoModelForTokenClassification, _CLASS_SETTINGS)
    body = [name for name in missing if name.startswith(f"{model.base_model_prefix}.")]
    if body:
        raise ModelError(f"{base}: it lacks weights, which would be made up: {first_few(body)}")
    return model


def fresh_scorer(tokenizer: Any, shape: Shape, *, seed: int) -> Any:
    """A two-class token classifier of Qwen2's architecture with random weights."""
    config = fresh_config(tokenizer, shape)
    config.update(_CLASS_SETTINGS)
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return AutoModelForTokenClassification.from_config(config)


def _marks(
    one: Rendered, targets: Sequence[float | None], whole_steps: bool
) -> list[tuple[int, float]]:
    """(position, target) of every token that learns."""
    marks = []
    begin = one.start
    for slot, target in zip(one.slots, targets, strict=True):
        if target is not None:
            marks += [(p, target) for p in range(begin if whole_steps else slot, slot + 1)]
        begin = slot + 1
    return marks


def _collate(rows: list[Mapping[str, Any]]) -> dict[str, torch.Tensor]:
    ids = torch.zeros(len(rows), max(len(row["input_ids"]) for row in rows), dtype=torch.long)
    for i, row in enumerate(rows):
        ids[i, : len(row["input_ids"])] = torch.tensor(row["input_ids"])
    marks = [
        (i, position, target) for i, row in enumerate(rows) for position, target in row["marks"]
    ]
    at_rows, at_columns, targets = zip(*marks, strict=True)
    return {
        "input_ids": ids,
        "rows": torch.tensor(at_rows),
        "columns": torch.tensor(at_columns),
        "targets": torch.tensor(targets, dtype=torch.float32),
    }


def _loss(model: Any, batch: Mapping[str, torch.Tensor]) -> torch.Tensor:
    hidden = model.base_model(input_ids=batch["input_ids"]).last_hidden_state
    logits = model.score(hidden[batch["rows"], batch["columns"]]).float()
    return binary_cross_entropy_with_logits(logits[:, 1] - logits[:, 0], batch["targets"])
