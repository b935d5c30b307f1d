"""What a scorer without downloaded weights reaches on public human labels, beside its baselines.

    python benchmarks/training/real_data.py [DATA] [--seeds 0 1 2] [--save FOLDER]

Trains on the human-labelled sets of DATA, without any trace whose question is one of ProcessBench
gsm8k or math, and measures on those: AUROC and average precision of wrong steps, and first-error F1
with the threshold tuned on one half of the questions and measured on the other, over five splits.
Intervals are bootstraps over traces. A scorer that is not shown to beat the length of a step in
AUROC is named in a warning. Prints a table to stderr and JSON to stdout.

ProcessBench is a development evaluation here: the feature set and the settings of the trees were
chosen while looking at one half of its questions (`was_looked_at`). The rows of the other half are
those to quote.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import math
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from surefoot.labels.equations import check_step
from surefoot.models.baselines import RandomScores, StepLength
from surefoot.scores.discrimination import (
    LabelledSteps,
    auroc_difference,
    step_discrimination,
)
from surefoot.scores.first_errors import f1, first_error, matches, tune_threshold
from surefoot.stats import Difference, Estimate, FloatArray, bootstrap, over_seeds
from surefoot.traces.convert import read_any
from surefoot.traces.questions import question_key
from surefoot.traces.types import StepScores, Trace
from surefoot.training.features import FIRST_ERRORS, train_feature_scorer
from surefoot.training.guards.logistic import fit_logistic
from surefoot.training.targets import targets_of

TRAINING = (
    "prm800k_val2pct_dedup",
    "prm800k_phase1",
    "mr_ben",
    "bigbench_mistake",
    "prmbench_originals",
    "parc",
    "verify_then_generate",
    "mr_gsm8k_partial",
)
EVALUATION = "processbench_gsm8k_math"
NUM_SPLITS = 5
RESAMPLES = 1000
GOAL = {"auroc": 0.74, "average_precision": 0.40, "tuned_f1": 0.38}


@dataclass(frozen=True)
class Row:
    """One scorer on one set of traces."""

    name: str
    auroc: Estimate
    average_precision: Estimate
    tuned_f1: Estimate
    own_f1: float | None
    over_length: Difference | None

    def to_json(self) -> dict[str, Any]:
        """Every figure with its interval."""
        return {
            "name": self.name,
            "auroc": self.auroc.to_json(),
            "average_precision": self.average_precision.to_json(),
            "tuned_f1": self.tuned_f1.to_json(),
            "own_threshold_f1": self.own_f1,
            "auroc_over_length": self.over_length.to_json() if self.over_length else None,
        }


def read(data: Path, names: Sequence[str]) -> Iterator[Trace]:
    for name in names:
        yield from read_any(data / f"{name}.jsonl.gz", strict=True)


def was_looked_at(trace: Trace) -> bool:
    """Whether a trace is in the half of the questions that choices were made on."""
    return hashlib.sha256(question_key(trace.problem).encode()).digest()[0] % 2 == 0


def splits(traces: Sequence[Trace]) -> list[np.ndarray]:
    """For each split, which traces the threshold is tuned on; no question is on both sides."""
    keys = [question_key(trace.problem) for trace in traces]
    questions = sorted(set(keys))
    found = []
    for seed in range(NUM_SPLITS):
        order = np.random.default_rng(seed).permutation(len(questions))
        tuning = {questions[i] for i in order[: len(questions) // 2]}
        found.append(np.array([key in tuning for key in keys]))
    return found


def tuned_f1(traces: Sequence[Trace], scores: Sequence[StepScores]) -> Estimate:
    """Mean over the splits of F1 on the half that the threshold was not tuned on."""
    labels = [first_error(trace) for trace in traces]
    erroneous = np.array([label is not None for label in labels])
    parts = []
    for tuning in splits(traces):
        on = np.flatnonzero(tuning)
        threshold = tune_threshold([scores[int(i)] for i in on], [labels[int(i)] for i in on]).value
        parts.append((np.flatnonzero(~tuning), matches(scores, labels, threshold)))

    def statistic(counts: FloatArray) -> FloatArray:
        each = [f1(counts[:, off], erroneous[off], hit[off]) for off, hit in parts]
        mean: FloatArray = np.mean(each, axis=0)
        return mean

    return bootstrap(statistic, len(traces), seed=0, num_resamples=RESAMPLES)


def measure(
    name: str, traces: Sequence[Trace], scores: Sequence[StepScores], *, own: bool = False
) -> Row:
    steps = LabelledSteps.of(traces)
    found = step_discrimination(steps, scores, num_resamples=RESAMPLES)
    assert found.auroc is not None
    assert found.average_precision is not None
    labels = [first_error(trace) for trace in traces]
    erroneous = np.array([label is not None for label in labels])
    own_f1 = None
    if own:
        hit = matches(scores, labels, scores[0].threshold)
        own_f1 = float(f1(np.ones((1, len(traces))), erroneous, hit)[0])
    over = None
    if name != "length":
        length = StepLength().score(traces)
        over = auroc_difference(steps, scores, length, num_resamples=RESAMPLES)
    return Row(name, found.auroc, found.average_precision, tuned_f1(traces, scores), own_f1, over)


def made(
    name: str, traces: Sequence[Trace], score: Callable[[str, int], float]
) -> list[StepScores]:
    """Scores of a plain rule of a step's text and position."""
    return [
        StepScores(tuple(score(text, i) for i, text in enumerate(trace.texts)), name)
        for trace in traces
    ]


