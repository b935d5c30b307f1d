"""Every count of a report, on traces few enough to count by hand."""

import json
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from made_up import traces as made_up_traces
from surefoot.errors import DataError, UsageError
from surefoot.traces.types import Step, StepLabels, Trace
from surefoot.training.guards import measure, summary
from surefoot.training.targets import LabelRule

RULE = LabelRule()


def labelled(steps, *values, problem="What is 2 + 3 + 4?", source=None, by="human", **rest):
    return Trace(problem, steps, source=source, labels=[StepLabels(values, by, **rest)])


def warned(report):
    return {one.kind: one.count for one in report.warnings}


def warning(report, kind):
    (found,) = [one for one in report.warnings if one.kind == kind]
    return found


FIRST = labelled(["2 + 3 = 5", "5 + 4 = 9", "So 9."], 1, 1, 1, source="one")
AGAIN = labelled(["2 + 3 = 5", "5 + 4 = 9", "So 9."], 1, -1, None, source="two")
OTHER = labelled(["2 + 3 = 6", "6 + 4 = 10"], -1, 0, problem="Now?", source="two")
BARE = Trace("What is 2 + 3 + 4?", ["9"])
MASKED = labelled(["9", "Yes."], None, None)
LONG = labelled(["a" * 100, "b", "c"], 1, -1, -1)
ALL = [FIRST, BARE, AGAIN, MASKED, LONG, OTHER]


def short(trace):
    return len(trace.steps[0].text) < 50


def test_every_count():
    report = measure(ALL, RULE, fits=short)
    assert (report.read, report.traces, report.steps, report.questions) == (6, 3, 8, 2)
    assert (report.unlabelled.count, report.masked.count) == (1, 1)
    assert report.unlabelled.places[0].trace == BARE.id
    assert (report.masked.places[0].row, report.masked.places[0].trace) == (4, MASKED.id)
    lost = report.too_long
    assert (lost.traces, lost.right, lost.neutral, lost.wrong) == (1, 1, 0, 2)
    assert (lost.places[0].row, lost.places[0].trace) == (5, LONG.id)
    assert report.sources == {"human": 7}
    whole = report.balance
    assert (whole.right, whole.neutral, whole.wrong) == (5, 0, 2)
    assert whole.share_right == whole.mean == whole.majority == 5 / 7
    assert [(b.name, b.right, b.wrong) for b in report.by_position] == [
        ("0", 2, 1),
        ("1", 2, 1),
        ("2", 1, 0),
    ]
    assert [(b.name, b.right, b.wrong) for b in report.by_domain] == [("two", 2, 2), ("one", 3, 0)]
    assert report.overlaps == ()


def test_steps_taught_twice_and_the_contradiction():
    found = measure(ALL, RULE, fits=short).repeats
    assert (found.duplicates, found.repeated_steps) == (1, 2)
    (place,) = found.duplicate_places
    assert (place.row, place.trace, place.other) == (3, AGAIN.id, 1)
    assert (found.conflicting_steps, found.conflicting_labels) == (1, 2)
    (place,) = found.conflict_places
    assert (place.row, place.trace, place.step, place.other) == (3, AGAIN.id, 1, 1)


def test_warnings_name_what_was_found():
    report = measure(ALL, RULE, fits=short)
    assert warned(report) == {
        "conflict": 1,
        "duplicate": 1,
        "too-long": 1,
        "unlabelled": 1,
        "masked": 1,
    }
    assert "1 of 6 right labels (16.7%), 2 of 4 wrong labels (50.0%)" in (
        warning(report, "too-long").what
    )
    assert "1 of 2 steps that occur more than once, and 2 of 7 labels" in (
        warning(report, "conflict").what
    )


@pytest.mark.parametrize(
    ("neutral", "counts", "mean"),
    [
        ("right", (2, 0, 1), 2 / 3),
        ("wrong", (1, 0, 2), 1 / 3),
        ("own", (1, 1, 1), 1 / 3),
        ("masked", (1, 0, 1), 1 / 2),
    ],
)
def test_neutral_steps_count_as_the_rule_says(neutral, counts, mean):
    report = measure([labelled(["a", "b", "c"], 1, 0, -1)], LabelRule(neutral=neutral))
    whole = report.balance
    assert ((whole.right, whole.neutral, whole.wrong), whole.mean) == (counts, mean)


def test_soft_targets_keep_their_mean_and_weights_do_not_bend_it():
    trace = labelled(["a", "b", "c", "d"], 0.5, 0.25, 1.0, None, by="rollout", scale="value")
    for rule in (RULE, LabelRule(wrong_weight=9.0)):
        whole = measure([trace], rule).balance
        assert (whole.right, whole.wrong, whole.mean) == (2, 1, 1.75 / 3)


