import gzip
import json
import math

import pytest

from surefoot.errors import UsageError
from surefoot.evals.processbench import evaluate_processbench, subset_of
from surefoot.traces.types import StepLabels, StepScores, Trace


def labelled(num, subset, *, error_at=1):
    """Traces of three steps of equal length; every other one holds an error."""
    made = []
    for i in range(num):
        values = [1, 1, 1]
        if i % 2:
            values = [1 if k < error_at else -1 if k == error_at else None for k in range(3)]
        made.append(
            Trace(
                f"Problem {i} of {subset}.",
                ["Step one.", "Step two.", "Step six."],
                labels=[StepLabels(tuple(values))],
                meta={"domain": f"math/{subset}"},
            )
        )
    return made


def truth(trace, *, miss=False, threshold=0.5):
    labels = trace.labels[0].values
    values = [0.9 if label is None or label > 0 or miss else 0.2 for label in labels]
    return StepScores(tuple(values), model="oracle", threshold=threshold)


def test_a_perfect_scorer_beats_every_baseline():
    traces = labelled(40, "gsm8k") + labelled(60, "math")
    report = evaluate_processbench(traces, [truth(trace) for trace in traces])
    first, *baselines = report.scorers
    assert first.name == "oracle"
    assert first.fixed.mean_f1 is not None
    assert first.tuned is not None
    assert first.tuned.mean_f1 is not None
    assert first.fixed.mean_f1.mean == 1
    assert first.tuned.mean_f1.mean == 1
    assert first.tuned.threshold.rule == "tuned on 50 development traces"
    assert (report.num_traces, report.num_development) == (100, 50)
    assert first.steps.auroc is not None
    assert first.steps.auroc.mean == 1
    # 50 right traces of 3 steps, 50 wrong ones labelled up to the error at step 1.
    assert (first.steps.num_steps, first.steps.num_wrong) == (250, 50)
    assert [one.name.removeprefix("baseline: ") for one in baselines] == [
        *("random", "never flags (majority class)", "flags the last step", "step length"),
    ]
    assert report.over_length["step_auroc"].low > 0
    assert report.over_length["tuned_f1"].low > 0
    assert not report.warnings


def test_mean_f1_is_the_mean_over_subsets_not_over_traces():
    """All found in a small subset, none in a large one: 1/2, however many traces."""
    small, large = labelled(4, "gsm8k"), labelled(100, "math")
    scores = [truth(trace) for trace in small] + [truth(trace, miss=True) for trace in large]
    fixed = evaluate_processbench(small + large, scores).scorers[0].fixed
    assert fixed.mean_f1 is not None
    assert fixed.mean_f1.mean == 0.5
    assert [report.f1.mean for report in fixed.subsets.values() if report.f1] == [1, 0]
    assert {name: one.num_error for name, one in fixed.subsets.items()} == {"gsm8k": 2, "math": 50}


def test_constant_baselines_by_hand():
    traces = labelled(40, "math", error_at=2)
    report = evaluate_processbench(traces, [truth(trace) for trace in traces])
    by_name = {one.name.removeprefix("baseline: "): one for one in report.scorers}
    never = by_name["never flags (majority class)"].fixed.subsets["math"]
    last = by_name["flags the last step"].fixed.subsets["math"]
    for one, error, correct in ((never, 0, 1), (last, 1, 0)):
        assert one.acc_error is not None
        assert one.acc_correct is not None
        assert one.f1 is not None
        assert (one.acc_error.mean, one.acc_correct.mean, one.f1.mean) == (error, correct, 0)


def test_the_tuned_threshold_is_scored_on_the_other_part():
    traces = labelled(40, "math")
    report = evaluate_processbench(traces, [truth(t) for t in traces], development=0.25)
    tuned = report.scorers[0].tuned
    assert tuned is not None
    assert report.num_development == 10
    measured = tuned.subsets["math"]
    assert measured.num_error + measured.num_correct == 30


def test_another_seed_draws_another_development_part():
    traces = labelled(40, "math")
    scores = [
        StepScores(((i * 7 % 40) / 40, (i * 11 % 40) / 40, 0.9), model="m")
        for i in range(len(traces))
    ]
    tuned = [evaluate_processbench(traces, scores, seed=seed).scorers[0].tuned for seed in range(4)]
    assert len({one.threshold.value for one in tuned if one}) > 1


def test_the_lead_over_length_is_between_the_figures_in_the_table():
    traces = [
        Trace(
            f"Problem {i}.",
            ["Short.", "Longer and longer. " * (1 + i % 7), "Done."],
            labels=[StepLabels((1, -1 if i % 2 else 1, None if i % 2 else 1))],
        )
        for i in range(61)
    ]
    scores = [
        StepScores((0.9, (i * 7 % 61) / 122 + (0 if i % 2 else 0.3), 0.8), model="m")
        for i in range(61)
    ]
    report = evaluate_processbench(traces, scores)
    first, *_, length = report.scorers
    assert first.tuned is not None
    assert first.tuned.mean_f1 is not None
    assert length.tuned is not None
    assert length.tuned.mean_f1 is not None
    assert first.steps.auroc is not None
    assert length.steps.auroc is not None
    leads = {
        "tuned_f1": first.tuned.mean_f1.mean - length.tuned.mean_f1.mean,
        "step_auroc": first.steps.auroc.mean - length.steps.auroc.mean,
    }
    for figure, lead in leads.items():
        assert report.over_length[figure].mean == pytest.approx(lead)


