"""What cheap rollouts cost and teach beside brute force: tokens, agreement, F1 of a PRM.

    python benchmarks/labels/rollouts.py OUT [--seeds 0 1 2] [--chains 600] [--updates 150]

The built-in world and the policy of `surefoot demo` (trained once, in OUT/policy). For each seed
the policy writes one chain on each of some problems; every way labels the same chains, a PRM is
trained from each way's labels alone, and its first errors are held against the exact ones of 500
test chains, with a threshold tuned on 500 others. `exact` is the world's own labels, as a bound.

The goal was fixed before the runs: a way that takes at most a quarter of the tokens that brute
force writes has its F1, which is to say that the interval of their difference holds 0. The
difference is the mean over seeds on the same test chains; its interval is a bootstrap over them.
The seeds, which draw chains, rollouts and the training's order anew, vary more: see their values.

What is done is kept in OUT and not done again. Prints tables and writes OUT/rollouts.json. Each
way's tokens are counted as if it were alone, though ways that ask for the same numbered rollouts
share the work here.
"""

from __future__ import annotations

import argparse
import json
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import torch
from rich.console import Console
from rich.table import Table
from transformers.utils import logging

import surefoot as sf
from surefoot.demo import workers
from surefoot.demo.config import SIZES
from surefoot.labels.rollouts import Drawing, RolloutRule, label_rollouts, world_ends
from surefoot.labels.rollouts.budget import BudgetRule
from surefoot.labels.rollouts.label import chains_of
from surefoot.labels.rollouts.sequential import SequentialTest
from surefoot.labels.rollouts.tree import TreeRule
from surefoot.policies.base import Continuation, Prefix, Sampling, Usage
from surefoot.policies.local import LocalPolicy
from surefoot.scores.first_errors import f1, first_error, matches, tune_threshold
from surefoot.stats import FloatArray, bootstrap_difference, over_seeds
from surefoot.traces.store import read_traces, write_traces
from surefoot.traces.types import Trace
from surefoot.training.config import RewardConfig, TrainConfig
from surefoot.training.reward import train
from surefoot.training.targets import LabelRule
from surefoot.worlds.last_digit import LastDigit

N = 8
SHARE = 0.25
"""The part of brute force's new tokens that is the goal, and that the budget is given."""
HELD_OUT = 500
SAMPLING = Sampling(max_new_tokens=200)
WORLD = LastDigit()
CONFIG = SIZES["standard"]

WAYS: Mapping[str, RolloutRule] = {
    "brute 8": RolloutRule(n=N),
    "brute 2": RolloutRule(n=2),
    "sequential": RolloutRule(method="sequential"),
    "binary": RolloutRule(method="binary", test=SequentialTest(most=4)),
    "reuse 4": RolloutRule(method="reuse", n=4, tree=TreeRule(own=True)),
    "tree": RolloutRule(
        method="tree", n=4, tree=TreeRule(num_rollouts=8, own=True, keep_chains=True)
    ),
    "budget": RolloutRule(method="budget", budget=BudgetRule(tokens=1)),
}
ARMS = ("exact", *WAYS, "tree + chains")


class Archive:
    """A policy that keeps every sample, and counts for each way what it would have cost alone."""

    def __init__(self, policy: LocalPolicy) -> None:
        self.policy = policy
        self.name = policy.name
        self.usage = Usage()
        self._known: dict[tuple[str, tuple[str, ...]], list[Continuation]] = defaultdict(list)

    def continue_prefixes(
        self, prefixes: Sequence[Prefix], n: int, *, seed: int, sampling: Sampling | None = None
    ) -> list[list[Continuation]]:
        """As the policy, which is asked for what is not known yet."""
        lacking: dict[int, list[Prefix]] = defaultdict(list)
        for one in prefixes:
            own = self._known[one.problem, one.steps]
            if (num := one.drawn + n - len(own)) > 0:
                lacking[num].append(replace(one, drawn=len(own)))
        for num, some in lacking.items():
            found = self.policy.continue_prefixes(some, num, seed=seed, sampling=sampling)
            for one, fresh in zip(some, found, strict=True):
                self._known[one.problem, one.steps] += fresh
        rows = [self._known[one.problem, one.steps][one.drawn : one.drawn + n] for one in prefixes]
        texts = [(one.problem, one.steps) for one in prefixes]
        encoded = self.policy.layout.encode(texts, self.policy.tokenizer)
        self.usage.calls += 1
        self.usage.prompt_tokens += sum(len(one.ids) for one in encoded)
        self.usage.new_tokens += sum(one.num_tokens for row in rows for one in row)
        return rows


