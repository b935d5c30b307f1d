"""Train a policy to write steps as the traces it is shown do: plain next-token cross-entropy on the
steps.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch.nn.functional import cross_entropy

from surefoot.errors import ModelError, UsageError
from surefoot.policies.local import LocalPolicy
from surefoot.traces.layout import Layout
from surefoot.traces.types import Trace
from surefoot.training.scratch import Shape, fresh_model, fresh_tokenizer
from surefoot.training.trainer import OnUpdate, TrainConfig, fit, scratch_of

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
    fit(model, rows, _collate, _loss, config, scratch=scratch, on_update=on_update)
    policy = LocalPolicy(model, tokenizer, layout, name=out.resolve().name)
    policy.save(out)
    shutil.rmtree(scratch, ignore_errors=True)
    return policy


def _text(trace: Trace, layout: Layout) -> str:
    return trace.problem + layout.problem_end + "".join(t + layout.step_end for t in trace.texts)


def _collate(rows: list[Mapping[str, Any]]) -> dict[str, torch.Tensor]:
    width = max(len(row["input_ids"]) for row in rows)
    ids = torch.zeros(len(rows), width, dtype=torch.long)
    targets = torch.full((len(rows), width), IGNORED)
    for i, row in enumerate(rows):
        tokens = torch.tensor(row["input_ids"])
        ids[i, : len(tokens)] = tokens
        targets[i, row["start"] : len(tokens)] = tokens[row["start"] :]
    return {"input_ids": ids, "targets": targets}


def _loss(model: Any, batch: Mapping[str, torch.Tensor]) -> torch.Tensor:
    """Mean cross-entropy of the tokens that are learned, each predicted from those before it."""
    hidden = model.base_model(input_ids=batch["input_ids"]).last_hidden_state[:, :-1]
    targets = batch["targets"][:, 1:]
    learned = targets != IGNORED
    return cross_entropy(model.lm_head(hidden[learned]), targets[learned])
