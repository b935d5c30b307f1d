"""Training beside the ways in use elsewhere: ratios in one run, on one core.

    OMP_NUM_THREADS=1 taskset -c 0 python benchmarks/training [PART ...] [--rounds 5] [--json FILE]

Every way makes the same updates of the same weights: 8 traces, 4 answers to each of 2 questions, of
5 to 15 steps; gradients, clipping and AdamW. The ways take turns on each batch; ratios are medians
over batches of processor time. The shape is `small`: Qwen2, 512 wide, 8 layers, 39.8 million
parameters beside an embedding of the real vocabulary of 151,936. The rows of an LM head weigh as
much as 1.95 bodies here and .08 of a 7B body, so a ratio against a way that computes all logits
belongs to this size.

`limit` is the time that the distinct tokens would take at the peak of this core's matrix products:
6 x parameters of the body x distinct tokens / peak. Attention, embedding, optimizer and padding are
not in it; that the last layer is computed only at the labelled places works the other way.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import time
from collections.abc import Mapping
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import material
import torch
import ways
from clock import clocked, peak_flops
from transformers.utils import logging
from workload import body_parameters

from surefoot.memory import peak_rss_mb
from surefoot.models import engine
from surefoot.models.discriminative import DiscriminativeModel
from surefoot.models.engine import Engine
from surefoot.token_tree import TokenTree
from surefoot.training.batches import Batch
from surefoot.training.config import TrainConfig
from surefoot.training.optimizer import optimizer_of
from surefoot.training.trainee import Trainee, checkpoint

Report = dict[str, Any]


class Learner:
    """A model with its optimizer."""

    def __init__(self, scorer: DiscriminativeModel, *, checkpointing: bool = False) -> None:
        self.trainee = Trainee(scorer)
        self.trainee.train()
        if checkpointing:
            checkpoint(scorer.model)
        config = TrainConfig(optimizer="adamw", lr=1e-5)
        self.optimizer = optimizer_of(self.trainee, config, self.trainee.head_names())

    def update(self, way: ways.Way, batch: Batch, *, bf16: bool = False) -> float:
        """One update; gives the loss."""
        with torch.autocast("cpu", torch.bfloat16) if bf16 else nullcontext():
            loss = way(self.trainee, batch)
        torch.nn.utils.clip_grad_norm_(self.trainee.parameters(), 1.0)
        self.optimizer.step()
        self.optimizer.zero_grad()
        return loss


def compared(
    scorer: DiscriminativeModel,
    others: Mapping[str, ways.Way],
    rounds: int,
    *,
    checkpointing: bool = False,
    bf16: bool = False,
    questions: int = material.QUESTIONS,
) -> Report:
    """Ours beside other ways."""
    learner = Learner(scorer, checkpointing=checkpointing)
    batches = material.batches(scorer, rounds + 1, questions=questions)
    different = {} if bf16 else _differences(learner.trainee, others, batches[0])
    peaks, ratios, shares = [peak_flops()], [], []
    seconds: dict[str, list[float]] = {name: [] for name in ("ours", *others)}
    for i, batch in enumerate(batches):
        spent = {}
        for name, way in {"ours": ways.ours, **others}.items():
            spent[name], _ = clocked(lambda w=way, b=batch: learner.update(w, b, bf16=bf16))
        peaks.append(peak_flops())
        if not i:
            continue  # the optimizer makes room for its state, and so on
        for name, one in spent.items():
            seconds[name].append(one)
        ratios.append({name: spent[name] / spent["ours"] for name in others})
        shares.append(6 * body_parameters(scorer) * unique_tokens(batch) / spent["ours"])
    measured = batches[1:]
    tokens = [sum(len(ids) for ids, _ in batch.rows) for batch in measured]
    return {
        "tokens": sum(tokens),
        "unique_tokens": sum(map(unique_tokens, measured)),
        "padded_tokens": sum(map(ways.num_padded, measured)),
        "tokens_per_second": {
            name: statistics.median(n / s for n, s in zip(tokens, some, strict=True))
            for name, some in seconds.items()
        },
        "times_faster": {name: statistics.median(one[name] for one in ratios) for name in others},
        "lowest_and_highest": {
            name: [extreme(one[name] for one in ratios) for extreme in (min, max)]
            for name in others
        },
        "share_of_limit": statistics.median(shares) / max(peaks),
        "gflops_peak": max(peaks) / 1e9,
        **different,
    }


def _differences(trainee: Trainee, others: Mapping[str, ways.Way], batch: Batch) -> Report:
    """How far losses and gradients are apart, before anything is learned."""
    loss = ways.ours(trainee, batch)
    mine = ways.taken_gradients(trainee)
    losses, gradients = [], []
    for way in others.values():
        losses.append(abs(way(trainee, batch) - loss) / loss)
        gradients.append(ways.worst(mine, ways.taken_gradients(trainee)))
    return {"worst_loss_difference": max(losses), "worst_gradient_difference": max(gradients)}


def unique_tokens(batch: Batch) -> int:
    """Tokens that differ in what stands before them."""
    tree = TokenTree()
    for ids, _ in batch.rows:
        tree.add(ids)
    return sum(len(node.ids) for node in tree.nodes())


def trl(rounds: int) -> Report:
    """As TRL's trainer does it, in fp32."""
    return compared(material.classifier(), {"padded": ways.padded}, rounds)


