"""A fitted contract gives what the fit says of it, also after it was saved and loaded."""

import json
import math
from dataclasses import replace

import numpy as np
import pytest

import surefoot
from surefoot.errors import UsageError
from surefoot.models.calibration import Calibration
from surefoot.models.contract import Contract, Reading
from surefoot.models.discriminative import DiscriminativeModel
from surefoot.scores.development import measure
from surefoot.scores.first_errors import evaluate_first_errors
from surefoot.scores.fitting import fitted
from surefoot.scores.steps import questions_of
from surefoot.traces.layout import Layout
from surefoot.traces.types import StepLabels, StepScores, Trace

KINDS = ["none", "temperature", "isotonic"]


def sigmoid(z):
    return 1 / (1 + math.exp(-z))


def scores(odds, **fields):
    return StepScores(tuple(map(sigmoid, odds)), "m", log_odds=tuple(odds), **fields)


def drawn(num=400, *, seed=0, temperature=2.5, bias=1.0):
    """Traces whose scores have log-odds z and whose steps are right with the probability of
    z / temperature + bias."""
    rng = np.random.default_rng(seed)
    traces, given = [], []
    for i in range(num):
        odds = rng.normal(0, 3, int(rng.integers(1, 6))).tolist()
        labels = [1 if rng.random() < sigmoid(z / temperature + bias) else -1 for z in odds]
        outcome = labels[-1] > 0
        traces.append(
            Trace(
                f"q{i // 3}", ["x"] * len(odds), labels=[StepLabels(tuple(labels))], outcome=outcome
            )
        )
        given.append(scores(odds))
    return traces, given


def test_a_threshold_by_hand():
    traces = [
        Trace("a", ["x", "x"], labels=[StepLabels((1, -1))]),
        Trace("b", ["x"], labels=[StepLabels((1,))]),
    ]
    given = [StepScores((0.9, 0.8), "m"), StepScores((0.85,), "m")]
    contract, fit = fitted(Contract(aggregate="mean"), traces, given, calibrate="none")
    assert contract == Contract(aggregate="mean", threshold=contract.threshold)
    assert contract.threshold == pytest.approx(0.825)
    assert (fit.f1, fit.f1_heldout, fit.calibration) == (1, None, None)
    assert fit.threshold.rule == "tuned on 2 development traces"
    assert fit.notes == ()


@pytest.mark.parametrize("calibrate", KINDS[1:])
def test_calibration_mends_probabilities_and_leaves_f1_as_it_was(calibrate):
    traces, given = drawn()
    plain, without = fitted(Contract(), traces, given, calibrate="none")
    contract, fit = fitted(Contract(), traces, given, calibrate=calibrate)
    assert contract.calibration.kind == calibrate
    assert (fit.f1, fit.f1_heldout) == (without.f1, without.f1_heldout)
    assert contract.threshold != plain.threshold
    assert contract.calibration(math.log(plain.threshold / (1 - plain.threshold))) == (
        pytest.approx(math.log(contract.threshold / (1 - contract.threshold)), abs=0.05)
    )
    told = fit.calibration
    assert (told.labels, told.num_beyond) == ("steps", 0)
    assert told.num_steps == sum(len(one.steps) for one in traces)
    assert told.before.ece == pytest.approx(measure(traces, given).overall.ece)
    assert told.before.brier == pytest.approx(measure(traces, given).overall.brier)
    for name in ("brier", "ece", "ece_mass", "cross_entropy"):
        before, after, heldout = (
            getattr(one, name) for one in (told.before, told.after, told.heldout)
        )
        assert after < before
        assert heldout < before
    assert told.after.cross_entropy < told.heldout.cross_entropy
    assert json.loads(json.dumps(fit.to_json(), allow_nan=False))["notes"] == []


def test_held_out_is_of_the_other_half_of_the_questions():
    """Scores of one half of the questions are shifted, so that what either half teaches is wrong
    for the other, and a fit to both is in between."""
    traces, given = drawn()
    halves = (questions_of(traces) % 2).tolist()
    shifted = [
        scores([z + 6 * half for z in one.log_odds])
        for one, half in zip(given, halves, strict=True)
    ]
    told = fitted(Contract(), traces, shifted, calibrate="temperature")[1].calibration
    assert told.after.ece < 0.06
    assert told.heldout.ece > 0.15