def test_a_scorer_that_only_measures_length_is_told_so():
    from surefoot.models.baselines import StepLength

    traces = [
        Trace(
            f"Problem {i}.",
            ["Short.", "A much longer step, and wrong. " * (1 + i % 5)],
            labels=[StepLabels((1, -1 if i % 2 else 1))],
            source="somewhere",
        )
        for i in range(40)
    ]
    report = evaluate_processbench(traces, StepLength())
    said = "\n".join(report.warnings)
    assert "is not shown to beat step length in step_auroc" in said
    assert "is not shown to beat step length in tuned_f1" in said
    assert report.table().endswith(said)


def test_what_was_left_out_is_counted_and_said():
    traces = [*labelled(20, "math"), Trace("p", ["Go."], labels=[StepLabels((None,))])]
    traces += [Trace("q", ["Go."], labels=[StepLabels((-1,))], source="small")]
    scores = [truth(trace) for trace in traces[:18]]
    scores += [None, None, None, StepScores((None,), model="oracle")]
    report = evaluate_processbench(traces, scores)
    said = "\n".join(report.warnings)
    assert report.num_excluded == 1
    assert "1 traces left out" in said
    assert "2 traces could not be scored" in said
    assert "no F1, and not in the mean: small" in said
    # Two failed traces with 3 and 2 labelled steps, and one abstention.
    assert "gave no score on 6 of 51 labelled steps" in said
    assert report.scorers[0].fixed.subsets["math"].num_unscored == 2
    json.dumps(report.to_json(), allow_nan=False)


def test_without_both_kinds_of_trace_the_rest_is_still_measured():
    traces = [trace for trace in labelled(20, "math") if trace.labels[0].first_error() == 1]
    report = evaluate_processbench(traces, [truth(trace) for trace in traces])
    first = report.scorers[0]
    assert first.tuned is None
    assert first.fixed.mean_f1 is None
    assert first.fixed.subsets["math"].acc_error is not None
    assert first.fixed.subsets["math"].acc_error.mean == 1
    assert any("no tuned threshold" in line for line in report.warnings)
    assert "tuned_f1" not in report.over_length
    assert " - " in report.table()


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda: evaluate_processbench([], []), "none of 0 traces"),
        (lambda: evaluate_processbench(labelled(2, "math"), []), "0 scores for 2 traces"),
        (lambda: evaluate_processbench([], [], development=1.0), "between 0 and 1"),
    ],
)
def test_what_cannot_be_measured_is_refused(call, says):
    with pytest.raises(UsageError, match=says):
        call()


def test_subsets_are_named_by_the_trace():
    assert subset_of(Trace("p", ["a"], meta={"subset": "gsm8k", "domain": "x/y"})) == "gsm8k"
    assert subset_of(Trace("p", ["a"], meta={"domain": "math/gsm8k"}, source="s")) == "gsm8k"
    assert subset_of(Trace("p", ["a"], source="s")) == "s"
    assert subset_of(Trace("p", ["a"])) == "all"


def test_length_on_processbench_gives_the_figures_of_an_independent_study(shared_data):
    with gzip.open(
        shared_data / "processbench_gsm8k_math.jsonl.gz", "rt", encoding="utf-8"
    ) as file:
        rows = [json.loads(line) for line in file]
    traces = [
        Trace(r["question"], r["steps"], labels=[StepLabels(tuple(r["labels"]))]) for r in rows
    ]
    scores = [
        StepScores(tuple(math.exp(-len(text) / 400) for text in trace.texts), model="chars")
        for trace in traces
    ]
    report = evaluate_processbench(traces, scores)
    first, random, *_ = report.scorers
    whole = first.fixed.subsets["all"]
    assert whole.f1 is not None
    assert whole.acc_error is not None
    assert whole.acc_correct is not None
    assert (whole.num_error, whole.num_correct) == (712, 536)
    assert whole.f1.mean == pytest.approx(0.292, abs=0.0005)
    assert whole.acc_error.mean == pytest.approx(0.219, abs=0.0005)
    assert whole.acc_correct.mean == pytest.approx(0.437, abs=0.0005)
    assert first.steps.auroc is not None
    assert first.steps.average_precision is not None
    assert first.steps.auroc.mean == pytest.approx(0.682, abs=0.0005)
    assert first.steps.average_precision.mean == pytest.approx(0.271, abs=0.0005)
    assert random.steps.auroc is not None
    assert random.steps.auroc.low < 0.5 < random.steps.auroc.high
