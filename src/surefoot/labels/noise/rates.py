"""The figures of one source against a reference: of single steps, and of first errors.

What is looked for is a wrong step. Everything is counted by trace, so that a resample of traces is
a sum of rows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from surefoot.stats import Estimate, FloatArray, bootstrap_each

Verdicts: TypeAlias = "Sequence[bool | None]"
"""Right, wrong or nothing, by step."""

POSITIONS: tuple[tuple[str, int, int], ...] = (
    ("0", 0, 0),
    ("1", 1, 1),
    ("2", 2, 2),
    ("3", 3, 3),
    ("4-5", 4, 5),
    ("6-8", 6, 8),
    ("9-", 9, 10**9),
)
"""Name, first and last position of each group of steps."""

_CELLS = 6
_RIGHT, _WRONG = 0, 3
_SAID_RIGHT, _SAID_WRONG, _SILENT = 0, 1, 2
"""A step's cell is what the reference says plus what the source says."""


@dataclass(frozen=True)
class Rates:
    """A source on the steps that the reference judges, up to and with its first wrong one.

    `confusion` counts steps by reference, then source: `right`, `wrong`, and `silent` for the
    source. `precision` is the share of its "wrong" that are wrong, `recall` the share of all wrong
    steps that it calls wrong, silence being a miss, `false_alarms` the share of all right steps
    that it calls wrong, `coverage` the share of all steps it speaks of. A figure is None where
    there is no step to measure it on.
    """

    confusion: dict[str, dict[str, int]]
    coverage: Estimate | None
    precision: Estimate | None
    recall: Estimate | None
    false_alarms: Estimate | None

    @property
    def num_steps(self) -> int:
        """All steps."""
        return sum(sum(row.values()) for row in self.confusion.values())

    @property
    def num_wrong(self) -> int:
        """The steps that are wrong by the reference."""
        return sum(self.confusion["wrong"].values())

    def to_json(self) -> dict[str, object]:
        """Every figure and count."""
        figures = {
            name: getattr(self, name)
            for name in ("coverage", "precision", "recall", "false_alarms")
        }
        return {
            "confusion": self.confusion,
            **{name: one and one.to_json() for name, one in figures.items()},
        }


@dataclass(frozen=True)
class FirstErrors:
    """A source on where the first error is, over the traces on which the reference settles it.

    The source's prediction is the first step it calls wrong, or none; a step it is silent on is not
    flagged. `exact` is the share of right predictions; `found` that of traces with an error,
    `cleared` that of those without, `f1` their harmonic mean (ProcessBench, arXiv:2412.06559).
    `settled` is the share of traces on which the source leaves no step before its prediction out.
    """

    num_error: int
    num_correct: int
    exact: Estimate | None
    found: Estimate | None
    cleared: Estimate | None
    f1: Estimate | None
    settled: Estimate | None

    def to_json(self) -> dict[str, object]:
        """Every figure and count."""
        figures = {
            name: getattr(self, name) for name in ("exact", "found", "cleared", "f1", "settled")
        }
        return {
            "num_error": self.num_error,
            "num_correct": self.num_correct,
            **{name: one and one.to_json() for name, one in figures.items()},
        }


def step_rates(
    traces: Sequence[tuple[Verdicts, Verdicts]], *, seed: int, num_resamples: int
) -> tuple[Rates, dict[str, Rates]]:
    """The rates over all steps, and by position where there are steps.

    Each trace is what the reference and what the source says of its steps; at least one trace.
    """
    num_groups = len(POSITIONS)
    cells = np.zeros((len(traces), num_groups, _CELLS))
    group_of = [
        g for g, (_, first, last) in enumerate(POSITIONS) for _ in range(first, min(last, 9) + 1)
    ]
    for row, (reference, source) in enumerate(traces):
        for i, (truth, said) in enumerate(zip(reference, source, strict=True)):
            if truth is not None:
                what = _SILENT if said is None else _SAID_RIGHT if said else _SAID_WRONG
                cells[row, group_of[min(i, 9)], (_RIGHT if truth else _WRONG) + what] += 1
    together = cells.sum(axis=1, keepdims=True)
    every = np.concatenate([together, cells], axis=1)

    def figures(counts: FloatArray) -> FloatArray:
        drawn = (counts @ every.reshape(len(every), -1)).reshape(len(counts), -1, _CELLS)
        said_wrong = drawn[..., _RIGHT + _SAID_WRONG] + drawn[..., _WRONG + _SAID_WRONG]
        right, wrong = drawn[..., _RIGHT:_WRONG].sum(-1), drawn[..., _WRONG:].sum(-1)
        silent = drawn[..., _RIGHT + _SILENT] + drawn[..., _WRONG + _SILENT]
        parts = (
            _ratio(right + wrong - silent, right + wrong),
            _ratio(drawn[..., _WRONG + _SAID_WRONG], said_wrong),
            _ratio(drawn[..., _WRONG + _SAID_WRONG], wrong),
            _ratio(drawn[..., _RIGHT + _SAID_WRONG], right),
        )
        return np.stack(parts, axis=-1).reshape(len(counts), -1)

    found = bootstrap_each(figures, len(traces), seed=seed, num_resamples=num_resamples)
    total = every.sum(axis=0)
    rates = [Rates(_confusion(total[g]), *found[4 * g : 4 * g + 4]) for g in range(num_groups + 1)]
    by_position = {
        name: one for (name, _, _), one in zip(POSITIONS, rates[1:], strict=True) if one.num_steps
    }
    return rates[0], by_position


def first_error_rates(
    traces: Sequence[tuple[int | None, int | None, bool]], *, seed: int, num_resamples: int
) -> FirstErrors:
    """The figures of first errors.

    Each trace is the reference's first error, the source's, and whether the source settles it.
    """
    if not traces:
        return FirstErrors(0, 0, None, None, None, None, None)
    erroneous = np.array([truth is not None for truth, _, _ in traces], dtype=np.bool_)
    hit = np.array([truth == said for truth, said, _ in traces], dtype=np.bool_)
    settled = np.array([one for _, _, one in traces], dtype=np.bool_)
    columns = np.stack(
        [hit, erroneous, hit & erroneous, ~erroneous, hit & ~erroneous, settled], axis=1
    ).astype(np.float64)

    def figures(counts: FloatArray) -> FloatArray:
        hits, error, found, correct, cleared, whole = (counts @ columns).T
        a, b = _ratio(found, error), _ratio(cleared, correct)
        f1 = np.divide(
            2 * a * b, a + b, out=np.where(np.isnan(a + b), np.nan, 0.0), where=a + b > 0
        )
        total = error + correct
        return np.stack([_ratio(hits, total), a, b, f1, _ratio(whole, total)], axis=1)

    num_error = int(erroneous.sum())
    estimates = bootstrap_each(figures, len(traces), seed=seed, num_resamples=num_resamples)
    return FirstErrors(num_error, len(traces) - num_error, *estimates)


def _ratio(part: FloatArray, whole: FloatArray) -> FloatArray:
    ratio: FloatArray = np.divide(part, whole, out=np.full(part.shape, np.nan), where=whole > 0)
    return ratio


def _confusion(cells: FloatArray) -> dict[str, dict[str, int]]:
    names = {"right": _SAID_RIGHT, "wrong": _SAID_WRONG, "silent": _SILENT}
    return {
        truth: {name: int(cells[start + what]) for name, what in names.items()}
        for truth, start in (("right", _RIGHT), ("wrong", _WRONG))
    }
