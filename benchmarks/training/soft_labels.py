"""Labels that come from rollouts against exact ones, on the built-in world.

    python benchmarks/training/soft_labels.py --out DIR [--steps 2-4 5-7] [--seeds 0 1 2] [--quick]
        [--chains 2500] [--updates 1500]

A small policy learns to write chains from simulated authors, who hold misconceptions and slip; a
second one from authors who only slip. The first writes the chains that reward models learn from;
every step of them is labelled exactly by the world, and by 8 rollouts of the second from the steps
up to it, of which k of 8 end at the right answer. The same chains, the same start (the first
policy) and the same updates are then used with exact labels, with k/8 by cross-entropy (soft) and
with k of 8 by the binomial likelihood. Behind the first step with a value below one half rollouts
tell of the error before, not of the step: those labels are masked (`after_error`).

What is measured: F1 of first errors by the exact labels of fresh chains on other problems, at the
threshold tuned on development chains, for each seed (of everything: authors, chains, rollouts,
training). The table has the mean over the seeds with its interval, and each mean as a share of that
of exact labels. Rollouts ask whether a chain can still end well, exact labels whether a step is
right: a wrong step that a later product by 0, 5 or an even number undoes is one and not the other,
and the more instructions a problem has, the more are undone. The last row is what the rollouts
themselves would reach if they were the scorer.

A run that is interrupted goes on: finished parts lie in DIR.
"""

import argparse
import json
import os
import random
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

import torch
from rich.console import Console
from rich.table import Table
from transformers.utils import logging

import surefoot as sf
from surefoot.policies.base import Policy, Prefix, Sampling
from surefoot.policies.local import LocalPolicy
from surefoot.scores.first_errors import evaluate_first_errors, first_error, tune_threshold
from surefoot.stats import over_seeds
from surefoot.traces.store import read_traces, write_traces
from surefoot.traces.types import StepLabels, StepScores, Trace
from surefoot.training.config import RewardConfig, TrainConfig
from surefoot.training.losses.binomial import Binomial
from surefoot.training.losses.cross_entropy import CrossEntropy
from surefoot.training.losses.loss import Loss
from surefoot.training.policy import train_policy
from surefoot.training.reward import train
from surefoot.training.scratch import Shape
from surefoot.training.targets import LabelRule
from surefoot.worlds.base import Problem
from surefoot.worlds.last_digit import Authors, LastDigit

ROLLOUTS = 8
POSITIONS = 512
POLICY_BATCH = 8


@dataclass(frozen=True)
class Size:
    """How large a study is."""

    policy_updates: int
    train_problems: int
    dev_problems: int
    test_problems: int
    prm_updates: int


FULL = Size(1200, 2500, 400, 500, 1500)
QUICK = Size(300, 100, 60, 100, 150)

_ROLLED = LabelRule(sources={"rollout": 1.0}, whole_steps=True, after_error="masked")
ARMS: dict[str, tuple[LabelRule, Loss]] = {
    "exact": (LabelRule(sources={"checker": 1.0}, whole_steps=True), CrossEntropy()),
    "soft, cross-entropy on k/8": (_ROLLED, CrossEntropy()),
    "binomial, k of 8": (_ROLLED, Binomial()),
}
"""Which labels are learned, and by which loss."""
OWN = "the rollouts themselves"


@dataclass(frozen=True)
class Study:
    """One seed of everything, in a folder of its own."""

    folder: Path
    world: LastDigit
    size: Size
    seed: int

    def problems(self) -> dict[str, list[Problem]]:
        """Those of each part; none is in two."""
        size = self.size
        sizes = {
            "writer": size.policy_updates * POLICY_BATCH,
            "finisher": size.policy_updates * POLICY_BATCH,
            "train": size.train_problems,
            "dev": size.dev_problems,
            "test": size.test_problems,
        }
        every = iter(self.world.problems(sum(sizes.values()), seed=self.seed))
        return {part: [next(every) for _ in range(num)] for part, num in sizes.items()}

    def policy(self, part: str, authors: Authors) -> LocalPolicy:
        """What writes as these authors do."""
        out = self.folder / part
        if not (out / "layout.json").is_file():
            rng = random.Random(f"{part} {self.seed}")
            traces = [
                self.world.trace(one, authors.draw(rng).solve(one, rng))
                for one in self.problems()[part]
            ]
            config = TrainConfig(
                num_updates=self.size.policy_updates, batch_size=POLICY_BATCH, seed=self.seed
            )
            train_policy(
                traces, out, shape=Shape(num_layers=2, max_positions=POSITIONS), config=config
            )
        return LocalPolicy.load(out)

    def chains(self, part: str, writer: LocalPolicy, finisher: LocalPolicy | None) -> list[Trace]:
        """Chains of the writer with exact labels; with a finisher, with those of its rollouts."""
        file = self.folder / f"{part}.jsonl"
        if not file.is_file():
            problems = self.problems()[part]
            drawn = writer.continue_prefixes(
                [Prefix(one.text) for one in problems],
                1,
                seed=len(part) + self.seed,
                sampling=Sampling(max_new_tokens=200),
            )
            traces = [
                self.world.trace(problem, own[0].steps)
                for problem, own in zip(problems, drawn, strict=True)
                if own[0].steps
            ]
            if finisher is not None:
                traces = rolled_out(traces, finisher, self.world, seed=self.seed)
            write_traces(file, traces)
        return list(read_traces(file))

    def figures(self) -> dict[str, float]:
        """F1 of every arm on the test chains, and facts about the labels."""
        file = self.folder / "figures.json"
        found: dict[str, float] = json.loads(file.read_text()) if file.is_file() else {}
        writer = self.policy("writer", Authors())
        finisher = self.policy("finisher", Authors(belief=0.0))
        learned = self.chains("train", writer, finisher)
        dev, test = (self.chains(part, writer, finisher) for part in ("dev", "test"))
        found |= self._facts(learned, test)
        found[OWN] = measured(
            [own_scores(t) for t in dev], dev, [own_scores(t) for t in test], test
        )
        for i, (name, (labels, loss)) in enumerate(ARMS.items()):
            if name in found:
                continue
            out = self.folder / f"prm-{i}"
            if not (out / "contract.json").is_file():
                loop = TrainConfig(
                    num_updates=self.size.prm_updates,
                    batch_size=16,
                    lr=0.005,
                    other_lr=3e-3,
                    seed=self.seed,
                )
                config = RewardConfig(
                    base=str(self.folder / "writer"),
                    labels=labels,
                    loss=loss,
                    loop=loop,
                    max_tokens=POSITIONS,
                )
                train(learned, out, config)
            prm = sf.load(str(out))
            found[name] = measured(prm.score(dev), dev, prm.score(test), test)
            file.write_text(json.dumps(found, indent=1) + "\n")
        return found

    def _facts(self, learned: Sequence[Trace], test: Sequence[Trace]) -> dict[str, float]:
        right: list[float] = []
        wrong: list[float] = []
        for trace in learned:
            rollouts = trace.labels_from("rollout")
            error = first_error(trace, "checker")
            assert rollouts is not None
            for i, value in enumerate(rollouts.values):
                if value is not None and (error is None or i <= error):
                    (wrong if i == error else right).append(value)
        return {
            "value of a right prefix": sum(right) / len(right),
            "value at the first error": sum(wrong) / len(wrong),
            "first errors with k > 0": sum(value > 0 for value in wrong) / len(wrong),
            "test chains with an error": sum(
                first_error(trace, "checker") is not None for trace in test
            )
            / len(test),
        }


