"""Scoring and beam search beside the ways in use elsewhere: ratios in one run, on one core.

    OMP_NUM_THREADS=1 taskset -c 0 python benchmarks/scoring [PART ...] [--rounds 3] [--json FILE]

Every method scores the same made-up traces with the same random weights; scores are compared with
each other, and times are medians of processor time over rounds in which the methods take turns. The
shapes are Qwen2's with its vocabulary of 151,936: `small` is 512 wide with 8 layers, `half` is that
of Qwen2.5-0.5B. An LM head weighs 1.95 times the body of `small`, .38 of `half` and .08 of a 7B
body, so a ratio against a method that computes all logits belongs to the size it is quoted with.

`limit` is the time that the distinct tokens would take at the peak of this core's matrix products:
tokens x 2 x parameters of the body / peak. Attention and heads are not in it; that the last layer
is computed only at the slots works the other way.
"""

from __future__ import annotations

import argparse
import json
import random
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
import ways
import workload
from clock import clocked, peak_flops, timed
from transformers.utils import logging

from surefoot import Trace
from surefoot.memory import peak_rss_mb
from surefoot.models.discriminative import DiscriminativeModel
from surefoot.models.precision import linear_in_bfloat16
from surefoot.models.render import Rendered

Report = dict[str, Any]


def compared(
    scorer: DiscriminativeModel,
    traces: Sequence[Trace],
    others: Mapping[str, Callable[[], Any]],
    rounds: int,
) -> Report:
    """Ours beside other methods on the same traces."""
    rows = workload.rows_of(scorer, traces)
    methods = {"ours": lambda: ways.ours(scorer, traces), **others}
    peak = peak_flops()
    seconds, results = timed(methods, rounds)
    unique = workload.unique_tokens(rows)
    ideal = 2 * unique * workload.body_parameters(scorer) / max(peak, peak_flops())
    return {
        "tokens": sum(len(row.ids) for row in rows),
        "unique_tokens": unique,
        "seconds": seconds,
        "times_ours": {name: seconds[name] / seconds["ours"] for name in others},
        "share_of_limit": ideal / seconds["ours"],
        "gflops_peak": max(peak, peak_flops()) / 1e9,
        "worst_difference": max(ways.worst(results["ours"], results[name]) for name in others),
    }


def tags(rounds: int) -> Report:
    """Two tokens at a tag or before an answer, 16 candidates."""
    report = {}
    for name, template, batch in (("rlhflow", workload.TURNS, 8), ("shepherd", workload.TAGGED, 4)):
        scorer = workload.tag_scorer("small", template)
        traces = workload.candidates(16)
        rows = workload.rows_of(scorer, traces)
        others = {"full-vocabulary": _bound(ways.full_vocabulary, scorer, rows, batch)}
        report[name] = compared(scorer, traces, others, rounds)
        report[name] |= _each_prefix(scorer, rows, report[name]["seconds"]["ours"])
    return report


