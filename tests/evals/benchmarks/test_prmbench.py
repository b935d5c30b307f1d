"""PRMBench on solutions worked out by hand, beside what its official code gives."""

import pytest

from measured import figures, scores, trace
from surefoot.errors import UsageError
from surefoot.evals.benchmark import Options, evaluate
from surefoot.evals.benchmarks.prmbench import CLASSES, PRMBENCH
from surefoot.models.baselines import StepLength
from surefoot.traces.convert import read_any


def solution(name, labels, problem="a", **meta):
    return trace(
        labels,
        text=f"{name} {problem}",
        meta={"id": f"prmbench/{name}/{problem}", "category": name, **meta},
    )


def test_prmscore_by_hand():
    # Right steps: 3, of which 2 are passed. Wrong steps: 2, of which 1 is flagged.
    # F1 = 2*2/(2*2+1+1) = 2/3; F1 of wrong = 2*1/(2*1+1+1) = 1/2; PRMScore 7/12.
    traces = [solution("circular", [1, -1, 1]), solution("confidence", [1, -1], "b")]
    given = [scores(0.9, 0.1, 0.8), scores(0.2, 0.7)]
    found = figures(PRMBENCH, traces, given)
    assert found["f1"] == pytest.approx(2 / 3)
    assert found["negative_f1"] == pytest.approx(1 / 2)
    assert found["prmscore"] == pytest.approx(7 / 12)
    assert found["precision"] == pytest.approx(2 / 3)
    assert found["recall"] == pytest.approx(2 / 3)
    assert found["negative_precision"] == pytest.approx(1 / 2)
    assert found["negative_recall"] == pytest.approx(1 / 2)
    assert found["correct_step_acc"] == pytest.approx(2 / 3)
    assert found["wrong_step_acc"] == pytest.approx(1 / 2)
    assert found["total_step_acc"] == pytest.approx(3 / 5)
    assert found["first_error_acc"] == pytest.approx(1 / 2)
    assert found["prmscore/circular"] == 1
    assert found["prmscore/confidence"] == 0, "no hit at all is 0; the official code has -1"


def test_the_first_error_is_the_first_wrong_step_whatever_is_flagged_before_it():
    """As in the official code: flagging everything finds every first error."""
    found = figures(PRMBENCH, [solution("circular", [1, 1, -1, -1])], [scores(0, 0, 0, 0.9)])
    assert found["first_error_acc"] == 1


def test_multi_solutions_have_nothing_wrong_and_count_by_f1_alone():
    given = [scores(0.9, 0.1, 0.9, 0.9)]
    found = figures(PRMBENCH, [solution("multi_solutions", [1, 1, 1, 1])], given)
    assert found["prmscore/multi_solutions"] == pytest.approx(2 * 3 / (2 * 3 + 1))
    assert found["wrong_step_acc"] is None, "the official code has -1"
    assert found["first_error_acc"] is None
    # Of all steps, where nothing is wrong and something flagged, F1 of wrong steps is 0.
    assert found["prmscore"] == pytest.approx(3 / 7)


def test_nothing_flagged_and_nothing_wrong_is_not_defined():
    found = figures(PRMBENCH, [solution("multi_solutions", [1, 1])], [scores(0.9, 0.9)])
    assert found["negative_f1"] is None
    assert found["prmscore"] is None
    assert found["prmscore/multi_solutions"] == 1


def test_a_score_at_the_threshold_is_right():
    found = figures(PRMBENCH, [solution("circular", [1, -1])], [scores(0.5, 0.5)])
    assert found["correct_step_acc"] == 1
    assert found["wrong_step_acc"] == 0


def test_controls_enter_similarity_and_their_own_figures_alone():
    traces = [
        solution("original", [1, 1]),
        solution("circular", [1, 1, -1, 1]),
        solution("circular", [1, -1], "lonely"),
    ]
    given = [scores(0.9, 0.1), scores(0.9, 0.1, 0.1, 0.1), scores(0.9, 0.1)]
    found = figures(PRMBENCH, traces, given)
    assert found["similarity"] == pytest.approx(abs(1 / 4 - 1 / 2)), "the lonely one has no twin"
    assert found["correct_step_acc"] == pytest.approx(2 / 4), "of the modified ones"
    assert found["correct_step_acc/correct"] == pytest.approx(1 / 2)
    # As in the official code, a control of which nothing is called right is no twin.
    given[0] = scores(0.1, 0.1)
    assert figures(PRMBENCH, traces, given)["similarity"] is None


