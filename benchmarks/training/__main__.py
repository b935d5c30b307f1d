"""Training speed beside the padded full way, as TRL's PRMTrainer has it: ratios in one run, on one
core.

    OMP_NUM_THREADS=1 taskset -c 0 python benchmarks/training [--rounds 3] [--json FILE]

Both ways train the same weights on the same batches of 8 traces, 4 on each question, in turn.
`padded` is the stock forward of transformers on a padded batch with its own loss over all
positions; ours is the packed tree. The shape is Qwen2's with 39.8 million parameters beside the
embeddings and a vocabulary of 151,936. `limit` is 6 x parameters of the body x distinct tokens at
the peak of this core's matrix products. Seconds are of the processor, with the update of AdamW.
"""

from __future__ import annotations

import argparse
import json
import statistics
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import material
import torch
import workload
from clock import clocked, peak_flops
from torch import Tensor

from surefoot.models.discriminative import DiscriminativeModel
from surefoot.models.tree import TokenTree
from surefoot.training.batches import Batch
from surefoot.training.losses.cross_entropy import CrossEntropy
from surefoot.training.trainee import Trainee

NUM_BATCHES = 3


def ours(scorer: DiscriminativeModel, trainee: Trainee, batch: Batch) -> None:
    """Gradients by the packed tree."""
    loss = CrossEntropy()
    with scorer.engine.held():
        (loss(trainee(batch), batch.targets) / loss.units(batch.targets)).backward()


def padded(model: Any, batch: Batch) -> None:
    """Gradients by a padded batch, all positions through the head."""
    shape = len(batch.rows), max(len(ids) for ids, _ in batch.rows)
    tokens = torch.zeros(shape, dtype=torch.long)
    seen, labels = torch.zeros_like(tokens), torch.full(shape, -100)
    good = iter(batch.targets.good.long().tolist())
    for row, (ids, places) in enumerate(batch.rows):
        tokens[row, : len(ids)] = torch.tensor(ids)
        seen[row, : len(ids)] = 1
        for place in places:
            labels[row, place] = next(good)
    model(input_ids=tokens, attention_mask=seen, labels=labels).loss.backward()


def gradients(model: Any) -> dict[str, Tensor]:
    """The gradients that are there, which are then taken away."""
    found = {n: p.grad for n, p in model.named_parameters() if p.grad is not None}
    model.zero_grad(set_to_none=True)
    return found


def worst_difference(one: dict[str, Tensor], other: dict[str, Tensor]) -> float:
    """The largest difference of a gradient, relative to the largest number in its tensor."""
    return max(
        float((one[name] - other[name]).abs().max() / other[name].abs().max()) for name in other
    )


def distinct_tokens(rows: Sequence[tuple[Sequence[int], Sequence[int]]]) -> int:
    """Tokens of a batch, what traces share counted once."""
    tree = TokenTree()
    for ids, _ in rows:
        tree.add(ids)
    return sum(len(node.ids) for node in tree.nodes())


def measured(rounds: int) -> dict[str, Any]:
    """Every figure."""
    scorer = material.classifier()
    trainee, model = Trainee(scorer), scorer.model.train()
    batches = list(material.batches(trainee, scorer, NUM_BATCHES))
    ours(scorer, trainee, batches[0])
    found = gradients(model)
    padded(model, batches[0])
    difference = worst_difference(found, gradients(model))
    del found
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-6, fused=True)

    def update(way: str, batch: Batch) -> None:
        ours(scorer, trainee, batch) if way == "ours" else padded(model, batch)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)

    seconds: dict[str, list[float]] = {"ours": [], "padded": []}
    peak = peak_flops()
    for number in range(rounds):
        batch = batches[number % NUM_BATCHES]
        for way, spent in seconds.items():
            spent.append(clocked(lambda way=way, batch=batch: update(way, batch))[0])
    peak = max(peak, peak_flops())
    tokens = [sum(len(ids) for ids, _ in batch.rows) for batch in batches]
    distinct = [distinct_tokens(batch.rows) for batch in batches]
    ideal = [6 * workload.body_parameters(scorer) * number / peak for number in distinct]
    return {
        "tokens": tokens,
        "distinct_tokens": distinct,
        "seconds": seconds,
        "times_ours": statistics.median(
            b / a for a, b in zip(seconds["ours"], seconds["padded"], strict=True)
        ),
        "share_of_limit": statistics.median(
            ideal[i % NUM_BATCHES] / spent for i, spent in enumerate(seconds["ours"])
        ),
        "gflops_peak": peak / 1e9,
        "worst_gradient_difference": difference,
    }


def main() -> None:
    parser = argparse.ArgumentParser("training", description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    torch.set_num_threads(1)
    report = json.dumps(measured(given.rounds), indent=1)
    print(report)
    if given.json:
        given.json.write_text(report + "\n")


if __name__ == "__main__":
    main()
