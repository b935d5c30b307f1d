"""What must be known before the first figure of best-of-N is believed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from surefoot.evals.bon.diagnostics import MANY_AT_THE_END
from surefoot.evals.bon.measuring import PoolResult
from surefoot.evals.bon.preparing import num_mixed
from surefoot.evals.bon.verdicts import Verdict

MANY_ROWS = 8
"""Rows of scorers beyond which the best of them flatters."""

_MISFITS = ("missing", "wrong_length", "duplicate", "extra", "bad")


def warnings(
    results: Sequence[PoolResult],
    verdicts: Sequence[Verdict],
    pools: Sequence[Mapping[str, Any]],
    files: Mapping[str, Mapping[str, Any]],
    prepared: Mapping[str, Any],
) -> list[str]:
    """First what does harm, then what is not shown to help, then what was left out or is odd.

    `pools` are the metrics of each result, `files` what became of each score file, `prepared` the
    counts of `preparing.Prepared`.
    """
    said = [str(one) for one in verdicts if one.outcome == "does harm"]
    said += [str(one) for one in verdicts if one.outcome == "not shown to help"]
    for result, pool in zip(results, pools, strict=True):
        said += [f"{result.name}: {one}" for one in _of_pool(result, pool)]
    for name, counts in files.items():
        odd = [f"{counts[one]} {one.replace('_', ' ')}" for one in _MISFITS if counts.get(one)]
        if odd:
            said.append(f"{name} does not fit the pools row by row: {', '.join(odd)}")
    return [*said, *_of_answers(prepared)]


def _of_pool(result: PoolResult, pool: Mapping[str, Any]) -> Iterator[str]:
    for reason, num in result.left_out.items():
        yield f"{num} problems are left out: {reason}"
    if unknown := result.counts["rightness cannot be told, taken as wrong"]:
        yield f"of {unknown} candidates it cannot be told whether they are right; taken as wrong"
    if mixed := num_mixed(result.traces):
        yield (
            f"{mixed} groups of equal answers hold candidates that are right and others that are"
            " wrong by their outcomes; --regrade holds all against their references"
        )
    known, right = result.counts["right, soundness known"], result.counts["right"]
    if 0 < known < right:
        yield (
            f"step labels settle only {known} of {right} right candidates; flawed shares are over"
            " the problems that they settle"
        )
    for one in result.rewards:
        if one.num_missing and (one.is_chief or one.is_outcome):
            yield (
                f"{one.name} has no score for {one.num_missing} of {len(result.traces)} candidates,"
                " which are never chosen by it"
            )
    sizes = np.bincount(result.owner)
    if result.options.num is None and np.median(sizes) > sizes.min():
        yield (
            f"N ends at {sizes.min()}, the size of the smallest problem; --num goes further and"
            " leaves small problems out"
        )
    for scorer, found in pool["least_scores"].items():
        share, chance = found["all"], found["chance"]
        if share and share["low"] > max(MANY_AT_THE_END, chance["high"]):
            yield (
                f"the least score of {scorer} is the last step's in {share['mean']:.0%} of"
                f" candidates ({chance['mean']:.0%} by chance): it may judge the answer, not steps"
            )
    num_rows = sum(one.kind != "baseline" for one in result.methods)
    if num_rows > MANY_ROWS:
        yield (
            f"the best of {num_rows} rows was found on these problems, which flatters it; verdicts"
            " are on the one rule of each scorer"
        )


def _of_answers(prepared: Mapping[str, Any]) -> Iterator[str]:
    if num := prepared.get("repeated"):
        yield f"{num} candidates were in a pool twice and count once"
    if num := prepared.get("regraded"):
        yield f"the outcomes of {num} candidates are others than the pool says, by their references"
    answers = prepared.get("answers") or {}
    if num := sum(answers.get(one, 0) for one in ("unknown", "failed", "left_out")):
        yield (
            f"of {num} pairs of answers it cannot be told whether they are the same; they are"
            " voted on apart"
        )
    if num := answers.get("bridged"):
        yield (
            f"{num} pairs of answers that differ are one group, since a third is the same as both"
        )
