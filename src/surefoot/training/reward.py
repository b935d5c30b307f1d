"""Train a reward model on labelled steps (a PRM) or on outcomes (an ORM).

The body is that of a causal language model; a two-class head reads the token that ends each step.
The loss is cross-entropy between the label and the head's softmax,

    loss = -(1/M) sum_m [ y_m log p_m + (1 - y_m) log (1 - p_m) ],

over the M labelled positions of a batch (Lightman et al. 2023, arXiv:2305.20050; Cobbe et al. 2021,
arXiv:2110.14168, for outcomes). y may be any number in [0, 1]. Steps without a label have no part
in it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch
from torch.nn.functional import binary_cross_entropy_with_logits
from transformers import AutoConfig, AutoModelForTokenClassification

from surefoot.errors import TraceError, UsageError
from surefoot.models.contract import Contract
from surefoot.models.discriminative import DiscriminativeModel
from surefoot.models.render import Rendered, render
from surefoot.traces.types import StepLabels, Trace
from surefoot.training.trainer import OnUpdate, TrainConfig, fit

Target = Literal["steps", "outcome"]


@dataclass(frozen=True, kw_only=True, slots=True)
class LabelRule:
    """How labels become targets."""

    target: Target = "steps"
    """`steps` learns step labels; `outcome` learns, at the last step, whether the answer is right.
    """
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
        return [None] * (len(trace.steps) - 1) + [float(trace.outcome)]
    labels = trace.labels_from(rule.source)
    if labels is None:
        raise TraceError(f"trace {trace.id} has no step labels of source {rule.source or 'any'}")
    return step_targets(labels, rule)


def train_reward_model(
    traces: Sequence[Trace],
    out: Path,
    *,
    base: Path,
    contract: Contract,
    tokenizer: Any,
    rule: LabelRule,
    config: TrainConfig,
    on_update: OnUpdate | None = None,
) -> DiscriminativeModel:
    """A reward model on the body of the causal model in `base`, saved in `out` with its contract.

    Raises:
        UsageError: no trace carries a target, so there is nothing to learn.
        TraceError: a trace has no label of the kind asked for.
        ModelError: a trace is longer than the contract allows.
    """
    targets = [targets_of(trace, rule) for trace in traces]
    if not any(t is not None for row in targets for t in row):
        raise UsageError("no step carries a label, so there is nothing to learn")
    rendered = render(traces, contract, tokenizer)
    rows = [
        {"input_ids": one.ids, "marks": _marks(one, row, rule.whole_steps)}
        for one, row in zip(rendered, targets, strict=True)
        if any(t is not None for t in row)
    ]
    model = _with_head(base, config.seed)
    fit(
        model,
        rows,
        _collate,
        _loss,
        config,
        scratch=out.with_name(f".{out.name}.training"),
        on_update=on_update,
    )
    scorer = DiscriminativeModel(model, tokenizer, contract, name=out.name)
    scorer.save(out)
    return scorer


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


def _with_head(base: Path, seed: int) -> Any:
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        config = AutoConfig.from_pretrained(base, num_labels=2, id2label={0: "wrong", 1: "right"})
        config.classifier_dropout = 0.0
        return AutoModelForTokenClassification.from_pretrained(
            base, config=config, dtype=torch.float32, trust_remote_code=False
        )


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