def chains(policy: LocalPolicy, first: int, num: int, seed: int) -> list[Trace]:
    """One chain of the policy on each problem of a range, with its exact labels."""
    problems = WORLD.problems(first + num, seed=1_000_000)[first:]
    prefixes = [Prefix(problem.text) for problem in problems]
    found = policy.continue_prefixes(prefixes, 1, seed=seed, sampling=SAMPLING)
    return [
        WORLD.trace(problem, one.steps)
        for problem, (one,) in zip(problems, found, strict=True)
        if one.steps
    ]


def labelled(folder: Path, policy: LocalPolicy, num_chains: int, seed: int) -> None:
    """Label the chains of a seed in every way, each in a file of its own."""
    left = [way for way in WAYS if not (folder / f"{way}.json").is_file()]
    if not left:
        return
    folder.mkdir(parents=True, exist_ok=True)
    traces = chains(policy, 2 * HELD_OUT + seed * num_chains, num_chains, seed)
    archive = Archive(policy)
    for way in left:
        rule = WAYS[way]
        if rule.budget is not None:
            spent = json.loads((folder / "brute 8.json").read_text())["new_tokens"]
            rule = replace(rule, budget=replace(rule.budget, tokens=round(SHARE * spent)))
        archive.usage = Usage()
        drawing = Drawing(archive, world_ends(WORLD), SAMPLING, seed)
        found: list[Trace] = []
        size = len(traces) if rule.budget is not None else 100
        for start in range(0, len(traces), size):
            found += label_rollouts(traces[start : start + size], rule, drawing)
        write_traces(folder / f"{way}.jsonl", found)
        usage = {"new_tokens": archive.usage.new_tokens, "read_tokens": archive.usage.prompt_tokens}
        (folder / f"{way}.json").write_text(json.dumps({**usage, **agreement(found)}))
        print(f"seed {seed}, {way}: {usage}", flush=True)


def agreement(traces: Sequence[Trace]) -> dict[str, Any]:
    """How often rollouts agree with exact labels up to the first error: [agreeing, labelled] at
    right steps and at first errors, in all and at each position; and values that come back."""
    places: dict[str, dict[str, list[int]]] = {"right": {}, "wrong": {}}
    back = rows = 0
    for trace in traces:
        exact, ours = trace.labels[0], trace.labels[-1]
        first = exact.first_error()
        for k, value in enumerate(ours.values[: None if first is None else first + 1]):
            if value is not None:
                kind = "wrong" if k == first else "right"
                for name in ("all", str(k)):
                    cell = places[kind].setdefault(name, [0, 0])
                    cell[0] += (value > 0) == (kind == "right")
                    cell[1] += 1
        known = [value > 0 for value in ours.values[:-1] if value is not None]
        rows += 1
        back += any(later and not earlier for earlier, later in pairwise(known))
    return {**places, "comes_back": [back, rows]}


def material(folder: Path, arm: str) -> tuple[list[Trace], str]:
    """What a PRM is trained on, and the source of its labels."""
    if arm == "exact":
        return list(read_traces(folder / "brute 8.jsonl")), "checker"
    traces = list(read_traces(folder / f"{arm.removesuffix(' + chains')}.jsonl"))
    if arm.endswith(" + chains"):
        own = {trace.id for trace in traces}
        grown = [chain for trace in traces for chain in chains_of(trace)]
        traces += [one for one in grown if one.id not in own]
    return [replace(one, meta={}) for one in traces], "rollout"


def predicted(
    folder: Path, arm: str, base: Path, held_out: Sequence[Trace], updates: int, seed: int
) -> list[bool]:
    """Whether each test chain's first error is found by a PRM of an arm's labels."""
    done = folder / f"{arm}.hits.json"
    if done.is_file():
        return list(json.loads(done.read_text()))
    traces, source = material(folder, arm)
    config = RewardConfig(
        base=str(base),
        labels=LabelRule(sources={source: 1.0}, whole_steps=True),
        loop=TrainConfig(num_updates=updates, batch_size=16, lr=0.005, other_lr=3e-3, seed=seed),
        aggregate="product",
        max_tokens=512,
        one_class=True,
    )
    train(traces, folder / f"prm {arm}", config)
    scores = sf.load(folder / f"prm {arm}").score(list(held_out))
    labels = [first_error(trace, "checker") for trace in held_out]
    threshold = tune_threshold(scores[:HELD_OUT], labels[:HELD_OUT])
    hits = matches(scores[HELD_OUT:], labels[HELD_OUT:], threshold.value).tolist()
    done.write_text(json.dumps(hits))
    print(f"seed {seed}, {arm}: {sum(hits)} of {len(hits)}", flush=True)
    return list(hits)


