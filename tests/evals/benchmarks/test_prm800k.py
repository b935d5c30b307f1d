import json

import pytest

from measured import figures, scores, trace
from surefoot.evals.benchmark import Options
from surefoot.evals.benchmarks.prm800k import PRM800K, phases_of
from surefoot.models.baselines import StepLength
from surefoot.traces.convert import read_any
from surefoot.traces.types import StepLabels, Trace


def test_three_ratings_by_hand():
    # Right 0.9 and 0.4, neutral 0.6, wrong 0.4.
    found = figures(PRM800K, [trace([1, 1, 0, -1])], [scores(0.9, 0.4, 0.6, 0.4)])
    assert found["right_over_wrong"] == (1 + 0.5) / 2
    assert found["right_over_neutral"] == 1 / 2
    assert found["neutral_over_wrong"] == 1
    # Neutral as right: 0.4 of wrong against 0.9, 0.4 and 0.6.
    assert found["step_auroc"] == pytest.approx((1 + 0.5 + 1) / 3)
    # As wrong: 0.6 and 0.4 against 0.9 and 0.4.
    assert found["step_auroc_neutral_wrong"] == pytest.approx((1 + 0 + 1 + 0.5) / 4)
    assert found["step_acc"] == 3 / 4, "0.4 is flagged twice, once wrongly"
    assert found["step_acc_neutral_wrong"] == 2 / 4
    assert found["f1_wrong"] == pytest.approx(2 / 3)


def test_nothing_neutral_and_nothing_wrong():
    found = figures(PRM800K, [trace([1, 1])], [scores(0.9, 0.4)])
    assert found["right_over_neutral"] is None
    assert found["step_auroc"] is None
    assert found["f1_wrong"] == 0, "one step is flagged and none is wrong"
    assert figures(PRM800K, [trace([1, 1])], [scores(0.9, 0.9)])["f1_wrong"] is None


def test_missing_scores_are_wrong_and_rank_least_suspicious():
    found = figures(PRM800K, [trace([1, -1]), trace([1, -1], problem="b")], [None, scores(0.9, 0)])
    assert found["step_acc"] == 0.5
    # Wrong steps: silent and 0; right ones: silent and 0.9. The silent wrong one loses to 0.9.
    assert found["step_auroc"] == pytest.approx((0.5 + 0 + 1 + 1) / 4)


def record(generation, second):
    return {
        "labeler": "x",
        "timestamp": "t",
        "generation": generation,
        "is_quality_control_question": False,
        "is_initial_screening_question": False,
        "question": {"problem": f"What is {second}?", "ground_truth_answer": "1"},
        "label": {
            "steps": [
                {
                    "completions": [{"text": "Go.", "rating": 1, "flagged": None}],
                    "human_completion": None,
                    "chosen_completion": 0,
                },
                {
                    "completions": [
                        {"text": f"Right {second}.", "rating": 1, "flagged": None},
                        {"text": f"Wrong {second}.", "rating": -1, "flagged": None},
                        {"text": f"Perhaps {second}.", "rating": 0, "flagged": None},
                    ],
                    "human_completion": None,
                    "chosen_completion": 0,
                },
            ],
            "total_time": 1,
            "finish_reason": "solution",
        },
    }


def test_every_rating_of_a_published_record_counts_once(tmp_path):
    file = tmp_path / "prm800k.jsonl"
    file.write_text(json.dumps(record(None, 1)) + "\n" + json.dumps(record(5, 2)) + "\n")
    traces = list(read_any(file))
    assert len(traces) == 6
    given = [scores(0.1, 0.9 if "Right" in one.texts[-1] else 0.1) for one in traces]
    measured = PRM800K.measure(traces, given, Options())
    assert {name: measured.counts[name] for name in ("right", "neutral", "wrong")} == {
        **{"right": 4, "neutral": 2, "wrong": 2}
    }
    # Each record: Go flagged wrongly, Right passed, Wrong flagged, Perhaps flagged wrongly.
    assert measured.figures.value("step_acc") == pytest.approx(1 / 2)
    assert measured.figures.value("step_acc/phase 1") == pytest.approx(1 / 2)
    assert phases_of(traces) == ["phase 1"] * 3 + ["phase 2"] * 3
    assert len(measured.figures.units) == 2, "questions are drawn, not traces"


def test_phases_can_be_stated_and_may_be_unknown():
    made = [trace([1], meta={"phase": 2}), trace([1]), trace([1], meta={"id": "prm800k-p1test/0"})]
    assert phases_of(made) == ["phase 2", "phase not known", "phase 1"]


def test_soft_labels_are_no_ratings():
    soft = Trace("p", ["a"], labels=[StepLabels((0.5,), "rollout", "value")])
    assert PRM800K.left_out(soft, Options()) == "its labels are no ratings"
    assert PRM800K.left_out(trace([None]), Options()) == "no step has a label"


def test_the_public_data(shared_data):
    names = ("prm800k_val2pct_dedup", "prm800k_phase1")
    traces = [one for name in names for one in read_any(shared_data / f"{name}.jsonl.gz")]
    measured = PRM800K.measure(traces, StepLength().score(traces), Options())
    assert (measured.counts["phase 1"], measured.counts["phase 2"]) == (142, 1339)
    assert {name: measured.counts[name] for name in ("right", "neutral", "wrong")} == {
        **{"right": 9635, "neutral": 606, "wrong": 1631}
    }
    assert 0.5 < measured.figures.value("step_auroc") < 0.6
