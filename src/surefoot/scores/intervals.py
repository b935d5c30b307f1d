"""Intervals of development figures, by a bootstrap over questions with all traces of each."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np

from surefoot.scores.calibration import Binning, bins_of
from surefoot.scores.discrimination import weighted_auroc, weighted_average_precision
from surefoot.scores.first_errors import accuracy, f1
from surefoot.scores.heldout import FirstErrors
from surefoot.scores.outcomes import Outcomes
from surefoot.scores.steps import BoolArray, IntArray, ScoredSteps
from surefoot.stats import (
    Difference,
    Estimate,
    FloatArray,
    Statistic,
    bootstrap,
    bootstrap_difference,
)


def intervals(
    steps: ScoredSteps,
    errors: FirstErrors,
    ends: Outcomes,
    *,
    num_questions: int,
    seed: int,
    num_resamples: int,
) -> dict[str, Estimate]:
    """The intervals of the figures that exist, under their names in `development.METRICS`.

    Thresholds and bins stay as they are. `f1_best` has none: it is tuned on what it is measured on,
    which an interval would hide.
    """
    named = statistics(steps, errors, ends, num_questions=num_questions)
    return {
        name: bootstrap(statistic, num_questions, seed=seed, num_resamples=num_resamples)
        for name, statistic in named.items()
    }


def differences(
    ours: Mapping[str, Statistic],
    theirs: Mapping[str, Statistic],
    *,
    num_questions: int,
    seed: int,
    num_resamples: int,
) -> dict[str, Difference]:
    """Ours less theirs, of the figures that both have, each resample drawn for both."""
    return {
        name: bootstrap_difference(
            _less(ours[name], theirs[name]), num_questions, seed=seed, num_resamples=num_resamples
        )
        for name in ours
        if name in theirs
    }


def statistics(
    steps: ScoredSteps, errors: FirstErrors, ends: Outcomes, *, num_questions: int
) -> dict[str, Statistic]:
    """The figures that exist, as functions of how often each question was drawn."""
    return dict(
        [
            *_of_steps(steps, num_questions),
            *_of_errors(errors),
            *_of_outcomes(ends, num_questions),
        ]
    )


def _less(ours: Statistic, theirs: Statistic) -> Statistic:
    return lambda counts: ours(counts) - theirs(counts)


def _of_steps(steps: ScoredSteps, num: int) -> Iterator[tuple[str, Statistic]]:
    wrong, suspicion, question = steps.wrong, steps.suspicion, steps.question
    if wrong.any() and not wrong.all():
        yield "step_auroc", lambda c: weighted_auroc(wrong, suspicion, c[:, question])
    if wrong.any():
        yield (
            "step_average_precision",
            lambda c: weighted_average_precision(wrong, suspicion, c[:, question]),
        )
    kept = steps.among(steps.scored)
    if kept.log_odds is None or len(kept) == 0:
        return
    yield "brier", _mean((kept.score - kept.right) ** 2, kept.question, num)
    yield "ece", _gaps(kept, "width", num)
    yield "ece_mass", _gaps(kept, "mass", num)


def _of_errors(errors: FirstErrors) -> Iterator[tuple[str, Statistic]]:
    kinds, question = errors.erroneous, errors.question

    def of(matched: BoolArray) -> Statistic:
        return lambda c: f1(c[:, question], kinds, matched)

    if kinds.any() and not kinds.all():
        yield "f1", of(errors.matched)
        if errors.matched_heldout is not None:
            yield "f1_heldout", of(errors.matched_heldout)
    for name, among in (("acc_error", kinds), ("acc_correct", ~kinds)):
        if among.any():
            yield name, _share(among, errors)


def _of_outcomes(ends: Outcomes, num: int) -> Iterator[tuple[str, Statistic]]:
    if ends.right.any() and not ends.right.all():
        yield (
            "outcome_auroc",
            lambda c: weighted_auroc(ends.right, ends.reward, c[:, ends.question]),
        )
    question, aurocs = ends.within()
    if len(aurocs):
        yield "outcome_auroc_within", _mean(aurocs, question, num)


def _share(among: BoolArray, errors: FirstErrors) -> Statistic:
    return lambda c: accuracy(c[:, errors.question], among, errors.matched)


def _mean(values: FloatArray, question: IntArray, num: int) -> Statistic:
    """The mean of values that belong to questions."""
    totals = np.bincount(question, weights=values, minlength=num)
    sizes = np.bincount(question, minlength=num).astype(np.float64)
    return lambda c: _ratio(c @ totals, c @ sizes)


def _gaps(steps: ScoredSteps, binning: Binning, num: int) -> Statistic:
    """The ECE of steps that have scores."""
    bins = bins_of(steps.score, binning)
    width = int(bins.max()) + 1
    cells = np.bincount(
        steps.question * width + bins, weights=steps.score - steps.right, minlength=num * width
    ).reshape(num, width)
    sizes = np.bincount(steps.question, minlength=num).astype(np.float64)
    return lambda c: _ratio(np.abs(c @ cells).sum(-1), c @ sizes)


def _ratio(above: FloatArray, below: FloatArray) -> FloatArray:
    """NaN where nothing was drawn."""
    return np.divide(above, below, out=np.full_like(above, np.nan), where=below > 0)
