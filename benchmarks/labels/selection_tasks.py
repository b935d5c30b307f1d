"""The tasks of the label-efficiency curve: a pool, a model to train, what it is measured on.

`World`: chains of a small policy of the built-in world, labelled by its exact checker, and a PRM
trained from the policy. `Human`: traces of public sets whose people's labels are hidden until they
are asked for, and trees on features; measured on ProcessBench, without any question of it.
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Protocol

import numpy as np

from surefoot.demo.config import DemoConfig
from surefoot.models.checkers import ArithmeticChecker
from surefoot.models.features.vector import features_of
from surefoot.traces.convert import read_any
from surefoot.traces.questions import question_key
from surefoot.traces.store import read_traces
from surefoot.traces.types import StepLabels, StepScores, Trace

NUM_HELD_OUT = 1000
NUM_POOL = 2000
UPDATES = 200


class Task(Protocol):
    """What the curve needs."""

    name: str
    budgets: tuple[int, ...]
    pool: list[Trace]
    """With the labels that people would give, as the first set."""
    held_out: list[Trace]

    def trained(self, labelled: Sequence[Trace], seed: int, folder: Path) -> None:
        """Train on some traces; the next calls of `scores` are by this model."""

    def scores(self, traces: Sequence[Trace]) -> list[StepScores]:
        """The scores of the last trained model."""


class World:
    """The built-in world: the policy is trained and its chains are sampled once, in a folder."""

    name = "world"
    budgets = (100, 200, 400, 800)

    def __init__(self, folder: Path, *, updates: int = UPDATES) -> None:
        from surefoot.demo.workers import sample, train_policy

        self._updates = updates
        config = DemoConfig(
            policy_updates=1000, train_problems=NUM_POOL, heldout_problems=NUM_HELD_OUT
        )
        self._policy = folder / "policy"
        if not self._policy.is_dir():
            train_policy(config, self._policy)
        first = config.author_chains
        middle = first + config.train_problems
        for name, start, end, n in (
            ("pool", first, middle, 2),
            ("held-out", middle, middle + NUM_HELD_OUT, 1),
        ):
            out = folder / f"{name}.jsonl"
            if not out.exists():
                sample(self._policy, out, config=config, first=start, last=end, n=n, hot=0)
        distinct = {trace.id: _by_people(trace) for trace in read_traces(folder / "pool.jsonl")}
        self.pool = list(distinct.values())[:NUM_POOL]
        self.held_out = list(read_traces(folder / "held-out.jsonl"))

    def trained(self, labelled: Sequence[Trace], seed: int, folder: Path) -> None:
        """A PRM, from the policy."""
        from surefoot.models.hub import load
        from surefoot.training.config import RewardConfig, TrainConfig
        from surefoot.training.reward import train
        from surefoot.training.targets import LabelRule

        shutil.rmtree(folder, ignore_errors=True)
        loop = TrainConfig(
            num_updates=self._updates, batch_size=16, lr=0.005, other_lr=3e-3, seed=seed
        )
        train(
            list(labelled),
            folder,
            RewardConfig(
                base=str(self._policy),
                labels=LabelRule(whole_steps=True),
                loop=loop,
                aggregate="product",
                max_tokens=512,
                one_class=True,
            ),
        )
        self._model = load(folder)
        shutil.rmtree(folder)

    def scores(self, traces: Sequence[Trace]) -> list[StepScores]:
        """By that PRM."""
        return list(self._model.score(list(traces)))


class Human:
    """Public sets with people's labels and known outcomes; trees on features of the steps."""

    name = "human"
    budgets = (150, 300, 600, 1200)
    sets = ("bigbench_mistake", "parc", "verify_then_generate", "mr_gsm8k_partial")
    """Those of the training sets of `benchmarks/training/real_data.py` that say of each trace
    whether its answer is right, which convincing wrong answers need."""

    def __init__(self, data: Path) -> None:
        self.held_out = list(read_any(data / "processbench_gsm8k_math.jsonl.gz", strict=True))
        keys = {question_key(trace.problem) for trace in self.held_out}
        found: dict[str, Trace] = {}
        for name in self.sets:
            for trace in read_any(data / f"{name}.jsonl.gz", strict=True):
                known = trace.outcome is not None and trace.labels
                if known and question_key(trace.problem) not in keys:
                    found[trace.id] = _by_people(trace)
        self.pool = list(found.values())
        self._features = {trace.id: features_of(trace) for trace in (*self.pool, *self.held_out)}

    def trained(self, labelled: Sequence[Trace], seed: int, folder: Path) -> None:
        """Trees on features."""
        from surefoot.training.features import train_feature_scorer

        self._scorer, _ = train_feature_scorer(labelled, seed=seed)

    def scores(self, traces: Sequence[Trace]) -> list[StepScores]:
        """By those trees, on features that are computed once."""
        found = []
        threshold = self._scorer.description.threshold
        for trace in traces:
            odds = -self._scorer.suspicion(self._features[trace.id])
            values = 1 / (1 + np.exp(-np.clip(odds, -30, 30)))
            found.append(StepScores(tuple(map(float, values)), "features", threshold=threshold))
        return found


def checked(traces: Sequence[Trace]) -> dict[str, StepScores]:
    """What the equation checker says of each trace: the second opinion that disagreement needs."""
    scores = ArithmeticChecker().score(list(traces))
    return {trace.id: one for trace, one in zip(traces, scores, strict=True)}


def _by_people(trace: Trace) -> Trace:
    """The trace with its first labels as those of a person."""
    labels = StepLabels(trace.labels[0].values, source="human", scale=trace.labels[0].scale)
    return replace(trace, labels=(labels,), scores=(), meta={})
