"""Beam search, 4 beams of 4 children, 10 deep: ours beside writing and scoring anew at every depth.

    OMP_NUM_THREADS=1 python benchmarks/search/speed.py [--depth 10] [--memory] [--json FILE]

The policy and the PRM have the shape of Qwen2 with 39.8 million parameters beside a vocabulary of
151,936 (random weights); the PRM reads two of its tokens at the end of every step. A problem has 80
tokens, and every step is made to have 20.

`ours` is `LocalPolicy` with its cache and a scorer's session. `anew` is what search code without
either does: `generate` on the whole text of every beam, then all logits of the whole text of every
child, in padded batches of 8. `anew, batched` gives `generate` the four beams in one batch. All
grow the beams that ours chooses, so all score the same texts, and scores are compared. Times are
processor and wall seconds, depth by depth in turns, writing and scoring apart. `--memory` prints in
place of that the most memory that one last depth takes in a process of its own.
"""

from __future__ import annotations

import argparse
import json
import math
import random
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import torch
from transformers import Qwen2ForCausalLM
from transformers.utils import logging

sys.path.insert(0, str(Path(__file__).parents[1] / "scoring"))
import ways
import workload

from surefoot import Trace
from surefoot.memory import peak_rss_mb
from surefoot.models.discriminative import DiscriminativeModel
from surefoot.policies.base import Prefix, Sampling
from surefoot.policies.local import LocalPolicy
from surefoot.traces.layout import Layout

BEAMS, CHILDREN, PROMPT, STEP = 4, 4, 80, 20
SAMPLING = Sampling(max_new_tokens=STEP, max_new_steps=1)
GOAL, MOST_SCORED, CLOSE = 8.0, 1.2, 1e-5
ALONE = ("models", "ours", "anew")


def policy() -> LocalPolicy:
    """One that writes words and nothing else."""
    words = workload.tokenizer()
    words.eos_token = "<|im_end|>"
    words.pad_token = "<|im_end|>"
    model = workload.random_model(Qwen2ForCausalLM, "small")
    head = torch.nn.Linear(model.config.hidden_size, workload.VOCABULARY)
    allowed = words.convert_tokens_to_ids([f"w{i}" for i in range(workload.WORDS)])
    with torch.no_grad():
        head.weight.copy_(model.lm_head.weight)
        head.bias.fill_(-math.inf)
        head.bias[allowed] = 0
    model.lm_head = head
    return LocalPolicy(model, words, Layout("nl", "nl"), cache_tokens=20_000)


def generate(writer: LocalPolicy, prefixes: Sequence[Prefix]) -> None:
    """Steps by transformers' `generate`; all prefixes are of one length."""
    rows = writer.layout.encode([(p.problem, p.steps) for p in prefixes], writer.tokenizer)
    ids = torch.tensor([one.ids for one in rows])
    writer.model.generate(
        ids,
        attention_mask=torch.ones_like(ids),
        do_sample=True,
        temperature=1.0,
        top_k=0,
        top_p=1.0,
        num_return_sequences=CHILDREN,
        min_new_tokens=STEP,
        max_new_tokens=STEP,
        pad_token_id=writer.tokenizer.pad_token_id,
    )


def one_by_one(writer: LocalPolicy, prefixes: Sequence[Prefix]) -> None:
    """`generate` for every prefix by itself."""
    for one in prefixes:
        generate(writer, [one])


def clocked(work: Callable[[], Any], into: list[tuple[float, float]]) -> Any:
    """What a call gives; its processor and wall seconds are kept."""
    began = time.process_time(), time.monotonic()
    found = work()
    into.append((time.process_time() - began[0], time.monotonic() - began[1]))
    return found


def search(depth: int) -> dict[str, Any]:
    """One search by every way."""
    writer = policy()
    scorer = workload.tag_scorer("small", workload.TAGGED)
    problem = workload.words(random.Random(0), PROMPT)
    session = scorer.open(problem)
    beams = [Prefix(problem)]
    branches = [session.root]
    spent: dict[str, list[tuple[float, float]]] = {}
    worst, scored, texts = 0.0, 0, []
    for _ in range(depth):
        each = BEAMS * CHILDREN // len(beams)
        written = clocked(
            partial(writer.continue_prefixes, beams, each, seed=0, sampling=SAMPLING),
            spent.setdefault("ours: writing", []),
        )
        grown = [(i, one.steps[0]) for i, own in enumerate(written) for one in own]
        kept = clocked(
            partial(session.extend, [(branches[i], [step]) for i, step in grown]),
            spent.setdefault("ours: scoring", []),
        )
        scored += sum(branch.num_tokens or 0 for branch in kept)
        wide = beams if len(beams) == BEAMS else beams * BEAMS
        clocked(partial(one_by_one, writer, wide), spent.setdefault("anew: writing", []))
        clocked(partial(generate, writer, wide), spent.setdefault("anew, batched: writing", []))
        whole = [Trace(problem, (*beams[i].steps, step)) for i, step in grown]
        texts += whole
        other = clocked(partial(rescored, scorer, whole), spent.setdefault("anew: scoring", []))
        worst = max(worst, ways.worst([one.scores.values for one in kept], other))
        order = sorted(range(len(kept)), key=lambda k: -kept[k].scores.values[-1])[:BEAMS]
        for branch in [*branches, *(kept[k] for k in range(len(kept)) if k not in order)]:
            if branch is not session.root:
                session.drop(branch)
        branches = [kept[k] for k in order]
        beams = [Prefix(problem, whole[k].texts) for k in order]
    return {
        "spent": spent,
        "worst_difference": worst,
        "scored_tokens": scored,
        "new_tokens": workload.unique_tokens(workload.rows_of(scorer, texts)),
        "written_tokens": writer.usage.new_tokens,
    }


