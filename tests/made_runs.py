"""Runs of evaluations to look at: a scorer that is right more often than not, on chains of algebra
whose first error is known, measured with its baselines and kept in a folder."""

import json
import random

import numpy as np

from surefoot.evals.benchmark import Benchmark, Measured, Options, evaluate
from surefoot.evals.figures import Figures
from surefoot.evals.run import RunConfig, begin_run, data_hash, finish_run, read_run
from surefoot.scores.first_errors import (
    accuracy,
    chosen_threshold,
    f1,
    first_error,
    knows_first_error,
    matches,
)
from surefoot.traces.store import TraceWriter
from surefoot.traces.types import StepLabels, StepScores, Trace

SCORER = "small-prm"


def made_trace(i, rng, *, source="easy"):
    """A chain of three to seven steps in LaTeX, and whether and where it goes wrong."""
    a, b = rng.randint(2, 9), rng.randint(10, 60)
    wrong_at = rng.choice([None, None, 0, 1, 2, 3])
    steps = [
        f"We are given that ${a}x + {b} = {a * 7 + b}$.",
        rf"Subtracting ${b}$ from both sides, we get \[{a}x = {a * 7 + b} - {b}.\]",
        rf"Therefore $x = \frac{{{a * 7}}}{{{a}}}$, so \(x = 7\).",
        f"A check: ${a} \\cdot 7 + {b} = {a * 7 + b}$, as it should be.",
    ][: rng.randint(3, 4)]
    steps += ["Note that $x \\ge 0$ throughout."] * rng.randint(0, 2)
    steps.append(r"The answer is $\boxed{7}$.")
    if wrong_at is not None:
        steps[wrong_at] = rf"Dividing by ${a}$ gives $x + {b} = \dfrac{{{a * 7 + b}}}{{{a + 1}}}$."
    labels = [
        1 if wrong_at is None or n < wrong_at else -1 if n == wrong_at else None
        for n in range(len(steps))
    ]
    values = []
    for label in labels:
        sure = rng.betavariate(9, 2) if label == 1 else rng.betavariate(2, 3)
        values.append(round(sure, 4))
    right = wrong_at is None or rng.random() < 0.15
    return Trace(
        f"Problem {i}. Solve ${a}x + {b} = {a * 7 + b}$ for $x$, where $x$ is a whole number.",
        steps,
        answer="7" if right else str(rng.randint(8, 20)),
        reference="7",
        outcome=right,
        source=source,
        labels=(StepLabels(tuple(labels), "human"),),
        scores=(StepScores(tuple(values), SCORER),),
    )


def made_traces(number, seed=0):
    rng = random.Random(seed)
    return [made_trace(i, rng, source=("easy", "hard")[i % 2]) for i in range(number)]


def _measure(traces, scores, options):
    labels = [first_error(trace) for trace in traces]
    wrong = np.array([label is not None for label in labels])
    limit = chosen_threshold(scores, options.threshold)
    found = matches(scores, labels, limit.value)
    statistics = {
        "f1": lambda counts: f1(counts, wrong, found),
        "acc_error": lambda counts: accuracy(counts, wrong, found),
        "acc_correct": lambda counts: accuracy(counts, ~wrong, found),
    }
    for subset in ("easy", "hard"):
        inside = np.array([trace.source == subset for trace in traces])
        statistics[f"f1/{subset}"] = lambda counts, i=inside: f1(counts[:, i], wrong[i], found[i])
    return Measured(
        figures=Figures(tuple(trace.id for trace in traces), statistics),
        thresholds={"own": limit},
        counts={"with an error": int(wrong.sum()), "without": int((~wrong).sum())},
    )


FIRST_ERRORS = Benchmark(
    title="first errors of made-up algebra",
    summary="Is the first wrong step the first one flagged?",
    reference="Zheng et al. 2024, arXiv:2412.06559, section 3.1",
    left_out=lambda trace, _: None if knows_first_error(trace) else "first error not known",
    measure=_measure,
    headline={"f1": "F1", "acc_error": "with an error", "acc_correct": "without"},
    compared=("f1",),
)


def make_run(folder, traces, *, more=None, num_resamples=200, **metrics):
    """A finished run of a scorer on traces that hold its scores."""
    options = Options(num_resamples=num_resamples)
    config = RunConfig(
        kind="made-up",
        scorer=SCORER,
        files=("algebra.jsonl",),
        options=options,
        more={"data_hash": data_hash(traces), **(more or {})},
    )
    begin_run(folder, config)
    with TraceWriter(folder / "scores.jsonl") as writer:
        for trace in traces:
            writer.write(trace)
    scores = [next((one for one in t.scores if one.model == SCORER), None) for t in traces]
    found = evaluate(FIRST_ERRORS, traces, scores, options).to_json()
    plain = {
        "kind": "made-up",
        "title": FIRST_ERRORS.title,
        "reference": FIRST_ERRORS.reference,
        "headline": dict(FIRST_ERRORS.headline),
    }
    finish_run(folder, json.loads(json.dumps({**plain, **found, **metrics})))
    return read_run(folder)
