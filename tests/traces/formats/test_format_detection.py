"""Every record is known by its keys, and by one format; damaged ones raise typed errors."""

import copy
from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from surefoot.errors import FormatError, RowError, TraceError, UsageError
from surefoot.traces.formats import FORMATS, LabelRule, detect, named
from surefoot.traces.types import StepLabels, Trace

EXAMPLES = {
    "surefoot": {"surefoot": 1, "problem": "Q", "steps": ["a"]},
    "search": {
        "surefoot_search": 1,
        "problem": "Q",
        "scorer": {"model": "m", "kind": "probability", "default_aggregate": "min", "threshold": 0},
        "solutions": [{"node": 1, "answer": "1", "finished": True, "values": [0.5]}],
        "tree": [{"parent": None, "steps": []}, {"parent": 0, "steps": ["a"], "draws": 1}],
    },
    "flat": {"question": "Q", "steps": ["a"], "labels": [1], "first_error": -1, "source": "s"},
    "prm800k": {
        "labeler": "x",
        "question": {"problem": "Q"},
        "label": {
            "steps": [
                {
                    "completions": [{"text": "a", "rating": 1}, {"text": "b", "rating": -1}],
                    "human_completion": None,
                    "chosen_completion": 0,
                }
            ],
            "finish_reason": "solution",
        },
    },
    "math-shepherd": {"input": "Q? Step 1: a ки", "label": "Q? Step 1: a +", "task": "GSM8K"},
    "trl": {"prompt": "Q", "completions": ["a"], "labels": [True]},
    "openrlhf": {"input": "Q? Step 1: a ки", "value": ["+"]},
    "processbench": {
        "id": "1",
        "generator": "g",
        "problem": "Q",
        "steps": ["a"],
        "final_answer_correct": True,
        "label": -1,
    },
    "prmbench": {
        "original_question": "Q",
        "modified_question": "Q",
        "original_process": ["a"],
        "modified_process": ["b"],
        "modified_steps": [1],
        "error_steps": [1],
        "question": "Q",
        "classification": "circular",
    },
    "mr-gsm8k": {
        "uuid": "u",
        "question": "Q",
        "model_output_steps": ["a"],
        "model_output_solution_correctness": "wrong",
        "model_output_answer_correctness": "wrong",
        "model_output_solution_first_error_step": 1,
    },
    "mr-ben": {
        "Question": "Q",
        "Options": "A",
        "Model_Solution_Steps": ["a"],
        "Model_Solution_Correctness": "incorrect",
        "Model_Solution_First_Error_Step": "1",
    },
    "bigbench-mistake": {
        "input": "Q",
        "steps": ["a"],
        "answer": "1",
        "target": "2",
        "mistake_index": None,
    },
    "rlhflow": {
        "conversations": [
            {"role": "user", "content": "Q? Step 1: a"},
            {"role": "assistant", "content": "+"},
        ]
    },
    "math-aps": {
        "question": "Q",
        "final_answer": "1",
        "reasoning_steps": {"text": "Q", "mc_value": 1, "children": [{"text": "a"}]},
    },
    "label-studio": {
        "id": 1,
        "data": {"problem": "Q", "steps": [{"text": "a"}]},
        "annotations": [
            {
                "completed_by": 1,
                "result": [{"from_name": "label_0", "value": {"choices": ["wrong"]}}],
            }
        ],
    },
    "preference": {"prompt": "Q", "chosen": "a", "rejected": ["b", "c"]},
    "chat": {"messages": [{"role": "user", "content": "Q"}, {"role": "assistant", "content": "a"}]},
    "agentprocessbench": {
        "messages": [{"role": "user", "content": "Q"}, {"role": "assistant", "content": "a"}],
        "step_labels": {"1": 1},
    },
    "who-and-when": {
        "question": "Q",
        "history": [{"content": "a", "role": "agent"}],
        "mistake_step": "0",
    },
    "tau-bench": {
        "task_id": 0,
        "reward": 1.0,
        "traj": [{"role": "user", "content": "Q"}, {"role": "assistant", "content": "a"}],
    },
}
FLAT_APS = {
    "question": "Q",
    "final_answer": "1",
    "reasoning_steps": [{"solution_prefix": "Q\n\na", "mc_value": 0.5}],
}