def checkpointing(rounds: int) -> Report:
    """The same with activations computed again in the backward pass, by both."""
    others = {"padded": ways.padded}
    return compared(material.classifier(), others, rounds, checkpointing=True)


def openrlhf(rounds: int) -> Report:
    """As OpenRLHF's trainer did it."""
    others = {"full-vocabulary": ways.full_vocabulary}
    return compared(material.language_model(), others, rounds)


def bfloat16(rounds: int) -> Report:
    """Matrix products in bf16, by both; on half a batch, since a processor without instructions for
    bf16 takes very long. `times_fp32` is what that costs or gains ours."""
    whole = compared(material.classifier(), {"padded": ways.padded}, rounds, bf16=True, questions=1)
    exact = compared(material.classifier(), {}, rounds, questions=1)
    ratio = exact["tokens_per_second"]["ours"] / whole["tokens_per_second"]["ours"]
    return {
        **whole,
        "times_fp32": ratio,
        "has_instructions": torch.cpu._is_avx512_bf16_supported(),
        "gflops_peak_bf16": peak_flops(torch.bfloat16) / 1e9,
    }


def widths(rounds: int) -> Report:
    """Gradients from a tree beside those from padded rows, for narrow bodies and batches of many
    kinds: how many times faster the tree is."""
    before = engine.NARROW, engine.SPARED
    found: Report = {}
    for width in (64, 96, 128, 192, 256, 384):
        one = Engine(material.body(width))
        for shape in material.SHAPES:
            rows = list(material.rows(shape))
            spent: dict[bool, list[float]] = {True: [], False: []}
            for i in range(rounds + 1):
                for padded in spent:
                    engine.NARROW, engine.SPARED = (sys.maxsize, sys.maxsize) if padded else (0, 0)
                    seconds, _ = clocked(lambda e=one, r=rows: _backward(e, r))
                    if i:
                        spent[padded].append(seconds)
            ratio = statistics.median(spent[True]) / statistics.median(spent[False])
            found[f"{width} {shape}"] = round(ratio, 2)
    engine.NARROW, engine.SPARED = before
    return found


def _backward(one: Engine, rows: material.Rows) -> None:
    with one.held():
        torch.cat(one.differentiable(rows)).square().sum().backward()
    one.body.zero_grad()


def memory(_: int) -> Report:
    """Peak memory of whole processes, in MB, each making two updates."""
    found = {}
    for name in KINDS:
        done = subprocess.run(
            [sys.executable, str(Path(__file__).parent), "--only", name],
            capture_output=True,
            text=True,
            check=True,
        )
        found[name] = float(done.stdout)
    return {
        "peak_mb": found,
        "share_of_padded": found["ours"] / found["padded"],
        "share_of_padded_with_checkpointing": found["ours, checkpointing"]
        / found["padded, checkpointing"],
        "share_of_full_vocabulary": found["ours, tokens"] / found["full-vocabulary"],
    }


KINDS: dict[str, tuple[Any, ways.Way, bool]] = {
    "ours": (material.classifier, ways.ours, False),
    "padded": (material.classifier, ways.padded, False),
    "ours, checkpointing": (material.classifier, ways.ours, True),
    "padded, checkpointing": (material.classifier, ways.padded, True),
    "ours, tokens": (material.language_model, ways.ours, False),
    "full-vocabulary": (material.language_model, ways.full_vocabulary, False),
}


def only(kind: str) -> None:
    """Train in one way and print the peak memory of this process."""
    make, way, again = KINDS[kind]
    scorer = make()
    learner = Learner(scorer, checkpointing=again)
    for batch in material.batches(scorer, 2):
        learner.update(way, batch)
    print(peak_rss_mb())


PARTS = {part.__name__: part for part in (trl, checkpointing, openrlhf, bfloat16, widths, memory)}


def main() -> None:
    """Run the parts that are asked for and print what each found."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("parts", nargs="*", choices=[[], *PARTS], default=[])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--only", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    logging.set_verbosity_error()
    torch.set_num_threads(1)
    if arguments.only:
        only(arguments.only)
        return
    found = {}
    for name in arguments.parts or PARTS:
        started = time.process_time()
        found[name] = PARTS[name](arguments.rounds)
        print(name, json.dumps(found[name], indent=1), f"{time.process_time() - started:.0f} s")
        sys.stdout.flush()
    if arguments.json:
        arguments.json.write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