def test_labels_behind_the_error_are_counted_as_the_rule_says():
    trace = labelled(["a", "b", "c"], 1, -1, 1)
    counts = {
        rule: (found.right, found.wrong)
        for rule in ("as-labelled", "masked", "wrong")
        if (found := measure([trace], LabelRule(after_error=rule)).balance)
    }
    assert counts == {"as-labelled": (2, 1), "masked": (1, 1), "wrong": (1, 2)}


def test_labels_that_say_nothing_are_masked_and_those_of_another_source_are_none():
    counts = {}
    for name, sources in (("any", None), ("human", {"human": 1.0}), ("judge", {"judge": 1.0})):
        report = measure([MASKED, BARE, FIRST], LabelRule(sources=sources))
        counts[name] = (report.masked.count, report.unlabelled.count, report.traces)
    assert counts == {"any": (1, 1, 1), "human": (1, 1, 1), "judge": (0, 3, 0)}


def test_sources_of_labels_are_counted_whether_learned_or_not():
    trace = Trace(
        "?", ["a", "b"], labels=[StepLabels((1, None), "judge"), StepLabels((-1, -1), "human")]
    )
    report = measure([trace, BARE], LabelRule(sources={"judge": 1.0}))
    assert report.sources == {"human": 2, "judge": 1}
    assert (report.balance.right, report.balance.wrong) == (1, 0)


def test_outcomes_are_counted_by_trace():
    right = Trace("?", ["a", "b"], outcome=True, source="x")
    wrong = Trace("?", ["a", "c", "d"], outcome=False, source="x")
    other = Trace("?", ["a", "b"], outcome=False, source="x")
    report = measure([right, wrong, other, BARE], LabelRule(target="outcome"))
    assert (report.traces, report.steps, report.balance.labelled) == (3, 7, 3)
    assert (report.balance.right, report.balance.wrong) == (1, 2)
    assert report.unlabelled.count == 1
    assert report.by_position == ()
    assert (report.repeats.repeated_steps, report.repeats.conflicting_steps) == (1, 1)
    assert [one.name for one in report.leak.features[:2]] == ["steps", "characters"]
    assert not report.leak.ends.all_last
    assert "2 traces have a target" not in summary(report)
    assert "3 traces have a target" in summary(report)


@pytest.mark.parametrize(
    ("values", "scale", "counts", "fits_together"),
    [
        ((0.5,), "value", ((4, 8),), True),
        ((0.33,), "value", ((1, 3),), True),
        ((0.5,), "value", ((5, 8),), False),
        ((0.0,), "value", ((0, 0),), False),
        ((None,), "value", ((0, 0),), True),
        ((None,), "value", ((1, 2),), False),
        ((0.5,), "value", (None,), True),
        ((1,), "rating", ((3, 4),), True),
        ((1,), "rating", ((2, 4),), True),
        ((1,), "rating", ((1, 4),), False),
        ((-1,), "rating", ((1, 4),), True),
        ((-1,), "rating", ((3, 4),), False),
        ((0,), "rating", ((3, 4),), True),
    ],
)
def test_counts_that_do_not_go_with_their_labels_are_found(values, scale, counts, fits_together):
    trace = Trace("?", ["a", "b"], labels=[StepLabels((1, 1))])
    trace = trace.with_labels(StepLabels((None, *values), "rollout", scale, counts=(None, *counts)))
    report = measure([FIRST, trace], RULE)
    assert report.miscounted.count == (not fits_together)
    if not fits_together:
        (place,) = warning(report, "miscounted").places
        assert (place.row, place.trace, place.step) == (2, trace.id, 1)


def test_lopsided_labels_are_told():
    right = labelled(["a"] * 19, *[1] * 19)
    wrong = labelled(["b"], -1)
    assert (
        "95.0% of the labels are right" in warning(measure([right, wrong], RULE), "lopsided").what
    )
    assert "lopsided" not in warned(measure([right, wrong, replace(wrong, problem="!")], RULE))


def test_positions_and_domains_are_put_together_beyond_the_first():
    long = labelled([f"{k}" for k in range(22)], *[1] * 21, -1)
    report = measure([long], RULE)
    names = [(one.name, one.labelled) for one in report.by_position]
    assert names == [
        *((str(k), 1) for k in range(5)),
        ("5-7", 3),
        ("8-11", 4),
        ("12-19", 8),
        ("20+", 2),
    ]
    many = [labelled(["a"] * (30 - k), *[1] * (30 - k), source=f"s{k}") for k in range(23)]
    found = measure(many, RULE).by_domain
    assert [one.name for one in found] == [*(f"s{k}" for k in range(20)), "(3 others)"]
    assert found[-1].labelled == 10 + 9 + 8


def test_lengths_may_be_given_one_after_the_other():
    flags = [short(trace) for trace in ALL]
    assert measure(ALL, RULE, fits=flags) == measure(iter(ALL), RULE, fits=short)
    for wrong in (flags[:-1], [*flags, True]):
        with pytest.raises(UsageError, match=f"{len(wrong)} traces whether they fit; 6 were read"):
            measure(ALL, RULE, fits=wrong)
    assert measure(ALL, RULE).too_long is None