def length_and_checker(training: Sequence[Trace]) -> Callable[[str, int], float]:
    """A logistic regression on two numbers: log characters, and whether an equation is false."""
    rows, wrong = [], []
    for trace in training:
        for text, target in zip(trace.texts, targets_of(trace, FIRST_ERRORS).steps, strict=True):
            if target is not None:
                rows.append(_two(text))
                wrong.append(target.good + target.neutral < 0.5)
    weights = fit_logistic(np.array(rows), np.array(wrong))

    def score(text: str, i: int) -> float:
        return 1 / (1 + math.exp(float(np.dot([*_two(text), 1.0], weights))))

    return score


def _two(text: str) -> tuple[float, float]:
    return math.log1p(len(text)), float(check_step(text).verdict == "fails")


def run(data: Path, seeds: Sequence[int], save: Path | None) -> dict[str, Any]:
    evaluation = list(read(data, [EVALUATION]))
    questions = {trace.problem for trace in evaluation}
    keys = {question_key(question) for question in questions}
    every = list(read(data, TRAINING))
    training = [
        trace for trace in every if question_key(trace.problem) not in keys and trace.labels
    ]
    checker = {"fails": 0.05, "holds": 0.95, "cannot tell": 0.95}
    both = length_and_checker(training)
    rows = [
        measure("random", evaluation, RandomScores(seed=0).score(evaluation)),
        measure("no error", evaluation, made("no error", evaluation, lambda text, i: 1.0)),
        measure("length", evaluation, StepLength().score(evaluation)),
        measure("position", evaluation, made("position", evaluation, lambda text, i: 1 / (1 + i))),
        measure(
            "checker",
            evaluation,
            made("checker", evaluation, lambda text, i: checker[check_step(text).verdict]),
        ),
        measure(
            "length + checker",
            evaluation,
            made("length + checker", evaluation, lambda text, i: both(text, i)),
        ),
    ]
    halves = {
        "half looked at": [was_looked_at(trace) for trace in evaluation],
        "other half": [not was_looked_at(trace) for trace in evaluation],
        "gsm8k": ["gsm8k" in trace.meta["domain"] for trace in evaluation],
        "math": ["gsm8k" not in trace.meta["domain"] for trace in evaluation],
    }
    parts: dict[str, list[Row]] = {name: [] for name in halves}
    own, reports, seconds = [], [], []
    for seed in seeds:
        begun = time.perf_counter()
        folder = save / f"seed-{seed}" if save else None
        scorer, report = train_feature_scorer(every, folder, seed=seed, excluded=questions)
        middle = time.perf_counter()
        scores = scorer.score(evaluation)
        seconds.append({"train": middle - begun, "score": time.perf_counter() - middle})
        own.append(measure(f"features, seed {seed}", evaluation, scores, own=True))
        reports.append(report.to_json())
        for name, chosen in halves.items():
            some = [trace for trace, yes in zip(evaluation, chosen, strict=True) if yes]
            of = [one for one, yes in zip(scores, chosen, strict=True) if yes]
            parts[name].append(measure(f"features, seed {seed}, {name}", some, of))
    for name, chosen in halves.items():
        some = [trace for trace, yes in zip(evaluation, chosen, strict=True) if yes]
        rows.append(measure(f"length + checker, {name}", some, made("both", some, both)))
    figures = tuple(GOAL)
    mean = {
        name: {
            figure: over_seeds([getattr(row, figure).mean for row in some]).to_json()
            for figure in figures
        }
        for name, some in {"all": own, **parts}.items()
    }
    every_row = [*rows, *own, *(row for some in parts.values() for row in some)]
    return {
        "rows": every_row,
        "mean_over_seeds": mean,
        "training": reports,
        "seconds": seconds,
        "reached": {figure: mean["all"][figure]["mean"] >= GOAL[figure] for figure in figures},
        "warnings": [
            f"{row.name} is not shown to beat the length of a step: AUROC "
            f"{row.over_length.mean:+.3f} [{row.over_length.low:+.3f}, {row.over_length.high:+.3f}]"
            for row in every_row
            if row.over_length is not None and row.over_length.low <= 0
        ],
    }


