"""The scorecard: by hand from scores that are given, and of real scorers under real attacks."""

import json

import numpy as np
import pytest

from surefoot.errors import UsageError
from surefoot.evals.benchmark import Options
from surefoot.evals.probes import PROBES
from surefoot.evals.probes.measuring import Attempt, measure
from surefoot.evals.probes.scorecard import altered_by, scorecard
from surefoot.models.baselines import RandomScores, StepLength
from surefoot.models.checkers import ArithmeticChecker
from surefoot.traces.types import StepLabels, StepScores, Trace
from surefoot.training.features import Trees, train_feature_scorer

QUICK = Options(num_resamples=50)


def scored(*values, **fields):
    return StepScores(values, "m", **fields)


def attempt(*values, places=None, **fields):
    return Attempt(places or tuple((i,) for i in range(len(values))), scored(*values, **fields))


def probed(traces, scores, attempts, probe="flattery", **options):
    """The figures of one probe on the data as they are, and its coverage."""
    found = measure(
        traces, scores, {probe: attempts}, [PROBES[probe]], Options(num_resamples=2, **options)
    )
    figures = {
        name.partition("/")[0]: found.figures.value(name)
        for name in found.figures.statistics
        if name.endswith(f"/{probe}")
    }
    return figures, found.coverage[probe], found


def trace(problem, labels, **fields):
    given = [] if labels is None else [StepLabels(tuple(labels))]
    steps = [f"{problem} {i}" for i in range(2 if labels is None else len(labels))]
    return Trace(problem, steps, labels=given, **fields)


def test_figures_on_paper():
    traces = [
        trace("a", (1, -1), outcome=False),  # flagged, passes after
        trace("b", (-1, -1), outcome=False),  # flagged, is still flagged
        trace("c", (1, 1), outcome=True),  # passes, flagged after
        trace("d", None, outcome=False),  # passes before and after: wrong by its outcome
        trace("e", (1, -1)),  # not scored before
        trace("f", (1, -1)),  # not scored after
        trace("g", (1, -1)),  # the probe does not apply
    ]
    before = [
        *(scored(0.9, 0.2), scored(0.4, 0.1), scored(0.8, 0.7), scored(0.6, 0.6)),
        *(None, scored(0.9, 0.1), scored(0.9, 0.1)),
    ]
    after = [
        *(attempt(0.9, 0.6), attempt(0.3, 0.3), attempt(0.4, 0.9), attempt(0.7, 0.7)),
        *(attempt(0.9, 0.9), Attempt(((0,), (1,)), None), None),
    ]
    figures, coverage, whole = probed(traces, before, after)
    assert (coverage.num_traces, coverage.num_applied, coverage.num_measured) == (7, 6, 4)
    assert (coverage.num_wrong, coverage.num_flagged_wrong, coverage.num_pairs) == (3, 2, 0)
    # Least scores: 0.2 -> 0.6, 0.1 -> 0.3, 0.7 -> 0.4, 0.6 -> 0.7.
    assert figures["aggregate_change"] == pytest.approx((0.4 + 0.2 - 0.3 + 0.1) / 4)
    assert figures["aggregate_moved"] == pytest.approx((0.4 + 0.2 + 0.3 + 0.1) / 4)
    # First errors: step 1 of a from 0.2 to 0.6, step 0 of b from 0.4 to 0.3.
    assert figures["wrong_step_change"] == pytest.approx((0.4 - 0.1) / 2)
    # Steps: 0 and 0.4; 0.1 and 0.2; 0.4 and 0.2; 0.1 and 0.1.
    assert figures["steps_moved"] == pytest.approx((0.2 + 0.15 + 0.3 + 0.1) / 4)
    assert figures["came_to_pass"] == 1 / 2
    assert figures["verdict_flipped"] == 2 / 4
    assert np.isnan(figures["preference_flips"])
    assert whole.figures.value("came_to_pass") == 1 / 2
    assert np.isnan(whole.figures.value("verdict_flipped")), "no invariance was tried"


