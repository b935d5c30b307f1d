"""Preferences: two traces a row."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from surefoot.errors import RowError, TraceError
from surefoot.traces.convert import convert, read_any
from surefoot.traces.formats import FORMATS, LabelRule, detect
from surefoot.traces.types import Step, StepLabels, Trace
from surefoot.training.pairs import given_pairs

PREFERENCE = FORMATS["preference"]
RULE = LabelRule()


def said(role, content, **more):
    return {"role": role, "content": content, **more}


def row(chosen, rejected, prompt="Q?", **more):
    return {"prompt": prompt, "chosen": chosen, "rejected": rejected, **more}


BRIEF = [said("system", "Be brief."), said("user", "Q?")]
TALK = [said("user", "Q?"), said("assistant", "What?"), said("user", "This.")]


@pytest.mark.parametrize(
    ("record", "better", "worse"),
    [
        (row("One.\n\nTwo.", "Three."), ["One.", "Two."], ["Three."]),
        (
            row("One.\nTwo.", "It is three. So four."),
            ["One.", "Two."],
            ["It is three.", "So four."],
        ),
        (row(["One.\n\nMore.", "Two."], ["Three."]), ["One.\n\nMore.", "Two."], ["Three."]),
        (row("One.", ["Two.", "Three."]), ["One."], ["Two.", "Three."]),
        (
            row([said("assistant", "One.\n\nTwo.")], [said("assistant", "Three.", name="x")]),
            ["One.", "Two."],
            ["Three."],
        ),
        (
            row(
                [said("assistant", "One.\n\nTwo.")],
                [said("assistant", "Three.")],
                BRIEF,
            ),
            ["One.", "Two."],
            ["Three."],
        ),
        (
            row("One.", "Two.", BRIEF),
            ["One."],
            ["Two."],
        ),
        (
            row(
                [said("user", "Q?"), said("assistant", "One.")],
                [said("user", "Q?"), said("assistant", "Two.")],
            ),
            ["One."],
            ["Two."],
        ),
        (
            row([*BRIEF, said("assistant", "One.")], [*BRIEF, said("assistant", "Two.")]),
            ["One."],
            ["Two."],
        ),
        (
            {
                "chosen": [said("user", "Q?"), said("assistant", "One.")],
                "rejected": [said("user", "Q?"), said("assistant", "Two.")],
            },
            ["One."],
            ["Two."],
        ),
        (
            row([said("assistant", "One.\n\nMore.")], [said("assistant", "Two.")], TALK),
            [Step("What?", "This."), "One.\n\nMore."],
            [Step("What?", "This."), "Two."],
        ),
        (
            row(
                "One, then two.",
                "Two.\nThree.",
                initial_reason_steps="Let us see.\nStep 1: Add. Go on.\nStep 2: ",
                full_chosen="…",
            ),
            ["Let us see.", "Step 1: Add. Go on.", "Step 2: One, then two."],
            ["Let us see.", "Step 1: Add. Go on.", "Step 2: Two.\nThree."],
        ),
        (row("One.\nTwo.", "Three.", initial_reason_steps=""), ["One.\nTwo."], ["Three."]),
        (
            row("One.", "Two.", chosen_outcome=False, score_chosen=7.5, margin=0.5, id=3),
            ["One."],
            ["Two."],
        ),
    ],
)
def test_every_layout_is_read_and_comes_back(record, better, worse):
    assert detect(record) is PREFERENCE
    chosen, rejected = PREFERENCE.read(record)
    assert chosen.steps == Trace("?", better).steps
    assert rejected.steps == Trace("?", worse).steps
    assert chosen.problem == rejected.problem == "Q?"
    assert (chosen.meta["preferred"], rejected.meta["preferred"]) == (True, False)
    assert chosen.meta["pair"] == rejected.meta["pair"]
    assert rejected.outcome is None
    assert chosen.outcome is record.get("chosen_outcome")
    for traces in ([chosen, rejected], [rejected, chosen]):
        written = PREFERENCE.join(traces, RULE)
        assert (written.rows, written.lost) == ((record,), ())


def test_further_columns_are_kept_beside_the_traces():
    chosen, rejected = PREFERENCE.read(row("One.", "Two.", score_chosen=7.5, messages=[]))
    for trace in (chosen, rejected):
        assert trace.meta["score_chosen"] == 7.5
        assert trace.meta["messages"] == []


def test_pairs_are_found_in_what_was_read():
    traces = PREFERENCE.read(row("One.\n\nTwo.", "Three."))
    traces += PREFERENCE.read(row("One.", "Four."))
    assert list(given_pairs(traces)) == [((0, 1), (1, 0)), ((2, 0), (3, 0))]
    assert given_pairs(traces[:3]).num_left_out == 1


@pytest.mark.parametrize(
    ("record", "field", "said"),
    [
        (row("One.", 3), "rejected", "not a number"),
        (row("", "Two."), "chosen", "is empty"),
        (row("One.", []), "rejected", "no steps"),
        (row("One.", "Two.", prompt=""), "prompt", "is empty"),
        (row("One.", "Two.", prompt=None), "prompt", "where the question ends"),
        (row(["One."], ["Two."], prompt=TALK), "prompt", "must be text"),
        (row([said("assistant", None)], "Two."), "chosen.0", "text content"),
        (row("One.", [said("assistant", "a"), said("critic", "b")]), "rejected.1.role", "'critic'"),
        (row("One.", "Two.", prompt=[said("system", "s"), "x"]), "prompt.1", "object"),
        (row([said("user", "R?"), said("assistant", "a")], "Two."), "chosen", "not the prompt"),
        (row("One.", "Two.", pair=3), "pair", "kept for the format"),
        (row("One.", "Two.", preferred=True), "preferred", "kept for the format"),
        (row("One.", "Two.", preference="x"), "preference", "kept for the format"),
        (row("One.", "Two.", rejected_outcome="no"), "rejected_outcome", "true, false or null"),
        (
            {
                "chosen": [said("user", "Q?"), said("assistant", "One.")],
                "rejected": [said("user", "R?"), said("assistant", "Two.")],
            },
            "rejected",
            "not that of the chosen",
        ),
    ],
)
def test_bad_rows_name_the_field(record, field, said):
    with pytest.raises(RowError, match=said) as caught:
        PREFERENCE.read(record)
    assert caught.value.field == field


def marked(steps, preferred, **more):
    return Trace("Q?", steps, meta={"pair": 1, "preferred": preferred}, **more)


def test_traces_of_other_origin_are_written_as_text():
    traces = [
        marked(["a", "b"], False, outcome=False, labels=[StepLabels((1, -1))]),
        marked(["a\n\nx", "c"], True, source="mine", scores=[]),
    ]
    written = PREFERENCE.join(traces, RULE)
    assert written.rows == (
        {"prompt": "Q?", "chosen": "a\n\nx\n\nc", "rejected": "a\n\nb", "rejected_outcome": False},
    )
    assert written.lost == ("labels", "source", "step boundaries")


def test_observations_make_messages():
    traces = [marked([Step("look", "3"), "so 3"], True), marked(["4"], False)]
    written = PREFERENCE.join(traces, RULE)
    assert written.lost == ()
    (record,) = written.rows
    assert record["prompt"] == [said("user", "Q?")]
    assert record["chosen"] == [
        said("assistant", "look"),
        said("user", "3"),
        said("assistant", "so 3"),
    ]
    chosen, rejected = PREFERENCE.read(record)
    assert (chosen.steps, rejected.steps) == (traces[0].steps, traces[1].steps)


def test_observations_that_a_row_of_steps_cannot_hold_are_counted():
    chosen, rejected = PREFERENCE.read(row(["a"], ["b"]))
    changed = Trace("Q?", [Step("a", "seen")], source="preference", meta=chosen.meta)
    written = PREFERENCE.join([changed, rejected], RULE)
    assert written.rows == (row(["a"], ["b"]),)
    assert written.lost == ("observations",)


@pytest.mark.parametrize(
    "traces",
    [
        [marked(["a"], True)],
        [marked(["a"], True), marked(["b"], True)],
        [marked(["a"], True), Trace("Q?", ["b"])],
        [marked(["a"], True), Trace("R?", ["b"], meta={"preferred": False})],
        [marked(["a"], True), marked(["b"], False), marked(["c"], False)],
    ],
)
def test_what_is_no_pair_is_not_written(traces):
    with pytest.raises(TraceError, match="two traces"):
        PREFERENCE.join(traces, RULE)
    with pytest.raises(TraceError, match="two traces"):
        PREFERENCE.write(traces[0], RULE)


def test_files_there_and_back(tmp_path):
    records = [row("One.\n\nTwo.", "Three."), row(["a"], ["b", "c"], "R?"), row("x", "y", None)]
    source, middle, back = (tmp_path / name for name in ("in.jsonl", "mid.jsonl", "back.jsonl"))
    source.write_text("".join(json.dumps(one) + "\n" for one in records))
    report = convert(source, middle, to="surefoot")
    assert (report.read, report.written, report.skipped) == (4, 4, 1)
    report = convert(middle, back, to="preference")
    assert (report.read, report.written, report.skipped, report.lost) == (4, 2, 0, {})
    assert [json.loads(line) for line in back.read_text().splitlines()] == records[:2]
    assert [trace.outcome for trace in read_any(back)] == [None] * 4


texts = st.text(min_size=1, max_size=9).filter(str.strip)
steps = st.lists(texts, min_size=1, max_size=4)


@given(texts, steps, steps)
def test_lists_of_steps_come_back_whatever_they_hold(prompt, chosen, rejected):
    record = row(chosen, rejected, prompt)
    written = PREFERENCE.join(PREFERENCE.read(record), RULE)
    assert (written.rows, written.lost) == ((record,), ())


@given(
    st.lists(st.text("ab.\n ", min_size=1, max_size=8).filter(str.strip), min_size=1, max_size=4)
)
def test_what_is_said_to_be_kept_is_kept(own):
    traces = [marked(own, True), marked(["other"], False)]
    written = PREFERENCE.join(traces, RULE)
    chosen, _ = PREFERENCE.read(written.rows[0])
    assert (written.lost == ()) == (chosen.texts == traces[0].texts)