def test_a_weight_that_leaves_no_number_is_an_error():
    trace = labelled(["a", "b"], 1, -1)
    with pytest.raises(DataError, match=f"step 0 of trace {trace.id} would be taught.*weight"):
        measure([trace], LabelRule(wrong_weight=1e308, sources={"human": 1e10}))


def test_nothing_at_all_is_a_report_too():
    report = measure([], RULE, development=[])
    assert (report.read, report.traces, report.balance.labelled) == (0, 0, 0)
    assert report.balance.share_right is None
    assert report.leak is None
    assert json.loads(json.dumps(report.to_json(), allow_nan=False))["balance"]["mean"] is None
    assert summary(report).startswith("0 of 0 traces")


def test_a_summary_tells_all_and_drives_no_terminal():
    evil = replace(OTHER, source="two\x1b[2J")
    text = summary(measure([FIRST, AGAIN, evil], RULE, development=[FIRST], fits=short))
    assert "\x1b" not in text
    assert "two\\x1b[2J" in text
    assert "3 of 3 traces are learned from: 8 steps of 2 questions; 7 steps have a target" in text
    assert "left out: 0 no label, 0 all masked, 0 too long" in text
    assert "questions of 1 development traces: 1 of 1 are in 2 training traces" in text
    assert f"row 2, step 1, trace {AGAIN.id}; other: row 1" in text
    assert "\n  steps behind " in text


def test_json_holds_everything_and_the_shares():
    report = measure(ALL, RULE, development=[OTHER], fits=short)
    values = json.loads(json.dumps(report.to_json(), allow_nan=False))
    assert values["balance"]["share_right"] == values["balance"]["majority"] == 5 / 7
    assert values["by_domain"][1]["share_right"] == 1.0
    assert values["overlaps"][0]["same_training_traces"] == 1
    assert values["leak"]["over"] == [one.name for one in report.leak.over]
    assert values["leak"]["ends"]["auroc"] == report.leak.ends.auroc
    assert values["warnings"][0]["kind"] == report.warnings[0].kind
    assert values["target"] == "steps"


def naive(traces):
    """Duplicates, repeated and conflicting steps, and the labels of the latter, by the book."""
    seen, duplicates, steps = set(), 0, {}
    for trace in traces:
        duplicates += trace.id in seen
        seen.add(trace.id)
        for i, value in enumerate(trace.labels[0].values):
            if value is not None:
                key = (trace.problem, tuple(str(step) for step in trace.steps[: i + 1]))
                steps.setdefault(key, []).append(value)
    conflicts = [own for own in steps.values() if max(own) - min(own) > 1]
    return (
        duplicates,
        sum(len(own) > 1 for own in steps.values()),
        len(conflicts),
        sum(map(len, conflicts)),
    )


@st.composite
def small_traces(draw):
    steps = draw(
        st.lists(
            st.one_of(
                st.sampled_from("ab"), st.builds(Step, st.just("a"), st.sampled_from([1, "1"]))
            ),
            min_size=1,
            max_size=3,
        )
    )
    values = draw(
        st.lists(st.sampled_from([1, 0, -1, None]), min_size=len(steps), max_size=len(steps))
    )
    if all(value is None for value in values):
        values[0] = 1
    return Trace(draw(st.sampled_from(["p", "q"])), steps, labels=[StepLabels(tuple(values))])


@settings(deadline=None)
@given(st.lists(small_traces(), min_size=1, max_size=12))
def test_repeats_are_those_found_by_the_book(traces):
    found = measure(traces, LabelRule(neutral="own")).repeats
    counts = (
        found.duplicates,
        found.repeated_steps,
        found.conflicting_steps,
        found.conflicting_labels,
    )
    assert counts == naive(traces)
    for place in (*found.duplicate_places, *found.conflict_places):
        assert place.other < place.row <= len(traces)
        assert traces[place.row - 1].id == place.trace


@settings(deadline=None, max_examples=50)
@given(st.lists(made_up_traces(), max_size=5), st.randoms())
def test_any_traces_in_any_order_give_the_same_numbers(traces, random):
    mixed = list(traces)
    random.shuffle(mixed)
    for rule in (RULE, LabelRule(target="outcome")):
        one, other = (measure(some, rule, excluded=some).to_json() for some in (traces, mixed))
        assert one["balance"].pop("mean") == pytest.approx(other["balance"].pop("mean"))
        for name in ("read", "traces", "steps", "questions", "sources", "balance"):
            assert one[name] == other[name]
        assert one["traces"] + one["unlabelled"]["count"] + one["masked"]["count"] == len(traces)
        assert one["overlaps"][0]["same_training_traces"] == one["traces"]
        json.dumps(one, allow_nan=False)