CHOSEN_MESSAGES = {
    "prompt": [{"role": "system", "content": "s"}, {"role": "user", "content": "Q"}],
    "chosen": [{"role": "assistant", "content": "a"}],
    "rejected": [{"role": "assistant", "content": "b", "name": "x"}],
    "chosen_outcome": True,
}
CHOSEN_STEP = {"prompt": "Q", "initial_reason_steps": "a\n", "chosen": "b", "rejected": "c"}
MORE = {"flat aps": FLAT_APS, "messages": CHOSEN_MESSAGES, "next step": CHOSEN_STEP}


def test_there_is_an_example_of_every_format():
    assert EXAMPLES.keys() == FORMATS.keys()


@pytest.mark.parametrize("name", FORMATS)
def test_each_example_is_of_its_format_alone(name):
    record = EXAMPLES[name]
    assert [one for one, form in FORMATS.items() if form.looks_like(record)] == [name]
    assert detect(record).name == name
    assert all(isinstance(trace, Trace) for trace in FORMATS[name].read(record))


@pytest.mark.parametrize("name", [one for one in FORMATS if one not in ("preference", "search")])
def test_what_a_format_writes_it_recognises(name):
    """Of one trace; a preference is of two, and results of searches are read only."""
    trace = Trace(
        "How many?",
        ["Step 1: a", "Step 2: b"],
        "4",
        labels=[StepLabels((1, -1))],
        meta={"problem_id": 3},
    )
    for row in FORMATS[name].write(trace, LabelRule()).rows:
        assert detect(row).name == name
        for again in FORMATS[name].read(row):
            assert again.problem == "How many?"


def test_no_trace_is_written_as_a_result_of_a_search():
    with pytest.raises(TraceError, match="holds its tree"):
        FORMATS["search"].write(Trace("Q", ["a"]), LabelRule())


def test_score_files_are_told_how_to_be_used():
    with pytest.raises(FormatError, match="--scores"):
        detect({"problem_id": "p", "candidate": 0, "step_scores": [0.5]})


def test_unknown_records_say_what_was_seen_and_what_there_is():
    with pytest.raises(FormatError) as caught:
        detect({"premise": 1, "hypothesis": 2})
    assert "hypothesis, premise" in str(caught.value)
    assert "processbench" in str(caught.value)
    with pytest.raises(FormatError, match="none"):
        detect({})


def test_unclear_records_ask_for_the_name():
    with pytest.raises(FormatError, match="could be prm800k and label-studio"):
        detect({**EXAMPLES["prm800k"], **EXAMPLES["label-studio"]})


def test_unknown_names_list_the_names():
    with pytest.raises(UsageError) as caught:
        named("mathshepherd")
    assert "math-shepherd" in str(caught.value)


junk = st.recursive(
    st.sampled_from([None, True, False, -1, 0, 1, 2, 0.5, "", " ", "a", "+", "Q? Step 1: a ки"]),
    lambda inner: st.one_of(
        st.lists(inner, max_size=2),
        st.dictionaries(st.sampled_from(["text", "rating", "steps", "result"]), inner, max_size=2),
    ),
    max_leaves=4,
)


def places(value, path=()):
    """Every position in a JSON value."""
    inner = value.items() if isinstance(value, dict) else enumerate(value)
    for key, one in inner:
        yield (*path, key)
        if isinstance(one, (dict, list)):
            yield from places(one, (*path, key))


@pytest.mark.parametrize("record", [*EXAMPLES.values(), *MORE.values()], ids=[*EXAMPLES, *MORE])
@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_damage_anywhere_is_a_row_error_or_a_trace(record, data):
    """Any one value replaced by anything: nothing but the typed errors comes out of it."""
    form = detect(record)
    damaged = copy.deepcopy(record)
    *way, last = data.draw(st.sampled_from(list(places(record))))
    at = damaged
    for key in way:
        at = at[key]
    at[last] = data.draw(junk)
    if not form.looks_like(damaged):
        return
    try:
        traces = form.read(damaged)
    except (RowError, TraceError):
        return
    assert all(isinstance(trace, Trace) for trace in traces)
    for trace in traces:
        for target in FORMATS.values():
            with suppress(TraceError):
                target.write(trace, LabelRule())
