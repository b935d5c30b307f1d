"""Dawid-Skene against the published table, a plain EM, and sources of known error rates."""

import math
import random
from importlib import util
from pathlib import Path

import numpy as np
import pytest

from surefoot.errors import UsageError
from surefoot.labels.consensus import fit_dawid_skene, fit_em, majority, posterior
from surefoot.traces.types import StepLabels, Trace

_SPEC = util.spec_from_file_location("anaesthetists", Path(__file__).with_name("anaesthetists.py"))
anaesthetists = util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(anaesthetists)


def test_the_published_example():
    words = anaesthetists.ROWS.split()
    votes = np.zeros((45, 5, 4))
    for place, word in enumerate(words):
        for digit in word:
            votes[place // 5, place % 5, int(digit) - 1] += 1
    fit = fit_em(votes, smoothing=0)
    assert fit.converged
    assert fit.prior.round(2).tolist() == [0.40, 0.42, 0.11, 0.07]
    first = [[0.89, 0.11, 0, 0], [0.07, 0.88, 0.05, 0], [0, 0.34, 0.66, 0], [0, 0, 0.56, 0.44]]
    assert fit.confusion[0].round(2).tolist() == first
    assert fit.posterior.argmax(axis=1)[:3].tolist() == [0, 3, 1]


def plain_em(votes, rounds, smoothing):
    """Two classes by loops over items, for a few rounds, from shares of votes."""
    sources = range(len(votes[0]))
    likely = [
        sum(v for v in item if v is not None) / sum(v is not None for v in item) for item in votes
    ]
    for _ in range(rounds):
        share = (smoothing + sum(likely)) / (2 * smoothing + len(votes))
        rates = []
        for c in sources:
            cell = [[smoothing, smoothing], [smoothing, smoothing]]
            for item, t in zip(votes, likely, strict=True):
                if item[c] is not None:
                    cell[0][1 - item[c]] += t
                    cell[1][1 - item[c]] += 1 - t
            rates.append([[n / sum(row) for n in row] for row in cell])
        after = []
        for item in votes:
            right, wrong = share, 1 - share
            for c in sources:
                if item[c] is not None:
                    right *= rates[c][0][1 - item[c]]
                    wrong *= rates[c][1][1 - item[c]]
            after.append(right / (right + wrong))
        likely = after
    return share, rates, likely


@pytest.mark.parametrize("smoothing", [0.5, 1.0])
def test_equals_a_plain_em(smoothing):
    items = [(1, 1, 0), (1, None, 1), (0, 0, 1), (1, 0, 0), (0, 0, 0), (1, 1, 1), (1, 1, None)]
    votes = np.array(
        [[[v == 1, v == 0] if v is not None else [0, 0] for v in item] for item in items],
        dtype=float,
    )
    fit = fit_em(votes, smoothing=smoothing, max_iterations=3, tolerance=0)
    share, rates, likely = plain_em(items, 3, smoothing)
    assert not fit.converged
    assert fit.prior[0] == pytest.approx(share)
    assert fit.confusion.tolist() == [[pytest.approx(row) for row in rate] for rate in rates]
    assert fit.posterior[:, 0].tolist() == pytest.approx(likely)


def test_weights_are_repeated_rows_and_the_objective_never_falls():
    rng = np.random.default_rng(3)
    rows = rng.integers(0, 2, (12, 4))
    votes = np.stack([rows == 0, rows == 1], axis=2).astype(float)
    times = rng.integers(1, 5, 12)
    weighted = fit_em(votes, times.astype(float))
    repeated = fit_em(np.repeat(votes, times, axis=0))
    assert weighted.confusion == pytest.approx(repeated.confusion)
    assert np.diff(weighted.objective).min() > -1e-9


def simulated(num, sources, share=0.7, seed=0, silent=0.0):
    """Traces of one step each, and the truth; `sources` are (right if right, wrong if wrong)."""
    rng = random.Random(seed)
    traces, truth = [], []
    for i in range(num):
        right = rng.random() < share
        labels = []
        for name, (a, b) in sources.items():
            if rng.random() < silent:
                continue
            said = rng.random() < a if right else rng.random() >= b
            labels.append(StepLabels((1 if said else -1,), source="judge", annotator=name))
        traces.append(Trace(f"p {i}", ["s"], labels=labels))
        truth.append(right)
    return traces, truth


RATES = {"a": (0.95, 0.9), "b": (0.8, 0.7), "c": (0.7, 0.6), "d": (0.9, 0.5)}


def test_finds_the_error_rates_of_simulated_sources_and_beats_the_majority():
    traces, truth = simulated(4000, RATES, silent=0.2)
    fit = fit_dawid_skene(traces)
    assert fit.converged
    assert fit.warnings == ()
    assert fit.right == pytest.approx(0.7, abs=0.05)
    for name, (a, b) in RATES.items():
        assert fit.right_if_right[f"judge:{name}"] == pytest.approx(a, abs=0.05)
        assert fit.wrong_if_wrong[f"judge:{name}"] == pytest.approx(b, abs=0.08)

    def accuracy(merge):
        hits = total = 0
        for one, right in zip(traces, truth, strict=True):
            labels = merge(one).labels
            if labels is not None and labels.values[0] is not None:
                hits += labels.is_right(0) == right
                total += 1
        return hits / total

    most = accuracy(lambda one: majority(one, min_votes=1, ties="right"))
    assert accuracy(lambda one: posterior(one, fit)) > most + 0.02


def test_posteriors_are_calibrated():
    traces, truth = simulated(5000, RATES, seed=1)
    fit = fit_dawid_skene(traces)
    values = np.array([posterior(one, fit).labels.values[0] for one in traces])
    right = np.array(truth)
    for low, high in ((0.0, 0.3), (0.3, 0.7), (0.7, 1.01)):
        inside = (values >= low) & (values < high)
        assert values[inside].mean() == pytest.approx(right[inside].mean(), abs=0.08)


def test_a_source_that_is_mostly_wrong_is_turned_round_and_classes_keep_their_names():
    traces, _ = simulated(4000, {**RATES, "liar": (0.1, 0.15)}, seed=2)
    fit = fit_dawid_skene(traces)
    assert fit.right > 0.5
    assert fit.right_if_right["judge:liar"] < 0.2
    assert fit.right_if_right["judge:a"] > 0.9


def test_classes_are_renamed_where_the_start_leads_to_the_other_naming():
    # Every coder is wrong more often than right in class 1 only where the naming is turned round.
    swapped = np.array([[[0.0, 1.0]] * 3] * 30 + [[[1.0, 0.0]] * 3] * 10)
    known_turned = fit_em(swapped, known=np.array([0] * 30 + [1] * 10))
    assert not known_turned.renamed  # what is known is never renamed
    assert known_turned.confusion[0, 0, 1] > 0.9
    free = fit_em(swapped)
    assert free.confusion[0, 0, 0] > 0.9
    assert free.prior[1] > free.prior[0]


def test_trusted_labels_are_the_truth_and_teach_two_sources_their_rates():
    traces, truth = simulated(3000, {"a": (0.9, 0.3), "b": (0.6, 0.9)}, seed=4)
    blind = fit_dawid_skene(traces)
    assert "judge:a" in blind.warnings[0]
    some = [
        one.with_labels(StepLabels((1 if right else -1,))) if i < 600 else one
        for i, (one, right) in enumerate(zip(traces, truth, strict=True))
    ]
    fit = fit_dawid_skene(some, trusted=["human"])
    assert fit.warnings == ()
    assert fit.wrong_if_wrong["judge:a"] == pytest.approx(0.3, abs=0.07)
    assert fit.wrong_if_wrong["judge:b"] == pytest.approx(0.9, abs=0.07)
    for one, right in zip(some[:50], truth, strict=False):
        assert posterior(one, fit).labels.values == (float(right),)


def test_the_posterior_is_bayes_rule():
    traces, _ = simulated(500, RATES, seed=5)
    fit = fit_dawid_skene(traces)
    one = next(t for t in traces if [x.values[0] for x in t.labels] == [1, -1, 1, 1])
    odds = fit.right / (1 - fit.right)
    for labels in one.labels:
        name = f"judge:{labels.annotator}"
        a, b = fit.right_if_right[name], fit.wrong_if_wrong[name]
        odds *= a / (1 - b) if labels.values[0] == 1 else (1 - a) / b
    merged = posterior(one, fit)
    assert merged.labels.values[0] == pytest.approx(odds / (1 + odds))
    assert merged.labels.scale == "value"
    assert merged.parts == ("judge:a", "judge:b", "judge:c", "judge:d")


def test_a_step_nobody_speaks_of_is_silent():
    traces, _ = simulated(200, RATES, seed=6)
    fit = fit_dawid_skene(traces)
    silent = Trace("q", ["s", "t"], labels=[StepLabels((1, None), source="judge", annotator="a")])
    merged = posterior(silent, fit)
    assert merged.labels.values[1] is None
    assert merged.causes == {"1": "0 of 1 votes"}
    stranger = Trace("q", ["s"], labels=[StepLabels((1,), source="judge", annotator="new")])
    assert posterior(stranger, fit).labels is None


def test_sources_that_all_say_the_same_are_warned_of():
    traces = [
        Trace(
            f"p {i}",
            ["s"],
            labels=[StepLabels((1,), source=s) for s in ("human", "judge", "checker")],
        )
        for i in range(50)
    ]
    fit = fit_dawid_skene(traces, smoothing=0.01)
    assert any("hardly any step is wrong" in one for one in fit.warnings)
    assert all(math.isfinite(x) for x in fit.right_if_right.values())


def test_what_cannot_be():
    with pytest.raises(UsageError, match="no step has a vote"):
        fit_dawid_skene([Trace("p", ["s"])])
    with pytest.raises(UsageError, match="smoothing"):
        fit_dawid_skene(simulated(5, RATES)[0], smoothing=-1)
    with pytest.raises(UsageError, match="shape"):
        fit_em(np.zeros((3, 2)))
    with pytest.raises(UsageError, match="no votes at all"):
        fit_em(np.zeros((3, 2, 2)))
