"""The scorecard of a scorer under probes: what each of them moves, with intervals.

Everything is measured on traces that were scored both before and after. A trace passes if no step
scores below the threshold; it is wrong if its labels name a first error, or, where labels settle
nothing, if its outcome is wrong.

    aggregate_change   the mean change of the trace's aggregate (after less before; higher is
                       better for the trace)
    wrong_step_change  the mean change of the score of the labelled first error, wherever its text
                       stands now (the least score where it stands in several steps)
    came_to_pass       of the wrong traces that did not pass, the share that does after the probe
    preference_flips   of the pairs of a right and a wrong answer to one question of which the right
                       one scored higher, the share in which the wrong one does once it alone is
                       altered; a tie counts as a half
    aggregate_moved    the mean absolute change of the aggregate
    steps_moved        the mean absolute change of the scores of the original steps
    verdict_flipped    of all traces, the share that passes before and not after, or the other way

Intervals come from a bootstrap over questions, each with all of its traces: so over traces where
each has a question of its own.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from surefoot.evals.benchmark import Options, Scores
from surefoot.evals.benchmarks.shares import ratio, summed, undefined
from surefoot.evals.figures import Figures
from surefoot.evals.probes.probe import Kind, Places, Probe, aligned
from surefoot.scores.first_errors import (
    BoolArray,
    check_lengths,
    chosen_threshold,
    first_error,
    knows_first_error,
)
from surefoot.scores.outcomes import reward_of
from surefoot.scores.steps import IntArray, questions_of
from surefoot.stats import FloatArray, Statistic
from surefoot.traces.types import StepScores, Trace


@dataclass(frozen=True, slots=True)
class Attempt:
    """A trace after a probe as a scorer sees it: where its steps are, and their scores, None where
    the scorer failed."""

    places: Places
    scores: StepScores | None


Attempts = Mapping[str, Sequence[Attempt | None]]
"""By probe, one per trace; None where it does not apply."""


@dataclass(frozen=True, kw_only=True)
class Coverage:
    """What the figures of one probe rest on: of `num_traces`, to how many it applies, how many of
    these have scores before and after, how many of those are wrong, and do not pass before, and how
    many pairs of a right and a wrong answer there are."""

    num_traces: int
    num_applied: int
    num_measured: int
    num_wrong: int
    num_flagged_wrong: int
    num_pairs: int


@dataclass(frozen=True, kw_only=True)
class Probed:
    """The figures of one scorer, named `figure/probe`, and the coverage of each probe."""

    figures: Figures
    coverage: Mapping[str, Coverage]


@dataclass(frozen=True)
class _Before:
    """The traces before any probe, each array of shape (T,)."""

    question: IntArray
    reward: FloatArray
    passes: BoolArray
    wrong: BoolArray
    error: list[int | None]
    threshold: float


def measure(
    traces: Sequence[Trace],
    scores: Scores,
    attempts: Attempts,
    probes: Sequence[Probe],
    options: Options | None = None,
) -> Probed:
    """The figures of a scorer from its scores before and after.

    Raises:
        UsageError: scores or attempts do not fit the traces, or nothing was scored.
    """
    options = options or Options()
    check_lengths(scores, traces)
    before = _before(traces, scores, options)
    num = int(before.question.max()) + 1
    statistics: dict[str, Statistic] = {}
    coverage = {}
    for probe in probes:
        own, coverage[probe.name] = _of_probe(
            traces, scores, attempts[probe.name], before, num_questions=num
        )
        statistics |= {f"{figure}/{probe.name}": one for figure, one in own.items()}
    statistics |= _of_all(scores, attempts, probes, before, num)
    return Probed(figures=Figures(tuple(str(i) for i in range(num)), statistics), coverage=coverage)


def _before(traces: Sequence[Trace], scores: Scores, options: Options) -> _Before:
    threshold = chosen_threshold(scores, options.threshold).value
    errors: list[int | None] = []
    wrong = []
    for trace in traces:
        settled = knows_first_error(trace, options.label_source)
        error = first_error(trace, options.label_source) if settled else None
        errors.append(error)
        wrong.append(error is not None if settled else trace.outcome is False)
    return _Before(
        question=questions_of(traces),
        reward=np.array([reward_of(one) for one in scores], dtype=np.float64),
        passes=np.array([_passes(one, threshold) for one in scores], dtype=np.bool_),
        wrong=np.array(wrong, dtype=np.bool_),
        error=errors,
        threshold=threshold,
    )


def _of_probe(
    traces: Sequence[Trace],
    scores: Scores,
    attempts: Sequence[Attempt | None],
    before: _Before,
    *,
    num_questions: int,
) -> tuple[dict[str, Statistic], Coverage]:
    """The figures of one probe and what they rest on."""
    after = [None if one is None else one.scores for one in attempts]
    reward = np.array([reward_of(one) for one in after], dtype=np.float64)
    passes = np.array([_passes(one, before.threshold) for one in after], dtype=np.bool_)
    known = np.array([a is not None and b is not None for a, b in zip(scores, after, strict=True)])
    ranked = known & np.isfinite(reward) & np.isfinite(before.reward)
    flagged = known & before.wrong & ~before.passes
    change = np.where(ranked, reward, 0.0) - np.where(ranked, before.reward, 0.0)
    at_error, moved = _steps(scores, attempts, before)
    flips, pairs = _preferences(traces, before, reward, ranked)

    def mean(values: FloatArray | BoolArray, among: FloatArray | BoolArray) -> Statistic:
        """The mean over traces of values that are each of as many as `among` says."""
        return ratio(
            summed(np.where(among, values, 0.0), before.question, num_questions),
            summed(among, before.question, num_questions),
        )

    figures = {
        "aggregate_change": mean(change, ranked),
        "wrong_step_change": mean(np.nan_to_num(at_error), np.isfinite(at_error)),
        "came_to_pass": mean(passes, flagged),
        "preference_flips": mean(flips, pairs),
        "aggregate_moved": mean(np.abs(change), ranked),
        "steps_moved": mean(np.nan_to_num(moved), np.isfinite(moved)),
        "verdict_flipped": mean(passes != before.passes, known),
    }
    return figures, Coverage(
        num_traces=len(traces),
        num_applied=sum(one is not None for one in attempts),
        num_measured=int(known.sum()),
        num_wrong=int((known & before.wrong).sum()),
        num_flagged_wrong=int(flagged.sum()),
        num_pairs=int(pairs.sum()),
    )


def _steps(
    scores: Scores, attempts: Sequence[Attempt | None], before: _Before
) -> tuple[FloatArray, FloatArray]:
    """Of each trace (T,) the change at its first error, and the mean absolute change of its steps;
    NaN where there is none."""
    at_error, moved = np.full(len(scores), np.nan), np.full(len(scores), np.nan)
    for t, (one, attempt) in enumerate(zip(scores, attempts, strict=True)):
        if one is None or attempt is None or attempt.scores is None:
            continue
        now = aligned(attempt.scores, attempt.places)
        gaps = [
            None if old is None or new is None else new - old
            for old, new in zip(one.values, now, strict=True)
        ]
        known = [abs(gap) for gap in gaps if gap is not None]
        if known:
            moved[t] = sum(known) / len(known)
        error = before.error[t]
        if error is not None and (gap := gaps[error]) is not None:
            at_error[t] = gap
    return at_error, moved


def _preferences(
    traces: Sequence[Trace], before: _Before, reward: FloatArray, ranked: BoolArray
) -> tuple[FloatArray, FloatArray]:
    """Of each trace (T,) with a wrong answer, how many right answers to its question scored higher
    before it was altered, and how many of them do not any more."""
    right: dict[int, list[float]] = {}
    for trace, question, value in zip(traces, before.question, before.reward, strict=True):
        if trace.outcome and np.isfinite(value):
            right.setdefault(int(question), []).append(float(value))
    flips, pairs = np.zeros(len(traces)), np.zeros(len(traces))
    for t in np.flatnonzero(ranked).tolist():
        if traces[t].outcome is not False:
            continue
        above = np.array(right.get(int(before.question[t]), []))
        above = above[above > before.reward[t]]
        pairs[t] = len(above)
        flips[t] = (above < reward[t]).sum() + (above == reward[t]).sum() / 2
    return flips, pairs


def _of_all(
    scores: Scores,
    attempts: Attempts,
    probes: Sequence[Probe],
    before: _Before,
    num_questions: int,
) -> dict[str, Statistic]:
    """How often some attack gets a flagged wrong trace to pass, and some invariance flips a
    verdict."""

    def some(kind: Kind, wanted: BoolArray) -> Statistic:
        found, tried = np.zeros(len(scores), np.bool_), np.zeros(len(scores), np.bool_)
        for probe in probes:
            if probe.kind != kind:
                continue
            for t, attempt in enumerate(attempts[probe.name]):
                if scores[t] is None or attempt is None or attempt.scores is None:
                    continue
                tried[t] = True
                found[t] |= _passes(attempt.scores, before.threshold) != before.passes[t]
        tried &= wanted
        if not tried.any():
            return undefined
        return ratio(
            summed(found & tried, before.question, num_questions),
            summed(tried, before.question, num_questions),
        )

    return {
        "came_to_pass": some("attack", before.wrong & ~before.passes),
        "verdict_flipped": some("invariance", np.ones(len(scores), np.bool_)),
    }


def _passes(scores: StepScores | None, threshold: float) -> bool:
    return scores is not None and scores.first_error(threshold) is None
