"""Scorers with a head on the token that ends each step: PRMs, and ORMs read step by step.

The checkpoint is a plain transformers `...ForTokenClassification` with two labels (label 1 is "right"), so other tools
can read it; `contract.json` beside it says how traces are written and what the scores mean. The body runs once over a
trace and the head only at the slots.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import torch
from transformers import AutoModelForTokenClassification, AutoTokenizer

from surefoot.errors import ContractError, ModelError
from surefoot.models.base import BatchScorer
from surefoot.models.contract import Contract
from surefoot.models.render import Rendered, render
from surefoot.traces.types import StepScores, Trace

TOKENS_PER_BATCH = 8192


class DiscriminativeModel(BatchScorer):
    """A token-classification model and its contract."""

    def __init__(self, model: Any, tokenizer: Any, contract: Contract, *, name: str) -> None:
        if model.config.num_labels != 2:
            raise ContractError(
                f"{name} has {model.config.num_labels} labels; a step scorer of this kind has two"
            )
        contract.check(tokenizer, getattr(model.config, "max_position_embeddings", None))
        self.model = model.eval()
        self.tokenizer = tokenizer
        self.contract = contract
        self.name = name

    @classmethod
    def load(cls, folder: str | Path) -> DiscriminativeModel:
        """A scorer from a checkpoint folder. No code from the folder runs, and only safetensors are read.

        Raises:
            ModelError: the folder is not a readable checkpoint.
            ContractError: the checkpoint and its contract do not fit each other.
        """
        folder = Path(folder)
        if not (folder / "config.json").is_file():
            raise ModelError(f"{folder} is not a model checkpoint: it has no config.json")
        contract = Contract.load(folder)
        try:
            model, info = AutoModelForTokenClassification.from_pretrained(
                folder,
                dtype=torch.float32,
                use_safetensors=True,
                trust_remote_code=False,
                local_files_only=True,
                output_loading_info=True,
            )
            tokenizer = AutoTokenizer.from_pretrained(
                folder, trust_remote_code=False, local_files_only=True
            )
        except (OSError, ValueError, RuntimeError) as error:
            raise ModelError(f"{folder} cannot be loaded: {error}") from None
        if missing := sorted(info["missing_keys"]):
            raise ModelError(
                f"{folder} lacks weights: {', '.join(missing[:5])}; without them scores would be random"
            )
        return cls(model, tokenizer, contract, name=folder.name)

    def save(self, folder: str | Path) -> None:
        """Write weights, tokenizer and contract; the folder appears under its name only when complete."""
        folder = Path(folder)
        partial = folder.with_name(f".{folder.name}.partial")
        partial.mkdir(parents=True, exist_ok=True)
        self.model.save_pretrained(partial)
        self.tokenizer.save_pretrained(partial)
        self.contract.save(partial)
        for file in partial.iterdir():
            folder.mkdir(exist_ok=True)
            os.replace(file, folder / file.name)
        partial.rmdir()

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
        hidden = self.model.base_model(input_ids=ids).last_hidden_state
        logits = self.model.score(hidden[rows, columns]).float()
        right = torch.softmax(logits, -1)[:, 1]
        return [part.tolist() for part in right.split([len(one.slots) for one in batch])]


def pad(batch: Sequence[Rendered]) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Right-padded ids (B, T), and the row and column of every slot, trace by trace.

    Attention is causal, so what stands to the right of a slot cannot change its score and padding needs no mask.
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