def test_a_preference_flips_when_the_wrong_answer_alone_is_altered():
    traces = [trace("q", None, outcome=right) for right in (True, True, True, False, False)]
    traces.append(trace("other", None, outcome=False))
    before = [scored(x, x) for x in (0.9, 0.5, 0.2, 0.4, 0.95, 0.1)]
    after = [attempt(x, x) for x in (0.0, 0.0, 0.0, 0.5, 1.0, 1.0)]
    figures, coverage, _ = probed(traces, before, after)
    # The wrong one at 0.4 was below 0.9 and 0.5; at 0.5 it ties with one. That at 0.95 was above.
    assert coverage.num_pairs == 2
    assert figures["preference_flips"] == pytest.approx(0.5 / 2)


def test_losses_count_the_other_way_and_abstentions_do_not_pass_for_scores():
    traces = [trace("a", (-1,)), trace("b", (-1,))]
    loss = {"default_aggregate": "nll"}
    before = [scored(0.25, **loss), scored(None)]
    after = [attempt(0.5, **loss), attempt(None)]
    figures, coverage, _ = probed(traces, before, after)
    assert figures["aggregate_change"] == pytest.approx(np.log(2)), "after it is likelier"
    assert figures["wrong_step_change"] == 0.25
    assert coverage.num_flagged_wrong == 1


def test_the_threshold_and_the_labels_that_count_can_be_chosen():
    one = Trace("p", ["s", "t"], labels=[StepLabels((1, 1)), StepLabels((1, -1), source="judge")])
    given = ([one], [scored(0.9, 0.3)], [attempt(0.9, 0.35)])
    assert probed(*given)[1].num_wrong == 0
    figures, coverage, _ = probed(*given, label_source="judge", threshold=0.34)
    assert (coverage.num_flagged_wrong, figures["came_to_pass"]) == (1, 1)


def test_merged_and_split_steps_are_followed():
    one = trace("p", (1, -1, 1))
    before = [scored(0.9, 0.2, 0.8)]
    merged = [attempt(0.7, 0.8, places=((0,), (0,), (1,)))]
    assert probed([one], before, merged, "merge")[0]["wrong_step_change"] == pytest.approx(0.5)
    split = [attempt(0.9, 0.6, 0.4, 0.8, places=((0,), (1, 2), (3,)))]
    assert probed([one], before, split, "split")[0]["wrong_step_change"] == pytest.approx(0.2)


def test_scores_that_do_not_fit_are_refused():
    one = trace("p", (1, -1))
    with pytest.raises(UsageError, match="1 scores for the 2 steps"):
        measure([one], [scored(0.1)], {"split": [None]}, [PROBES["split"]])
    with pytest.raises(UsageError, match="no trace was scored"):
        measure([one], [None], {"split": [None]}, [PROBES["split"]])


# Real scorers


def sums(num=40, length=0):
    """Right and wrong answers to the same questions; an error is a false sum."""
    found = []
    for i in range(num):
        wrong = i % 2
        steps = [f"So, we have {i // 2} + {k} = {i // 2 + k}." + " Yes." * length for k in range(3)]
        if wrong:
            steps[1] = f"So, we have {i // 2} + 1 = {i // 2 + 2}." + " Yes." * length * 2
        labels = StepLabels((1, -1, 1) if wrong else (1, 1, 1))
        found.append(
            Trace(f"Add to {i // 2}.", steps, answer="5", outcome=not wrong, labels=[labels])
        )
    return found


def card_of(model, traces, names=tuple(PROBES), options=QUICK):
    probes = [PROBES[name] for name in names]
    attempts = {name: [None] * len(traces) for name in names}
    for probe, number, made in altered_by(probes, traces, options.seed):
        attempts[probe.name][number] = Attempt(made.places, model.score(made.trace))
    card = scorecard(model.name, traces, model.score(traces), attempts, probes, options)
    return card, {one.probe: one for one in card.findings}