def table(rows: Sequence[Row], mean: dict[str, Any]) -> Table:
    shown = Table(title="Wrong steps of ProcessBench gsm8k + math")
    shown.add_column("scorer")
    for column in ("step AUROC", "average precision", "first-error F1, tuned", "F1, own threshold"):
        shown.add_column(column, justify="right")
    shown.add_column("AUROC over length", justify="right")
    for row in rows:
        over = row.over_length
        shown.add_row(
            row.name,
            *(_interval(one) for one in (row.auroc, row.average_precision, row.tuned_f1)),
            "-" if row.own_f1 is None else f"{row.own_f1:.3f}",
            "-" if over is None else f"{over.mean:+.3f} [{over.low:+.3f}, {over.high:+.3f}]",
        )
    for name, figures in mean.items():
        cells = [f"{figures[figure]['mean']:.3f}" for figure in GOAL]
        shown.add_row(f"features, mean over seeds, {name}", *cells, "-", "-", style="bold")
    return shown


def _interval(one: Estimate) -> str:
    return f"{one.mean:.3f} [{one.low:.3f}, {one.high:.3f}]"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    default = Path(__file__).resolve().parents[3] / "shared" / "data"
    parser.add_argument("data", type=Path, nargs="?", default=default, help="folder of *.jsonl.gz")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--save", type=Path, help="keep the scorers in this folder")
    chosen = parser.parse_args()
    if len(chosen.seeds) < 2:
        parser.error("give at least two seeds; one says nothing of the spread between them")
    results = run(chosen.data, chosen.seeds, chosen.save)
    console = Console(stderr=True, width=180)
    console.print(table(results["rows"], results["mean_over_seeds"]))
    for figure, reached in results["reached"].items():
        console.print(f"{figure} >= {GOAL[figure]}: {'reached' if reached else 'NOT reached'}")
    for warning in results["warnings"]:
        console.print(f"[yellow]warning:[/] {warning}")
    json.dump({**results, "rows": [row.to_json() for row in results["rows"]]}, sys.stdout, indent=1)
    print()


if __name__ == "__main__":
    main()
