"""RLHFlow conversations."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from surefoot.errors import RowError
from surefoot.traces.formats import FORMATS, LabelRule
from surefoot.traces.types import StepLabels, Trace

RLHFLOW = FORMATS["rlhflow"]
RULE = LabelRule()


def chat(*pairs, role="role", content="content", user="user", assistant="assistant"):
    turns = []
    for step, sign in pairs:
        turns += [{role: user, content: step}, {role: assistant, content: sign}]
    return {"conversations": turns}


@pytest.mark.parametrize(
    ("opening", "problem", "first"),
    [
        ("How many? Step 1: two", "How many?", "Step 1: two"),
        ("Find x.\n\nLet us see.", "Find x.", "Let us see."),
        ("How many? We count two.", "How many?", "We count two."),
    ],
)
def test_conversations_come_back(opening, problem, first):
    record = chat((opening, "+"), ("then three", "-"))
    (trace,) = RLHFLOW.read(record)
    assert (trace.problem, trace.texts) == (problem, (first, "then three"))
    assert trace.labels == (StepLabels((1, -1), source="rollout"),)
    written = RLHFLOW.write(trace, RULE)
    assert (written.rows, written.lost) == ((record,), ())


def test_sharegpt_turns_come_back():
    record = chat(
        ("Q? Step 1: a", "-"), role="from", content="value", user="human", assistant="gpt"
    )
    (trace,) = RLHFLOW.read(record)
    assert RLHFLOW.write(trace, RULE).rows == (record,)


def test_an_opening_that_cannot_be_cut_is_a_bad_row_and_a_said_loss():
    with pytest.raises(RowError) as caught:
        RLHFLOW.read(chat(("Find x. We see 2.", "+")))
    assert caught.value.field == "conversations.0"
    trace = Trace("Find x.", ["We see 2."], labels=[StepLabels((1,), source="rollout")])
    assert RLHFLOW.write(trace, RULE).lost == ("end of the question",)


@pytest.mark.parametrize(
    ("turns", "field"),
    [
        (chat(("Q? Step 1: a", "+"))["conversations"][:1] * 3, "conversations.1"),
        (chat(("Q? Step 1: a", "+"), ("b", "+"))["conversations"][:3], "conversations.2"),
        (chat(("Q? Step 1: a", "+"), ("b", "good"))["conversations"], "conversations.3"),
        ([{"role": "user"}, {"role": "assistant", "content": "+"}], "conversations.0"),
        (["Q", "+"], "conversations.0"),
    ],
)
def test_bad_turns_are_named(turns, field):
    with pytest.raises(RowError) as caught:
        RLHFLOW.read({"conversations": turns})
    assert caught.value.field == field


texts = st.text(min_size=1, max_size=9).filter(str.strip)


@given(texts, st.lists(st.tuples(texts, st.booleans()), min_size=1, max_size=5))
def test_what_is_said_to_be_kept_is_kept(question, rated):
    trace = Trace(
        question,
        [text for text, _ in rated],
        source="rlhflow",
        labels=[StepLabels(tuple(1 if good else -1 for _, good in rated), source="rollout")],
    )
    written = RLHFLOW.write(trace, RULE)
    if written.lost == ():
        assert RLHFLOW.read(written.rows[0]) == [trace]
