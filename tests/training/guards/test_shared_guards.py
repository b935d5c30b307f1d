"""What is known of public labelled data is what the guards find in them."""

import pytest

from surefoot.traces.convert import read_any
from surefoot.training.guards import measure, refuse, split_by_question
from surefoot.training.targets import LabelRule

BENCHMARKS = ("processbench_gsm8k_math", "bon_gsm8k_32", "bon_math500_32")


@pytest.fixture(scope="module")
def read(shared_data):
    return lambda name: list(read_any(shared_data / f"{name}.jsonl.gz", on_skip=lambda _: None))


@pytest.fixture(scope="module")
def benchmarks(read):
    """One trace of each question."""
    traces = [trace for name in BENCHMARKS for trace in read(name)]
    return list({trace.problem: trace for trace in traces}.values())


def feature(report, name):
    (found,) = [one.auroc for one in report.leak.features if one.name == name]
    return found.mean


def test_prm800k_stops_at_errors_and_shares_questions(read, benchmarks):
    report = measure(read("prm800k_val2pct_dedup"), LabelRule(), excluded=benchmarks)
    refuse(report)
    assert (report.traces, report.steps, report.questions) == (1339, 9377, 221)
    assert report.sources == {"human": 9377}
    (found,) = report.overlaps
    assert (found.same_training_traces, found.same_questions, found.near_questions) == (81, 16, 0)
    assert report.leak.ends.all_last
    assert feature(report, "steps behind") > 0.97
    kinds = {one.kind for one in report.warnings}
    assert {"labels-stop-at-errors", "leak-whole-traces", "same-question-excluded"} <= kinds
    assert "leak-step-by-step" not in kinds


def test_length_alone_reaches_068_on_processbench(read):
    """And more or less nothing else does anything, since its traces go on behind their errors."""
    report = measure(read("processbench_gsm8k_math"), LabelRule())
    assert (report.balance.wrong, report.balance.labelled) == (712, 5314)
    assert feature(report, "characters") == pytest.approx(0.682, abs=0.001)
    assert feature(report, "position") == pytest.approx(1 - 0.487, abs=0.001)
    assert report.leak.over == ()
    assert report.leak.ends.all_last


def test_game24_repeats_itself_and_goes_wrong_at_the_end(read):
    report = measure(read("game24"), LabelRule())
    assert report.repeats.duplicates == 1916
    assert report.repeats.conflicting_steps == 0
    assert feature(report, "position") > 0.9
    assert {"duplicate", "leak-step-by-step"} <= {one.kind for one in report.warnings}


def test_questions_with_options_are_near_those_without(read, benchmarks):
    """No question of MR-Ben is one of the benchmarks word by word; 17 are with options behind."""
    (found,) = measure(read("mr_ben"), LabelRule(), excluded=benchmarks).overlaps
    assert (found.same_questions, found.near_questions, found.near_training_traces) == (0, 17, 51)


def test_edited_solutions_are_nearly_all_wrong(read):
    report = measure(read("prmbench_train"), LabelRule(target="steps"))
    whole = report.balance
    assert whole.wrong / whole.labelled < 0.5
    wrong = sum(any(v == -1 for v in t.labels[0].values) for t in read("prmbench_train"))
    assert wrong / report.traces > 0.95


def test_a_split_of_real_questions_shares_none(read):
    traces = read("prm800k_val2pct_dedup")
    split = split_by_question(traces, 0.2, 0)
    assert split.train_questions + split.development_questions == 221
    assert 25 <= split.development_questions <= 65
    report = measure(split.train, LabelRule(), development=split.development)
    (found,) = report.overlaps
    assert (found.traces, found.same_questions) == (len(split.development), 0)
    naive = measure(traces[:1000], LabelRule(), development=traces[1000:])
    assert naive.overlaps[0].same_training_traces > 0