def gathered(out: Path, seeds: Sequence[int], hits: Mapping[str, FloatArray], bad: Any) -> Any:
    """The figures of every arm; `hits[arm]` has a row for each seed."""
    ones = np.ones((1, len(bad)))

    def mean_f1(counts: FloatArray, arm: str) -> FloatArray:
        return np.mean([f1(counts, bad, row) for row in hits[arm]], axis=0)

    found = {}
    for arm in ARMS:
        by_seed = [float(f1(ones, bad, row)[0]) for row in hits[arm]]
        gap = None
        if arm != "brute 8":
            gap = bootstrap_difference(
                lambda counts, arm=arm: mean_f1(counts, arm) - mean_f1(counts, "brute 8"),
                len(bad),
                seed=0,
                num_resamples=2000,
            ).to_json()
        way = arm.removesuffix(" + chains")
        costs = [] if arm == "exact" else [read(out, seed, way) for seed in seeds]
        found[arm] = {
            "f1": over_seeds(by_seed).to_json() if len(seeds) > 1 else by_seed[0],
            "f1_by_seed": by_seed,
            "less_brute": gap,
            "new_tokens": [one["new_tokens"] for one in costs],
            "read_tokens": [one["read_tokens"] for one in costs],
            **{kind: pooled(costs, kind) for kind in ("right", "wrong")},
            "comes_back": [sum(x) for x in zip(*(one["comes_back"] for one in costs), strict=True)],
        }
    return found


def read(out: Path, seed: int, way: str) -> Any:
    return json.loads((out / f"seed-{seed}" / f"{way}.json").read_text())


def pooled(costs: Sequence[Any], kind: str) -> dict[str, list[int]]:
    total: dict[str, list[int]] = {}
    for one in costs:
        for place, (agree, num) in one[kind].items():
            cell = total.setdefault(place, [0, 0])
            cell[0] += agree
            cell[1] += num
    return dict(sorted(total.items(), key=lambda item: (len(item[0]), item[0])))


def tables(found: Mapping[str, Any]) -> Iterator[Table]:
    brute = found["brute 8"]
    main = Table(title="Rollouts on the built-in world", box=None)
    for name in (
        "labels",
        "written",
        "share",
        "read",
        "right steps",
        "first errors",
        "F1",
        "by seed",
        "less brute 8",
    ):
        main.add_column(name, justify="left" if name == "labels" else "right")
    for arm, one in found.items():
        costs = ["", "", ""]
        if one["new_tokens"]:
            new, old = (float(np.mean(x["new_tokens"])) for x in (one, brute))
            costs = [f"{new:,.0f}", f"{new / old:.1%}", f"{np.mean(one['read_tokens']):,.0f}"]
        agree = [share(one[kind].get("all")) for kind in ("right", "wrong")]
        mean = float(np.mean(one["f1_by_seed"]))
        gap = one["less_brute"]
        told = "" if gap is None else f"{gap['mean']:+.3f} [{gap['low']:+.3f}, {gap['high']:+.3f}]"
        seeds = " ".join(f"{x:.3f}" for x in one["f1_by_seed"])
        main.add_row(arm, *costs, *agree, f"{mean:.3f}", seeds, told)
    yield main
    for kind, title in (
        ("right", "Right steps called right"),
        ("wrong", "First errors called wrong"),
    ):
        shown = Table(title=f"{title}, by position", box=None)
        places = [place for place in brute[kind] if place != "all"]
        for name in ("labels", *places):
            shown.add_column(name, justify="left" if name == "labels" else "right")
        for arm, one in found.items():
            if one[kind] and not arm.endswith(" + chains"):
                shown.add_row(arm, *(share(one[kind].get(place)) for place in places))
        yield shown


def share(cell: Sequence[int] | None) -> str:
    return f"{cell[0] / cell[1]:.0%}" if cell and cell[1] else "–"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("out", type=Path)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--chains", type=int, default=600)
    parser.add_argument("--updates", type=int, default=150)
    given = parser.parse_args()
    torch.set_num_threads(1)
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    base = given.out / "policy"
    if not base.is_dir():
        workers.train_policy(CONFIG, base)
    policy = LocalPolicy.load(base, name="policy")
    held_out = chains(policy, 0, 2 * HELD_OUT, seed=99)
    assert len(held_out) == 2 * HELD_OUT, "the policy left a problem without a single step"
    hits: dict[str, list[list[bool]]] = defaultdict(list)
    for seed in given.seeds:
        folder = given.out / f"seed-{seed}"
        labelled(folder, policy, given.chains, seed)
        for arm in ARMS:
            row = predicted(folder, arm, base, held_out, given.updates, seed)
            hits[arm].append(row)
    bad = np.array([first_error(trace, "checker") is not None for trace in held_out[HELD_OUT:]])
    found = gathered(
        given.out, given.seeds, {arm: np.array(rows) for arm, rows in hits.items()}, bad
    )
    (given.out / "rollouts.json").write_text(json.dumps(found, indent=1) + "\n")
    console = Console(width=160)
    for shown in tables(found):
        console.print(shown)
    back, rows = found["brute 8"]["comes_back"]
    console.print(f"value 0 of {N} before one above 0: {back} of {rows} chains ({back / rows:.1%})")


if __name__ == "__main__":
    main()