def rolled_out(
    traces: Sequence[Trace], policy: Policy, world: LastDigit, *, seed: int
) -> list[Trace]:
    """The traces with k of 8 at each step; the last step of a finished chain counts by its own
    outcome."""
    prefixes = [
        Prefix(trace.problem, trace.texts[: i + 1])
        for trace in traces
        for i in range(len(trace.steps) - (trace.answer is not None))
    ]
    drawn = iter(
        policy.continue_prefixes(
            prefixes, ROLLOUTS, seed=seed + 7, sampling=Sampling(max_new_tokens=200)
        )
    )
    found = []
    for trace in traces:
        problem = Problem(trace.problem, str(trace.reference))
        counts = []
        for i in range(len(trace.steps)):
            if i == len(trace.steps) - 1 and trace.answer is not None:
                counts.append((ROLLOUTS * bool(trace.outcome), ROLLOUTS))
                continue
            begun = trace.texts[: i + 1]
            ends = (world.trace(problem, [*begun, *one.steps]) for one in next(drawn))
            counts.append((sum(bool(one.outcome) for one in ends), ROLLOUTS))
        exact = replace(trace.labels[0], source="checker")
        soft = StepLabels(
            tuple(k / n for k, n in counts), source="rollout", scale="value", counts=tuple(counts)
        )
        found.append(replace(trace, labels=(exact, soft)))
    return found


def own_scores(trace: Trace) -> StepScores:
    """The rollouts of a trace as its scores."""
    labels = trace.labels_from("rollout")
    assert labels is not None
    return StepScores(labels.values, "rollouts", kind="value")


def measured(
    dev_scores: Sequence[StepScores],
    dev: Sequence[Trace],
    scores: Sequence[StepScores],
    traces: Sequence[Trace],
) -> float:
    """F1 of first errors, at the threshold tuned on the development chains."""
    threshold = tune_threshold(dev_scores, [first_error(one, "checker") for one in dev])
    report = evaluate_first_errors(
        scores, traces, threshold=threshold, label_source="checker", num_resamples=100
    )
    return 0.0 if report.f1 is None else report.f1.mean


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--steps", nargs="+", default=["2-4", "5-7"])
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--chains", type=int, help="chains that reward models learn from")
    parser.add_argument("--updates", type=int, help="updates of a reward model, on 16 chains each")
    arguments = parser.parse_args()
    size = QUICK if arguments.quick else FULL
    size = replace(
        size,
        train_problems=arguments.chains or size.train_problems,
        prm_updates=arguments.updates or size.prm_updates,
    )
    torch.set_num_threads(1)
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    for steps in arguments.steps:
        least, most = map(int, steps.split("-"))
        found = []
        for seed in arguments.seeds:
            folder = arguments.out / steps / str(seed)
            folder.mkdir(parents=True, exist_ok=True)
            found.append(Study(folder, LastDigit(least, most), size, seed).figures())
        show(steps, found)


def show(steps: str, found: Sequence[dict[str, float]]) -> None:
    table = Table(title=f"Problems of {steps} instructions", title_justify="left", box=None)
    for column in ("", "mean over seeds", "interval", "each seed", "of exact labels"):
        table.add_column(column, justify="left" if not column else "right")
    exact = sum(one["exact"] for one in found)
    for name in (*ARMS, OWN, *(name for name in found[0] if name not in ARMS and name != OWN)):
        values = [one[name] for one in found]
        mean = sum(values) / len(values)
        interval = "–"
        if len(values) > 1:
            estimate = over_seeds(values)
            interval = f"{estimate.low:.3f} to {estimate.high:.3f}"
        share = f"{sum(values) / exact:.1%}" if name in (*ARMS, OWN) and exact else ""
        each = ", ".join(f"{value:.3f}" for value in values)
        table.add_row(name, f"{mean:.3f}", interval, each, share)
    Console(width=110).print(table)


if __name__ == "__main__":
    main()