def rescored(scorer: DiscriminativeModel, whole: Sequence[Trace]) -> ways.Scores:
    """Every whole text scored anew, all logits."""
    return ways.full_vocabulary(scorer, workload.rows_of(scorer, whole), 8)


def alone(way: str, depth: int) -> float:
    """The most memory of this process, in MB, after the last depth by one way."""
    writer = policy()
    scorer = workload.tag_scorer("small", workload.TAGGED)
    draw = random.Random(0)
    problem = workload.words(draw, PROMPT)
    stems = [[workload.words(draw, STEP) for _ in range(depth - 1)] for _ in range(BEAMS)]
    beams = [Prefix(problem, tuple(steps)) for steps in stems]
    if way == "ours":
        session = scorer.open(problem)
        kept = session.extend([(session.root, steps) for steps in stems])
        written = writer.continue_prefixes(beams, CHILDREN, seed=0, sampling=SAMPLING)
        session.extend(
            [(b, one.steps) for b, own in zip(kept, written, strict=True) for one in own]
        )
    elif way == "anew":
        one_by_one(writer, beams)
        step = workload.words(draw, STEP)
        rescored(scorer, [Trace(problem, (*one.steps, step)) for one in beams * CHILDREN])
    return peak_rss_mb()


def total(found: dict[str, Any], parts: Sequence[str], clock: int) -> float:
    """Seconds of some parts together: clock 0 is the processor's, 1 the one on the wall."""
    return sum(one[clock] for part in parts for one in found["spent"][part])


def show(found: dict[str, Any]) -> None:
    """The seconds of every way, the ratios, and whether the goals are reached."""
    ways_of = {
        "ours": ("ours: writing", "ours: scoring"),
        "anew": ("anew: writing", "anew: scoring"),
        "anew, batched": ("anew, batched: writing", "anew: scoring"),
    }
    for part in found["spent"]:
        cpu, wall = total(found, [part], 0), total(found, [part], 1)
        last = found["spent"][part][-1][0]
        print(f"{part:24} {cpu:7.1f} s CPU {wall:7.1f} s wall, last depth {last:5.1f} s CPU")
    for way, parts in ways_of.items():
        cpu, wall = (
            total(found, parts, clock) / total(found, ways_of["ours"], clock) for clock in (0, 1)
        )
        print(f"{way:24} {cpu:5.1f} times ours by CPU, {wall:5.1f} by the wall")
    ratio = total(found, ways_of["anew"], 0) / total(found, ways_of["ours"], 0)
    share = found["scored_tokens"] / found["new_tokens"]
    worst = found["worst_difference"]
    for told, good in (
        (f"at least {GOAL:g} times as fast as anew: {ratio:.1f}", ratio >= GOAL),
        (f"scored at most {MOST_SCORED:g} times the new tokens: {share:.3f}", share <= MOST_SCORED),
        (f"scores within {CLOSE:g}: {worst:.1e}", worst <= CLOSE),
    ):
        print(f"{'reached' if good else 'MISSED'}: {told}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--depth", type=int, default=10)
    parser.add_argument("--memory", action="store_true")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--only", choices=ALONE, help=argparse.SUPPRESS)
    given = parser.parse_args()
    torch.set_num_threads(1)
    logging.set_verbosity_error()
    if given.only:
        print(alone(given.only, given.depth))
        return
    found: dict[str, Any]
    if given.memory:
        command = [sys.executable, __file__, "--depth", str(given.depth), "--only"]
        found = {
            way: float(subprocess.run([*command, way], capture_output=True, check=True).stdout)
            for way in ALONE
        }
        print({way: f"{peak:,.0f} MB" for way, peak in found.items()})
    else:
        found = search(given.depth)
        show(found)
    if given.json:
        given.json.write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
