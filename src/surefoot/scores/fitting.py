"""After training: the contract with a threshold and a calibration fitted to development traces.

The calibration comes first and the threshold is tuned on what it makes of the scores, since that is
what a threshold is held against. As a calibration keeps the order, F1 is the same with and without.
What is said of the fit is said twice: of the traces that it was fitted to, and held out, of each
half of the questions with the calibration fitted to the other.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from typing import Any, Literal, get_args

import numpy as np

from surefoot.errors import UsageError
from surefoot.models.calibration import Calibration, log_odds_of, probability_of
from surefoot.models.contract import PROBABILITIES, Contract
from surefoot.scores.calibration import brier, cross_entropy, ece, probable
from surefoot.scores.calibrators import LARGEST, fit_isotonic, fit_temperature
from surefoot.scores.first_errors import Threshold, check_lengths
from surefoot.scores.heldout import FirstErrors
from surefoot.scores.steps import BoolArray, ScoredSteps, kind_of, questions_of
from surefoot.stats import FloatArray
from surefoot.traces.types import StepScores, Trace

Calibrate = Literal["none", "temperature", "isotonic"]
Labels = Literal["steps", "outcomes"]
Fitter = Callable[[FloatArray, FloatArray], Calibration]

FITS: Mapping[Calibrate, Fitter] = {
    "temperature": fit_temperature,
    "isotonic": fit_isotonic,
}


@dataclass(frozen=True, kw_only=True)
class Honesty:
    """How well probabilities of steps mean what they say (`scores.calibration`)."""

    brier: float
    ece: float
    ece_mass: float
    cross_entropy: float


@dataclass(frozen=True, kw_only=True)
class CalibrationFit:
    """How a calibration was fitted to labelled steps, and what it makes of their probabilities.

    `before` is as the model reads them, `after` with the calibration, and `heldout` with one that
    was fitted to the half of the questions to which a step does not belong.
    """

    labels: Labels
    num_steps: int
    num_beyond: int
    """Steps whose log-odds are beyond what goes into a fit, and count as the largest that does."""
    before: Honesty
    after: Honesty
    heldout: Honesty | None


@dataclass(frozen=True, kw_only=True)
class Fit:
    """What was fitted, and how well.

    `f1` is at the new threshold on the traces that it was tuned on; `f1_heldout` is that of
    `development`.
    """

    threshold: Threshold | None
    f1: float | None
    f1_heldout: float | None
    calibration: CalibrationFit | None
    notes: tuple[str, ...]
    """What could not be fitted, and why."""

    def to_json(self) -> dict[str, Any]:
        """Every field."""
        return asdict(self)


def fitted(
    contract: Contract,
    traces: Sequence[Trace],
    scores: Sequence[StepScores | None],
    *,
    calibrate: Calibrate,
    label_source: str | None = None,
    neutral: bool = True,
) -> tuple[Contract, Fit]:
    """The contract with what was fitted to development traces, and how well that went.

    What cannot be fitted to these traces stays as it was, and a note says so.

    Args:
        contract: The one by which the scores were made; with a new calibration, an old one is
            taken off them first.
        traces: With step labels. Where there are none, the calibration of scores that mean the
            `value` of a step is fitted to outcomes.
        scores: Of the traces, in order; None where scoring failed.
        calibrate: What is fitted besides the threshold; `none` leaves the calibration as it is.
        label_source: Whose step labels count: the first of each trace if None.
        neutral: Whether a rating of 0 counts as right.

    Raises:
        UsageError: there are no scores, or not one per trace with one value per step; they are not
            of the contract's kind; or they are no probabilities and a calibration is asked for.
    """
    _check(contract, traces, scores, calibrate)
    questions = questions_of(traces)
    notes: list[str] = []
    report = None
    if calibrate != "none":
        old = contract.calibration
        scores = [_bent(one, old and old.undone) for one in scores]
        steps = ScoredSteps.of(
            traces, scores, questions, label_source=label_source, neutral=neutral
        )
        labels: Labels = "steps"
        if len(steps) == 0 and contract.meaning == "value":
            steps, labels = ScoredSteps.of_outcomes(traces, scores, questions), "outcomes"
        new, report = _calibrated(steps, labels, FITS[calibrate], notes)
        contract = replace(contract, calibration=new or old)
        scores = [_bent(one, contract.calibration) for one in scores]
    errors = partial(
        FirstErrors.of, traces, scores, questions, label_source=label_source, neutral=neutral
    )
    found = errors(threshold=contract.threshold)
    if found.best is None:
        notes.append(
            f"the threshold stays at {contract.threshold:g}: tuning needs scored traces with and "
            "without an error, and labels that settle where the first is"
        )
    else:
        value = min(found.best.value, 1.0) if contract.kind in PROBABILITIES else found.best.value
        contract = replace(contract, threshold=value)
        found = errors(threshold=replace(found.best, value=value))
    every = np.ones(len(found.trace), dtype=np.bool_)
    return contract, Fit(
        threshold=None if found.best is None else found.threshold,
        f1=found.f1(found.matched, every),
        f1_heldout=found.f1(found.matched_heldout, every),
        calibration=report,
        notes=tuple(notes),
    )


def _check(
    contract: Contract,
    traces: Sequence[Trace],
    scores: Sequence[StepScores | None],
    calibrate: Calibrate,
) -> None:
    if calibrate not in get_args(Calibrate):
        raise UsageError(
            f"calibrate is {calibrate!r}; it must be one of {', '.join(get_args(Calibrate))}"
        )
    check_lengths(scores, traces)
    kind = kind_of(scores)
    if kind != contract.kind:
        raise UsageError(
            f"by the contract scores are of the kind {contract.kind}, these are "
            f"{f'of the kind {kind}' if kind else 'none'}; give those of its model"
        )
    if calibrate != "none" and kind not in PROBABILITIES:
        raise UsageError(
            f"these scores are {kind}s and no probabilities, so there is nothing to calibrate; "
            "calibrate none"
        )


def _calibrated(
    steps: ScoredSteps, labels: Labels, fit: Fitter, notes: list[str]
) -> tuple[Calibration | None, CalibrationFit | None]:
    """The calibration of steps, None where it cannot be fitted, and how well it fits."""
    try:
        kept = probable(steps)
        assert kept.log_odds is not None
        odds = np.clip(kept.log_odds, -LARGEST, LARGEST)
        found = fit(odds, kept.right)
    except UsageError as error:
        notes.append(f"the calibration stays as it was: {error}")
        return None, None
    crossed = _crossed(fit, odds, kept.right, kept.question % 2 == 0)
    if crossed is None:
        notes.append("one half of the questions has too little to fit a calibration for the other")
    return found, CalibrationFit(
        labels=labels,
        num_steps=len(kept),
        num_beyond=int((np.abs(kept.log_odds) > LARGEST).sum()),
        before=_honesty(kept.right, odds),
        after=_honesty(kept.right, _through(found, odds)),
        heldout=None if crossed is None else _honesty(kept.right, crossed),
    )


def _crossed(
    fit: Fitter, odds: FloatArray, right: FloatArray, first: BoolArray
) -> FloatArray | None:
    """The log-odds of each half through the calibration of the other; None where one cannot be
    fitted."""
    found = np.empty_like(odds)
    for half in (first, ~first):
        try:
            own = fit(odds[~half], right[~half])
        except UsageError:
            return None
        found[half] = _through(own, odds[half])
    return found


def _through(calibration: Calibration, odds: FloatArray) -> FloatArray:
    return np.array([calibration(z) for z in odds.tolist()])


def _honesty(right: FloatArray, odds: FloatArray) -> Honesty:
    p = 1 / (1 + np.exp(-odds))
    return Honesty(
        brier=brier(right, p),
        ece=ece(right, p),
        ece_mass=ece(right, p, binning="mass"),
        cross_entropy=cross_entropy(right, odds),
    )


def _bent(scores: StepScores | None, bend: Callable[[float], float] | None) -> StepScores | None:
    """Scores whose log-odds go through a function."""
    if scores is None or bend is None:
        return scores
    given = scores.log_odds or [None if p is None else log_odds_of(p) for p in scores.values]
    odds = [None if z is None else bend(z) for z in given]
    return replace(
        scores,
        values=tuple(None if z is None else probability_of(z) for z in odds),
        log_odds=tuple(odds) if scores.log_odds is not None else None,
    )
