"""What the demo's worker processes do. Each function reads and writes files and gives back a small
report.
"""

from __future__ import annotations

import multiprocessing
import os
import random
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import cache
from itertools import chain
from multiprocessing.queues import Queue
from pathlib import Path
from typing import Any

from surefoot.demo.config import POLICY_BATCH, REWARD_BATCH, DemoConfig
from surefoot.errors import ModelError
from surefoot.memory import peak_rss_mb
from surefoot.policies.base import Continuation, Policy, Prefix, Sampling
from surefoot.traces.store import read_traces, write_traces
from surefoot.traces.types import Trace
from surefoot.worlds.base import Problem
from surefoot.worlds.last_digit import Authors, LastDigit

LAYOUT_POSITIONS = 512

HOT = 1.5
"""Temperature at which the policy makes the slips that it rarely makes at 1, so that the reward
models have seen them before best-of-N goes looking for them."""

MOST_DRAWS = 20
"""How often chains are drawn for a problem before the policy counts as silent."""

_progress: Queue[tuple[str, int, int]] | None = None


def start(progress: Queue[tuple[str, int, int]]) -> None:
    """Make a process ready: one thread, quiet libraries, a way to report progress.

    It ends with the main process, however that ends, and leaves Ctrl-C to it.
    """
    global _progress
    _progress = progress
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    os.environ["TOKENIZERS_PARALLELISM"] = "false"
    import torch
    from transformers.utils import logging

    torch.set_num_threads(1)
    logging.set_verbosity_error()
    logging.disable_progress_bar()


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def report(stage: str, done: int, total: int) -> None:
    """Tell the main process how far a stage is."""
    if _progress is not None:
        _progress.put((stage, done, total))


def measured(work: Callable[..., None], options: dict[str, Any]) -> tuple[int, float]:
    """Do some work; gives this process's number and the most memory it has held, in MB."""
    work(**options)
    return os.getpid(), peak_rss_mb()


def train_policy(config: DemoConfig, folder: Path) -> None:
    """Train the policy on chains of simulated authors, each on a problem of its own."""
    from surefoot.training.config import TrainConfig
    from surefoot.training.policy import train_policy as train
    from surefoot.training.scratch import Shape

    world, authors = LastDigit(), Authors()
    rng = random.Random(f"authors {config.seed}")
    problems = _problems(config)[: config.author_chains]
    traces = [world.trace(p, authors.draw(rng).solve(p, rng)) for p in problems]
    train(
        traces,
        folder,
        shape=Shape(num_layers=2, max_positions=LAYOUT_POSITIONS),
        config=TrainConfig(
            num_updates=config.policy_updates, batch_size=POLICY_BATCH, seed=config.seed
        ),
        on_update=lambda done, total, _: report("policy", done, total),
    )


def sample(
    policy: Path, out: Path, *, config: DemoConfig, first: int, last: int, n: int, hot: int
) -> None:
    """`n` chains of the policy on each of the problems `first` to `last`, every step labelled
    exactly, and `hot` more at a higher temperature.

    Each trace keeps its log-probability under the policy.
    """
    from surefoot.policies.local import LocalPolicy

    world = LastDigit()
    problems = _problems(config)[first:last]
    writer = LocalPolicy.load(policy)
    prefixes = [Prefix(problem.text) for problem in problems]
    seed = config.seed * 1_000_003 + first
    cool = _chains(writer, prefixes, n, seed, 1.0)
    warm = _chains(writer, prefixes, hot, seed, HOT)
    traces = []
    for problem, *found in zip(problems, cool, warm, strict=True):
        for one in chain(*found):
            trace = world.trace(problem, one.steps)
            meta = {"logprob": one.logprob, "num_tokens": one.num_tokens}
            traces.append(replace(trace, meta=meta))
    write_traces(out, traces)


