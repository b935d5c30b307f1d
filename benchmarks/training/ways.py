"""Ways from a batch to gradients: ours, and those in use elsewhere, written anew from what they
do."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from surefoot.training.batches import Batch
from surefoot.training.losses.cross_entropy import CrossEntropy
from surefoot.training.trainee import Trainee

IGNORED = -100

Way = Callable[[Trainee, Batch], float]
"""Adds to the gradients and gives the mean loss of the labelled places."""


def ours(trainee: Trainee, batch: Batch) -> float:
    """Each distinct token once, the head at the labelled places."""
    cross_entropies = CrossEntropy()
    with trainee.engine.held():
        loss = cross_entropies(trainee(batch), batch.targets) / cross_entropies.units(batch.targets)
        loss.backward()
    return loss.item()


def padded(trainee: Trainee, batch: Batch) -> float:
    """TRL's PRMTrainer: rows padded to the longest, transformers' token classification with labels
    at all positions, most of them to be ignored."""
    ids, mask, labels = _padded(batch)
    loss: Tensor = trainee.model(input_ids=ids, attention_mask=mask, labels=labels).loss
    loss.backward()
    return loss.item()


def full_vocabulary(trainee: Trainee, batch: Batch) -> float:
    """OpenRLHF's trainer: padded rows, the logits of all tokens at all positions, of which two are
    compared where there is a label."""
    ids, mask, labels = _padded(batch)
    logits = trainee.model(input_ids=ids, attention_mask=mask, use_cache=False).logits
    is_labelled = labels != IGNORED
    loss = cross_entropy(logits[is_labelled][:, trainee._token_ids], labels[is_labelled])
    loss.backward()
    return loss.item()


def _padded(batch: Batch) -> tuple[Tensor, Tensor, Tensor]:
    width = max(len(ids) for ids, _ in batch.rows)
    ids, mask = torch.zeros(2, len(batch.rows), width, dtype=torch.long)
    labels = torch.full_like(ids, IGNORED)
    good = iter(batch.targets.good.tolist())
    for i, (row, places) in enumerate(batch.rows):
        ids[i, : len(row)] = torch.tensor(row)
        mask[i, : len(row)] = 1
        for place in places:
            labels[i, place] = int(next(good))
    return ids, mask, labels


def num_padded(batch: Batch) -> int:
    """Tokens and padding of a batch."""
    return len(batch.rows) * max(len(ids) for ids, _ in batch.rows)


def taken_gradients(trainee: Trainee) -> dict[str, Tensor]:
    """The gradient of each weight, which is forgotten."""
    found = {name: p.grad for name, p in trainee.named_parameters() if p.grad is not None}
    trainee.zero_grad(set_to_none=True)
    return found


def worst(one: dict[str, Tensor], other: dict[str, Tensor]) -> float:
    """The largest difference of two gradients of a weight, relative to their length."""
    assert one.keys() == other.keys()
    length = torch.linalg.vector_norm
    return max(float(length(one[name] - other[name]) / length(one[name])) for name in one)