def _each_prefix(scorer: DiscriminativeModel, rows: Sequence[Rendered], seconds: float) -> Report:
    """One pass per prefix, timed on two candidates and scaled by the tokens of all prefixes."""
    some = sorted(rows, key=lambda row: len(row.ids))[len(rows) // 2 :][:2]
    spent, scores = clocked(lambda: ways.each_prefix(scorer, some))
    mine = ways.worst(scores, scorer_values(scorer, some))
    scale = _prefix_tokens(rows) / _prefix_tokens(some)
    return {"each_prefix": {"times_ours": spent * scale / seconds, "worst_difference": mine}}


def scorer_values(scorer: DiscriminativeModel, rows: Sequence[Rendered]) -> ways.Scores:
    """Ours on rendered rows."""
    return [[read.value for read in own] for own in scorer.read(rows)]


def _prefix_tokens(rows: Sequence[Rendered]) -> int:
    return sum(slot + 1 for row in rows for slot in row.slots)


def _bound(way: Callable[..., Any], *arguments: Any) -> Callable[[], Any]:
    return lambda: way(*arguments)


def _classes(shape: str, traces: Sequence[Trace], rounds: int) -> Report:
    scorer = workload.class_scorer(shape)
    rows = workload.rows_of(scorer, traces)
    others = {
        "padded": _bound(ways.padded, scorer, rows),
        "one-by-one": _bound(ways.one_by_one, scorer, rows),
    }
    return compared(scorer, traces, others, rounds)


def classifier(rounds: int) -> Report:
    """A classifier on 16 candidates."""
    return _classes("small", workload.candidates(16), rounds)


def long(rounds: int) -> Report:
    """The same with a prompt of 1,280 tokens."""
    traces = workload.candidates(16, prompt=1280)
    return {"16": _classes("small", traces, rounds), "8": _classes("small", traces[:8], rounds)}


def wide(rounds: int) -> Report:
    """A classifier on 64 candidates."""
    return _classes("small", workload.candidates(64), min(rounds, 2))


def half(rounds: int) -> Report:
    """The shape of a 0.5B model, 4 candidates."""
    traces = workload.candidates(4)
    scorer = workload.tag_scorer("half", workload.TAGGED)
    rows = workload.rows_of(scorer, traces)
    others = {"full-vocabulary": _bound(ways.full_vocabulary, scorer, rows, 4)}
    report = {"tags": compared(scorer, traces, others, rounds)}
    del scorer, others
    return report | {"classifier": _classes("half", traces, rounds)}


def beam(rounds: int) -> Report:
    """Beam search, 4 beams of 4 children, 10 deep, scored at every depth."""
    classes = workload.class_scorer("small")
    report = {"classifier": _beam(classes, 10, ways.padded, rounds)}
    tagged = workload.tag_scorer("small", workload.TAGGED)
    return report | {"tags": _beam(tagged, 10, ways.full_vocabulary, 1)}


def deep(rounds: int) -> Report:
    """Beam search with a classifier, 30 deep."""
    return _beam(workload.class_scorer("small"), 30, ways.padded, 1)


def _beam(
    scorer: DiscriminativeModel, depth: int, whole: Callable[..., ways.Scores], rounds: int
) -> Report:
    methods = {
        "ours": lambda: _grow_in_session(scorer, depth),
        "whole-texts": lambda: _grow_anew(scorer, depth, whole),
    }
    seconds, results = timed(methods, rounds)
    ours, theirs = results["ours"], results["whole-texts"]
    half_way = ours["seconds"][depth // 3 : 2 * depth // 3]
    return {
        "seconds": seconds,
        "times_ours": {"whole-texts": seconds["whole-texts"] / seconds["ours"]},
        "worst_difference": max(
            abs(a - b) for a, b in zip(ours["scores"], theirs["scores"], strict=True)
        ),
        "seconds_at_depth": [round(one, 3) for one in ours["seconds"]],
        "last_third_over_middle": sum(ours["seconds"][-len(half_way) :]) / sum(half_way),
        "seconds_at_depth_of_the_other": [round(one, 3) for one in theirs["seconds"]],
    }


def _children(draw: random.Random) -> list[list[str]]:
    """The next steps of 4 beams, 4 for each."""
    return [[workload.words(draw, draw.randint(20, 40)) for _ in range(4)] for _ in range(4)]


def _grow_in_session(scorer: DiscriminativeModel, depth: int) -> Report:
    draw = random.Random(0)
    session = scorer.open(workload.words(draw, 80))
    beams, found, seconds = [session.root] * 4, [], []
    for _ in range(depth):
        new = _children(draw)
        started = time.process_time()
        grown = session.extend(
            [(beam, [step]) for beam, steps in zip(beams, new, strict=True) for step in steps]
        )
        found += [branch.scores.values[-1] for branch in grown]
        best = sorted(grown, key=lambda branch: -branch.scores.values[-1])[:4]
        for branch in [*beams, *grown]:
            if branch not in best and branch is not session.root:
                session.drop(branch)
        beams = best
        seconds.append(time.process_time() - started)
    return {"scores": found, "seconds": seconds}


def _grow_anew(
    scorer: DiscriminativeModel, depth: int, whole: Callable[..., ways.Scores]
) -> Report:
    draw = random.Random(0)
    problem = workload.words(draw, 80)
    beams: list[list[str]] = [[]] * 4
    found, seconds = [], []
    for _ in range(depth):
        new = _children(draw)
        started = time.process_time()
        grown = [[*beam, step] for beam, steps in zip(beams, new, strict=True) for step in steps]
        rows = workload.rows_of(scorer, [Trace(problem, steps) for steps in grown])
        last = [own[-1] for own in whole(scorer, rows)]
        found += last
        order = sorted(range(16), key=lambda i: -last[i])[:4]
        beams = [grown[i] for i in order]
        seconds.append(time.process_time() - started)
    return {"scores": found, "seconds": seconds}


def bfloat16(rounds: int) -> Report:
    """Linear layers in bf16 beside our own fp32."""
    scorer = workload.class_scorer("small")
    lower = workload.class_scorer("small")
    linear_in_bfloat16(lower.model)
    traces = workload.candidates(16)
    methods = {
        "fp32": lambda: ways.ours(scorer, traces),
        "bf16": lambda: ways.ours(lower, traces),
    }
    seconds, results = timed(methods, rounds)
    exact = [value for own in results["fp32"] for value in own]
    drift = [value for own in results["bf16"] for value in own]
    pairs = [(i, j) for i in range(len(exact)) for j in range(i)]
    kept = sum((exact[i] > exact[j]) == (drift[i] > drift[j]) for i, j in pairs) / len(pairs)
    return {
        "seconds": seconds,
        "times_faster": seconds["fp32"] / seconds["bf16"],
        "order_kept": kept,
        "mean_drift": statistics.mean(abs(a - b) for a, b in zip(exact, drift, strict=True)),
        "worst_drift": ways.worst(results["fp32"], results["bf16"]),
        "spread_of_scores": statistics.stdev(exact),
    }


def memory(_: int) -> Report:
    """Peak memory of whole processes, in MB: with the model alone, ours, all logits."""
    kinds = ("model", "ours", "full-vocabulary")
    found = {kind: _in_process(kind) for kind in kinds}
    above = {kind: found[kind] - found["model"] for kind in kinds[1:]}
    return {"peak_mb": found, "share": found["ours"] / found["full-vocabulary"], "above": above}


def _in_process(kind: str) -> float:
    done = subprocess.run(
        [sys.executable, str(Path(__file__).parent), "--only", kind],
        capture_output=True,
        text=True,
        check=True,
    )
    return float(done.stdout)


def only(kind: str) -> None:
    """Run one method and print the peak memory of this process."""
    scorer = workload.tag_scorer("small", workload.TURNS)
    traces = workload.candidates(16)
    if kind == "ours":
        ways.ours(scorer, traces)
    elif kind == "full-vocabulary":
        ways.full_vocabulary(scorer, workload.rows_of(scorer, traces))
    print(peak_rss_mb())


PARTS = {
    part.__name__: part
    for part in (tags, classifier, long, wide, half, beam, deep, bfloat16, memory)
}


def main() -> None:
    """Run the parts that are asked for and print what each found."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("parts", nargs="*", choices=[[], *PARTS], default=[])
    parser.add_argument("--rounds", type=int, default=3)
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
        found[name] = PARTS[name](arguments.rounds)
        print(name, json.dumps(found[name], indent=1), flush=True)
    if arguments.json:
        arguments.json.write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
