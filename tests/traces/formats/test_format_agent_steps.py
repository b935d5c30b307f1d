"""AgentProcessBench's own records, both ways."""

from dataclasses import replace

import pytest

from measured import figures, scores
from surefoot.errors import RowError
from surefoot.evals.benchmarks.agent_process import AGENT_PROCESS_BENCH
from surefoot.traces.formats import FORMATS, LabelRule, detect
from surefoot.traces.types import Step, StepLabels, Trace

FORMAT = FORMATS["agentprocessbench"]


def record(**changes):
    call = {"id": "c1", "type": "function", "function": {"name": "find", "arguments": '{"q": 1}'}}
    return {
        "total_index": 7,
        "question": "Where?",
        "data_source": "hotpotqa",
        "ground_truth": {"target": ["there"]},
        "answer_text": "here",
        "messages": [
            {"role": "system", "content": "Be good."},
            {"role": "user", "content": "Answer: where?"},
            {"role": "assistant", "content": "", "tool_calls": [call]},
            {"role": "tool", "name": "find", "content": "nothing", "tool_call_id": "c1"},
            {"role": "assistant", "content": "Perhaps."},
            {"role": "user", "content": "Sure?"},
            {"role": "assistant", "content": "Here."},
        ],
        "step_labels": {"2": 1, "4": 0, "6": -1},
        "final_label": -1,
        **changes,
    }


def test_turns_of_the_assistant_are_the_steps():
    assert detect(record()) is FORMAT
    (trace,) = FORMAT.read(record())
    assert trace.problem == "Answer: where?"
    assert trace.texts == (
        '<tool_call>{"arguments":"{\\"q\\": 1}","name":"find"}</tool_call>',
        "Perhaps.",
        "Here.",
    )
    assert [step.observation for step in trace.steps] == [
        [{"role": "tool", "content": "nothing"}],
        "Sure?",
        None,
    ]
    assert trace.labels == (StepLabels((1, 0, -1)),)
    assert (trace.outcome, trace.answer, trace.source) == (False, "here", "agentprocessbench")
    found = figures(AGENT_PROCESS_BENCH, [trace], [scores(0.9, 0.9, 0.1)])
    assert found["step_micro_acc/hotpotqa"] == pytest.approx(2 / 3)
    assert found["first_error_acc"] == 1


@pytest.mark.parametrize("final", [1, 0, -1])
def test_every_field_comes_back(final):
    (trace,) = FORMAT.read(record(final_label=final))
    written = FORMAT.write(trace, LabelRule())
    assert written.rows == (record(final_label=final),)
    assert written.lost == ()


def test_a_greeting_before_the_user_and_an_idle_turn():
    messages = [
        {"role": "assistant", "content": "Hi!"},
        {"role": "user", "content": "Help."},
        {"role": "assistant", "content": None},
        {"role": "assistant", "content": "Done."},
    ]
    (trace,) = FORMAT.read(record(messages=messages, step_labels={"3": 1}))
    assert trace.problem == "Where?"
    assert trace.texts == ("Hi!", "Done.")
    assert trace.labels[0].values == (None, 1)


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"step_labels": {"3": 1}}, "step_labels.3"),
        ({"step_labels": {"x": 1}}, "step_labels.x"),
        ({"step_labels": {"2": 2}}, "step_labels.2"),
        ({"final_label": 5}, "final_label"),
        ({"messages": [{"role": "user", "content": "x"}], "step_labels": {}}, "messages"),
        ({"messages": [{"content": "x"}]}, "messages.0"),
        ({"messages": [{"role": "assistant", "content": 3}]}, "messages.0.content"),
        (
            {"messages": [{"role": "assistant", "content": "", "tool_calls": "no"}]},
            "messages.0.tool_calls",
        ),
    ],
)
def test_bad_records_are_named_by_their_field(changes, field):
    with pytest.raises(RowError) as error:
        FORMAT.read(record(**changes))
    assert error.value.field == field


def test_changed_steps_are_written_as_they_are_now():
    (trace,) = FORMAT.read(record())
    changed = replace(trace, steps=(*trace.steps[:2], Step("There.")))
    (again,) = FORMAT.read(FORMAT.write(changed, LabelRule()).rows[0])
    assert again.texts == changed.texts


def test_a_trace_of_another_origin():
    steps = [Step("Go.", "a wall"), Step("Turn.", {"seen": 1}), Step("Stop.")]
    trace = Trace("p", steps, outcome=True, labels=[StepLabels((1, None, -1))], source="other")
    written = FORMAT.write(trace, LabelRule())
    (again,) = FORMAT.read(written.rows[0])
    assert again.texts == trace.texts
    assert again.labels == trace.labels
    assert (again.problem, again.outcome) == ("p", True)
    assert again.steps[1].observation == [{"role": "tool", "content": '{"seen":1}'}]
    assert written.lost == ("source",)
