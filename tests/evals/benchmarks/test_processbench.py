import gzip
import json
import math

import pytest

from measured import figures, scores, trace
from surefoot.errors import UsageError
from surefoot.evals.benchmark import Options, evaluate
from surefoot.evals.benchmarks.labelled import subset_of
from surefoot.evals.benchmarks.processbench import PROCESSBENCH
from surefoot.models.baselines import StepLength
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


def few(**options):
    return Options(num_resamples=200, **options)


def test_a_perfect_scorer_beats_every_baseline():
    traces = labelled(40, "gsm8k") + labelled(60, "math")
    found = evaluate(PROCESSBENCH, traces, [truth(trace) for trace in traces], few())
    first, *baselines = found.rows
    assert first.name == "oracle"
    for figure in ("f1", "f1_at_half", "tuned_f1", "step_auroc", "step_ap", "f1/gsm8k"):
        assert first.figures[figure].mean == 1, figure
    assert first.thresholds["tuned"].rule == "tuned on 50 development traces"
    assert (found.num_traces, found.counts["development"]) == (100, 50)
    assert [one.name for one in baselines] == [
        *("random", "never flags", "flags the last step", "step length"),
    ]
    for baseline in baselines:
        assert found.leads[baseline.name]["step_auroc"].low > 0
        assert found.leads[baseline.name]["tuned_f1"].low > 0
    assert not found.warnings


def test_mean_f1_is_the_mean_over_subsets_not_over_traces():
    """All found in a small subset, none in a large one: 1/2, however many traces."""
    small, large = labelled(4, "gsm8k"), labelled(100, "math")
    given = [truth(trace) for trace in small] + [truth(trace, miss=True) for trace in large]
    found = figures(PROCESSBENCH, small + large, given)
    assert found["f1"] == 0.5
    assert (found["f1/gsm8k"], found["f1/math"]) == (1, 0)
    assert found["acc_error"] == 0.5
    assert found["acc_correct"] == 1


def test_constant_baselines_by_hand():
    traces = labelled(40, "math", error_at=2)
    found = evaluate(PROCESSBENCH, traces, [truth(trace) for trace in traces], few())
    by_name = {one.name: one.figures for one in found.rows}
    for name, error, correct in (("never flags", 0, 1), ("flags the last step", 1, 0)):
        assert by_name[name]["acc_error"].mean == error
        assert by_name[name]["acc_correct"].mean == correct
        assert by_name[name]["f1"].mean == 0, "the official code divides by zero"


def test_the_tuned_threshold_is_measured_on_the_other_part():
    """Scores put right and wrong apart at 0.3 only in the development part."""
    traces = labelled(40, "math")
    probe = PROCESSBENCH.measure(traces, [truth(one) for one in traces], Options(development=0.25))
    assert probe.counts["development"] == 10
    from surefoot.evals.benchmarks.labelled import groups
    from surefoot.evals.benchmarks.processbench import development_part

    part = development_part(groups(traces, subset_of), Options(development=0.25))
    given = [truth(one, miss=not tuned) for one, tuned in zip(traces, part, strict=True)]
    found = figures(PROCESSBENCH, traces, given, development=0.25)
    assert found["tuned_acc_error"] == 0
    assert found["acc_error"] > 0


def test_another_seed_draws_another_development_part():
    traces = labelled(40, "math")
    given = [scores((i * 7 % 40) / 40, (i * 11 % 40) / 40, 0.9) for i in range(len(traces))]
    tuned = {
        PROCESSBENCH.measure(traces, given, Options(seed=seed)).thresholds["tuned"].value
        for seed in range(4)
    }
    assert len(tuned) > 1


def test_a_fixed_half_is_apart_from_the_scorers_own_threshold():
    traces = labelled(20, "math")
    given = [truth(one, threshold=0.1) for one in traces]
    found = figures(PROCESSBENCH, traces, given)
    assert (found["f1"], found["f1_at_half"]) == (0, 1)
    rewards = [scores(*one.values, kind="reward") for one in given]
    assert "f1_at_half" not in figures(PROCESSBENCH, traces, rewards)


def test_a_scorer_that_only_measures_length_is_told_so():
    traces = [
        Trace(
            f"Problem {i}.",
            ["Short.", "A much longer step, and wrong. " * (1 + i % 5)],
            labels=[StepLabels((1, -1 if i % 2 else 1))],
            source="somewhere",
        )
        for i in range(40)
    ]
    said = "\n".join(evaluate(PROCESSBENCH, traces, StepLength().score(traces), few()).warnings)
    assert "is not shown to beat step length in step AUROC" in said
    assert "is not shown to beat step length in F1, tuned" in said


def test_what_was_left_out_is_counted_and_said():
    traces = [*labelled(20, "math"), Trace("p", ["Go."], labels=[StepLabels((None,))])]
    traces += [Trace("q", ["Go."], labels=[StepLabels((-1,))], source="small")]
    given = [truth(trace) for trace in traces[:18]]
    given += [None, None, None, StepScores((None,), model="oracle")]
    found = evaluate(PROCESSBENCH, traces, given, few())
    said = "\n".join(found.warnings)
    assert found.left_out == {"its labels do not settle where the first error is": 1}
    assert "2 of 21 traces could not be scored" in said
    assert "no F1, and not in the mean: small" in said
    assert "gave no score on 1 steps" in said
    # 10 right traces, of which one failed; of 10 wrong ones one failed too.
    assert found.rows[0].figures["acc_correct/math"].mean == 0.9
    assert found.rows[0].figures["acc_error/math"].mean == 0.9
    json.dumps(found.to_json(), allow_nan=False)


def test_without_both_kinds_of_trace_the_rest_is_still_measured():
    traces = [trace for trace in labelled(20, "math") if trace.labels[0].first_error() == 1]
    found = evaluate(PROCESSBENCH, traces, [truth(trace) for trace in traces], few())
    figures = found.rows[0].figures
    assert "tuned_f1" not in figures
    assert figures["f1"] is None
    assert figures["acc_error/math"].mean == 1
    assert any("no tuned threshold" in line for line in found.warnings)
    assert "tuned_f1" not in found.leads["step length"]


def test_ties_at_the_threshold_are_not_flagged():
    found = figures(PROCESSBENCH, [trace([1, -1]), trace([1, 1])], [scores(0.5, 0.5)] * 2)
    assert (found["acc_error"], found["acc_correct"]) == (0, 1)


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda: evaluate(PROCESSBENCH, [], []), "none of 0 traces"),
        (lambda: evaluate(PROCESSBENCH, labelled(2, "math"), []), "0 scores for 2 traces"),
        (lambda: Options(development=1.0), "between 0 and 1"),
        (
            lambda: evaluate(PROCESSBENCH, labelled(2, "math"), [None, None]),
            "no trace was scored",
        ),
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
    given = [
        StepScores(tuple(math.exp(-len(text) / 400) for text in trace.texts), model="chars")
        for trace in traces
    ]
    found = figures(PROCESSBENCH, traces, given)
    counts = PROCESSBENCH.measure(traces, given, Options()).counts
    assert (counts["with_error"], counts["without_error"]) == (712, 536)
    assert found["f1"] == pytest.approx(0.292, abs=0.0005)
    assert found["acc_error"] == pytest.approx(0.219, abs=0.0005)
    assert found["acc_correct"] == pytest.approx(0.437, abs=0.0005)
    assert found["step_auroc"] == pytest.approx(0.682, abs=0.0005)
    assert found["step_ap"] == pytest.approx(0.271, abs=0.0005)