def test_groups_are_means_over_their_classes_if_all_are_there():
    traces = [solution(name, [1, -1], str(i)) for i, name in enumerate(CLASSES[:-1])]
    traces.append(solution("multi_solutions", [1, 1], "z"))
    given = [scores(0.9, 0.1)] * 7 + [scores(0.9, 0.9), scores(0.9, 0.1)]
    found = figures(PRMBENCH, traces, given)
    assert found["prmscore/simplicity"] == found["prmscore/soundness"] == 1
    # missing_condition 1; deception (F1 2/3, none of wrong) 1/3; multi_solutions 2/3.
    expected = (1 + (2 / 3 + 0) / 2 + 2 / 3) / 3
    assert found["prmscore/sensitivity"] == pytest.approx(expected)
    assert "prmscore/simplicity" not in figures(PRMBENCH, traces[1:], given[1:])


def test_abstaining_passes_and_failing_misses_every_step():
    traces = [solution("circular", [1, -1])]
    found = figures(PRMBENCH, traces * 1, [scores(None, None)])
    assert (found["correct_step_acc"], found["wrong_step_acc"]) == (1, 0)
    traces.append(solution("circular", [1, -1], "b"))
    found = figures(PRMBENCH, traces, [scores(0.9, 0.1), None])
    assert (found["correct_step_acc"], found["wrong_step_acc"]) == (0.5, 0.5)
    assert found["validity_rate"] == 0.5


def test_a_repeated_solution_counts_once():
    twice = [solution("circular", [1, -1]), solution("circular", [1, -1])]
    measured = PRMBENCH.measure(twice, [scores(0.9, 0.1), scores(0.1, 0.9)], Options())
    assert measured.figures.value("total_step_acc") == 1
    assert measured.counts["repeated"] == 1
    assert any("1 solutions repeat" in one for one in measured.warnings)


def test_what_does_not_count_and_why():
    assert PRMBENCH.left_out(trace([1, -1]), Options()) == "its class is none of PRMBench's"
    gap = solution("circular", [1, None])
    assert PRMBENCH.left_out(gap, Options()) == "a step has no label"


def test_the_published_layout(tmp_path, write_published):
    """Each record holds the original too; those of class redundency alone are controls."""
    file = write_published("redundency", "confidence", "nonsense")
    traces = list(read_any(file))
    reasons = [PRMBENCH.left_out(one, Options()) for one in traces]
    assert [reason is None for reason in reasons] == [True, True, False, True, False, False]
    kept = [one for one, reason in zip(traces, reasons, strict=True) if reason is None]
    found = figures(PRMBENCH, kept, [scores(0.9, 0.9), scores(0.9, 0.1), scores(0.9, 0.9)])
    assert found["similarity/redundency"] == 0.5
    assert found["similarity/confidence"] == 0, "its twin is the control of class redundency"


@pytest.fixture
def write_published(tmp_path):
    import json

    def write(*classes):
        rows = [
            {
                "idx": "prm_test_7",
                "classification": name,
                "question": "q",
                "original_question": "q",
                "modified_question": "q",
                "original_process": ["a", "b"],
                "modified_process": ["a", f"c {name}"],
                "modified_steps": [2],
                "error_steps": [2],
                "reason": "r",
            }
            for name in classes
        ]
        path = tmp_path / "prmbench.jsonl"
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
        return path

    return write


def test_only_controls_have_no_prmscore():
    found = figures(PRMBENCH, [solution("original", [1, 1])], [scores(0.9, 0.1)])
    assert found == {"correct_step_acc/correct": 0.5}
    with pytest.raises(UsageError, match="none of 1 traces can be measured"):
        evaluate(PRMBENCH, [trace([1])], [None])


def test_the_public_data(shared_data):
    traces = [
        one
        for name in ("prmbench_train", "prmbench_originals")
        for one in read_any(shared_data / f"{name}.jsonl.gz")
    ]
    some = [one for one in traces if one.meta["id"].endswith(("0", "5"))]
    found = PRMBENCH.measure(some, StepLength().score(some), Options())
    assert found.counts["controls"] > 50
    assert all(found.counts[name] for name in CLASSES)
    assert 0.55 < found.figures.value("step_auroc") < 0.68
    assert found.figures.exists("prmscore/sensitivity")