def test_without_enough_in_both_halves_nothing_is_held_out():
    traces, given = drawn()
    halves = (questions_of(traces) % 2).tolist()
    some = [
        one if half else replace(one, labels=[StepLabels((1,) * len(one.steps))])
        for one, half in zip(traces, halves, strict=True)
    ]
    contract, fit = fitted(Contract(), some, given, calibrate="isotonic")
    assert contract.calibration is not None
    assert fit.calibration.heldout is None
    assert fit.notes == (
        "one half of the questions has too little to fit a calibration for the other",
    )


@pytest.mark.parametrize("calibrate", KINDS[1:])
def test_an_old_calibration_is_taken_off_before_a_new_one_is_fitted(calibrate):
    traces, given = drawn()
    fresh, said = fitted(Contract(), traces, given, calibrate=calibrate)
    for old in (
        Calibration(temperature=0.5, bias=-2),
        fitted(Contract(), traces, given, calibrate="isotonic")[0].calibration,
    ):
        bent = [scores([old(z) for z in one.log_odds]) for one in given]
        again, told = fitted(Contract(calibration=old), traces, bent, calibrate=calibrate)
        assert again.threshold == pytest.approx(fresh.threshold, abs=1e-6)
        for name in ("temperature", "bias", "x", "y"):
            assert getattr(again.calibration, name) == pytest.approx(
                getattr(fresh.calibration, name), abs=1e-6
            )
        assert told.calibration.before.ece == pytest.approx(said.calibration.before.ece, abs=1e-6)


def test_with_none_an_old_calibration_stays_and_its_scores_are_taken_as_they_are():
    traces, given = drawn()
    old = Calibration(temperature=2)
    contract, _ = fitted(Contract(calibration=old), traces, given, calibrate="none")
    assert contract.calibration == old
    assert contract.threshold == fitted(Contract(), traces, given, calibrate="none")[0].threshold


@pytest.mark.parametrize("calibrate", KINDS)
def test_a_loaded_checkpoint_scores_as_the_fit_says(
    small_model, small_tokenizer, tmp_path, calibrate
):
    """Labels are drawn from a random model's own scores, less sure than they are."""
    agreed = Contract.for_layout(small_tokenizer, Layout("\n\n", " ки\n"), max_tokens=512)
    scorer = DiscriminativeModel(
        small_model("qwen2", "scorer"), small_tokenizer, agreed, name="prm"
    )
    rng = np.random.default_rng(0)
    plain = [
        Trace(f"Start with {i}.", [f"{i} + {k} = {rng.integers(99)}." for k in range(i % 5 + 1)])
        for i in range(120)
    ]
    given = scorer.score(plain)
    middle = float(np.median([z for one in given for z in one.log_odds]))
    traces = [
        one.with_labels(
            StepLabels(
                tuple(
                    1 if rng.random() < sigmoid((z - middle) / 2 + 1.2) else -1
                    for z in own.log_odds
                )
            )
        )
        for one, own in zip(plain, given, strict=True)
    ]
    contract, fit = fitted(agreed, traces, given, calibrate=calibrate)
    scorer.save(tmp_path / "prm")
    contract.save(tmp_path / "prm")
    found = surefoot.load(tmp_path / "prm").score(traces)
    assert found[0].threshold == contract.threshold == fit.threshold.value
    report = evaluate_first_errors(found, traces, num_resamples=10)
    assert report.f1.mean == pytest.approx(fit.f1)
    assert fit.f1 > 0.2
    figures = measure(traces, found).overall
    assert (figures.f1, figures.f1_best) == pytest.approx((fit.f1, fit.f1))
    if calibrate != "none":
        assert figures.brier == pytest.approx(fit.calibration.after.brier, abs=1e-5)
        assert figures.ece_mass == pytest.approx(fit.calibration.after.ece_mass, abs=2e-3)
        assert figures.brier < measure(traces, given).overall.brier