def _chains(
    policy: Policy, prefixes: Sequence[Prefix], n: int, seed: int, temperature: float
) -> list[list[Continuation]]:
    """`n` chains on each prefix; one without a single step, which is no trace, is drawn again."""
    sampling = Sampling(temperature=temperature, max_new_tokens=200)
    found: list[list[Continuation]] = [[] for _ in prefixes]
    for attempt in range(MOST_DRAWS):
        lacking = [i for i, some in enumerate(found) if len(some) < n]
        if not lacking:
            return found
        drawn = policy.continue_prefixes(
            [prefixes[i] for i in lacking], n, seed=seed + attempt * 2**58, sampling=sampling
        )
        for i, some in zip(lacking, drawn, strict=True):
            found[i] = [*found[i], *(one for one in some if one.steps)][:n]
    raise ModelError(
        f"the policy wrote no step in {MOST_DRAWS} draws on {prefixes[lacking[0]].problem!r}; "
        "train it longer"
    )


def train_reward(
    outcome: bool, base: Path, data: Sequence[Path], folder: Path, *, updates: int, seed: int
) -> None:
    """Train a PRM, or an ORM if `outcome`, on the distinct chains of some files, from `base`."""
    from surefoot.training.config import RewardConfig, TrainConfig
    from surefoot.training.reward import train
    from surefoot.training.targets import LabelRule

    train(
        list(_distinct(data)),
        folder,
        RewardConfig(
            base=str(base),
            labels=LabelRule(target="outcome" if outcome else "steps", whole_steps=True),
            loop=TrainConfig(
                num_updates=updates,
                batch_size=REWARD_BATCH,
                lr=0.005,
                other_lr=3e-3,
                seed=seed,
            ),
            aggregate="last" if outcome else "product",
            max_tokens=LAYOUT_POSITIONS,
            one_class=True,  # of the few chains of a small run
        ),
        on_update=lambda done, total, _: report(f"training {folder.name}", done, total),
    )


def score(models: Sequence[Path], data: Path, out: Path) -> None:
    """The traces of a file with the scores of each model added, signed with the folder's name."""
    from surefoot.models.hub import load

    traces = list(read_traces(data))
    for folder in models:
        scores = load(folder).score(traces)
        traces = [t.with_scores(s) for t, s in zip(traces, scores, strict=True)]
    write_traces(out, traces)


@cache
def _problems(config: DemoConfig) -> list[Problem]:
    """Every problem of a run."""
    return LastDigit().problems(config.num_problems, seed=config.seed)


def _distinct(files: Sequence[Path]) -> Iterator[Trace]:
    seen: set[str] = set()
    for file in files:
        for trace in read_traces(file):
            if trace.id not in seen:
                seen.add(trace.id)
                yield trace


def choose_hard(scored: Path, control: Path, hard: Path, *, model: str, n: int, seed: int) -> None:
    """From each problem's distinct chains, keep those the model likes best, and as many at random.

    Of the `n` chains two thirds are the model's favourites, the rest are drawn from the others, so
    that it is not shown its favourites alone. The control gets `n` chains drawn at random. The hard
    ones are written last: with them, both files are there.
    """
    rng = random.Random(f"hard {seed}")
    groups: dict[str, dict[str, Trace]] = {}
    for trace in read_traces(scored):
        groups.setdefault(trace.problem, {})[trace.id] = replace(trace, scores=trace.scores)
    liked, drawn = [], []
    for group in groups.values():
        chains = sorted(group.values(), key=lambda t: (-_reward(t, model), t.id))
        favourites = chains[: -(-2 * n // 3)]
        others = chains[len(favourites) :]
        liked += favourites + rng.sample(others, min(len(others), n - len(favourites)))
        drawn += rng.sample(chains, min(len(chains), n))
    write_traces(control, drawn)
    write_traces(hard, liked)


def _reward(trace: Trace, model: str) -> float:
    return next(s for s in trace.scores if s.model == model).aggregate("product")