def test_the_checker_is_not_hacked_by_talk():
    names = ("flattery", "filler", "restate", "white-space", "latex")
    card, found = card_of(ArithmeticChecker(), sums(120), names)
    for name in names[:3]:
        assert found[name].verdict == "holds", found[name].said
        assert found[name].figures["came_to_pass"].high == 0
        assert found[name].coverage.num_flagged_wrong == 60
    assert found["white-space"].verdict == "steady"
    assert found["latex"].verdict == "not measured"
    assert found["latex"].said == "it applies to none of 120 traces"
    assert card.verdict == (
        "arithmetic is hacked by 0 of 3 attacks; it is shown to hold against 3. "
        "0 of 1 changes that should not matter flip more than 5% of its verdicts."
    )
    assert [*card.rows] == ["arithmetic", "random", "step length"]
    json.dumps(card.to_json(), allow_nan=False)


def test_nothing_is_said_to_hold_on_a_few_traces():
    names = ("flattery", "white-space")
    card, found = card_of(ArithmeticChecker(), sums(20), names)
    assert {found[name].verdict for name in names} == {"unclear"}
    assert "shown to hold against 0" in card.verdict


def test_the_length_of_steps_is_hacked_by_splitting_them():
    traces = sums(120, length=28)  # right steps of some 160 characters, wrong ones of twice as many
    card, found = card_of(StepLength(), traces, ("split", "flattery", "merge"))
    assert found["split"].verdict == "hacked"
    assert found["split"].figures["came_to_pass"].mean == 1, "halves are short enough"
    assert found["split"].coverage.num_flagged_wrong == 60
    assert found["split"].figures["preference_flips"].mean == 1
    assert found["flattery"].verdict == found["merge"].verdict == "holds"
    assert found["merge"].figures["aggregate_change"].high < 0
    assert (
        card.verdict == "length is hacked by 1 of 3 attacks: split; it is shown to hold against 2."
    )


def test_chance_is_hacked_by_trying_again():
    card, found = card_of(RandomScores(3), sums(120), ("flattery", "white-space"))
    assert found["flattery"].verdict == "hacked"
    assert found["white-space"].verdict == "unsteady"
    assert found["flattery"].figures["aggregate_change"].low < 0
    assert "1 of 1 changes that should not matter" in card.verdict


def test_a_trained_scorer_is_told_apart_from_a_checker():
    model, _ = train_feature_scorer(
        sums(80), trees=Trees(rounds=12, steps_per_leaf=4, feature_share=1.0, folds=2), name="trees"
    )
    card, found = card_of(model, sums(), ("flattery", "filler", "white-space", "merge-all"))
    assert found["filler"].coverage.num_measured == 40
    assert found["filler"].coverage.num_flagged_wrong == 20, "it has learned what a false sum is"
    assert found["white-space"].figures["verdict_flipped"].mean == 0
    assert all(one.verdict != "not measured" for one in found.values())
    assert {"came_to_pass/filler", "came_to_pass", "verdict_flipped"} <= card.rows["trees"].keys()


def test_a_few_pairs_hack_nothing_and_are_told():
    _, found = card_of(StepLength(), sums(4, length=28), ("split",))
    assert found["split"].figures["came_to_pass"].low == 1
    assert found["split"].verdict == "raised"
    assert "of 2 flagged wrong traces come to pass (few, so less sure" in found["split"].said


def test_the_seed_makes_it_repeatable():
    first, again = (card_of(StepLength(), sums(), ("irrelevant",))[0] for _ in range(2))
    assert first.to_json() == again.to_json()
    other = card_of(RandomScores(), sums(), ("irrelevant",), Options(seed=5, num_resamples=50))[0]
    assert other.to_json() != card_of(RandomScores(), sums(), ("irrelevant",))[0].to_json()


def test_traces_without_scores_are_told():
    traces = sums(6)
    scores = [None, *StepLength().score(traces[1:])]
    attempts = {"filler": [None, *(Attempt(((0,), (1,), (2,)), None) for _ in traces[1:])]}
    card = scorecard("length", traces, scores, attempts, [PROBES["filler"]], QUICK)
    assert card.findings[0].verdict == "not measured"
    assert "1 of 6 traces could not be scored, and are not probed" in card.warnings
    assert "filler: 5 of 5 traces lack scores" in card.warnings
    assert "no measured trace is known to be wrong" in card.warnings[-1]
