"""Plain chat."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from surefoot.errors import RowError
from surefoot.traces.formats import FORMATS, LabelRule
from surefoot.traces.types import Step, StepLabels, Trace

CHAT = FORMATS["chat"]
RULE = LabelRule()


def said(role, content, **more):
    return {"role": role, "content": content, **more}


@pytest.mark.parametrize(
    ("answer", "steps"),
    [
        ("One.\n\nTwo.\nStill two.", ("One.", "Two.\nStill two.")),
        ("One.\nTwo.", ("One.", "Two.")),
        ("It is one. So it is two.", ("It is one.", "So it is two.")),
        ("Step 1: a\nStep 2: b", ("Step 1: a", "Step 2: b")),
        ("Alone", ("Alone",)),
    ],
)
def test_one_answer_is_cut_and_comes_back(answer, steps):
    record = {
        "messages": [said("system", "Be brief."), said("user", "Q?"), said("assistant", answer)]
    }
    (trace,) = CHAT.read(record)
    assert (trace.problem, trace.texts) == ("Q?", steps)
    written = CHAT.write(trace, RULE)
    assert (written.rows, written.lost) == ((record,), ())


def test_several_turns_are_steps_with_observations():
    record = {
        "messages": [
            said("user", "Q?"),
            said("assistant", "Look.\n\nIt up.", name="agent"),
            said("tool", "42"),
            said("user", "go on"),
            said("assistant", "So 42."),
            said("user", "thanks"),
        ]
    }
    (trace,) = CHAT.read(record)
    assert trace.steps == (
        Step("Look.\n\nIt up.", [said("tool", "42"), said("user", "go on")]),
        Step("So 42.", "thanks"),
    )
    written = CHAT.write(trace, RULE)
    assert (written.rows, written.lost) == ((record,), ())


@pytest.mark.parametrize(
    ("messages", "field"),
    [
        ([said("user", "Q?")], "messages"),
        ([said("system", "s")], "messages"),
        ([said("assistant", "a"), said("user", "Q?")], "messages"),
        ([said("user", "Q?"), said("assistant", None, tool_calls=[])], "messages.1"),
        ([said("user", "Q?"), said("assistant", " ")], "messages"),
        ([said("user", "Q?"), said("critic", "a")], "messages.1.role"),
        ([said("user", " "), said("assistant", "a")], "messages"),
        (["Q?"], "messages.0"),
    ],
)
def test_bad_chats_name_the_message(messages, field):
    with pytest.raises(RowError) as caught:
        CHAT.read({"messages": messages})
    assert caught.value.field == field


def test_labels_and_boundaries_that_go_are_said():
    trace = Trace("Q?", ["a\n\nb", "c"], "5", labels=[StepLabels((1, None))], source="x")
    assert CHAT.write(trace, RULE).lost == ("answer", "labels", "source", "step boundaries")


@given(
    st.lists(st.text("ab.\n ", min_size=1, max_size=8).filter(str.strip), min_size=1, max_size=4)
)
def test_what_is_said_to_be_kept_is_kept(steps):
    trace = Trace("Q?", steps)
    written = CHAT.write(trace, RULE)
    (again,) = CHAT.read(written.rows[0])
    if written.lost == ():
        assert again.texts == trace.texts
    else:
        assert again.texts != trace.texts
