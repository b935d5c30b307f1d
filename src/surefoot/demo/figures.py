"""What a demo run measured: everything `summary.json` says, computed from the scored chains."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

from surefoot.demo.config import DemoConfig
from surefoot.evals.pools import Figure, Pool, Selection, curves, paired
from surefoot.models.checkers import ArithmeticChecker
from surefoot.scores.first_errors import evaluate_first_errors, first_error, tune_threshold
from surefoot.stats import Estimate, FloatArray, bootstrap, bootstrap_mean
from surefoot.traces.store import read_traces
from surefoot.traces.types import StepScores, Trace

Measured: TypeAlias = dict[str, dict[int, Selection]]

RULES = ("min", "product", "mean", "last")
CONTROLS = ("majority", "random", "oracle", "logprob", "step_length")
LEAST_PROBABILITY = 1e-12
"""Stands in for a probability that underflowed to 0, where its logarithm is needed."""

COMPARISONS: tuple[tuple[str, str, Figure], ...] = (
    ("prm_vote", "majority", "accuracy"),
    ("prm_vote", "orm_vote", "accuracy"),
    ("prm_logprob", "logprob", "accuracy"),
    ("prm_logprob", "logprob", "sound"),
    ("prm_logprob", "orm_logprob", "accuracy"),
    ("prm_vote", "majority", "flawed_share"),
    ("prm_vote", "orm_vote", "flawed_share"),
    ("prm_product", "majority", "flawed_share"),
    ("prm_product", "orm", "flawed_share"),
    ("prm_logprob", "logprob", "flawed_share"),
)


def read_scored(files: Iterable[Path]) -> list[Trace]:
    """All traces of some files, in order."""
    return [trace for file in files for trace in read_traces(file)]


def scores_of(trace: Trace, model: str) -> StepScores:
    """The scores that one model gave a trace."""
    return next(scores for scores in trace.scores if scores.model == model)


def reward(trace: Trace, model: str, rule: str) -> float:
    """One model's aggregate for a trace."""
    return scores_of(trace, model).aggregate(rule)


def with_logprob(trace: Trace, model: str, rule: str) -> float:
    """log of the aggregate plus the policy's log-probability of the chain: the best chain under a
    posterior whose prior is the policy. The weight is 1 and was not tuned."""
    return math.log(max(reward(trace, model, rule), LEAST_PROBABILITY)) + logprob(trace)


def logprob(trace: Trace) -> float:
    """The policy's log-probability of the chain."""
    return float(trace.meta["logprob"])


def make_pool(traces: Sequence[Trace], prms: Sequence[str]) -> Pool:
    """The frozen pool with every reward the demo compares; `orm` is the outcome model."""
    rewards: dict[str, list[float]] = {
        "logprob": [logprob(t) for t in traces],
        "orm": [reward(t, "orm", "last") for t in traces],
        "orm_logprob": [with_logprob(t, "orm", "last") for t in traces],
    }
    for prm in prms:
        for rule in RULES:
            rewards[f"{prm}_{rule}"] = [reward(t, prm, rule) for t in traces]
        rewards[f"{prm}_logprob"] = [with_logprob(t, prm, "product") for t in traces]
    return Pool.from_traces(traces, rewards)


def methods(prms: Sequence[str]) -> dict[str, str]:
    """The name of each method in the summary, and its name in the pool."""
    named = {name: name for name in (*CONTROLS, "orm", "orm_vote", "orm_logprob")}
    for prm in prms:
        named |= {f"{prm}_{rule}": f"{prm}_{rule}" for rule in (*RULES, "logprob")}
        named[f"{prm}_vote"] = f"{prm}_product_vote"
    return named


def summarise(
    config: DemoConfig, heldout: Sequence[Trace], test: Sequence[Trace], prms: Sequence[str]
) -> dict[str, Any]:
    """Every figure of a run with its interval (bootstrap over problems).

    `heldout` has one chain for each of its problems and serves the first errors; `test` is the
    pool.
    """
    named = methods(prms)
    pool = make_pool(test, prms)
    measured = curves(pool, list(named.values()), config.ns, seed=config.seed)
    summary: dict[str, Any] = {"policy": _policy(heldout, config.seed)}
    for model in (*prms, "orm"):
        summary[model] = _first_errors([scores_of(t, model) for t in heldout], heldout, config.seed)
    checked = ArithmeticChecker().score(heldout)
    summary["arithmetic"] = _first_errors(checked, heldout, config.seed)
    summary["best_of_n"] = {
        name: {str(n): measured[inside][n].to_json() for n in config.ns}
        for name, inside in named.items()
    }
    summary["paired"] = [
        row
        for n in config.ns
        if n in (16, config.ns[-1])
        for row in _paired(pool, measured, named, n, config)
    ]
    return summary


def _paired(
    pool: Pool,
    measured: Measured,
    named: dict[str, str],
    n: int,
    config: DemoConfig,
) -> list[dict[str, Any]]:
    """Each comparison; one whose figure does not exist, for want of right answers, is left out."""
    rows = []
    for method, against, figure in COMPARISONS:
        if None in (getattr(measured[named[m]][n], figure) for m in (method, against)):
            continue
        difference = paired(pool, named[method], named[against], n, figure=figure, seed=config.seed)
        rows.append(
            {
                "method": method,
                "against": against,
                "n": n,
                "figure": figure,
                "difference": Estimate(difference.mean, difference.low, difference.high).to_json(),
                "p_value": difference.p_value,
            }
        )
    return rows


def _first_errors(
    scores: Sequence[StepScores], traces: Sequence[Trace], seed: int
) -> dict[str, Any]:
    """First errors at the scorer's own threshold over all traces, and at one tuned on the first
    half over the others."""
    report = evaluate_first_errors(scores, traces, label_source="checker", seed=seed)
    figures = {
        "first_error_f1": report.f1,
        "first_error_f1_tuned": _tuned_f1(scores, traces, seed),
        "acc_error": report.acc_error,
        "acc_correct": report.acc_correct,
    }
    return {name: one.to_json() if one else None for name, one in figures.items()}


def _tuned_f1(scores: Sequence[StepScores], traces: Sequence[Trace], seed: int) -> Estimate | None:
    half = len(traces) // 2
    labels = [first_error(trace, "checker") for trace in traces[:half]]
    flawed = [label is not None for label in labels]
    if all(flawed) or not any(flawed):
        return None
    threshold = tune_threshold(scores[:half], labels)
    return evaluate_first_errors(
        scores[half:], traces[half:], threshold=threshold, label_source="checker", seed=seed
    ).f1


def _policy(traces: Sequence[Trace], seed: int) -> dict[str, Any]:
    """How one chain of the policy does."""
    right = np.array([float(t.outcome is True) for t in traces])
    sound = np.array([float(t.outcome is True and _sound(t)) for t in traces])

    def flawed_share(counts: FloatArray) -> FloatArray:
        num_right = counts @ right
        share: FloatArray = np.full(len(counts), math.nan)
        np.divide(num_right - counts @ sound, num_right, out=share, where=num_right > 0)
        return share

    figures: dict[str, Any] = {
        "accuracy": bootstrap_mean(right, seed=seed).to_json(),
        "sound": bootstrap_mean(sound, seed=seed).to_json(),
        "flawed_share": None,
    }
    if right.any():
        figures["flawed_share"] = bootstrap(flawed_share, len(traces), seed=seed).to_json()
    return figures


def _sound(trace: Trace) -> bool:
    labels = trace.labels_from("checker")
    return labels is not None and labels.first_error() is None
