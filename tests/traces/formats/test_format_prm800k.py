"""PRM800K: paths, alternatives and the way back."""

import copy

import pytest

from surefoot.errors import RowError
from surefoot.traces.formats import FORMATS, LabelRule
from surefoot.traces.types import StepLabels, Trace

PRM800K = FORMATS["prm800k"]


def said(text, rating, **more):
    return {"text": text, "rating": rating, "flagged": None, **more}


def phase_2():
    """Stops at the first error and only there lists alternatives; nothing is chosen at the end."""
    return {
        "labeler": "ann-7",
        "timestamp": "2023-01-22T04:34:27",
        "generation": 9,
        "is_quality_control_question": False,
        "is_initial_screening_question": True,
        "question": {
            "problem": "What is 2+3*4?",
            "ground_truth_solution": "It is 14.",
            "ground_truth_answer": "14",
            "pre_generated_steps": ["a", "b"],
            "pre_generated_answer": "20",
            "pre_generated_verifier_score": 0.01,
        },
        "label": {
            "steps": [
                {
                    "completions": [said("Multiply first.", 0)],
                    "human_completion": None,
                    "chosen_completion": 0,
                },
                {
                    "completions": [
                        said("2+3 = 5, times 4 is 20.\n\n# Answer\n\n20", -1),
                        said("3*4 = 12.", 1, flagged=False),
                        said("3*4 is more than 2.", 0, flagged=False),
                        said("I do not know.", None, flagged=True),
                    ],
                    "human_completion": None,
                    "chosen_completion": None,
                },
            ],
            "total_time": 278270,
            "finish_reason": "found_error",
        },
    }


def phase_1():
    """A person wrote the second step; completions are null at the third."""
    return {
        "labeler": "ann-8",
        "timestamp": "2022-07-01T00:00:00",
        "generation": None,
        "is_quality_control_question": False,
        "is_initial_screening_question": False,
        "question": {"problem": "What is 2+3?", "ground_truth_answer": "5"},
        "label": {
            "steps": [
                {
                    "completions": [said("It is odd.", -1), said("Add 2 and 3.", 1)],
                    "human_completion": None,
                    "chosen_completion": 1,
                },
                {
                    "completions": [said("2+3 = 6", -1), said("2+3 = 7", -1)],
                    "human_completion": {
                        "text": "2+3 = 5",
                        "rating": None,
                        "source": "human",
                        "flagged": False,
                        "corrected_rating": None,
                    },
                    "chosen_completion": None,
                },
                {
                    "completions": [said("So it is 5.\n\n# Answer\n\n5", 1)],
                    "human_completion": None,
                    "chosen_completion": 0,
                },
                {"completions": None, "human_completion": None, "chosen_completion": None},
            ],
            "total_time": 1000,
            "finish_reason": "solution",
        },
    }


def rated(trace):
    return [(s.text, v) for s, v in zip(trace.steps, trace.labels[0].values, strict=True)]


def test_phase_2_gives_the_path_and_each_rated_alternative():
    path, wrong, good, neutral = PRM800K.read(phase_2())
    assert rated(path) == [("Multiply first.", 0)]
    assert rated(wrong)[1] == ("2+3 = 5, times 4 is 20.\n\n# Answer\n\n20", -1)
    assert rated(good) == [("Multiply first.", 0), ("3*4 = 12.", 1)]
    assert neutral.labels[0].values == (0, 0)
    assert wrong.answer == "20"
    assert path.answer is None
    assert {t.reference for t in (path, wrong, good, neutral)} == {"14"}
    assert path.meta["prm800k"]["path"] == "chosen"
    assert good.meta["prm800k"]["at"] == [1, 1]
    assert path.labels[0].annotator == "ann-7"
    assert len({t.meta["prm800k"]["record"] for t in (path, wrong, good, neutral)}) == 1


def test_phase_1_follows_the_written_step_and_ends_at_null_completions():
    path, *others = PRM800K.read(phase_1())
    assert rated(path) == [
        ("Add 2 and 3.", 1),
        ("2+3 = 5", 1),
        ("So it is 5.\n\n# Answer\n\n5", 1),
    ]
    assert path.answer == "5"
    assert [t.texts[-1] for t in others] == ["It is odd.", "2+3 = 6", "2+3 = 7"]
    assert others[1].labels[0].values == (1, -1)


