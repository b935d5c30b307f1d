"""Scorers with a head on the token that ends each step: PRMs, and ORMs read step by step.

The checkpoint is a plain transformers `...ForTokenClassification` with two labels (label 1 is
"right"), so other tools can read it; `contract.json` beside it says how traces are written and what
the scores mean. The body runs once over a trace and the head only at the slots.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import torch
from transformers import AutoModelForTokenClassification

from surefoot.errors import ContractError, ModelError
from surefoot.models.base import BatchScorer
from surefoot.models.contract import CONTRACT_FILE, Contract
from surefoot.models.render import Rendered, render
from surefoot.policies.checkpoints import read_checkpoint, whole_folder
from surefoot.traces.types import StepScores, Trace

TOKENS_PER_BATCH = 8192


class DiscriminativeModel(BatchScorer):
    """A token-classification model and its contract."""

    def __init__(self, model: Any, tokenizer: Any, contract: Contract, *, name: str) -> None:
        if model.config.num_labels != 2:
            raise ContractError(
                f"{name} has {model.config.num_labels} labels; a step scorer of this kind has two"
            )
        if not isinstance(getattr(model, "score", None), torch.nn.Linear):
            raise ContractError(
                f"{name} is a {type(model).__name__}; a scorer of this kind is a causal language "
                "model with one linear layer `score` on top"
            )
        contract.check(tokenizer, getattr(model.config, "max_position_embeddings", None))
        self.model = model.eval()
        self.tokenizer = tokenizer
        self.contract = contract
        self.name = name

    @classmethod
    def load(cls, folder: str | Path) -> DiscriminativeModel:
        """A scorer from a checkpoint folder; only safetensors are read and no code from it runs.

        Raises:
            ModelError: the folder is not a readable checkpoint.
            ContractError: the checkpoint and its contract do not fit each other.
        """
        folder = Path(folder)
        if not (folder / "config.json").is_file():
            raise ModelError(f"{folder} is not a model checkpoint: it has no config.json")
        contract = Contract.load(folder)
        model, tokenizer = read_checkpoint(folder, AutoModelForTokenClassification)
        return cls(model, tokenizer, contract, name=folder.resolve().name)

    def save(self, folder: str | Path) -> None:
        """Write weights, tokenizer and contract, as `whole_folder` does.

        Raises:
            StorageError: the folder cannot be written.
        """
        with whole_folder(folder, last=CONTRACT_FILE) as partial:
            self.model.save_pretrained(partial)
            self.tokenizer.save_pretrained(partial)
            self.contract.save(partial)

    def score_batch(self, traces: Sequence[Trace]) -> list[StepScores]:
        """The scores of each trace; equal traces are computed once."""
        distinct = list({trace.id: trace for trace in traces}.values())
        rendered = render(distinct, self.contract, self.tokenizer)
        values: dict[str, tuple[float, ...]] = {}
        for batch in _by_length(rendered):
            probabilities = self._forward([rendered[i] for i in batch])
            for i, row in zip(batch, probabilities, strict=True):
                values[distinct[i].id] = tuple(row)
        return [
            StepScores(
                values[trace.id],
                self.name,
                kind=self.contract.kind,
                default_aggregate=self.contract.aggregate,
                threshold=self.contract.threshold,
            )
            for trace in traces
        ]

    @torch.inference_mode()
    def _forward(self, batch: list[Rendered]) -> list[list[float]]:
        ids, rows, columns = pad(batch)
        device = self.model.device
        hidden = self.model.base_model(input_ids=ids.to(device), use_cache=False).last_hidden_state
        logits = self.model.score(hidden[rows.to(device), columns.to(device)]).float()
        right = iter(torch.softmax(logits, -1)[:, 1].tolist())
        return [list(islice(right, len(one.slots))) for one in batch]


def pad(batch: Sequence[Rendered]) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Right-padded ids (B, T), and the row and column of every slot, trace by trace.

    Attention is causal, so what stands to the right of a slot cannot change its score and padding
    needs no mask.
    """
    ids = torch.zeros(len(batch), max(len(one.ids) for one in batch), dtype=torch.long)
    for row, one in enumerate(batch):
        ids[row, : len(one.ids)] = torch.tensor(one.ids)
    rows = torch.tensor([row for row, one in enumerate(batch) for _ in one.slots])
    columns = torch.tensor([slot for one in batch for slot in one.slots])
    return ids, rows, columns


def _by_length(rendered: Sequence[Rendered]) -> Iterator[list[int]]:
    """Positions in batches of similar length, at most `TOKENS_PER_BATCH` padded tokens each."""
    order = sorted(range(len(rendered)), key=lambda i: len(rendered[i].ids))
    batch: list[int] = []
    for i in order:
        if batch and (len(batch) + 1) * len(rendered[i].ids) > TOKENS_PER_BATCH:
            yield batch
            batch = []
        batch.append(i)
    if batch:
        yield batch