def test_a_value_is_calibrated_to_outcomes_where_there_are_no_step_labels():
    traces, given = drawn()
    bare = [replace(one, labels=()) for one in traces]
    values = [replace(one, kind="value") for one in given]
    contract, fit = fitted(Contract(meaning="value"), bare, values, calibrate="temperature")
    assert contract.calibration is not None
    assert (fit.calibration.labels, fit.f1) == ("outcomes", None)
    assert contract.threshold == 0.5
    assert "threshold stays at 0.5" in fit.notes[0]
    step_right, told = fitted(Contract(), bare, given, calibrate="temperature")
    assert step_right == Contract()
    assert told.notes[0].startswith("the calibration stays as it was: none of 0 labelled steps")
    kept = fitted(Contract(meaning="value"), traces, values, calibrate="temperature")[1]
    assert kept.calibration.labels == "steps"


def test_what_cannot_be_fitted_stays_and_is_told():
    traces, given = drawn(50)
    old = Calibration(temperature=2)
    right = [replace(one, labels=[StepLabels((1,) * len(one.steps))]) for one in traces]
    contract, fit = fitted(
        Contract(calibration=old, threshold=0.25), right, given, calibrate="isotonic"
    )
    assert contract == Contract(calibration=old, threshold=0.25)
    assert [note.split(":")[0] for note in fit.notes] == [
        "the calibration stays as it was",
        "the threshold stays at 0.25",
    ]
    assert "all" in fit.notes[0]
    assert (fit.f1, fit.threshold, fit.calibration) == (None, None, None)


def test_a_threshold_above_every_probability_is_1():
    """To flag even what is certain would be best, which no threshold in [0, 1] does; the F1 that
    is told is that of the threshold that is kept."""
    traces = [
        Trace("a", ["x"], labels=[StepLabels((-1,))]),
        Trace("b", ["x"], labels=[StepLabels((1,))]),
    ]
    given = [StepScores((1.0,), "m"), StepScores((None,), "m")]
    assert measure(traces, given).overall.f1_best == 1
    contract, fit = fitted(Contract(), traces, given, calibrate="none")
    assert (contract.threshold, fit.threshold.value, fit.f1) == (1, 1, 0)


def test_failed_and_abstained_scores_have_no_part():
    traces, given = drawn(60)
    some = [None, replace(given[1], values=(None,) * len(given[1].values), log_odds=None)]
    some[1] = StepScores((None,) * len(traces[1].steps), "m")
    told = fitted(Contract(), traces, some + given[2:], calibrate="temperature")[1].calibration
    assert told.num_steps == sum(len(one.steps) for one in traces[2:])


def test_certain_scores_are_counted_and_do_not_break_a_fit():
    traces, given = drawn()
    sure = [StepScores((1.0,) * len(traces[0].steps), "m"), *given[1:]]
    contract, fit = fitted(Contract(), traces, sure, calibrate="temperature")
    assert fit.calibration.num_beyond == len(traces[0].steps)
    assert math.isfinite(contract.calibration.temperature)


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda t, s: fitted(Contract(), t, s, calibrate="platt"), "calibrate is 'platt'"),
        (lambda t, s: fitted(Contract(), t, s[1:], calibrate="none"), "49 scores for 50"),
        (lambda t, s: fitted(Contract(), t, [None] * 50, calibrate="none"), "these are none"),
        (
            lambda t, s: fitted(Contract(meaning="value"), t, s, calibrate="none"),
            "of the kind value, these are of the kind probability",
        ),
        (
            lambda t, s: fitted(
                Contract(reading=Reading(link="raw", classes=1)),
                t,
                [replace(one, kind="reward") for one in s],
                calibrate="temperature",
            ),
            "rewards and no probabilities",
        ),
    ],
)
def test_what_does_not_belong_together_is_refused(call, says):
    traces, given = drawn(50)
    with pytest.raises(UsageError, match=says):
        call(traces, given)
