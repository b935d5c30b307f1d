"""Who&When and tau-bench in their original layouts."""

import json

import pytest

from surefoot.errors import RowError, TraceError
from surefoot.evals.benchmark import Options
from surefoot.evals.benchmarks.tau_bench import TAU_BENCH as TAU_BENCHMARK
from surefoot.evals.benchmarks.who_and_when import WHO_AND_WHEN as WHO_BENCHMARK
from surefoot.traces.convert import read_any
from surefoot.traces.formats import FORMATS, LabelRule, detect
from surefoot.traces.types import Step, StepLabels, Trace

WHO, TAU, RULE = FORMATS["who-and-when"], FORMATS["tau-bench"], LabelRule()


def made_by_code():
    return {
        "is_correct": False,
        "question": "How many houses face east?",
        "question_ID": "x-1",
        "level": "2",
        "ground_truth": "8",
        "history": [
            {"content": "Let me count.", "role": "assistant", "name": "Expert"},
            {"content": "exitcode: 0", "role": "user", "name": "Computer_terminal"},
            {"content": "It is 4.", "role": "assistant", "name": "Verifier"},
        ],
        "mistake_agent": "Computer_terminal",
        "mistake_step": "1",
        "mistake_reason": "It ran nothing.",
    }


def made_by_hand():
    return {
        "is_corrected": False,
        "question": "What was assigned?",
        "groundtruth": 5,
        "history": [
            {"content": "Hi.", "role": "human"},
            {"content": "A plan.", "role": "Orchestrator (thought)"},
        ],
        "mistake_agent": "Orchestrator",
        "mistake_step": 1,
    }


def attempt(**other):
    return {
        "task_id": 3,
        "reward": 1.0,
        "info": {"task": {"instruction": "You want to fly.", "user_id": "ann"}, "source": "user"},
        "traj": [
            {"role": "system", "content": "Rules."},
            {"role": "user", "content": "Hi!"},
            {"role": "assistant", "content": "Who are you?"},
            {"role": "user", "content": "Ann."},
            {
                "role": "assistant",
                "content": None,
                "tool_calls": [{"id": "c", "function": {"name": "get", "arguments": "{}"}}],
            },
            {"role": "tool", "tool_call_id": "c", "name": "get", "content": "Ann, gold"},
            {"role": "assistant", "content": "Done."},
        ],
        "trial": 0,
        **other,
    }


def test_a_run_made_by_code():
    record = made_by_code()
    (trace,) = WHO.read(record)
    assert detect(record) is WHO
    assert trace.texts[1] == "[Computer_terminal] exitcode: 0"
    assert trace.labels[0].values == (1, -1, None)
    assert (trace.outcome, trace.reference) == (False, "8")
    assert WHO_BENCHMARK.left_out(trace, Options()) is None
    written = WHO.write(trace, RULE)
    assert written.rows == (record,)
    assert written.lost == ()


def test_a_run_made_by_hand():
    record = made_by_hand()
    (trace,) = WHO.read(record)
    assert trace.texts == ("[human] Hi.", "[Orchestrator (thought)] A plan.")
    assert (trace.labels[0].first_error(), trace.reference, trace.outcome) == (1, "5", False)
    assert WHO.write(trace, RULE).rows == (record,)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"mistake_step": "3"}, r"'3' is no place in a history of 3 messages"),
        ({"mistake_step": "-1"}, "is no place"),
        ({"mistake_step": True}, "is no place"),
        ({"mistake_step": None}, "is no place"),
        ({"history": []}, "holds no messages"),
        ({"history": ["x"]}, "must be an object, not text"),
        ({"history": [{"content": None, "role": "a"}], "mistake_step": 0}, "must be text"),
        ({"history": [{"content": "x"}], "mistake_step": 0}, "names no agent"),
        ({"question": ""}, "is empty"),
    ],
)
def test_what_is_no_run(change, says):
    with pytest.raises(RowError, match=says):
        WHO.read(made_by_code() | change)


def test_a_run_of_another_origin():
    trace = Trace("Q?", ["a", "b"], outcome=False, labels=[StepLabels((1, -1))])
    (row,) = WHO.write(trace, RULE).rows
    (again,) = WHO.read(row)
    assert again.labels[0].first_error() == 1
    assert again.problem == "Q?"
    with pytest.raises(TraceError, match="no step is labelled wrong"):
        WHO.write(Trace("Q?", ["a"], labels=[StepLabels((1,))]), RULE)


def test_an_attempt():
    record = attempt()
    (trace,) = TAU.read(record)
    assert detect(record) is TAU
    assert trace.problem == "You want to fly."
    assert trace.texts == (
        "Who are you?",
        '<tool_call>{"arguments":"{}","name":"get"}</tool_call>',
        "Done.",
    )
    assert trace.steps[0].observation == "Ann."
    assert trace.steps[1].observation == [{"role": "tool", "content": "Ann, gold"}]
    assert trace.outcome is True
    assert TAU_BENCHMARK.left_out(trace, Options()) is None
    written = TAU.write(trace, RULE)
    assert written.rows == (record,)
    assert written.lost == ()
    (lost,) = TAU.read(attempt(reward=0.0))
    assert lost.outcome is False


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"traj": [], "info": {"error": "rate limit"}}, "says and does nothing: rate limit"),
        ({"reward": "1"}, "is neither a number nor null"),
        ({"reward": True}, "is neither a number nor null"),
        ({"traj": [{"content": "x"}]}, "must be an object with a role"),
        ({"info": {}, "traj": [{"role": "assistant", "content": "x"}]}, "has no instruction"),
    ],
)
def test_what_is_no_attempt(change, says):
    with pytest.raises(RowError, match=says):
        TAU.read(attempt(**change))


def test_an_attempt_of_another_origin():
    trace = Trace("Fly.", [Step("a", "seen"), Step("b")], outcome=True)
    (row,) = TAU.write(trace, RULE).rows
    (again,) = TAU.read(row)
    assert (again.problem, again.steps, again.outcome) == (trace.problem, trace.steps, True)


def test_files_as_they_are_published(tmp_path):
    place = tmp_path / "1.json"
    place.write_text(json.dumps(made_by_code(), indent=4))
    (trace,) = read_any(place)
    assert trace.source == "who-and-when"
    place.write_text(json.dumps([attempt(), attempt(trial=1)], indent=2))
    assert [one.meta["trial"] for one in read_any(place)] == [0, 1]