def without_nulls(value):
    if isinstance(value, dict):
        return {k: without_nulls(v) for k, v in value.items() if v is not None}
    return [without_nulls(v) for v in value] if isinstance(value, list) else value


@pytest.mark.parametrize("record", [phase_1(), phase_2()], ids=["phase 1", "phase 2"])
def test_a_record_comes_back(record):
    written = PRM800K.join(PRM800K.read(copy.deepcopy(record)), LabelRule())
    assert written.lost == ()
    (row,) = written.rows
    assert without_nulls(row) == without_nulls(record)
    steps = row["label"]["steps"]
    for got, was in zip(steps, record["label"]["steps"], strict=True):
        assert got["completions"] == was["completions"]  # null ratings and null lists too
        assert got["chosen_completion"] == was["chosen_completion"]


def test_no_chosen_first_step_still_comes_back():
    record = phase_2()
    record["label"]["steps"] = record["label"]["steps"][1:]
    traces = PRM800K.read(record)
    assert all(len(t.steps) == 1 and t.meta["prm800k"]["path"] == "alternative" for t in traces)
    (row,) = PRM800K.join(traces, LabelRule()).rows
    assert row["label"]["steps"] == record["label"]["steps"]


def test_one_path_alone_is_a_record_of_its_own():
    good = PRM800K.read(phase_2())[2]
    (row,) = PRM800K.write(good, LabelRule()).rows
    (again,) = PRM800K.read(row)
    assert rated(again) == rated(good)
    assert again.labels == good.labels
    assert row["label"]["finish_reason"] == "solution"


def test_filtering_alternatives_moves_the_choice():
    path, first, *_ = PRM800K.read(phase_1())
    assert first.texts == ("It is odd.",)
    (row,) = PRM800K.join([path], LabelRule()).rows
    step = row["label"]["steps"][0]
    assert [c["text"] for c in step["completions"]] == ["Add 2 and 3."]
    assert step["chosen_completion"] == 0


def test_a_changed_rating_is_what_is_written():
    path, *others = PRM800K.read(phase_2())
    changed = Trace(
        path.problem,
        path.steps,
        source=path.source,
        labels=[StepLabels((-1,), annotator="ann-7")],
        meta=path.meta,
    )
    (row,) = PRM800K.join([changed, *others], LabelRule()).rows
    assert row["label"]["steps"][0]["completions"][0]["rating"] == -1


@pytest.mark.parametrize(
    ("damage", "field"),
    [
        (lambda r: r["label"]["steps"][0].update(chosen_completion=5), "chosen_completion"),
        (lambda r: r["label"]["steps"][0]["completions"][0].update(rating=2), "rating"),
        (lambda r: r["label"]["steps"][0]["completions"][0].update(text=" "), "label.steps"),
        (lambda r: r["label"].update(steps=None), "label.steps"),
        (lambda r: r["label"].update(steps=[]), "label.steps"),
        (lambda r: r["question"].update(problem=""), "question.problem"),
        (lambda r: r["label"]["steps"].append(r["label"]["steps"][0]), "label.steps.2"),
    ],
)
def test_bad_records_name_the_field(damage, field):
    record = phase_2()
    damage(record)
    with pytest.raises(RowError) as caught:
        PRM800K.read(record)
    assert field in caught.value.field


def test_values_become_ratings_and_it_is_said():
    trace = Trace(
        "Q?",
        ["a", "b"],
        outcome=True,
        labels=[StepLabels((0.75, 0.25), "rollout", "value", counts=((3, 4), (1, 4)))],
    )
    written = PRM800K.write(trace, LabelRule(threshold=0.5))
    assert written.lost == ("k of n counts", "label source", "outcome", "soft labels")
    ratings = [s["completions"][0]["rating"] for s in written.rows[0]["label"]["steps"]]
    assert ratings == [1, -1]
