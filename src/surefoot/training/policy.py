"""Train a policy to write steps as the traces it is shown do: plain next-token cross-entropy on the
steps.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.nn.functional import cross_entropy

from surefoot.errors import ModelError, UsageError
from surefoot.policies.local import LocalPolicy
from surefoot.traces.layout import Layout
from surefoot.traces.types import Trace
from surefoot.training.callbacks import OnUpdate
from surefoot.training.config import TrainConfig
from surefoot.training.loop import Task
from surefoot.training.machines import by_main
from surefoot.training.scratch import Shape, fresh_model, fresh_tokenizer
from surefoot.training.scratches import discard, scratch_of
from surefoot.training.trainer import fit

IGNORED = -100


def train_policy(
    traces: Sequence[Trace],
    out: Path,
    *,
    shape: Shape,
    config: TrainConfig,
    layout: Layout | None = None,
    on_update: OnUpdate | None = None,
) -> LocalPolicy:
    """A policy from scratch, saved in `out`. The problem is read, not learned; the steps and the
    end are learned.

    Raises:
        UsageError: there are no traces.
        ModelError: a trace is longer than the model, or training failed; as `fit`.
        StorageError: the folder cannot be written.
    """
    if not traces:
        raise UsageError("there are no traces to learn from")
    if config.fsdp:
        raise UsageError("a policy is trained whole on every process; leave fsdp out")
    layout = layout or Layout()
    tokenizer = fresh_tokenizer((_text(t, layout) for t in traces[:2000]), shape.vocab_size)
    model = fresh_model(tokenizer, shape, seed=config.seed)
    encoded = layout.encode([(t.problem, t.texts) for t in traces], tokenizer)
    for trace, one in zip(traces, encoded, strict=True):
        if len(one.ids) >= shape.max_positions:
            raise ModelError(
                f"trace {trace.id} has {len(one.ids)} tokens and an end, the model "
                f"{shape.max_positions} positions; leave it out or raise max_positions"
            )
    rows = [
        {"input_ids": [*one.ids, tokenizer.eos_token_id], "start": one.start} for one in encoded
    ]
    scratch = scratch_of(out)
    task = Task(rows=rows, collate=_collate, loss=lambda model, batch: model(batch), units=_units)
    fit(_Learner(model), task, config, scratch=scratch, on_update=on_update)
    policy = LocalPolicy(model, tokenizer, layout, name=out.resolve().name)

    def write() -> None:
        policy.save(out)
        discard(scratch)

    by_main(write)
    return policy


class _Learner(nn.Module):
    """A model behind its loss, as training on several processes asks."""

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.model = model

    def forward(self, batch: Mapping[str, torch.Tensor]) -> torch.Tensor:
        return _loss(self.model, batch)


def _text(trace: Trace, layout: Layout) -> str:
    return trace.problem + layout.problem_end + "".join(t + layout.step_end for t in trace.texts)


def _collate(rows: list[tuple[int, Mapping[str, Any]]]) -> dict[str, torch.Tensor]:
    width = max(len(row["input_ids"]) for _, row in rows)
    ids = torch.zeros(len(rows), width, dtype=torch.long)
    targets = torch.full((len(rows), width), IGNORED)
    for i, (_, row) in enumerate(rows):
        tokens = torch.tensor(row["input_ids"])
        ids[i, : len(tokens)] = tokens
        targets[i, row["start"] : len(tokens)] = tokens[row["start"] :]
    return {"input_ids": ids, "targets": targets}


def _units(batch: Mapping[str, torch.Tensor]) -> torch.Tensor:
    """How many tokens are learned."""
    return (batch["targets"] != IGNORED).sum()


def _loss(model: Any, batch: Mapping[str, torch.Tensor]) -> torch.Tensor:
    """Cross-entropy of the tokens that are learned, each predicted from those before it, summed."""
    hidden = model.base_model(input_ids=batch["input_ids"]).last_hidden_state[:, :-1]
    targets = batch["targets"][:, 1:]
    learned = targets != IGNORED
    return cross_entropy(model.lm_head(hidden[learned]), targets[learned], reduction="sum")
