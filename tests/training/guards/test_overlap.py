"""Questions that are on both sides are found, also where they are nearly the same; no others."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from surefoot.traces.questions import question_key, question_words
from surefoot.traces.types import StepLabels, Trace
from surefoot.training.guards import measure, summary
from surefoot.training.guards.near import NearQuestions
from surefoot.training.targets import LabelRule
from surefoot.worlds.last_digit import LastDigit

STORY = (
    "A baker has 12 trays and puts 8 rolls on each of them. In the morning he sells 35 rolls, and "
    "in the afternoon twice as many as that. How many rolls has he left in the evening?"
)
WORDS = STORY.split()


def labelled(problem, number=0):
    return Trace(problem, [f"step {number}", "so"], labels=[StepLabels((1, -1))])


@pytest.mark.parametrize(
    "near",
    [
        STORY + " Express your answer as a whole number, and explain each step.",
        "Options: A: 1 B: 2. " + STORY,
        " ".join(WORDS[:24]),
        " ".join(WORDS[10:]),
        STORY.replace("baker", "butcher"),
        STORY.replace("35", "x") + " What is x if he has some left?",
        STORY.upper().replace("ROLLS ON", "$\\text{rolls}$\\, on").replace("BAKER", "butcher"),
    ],
)
def test_additions_cuts_and_another_word_are_near(near):
    assert question_key(near) != question_key(STORY)
    assert NearQuestions(["Another one?", STORY]).find(near) == 1
    assert NearQuestions(["Another one?", near]).find(STORY) == 1


@pytest.mark.parametrize(
    "far",
    [
        STORY.replace("35", "36"),
        STORY.replace("12", "14").replace("8", "9"),
        STORY.replace("sells 35 rolls", "buys 2 loaves"),
        " ".join(WORDS[:8]),
        " ".join(WORDS[:10] + ["and", "then", "goes", "home"] * 6),
        " ".join(reversed(WORDS)),
        "How many rolls has he left in the evening?",
        "?",
    ],
)
def test_other_numbers_other_ends_and_too_few_words_are_not(far):
    assert NearQuestions([STORY]).find(far) is None
    assert NearQuestions([far]).find(STORY) is None


def test_the_share_of_runs_that_decides():
    """Of 30 words, 23 runs; with k words cut from the end and as many others put there, 23 - k are
    kept: 17 are above 70 %, 16 below."""
    words = [f"w{chr(97 + k)}" for k in range(26)] + ["wza", "wzb", "wzc", "wzd"]
    assert len(set(words)) == 30
    index = NearQuestions([" ".join(words)])
    for cut, found in ((6, 0), (7, None)):
        other = words[:-cut] + [f"v{chr(97 + k)}" for k in range(cut)]
        assert index.find(" ".join(other)) == found


def test_what_all_questions_begin_with_does_not_make_them_near():
    rules = " ".join(f"rule{chr(97 + k)} says so" for k in range(20))
    names = [
        "Anna",
        "Bert",
        "Carl",
        "Dora",
        "Emil",
        "Frida",
        "Gustav",
        "Hanna",
        "Ida",
        "Jan",
        "Kurt",
    ]
    index = NearQuestions([f"{rules} Now {name} wants to fly there." for name in names])
    assert index.find(f"{rules} Now Lars wants to go home.") is None
    assert (
        NearQuestions([f"{rules} Now Anna wants to fly there."]).find(
            f"{rules} Now Lars wants to fly there."
        )
        == 0
    )


def test_of_several_the_nearest_is_named():
    index = NearQuestions([STORY + " And how many of them are stale by then, do you think?", STORY])
    cut = " ".join(WORDS[:-2]) + " that late hour?"
    assert index.find(cut) == 1


def test_problems_of_a_world_differ_by_their_numbers():
    """Of 2,000 problems made of the same few words, hardly any is called near one of 200 others;
    those that are hold another as a whole."""
    world = LastDigit(1, 6)
    texts = list(dict.fromkeys(p.text for p in world.problems(2200, seed=0)))
    random.Random(0).shuffle(texts)
    others, own = texts[:200], texts[200:]
    index = NearQuestions(others)
    near = [(text, others[found]) for text in own if (found := index.find(text)) is not None]
    assert len(near) <= 10
    for one, other in near:
        short, long = sorted((question_words(one), question_words(other)), key=len)
        assert any(long[k : k + len(short)] == short for k in range(len(long)))


def test_every_count_of_an_overlap():
    training = [
        labelled("What is X?"),
        labelled("what is $x$", 1),
        labelled(STORY.replace("baker", "cook"), 2),
        labelled(STORY.replace("baker", "cook"), 3),
        labelled("Only here?"),
        Trace("What is X?", ["bare"]),
    ]
    others = [labelled("No."), labelled("What is x"), labelled(STORY), labelled(STORY, 1)]
    others += [labelled("What is x", 1), labelled("What is x", 2)]
    report = measure(training, LabelRule(), development=[], excluded=others)
    none, found = report.overlaps
    assert (none.name, none.traces, none.questions, none.same_training_traces) == (
        "development",
        0,
        0,
        0,
    )
    assert (found.name, found.traces, found.questions) == ("excluded", 6, 3)
    assert (found.same_questions, found.same_training_traces, found.same_traces) == (1, 2, 3)
    assert [(p.row, p.trace, p.other) for p in found.same_places] == [
        (1, training[0].id, 2),
        (2, training[1].id, 2),
    ]
    assert (found.near_questions, found.near_training_traces) == (1, 2)
    assert [(p.row, p.other) for p in found.near_places] == [(3, 3), (4, 3)]
    warned = {one.kind: one for one in report.warnings}
    assert "2 of 5 training traces have a question that 3 of 6 excluded traces have too" in (
        warned["same-question-excluded"].what
    )
    assert "2 of 5 training traces have a question in nearly the words of 1 question of" in (
        warned["near-question-excluded"].what
    )


def test_what_was_left_out_beforehand_is_told_with_what_is_shared():
    others = [labelled("No."), labelled("Where?")]
    given = {"development": others, "excluded": others, "left_out": {"excluded": 1_234}}
    report = measure([labelled("Only here?")], LabelRule(), **given)
    assert [one.left_out for one in report.overlaps] == [0, 1_234]
    told = [line for line in summary(report).splitlines() if line.startswith("questions of")]
    assert told == [
        "questions of 2 development traces: 0 of 2 are in 0 training traces, 0 nearly so in 0",
        "questions of 2 excluded traces: 0 of 2 are in 0 training traces, 0 nearly so in 0; 1,234 "
        "more were left out for that",
    ]
    assert report.to_json()["overlaps"][1]["left_out"] == 1_234


def test_a_question_may_be_the_same_for_one_trace_and_near_for_another():
    training = [labelled(STORY), labelled(STORY.replace("baker", "cook"))]
    (found,) = measure(training, LabelRule(), excluded=[labelled(STORY)]).overlaps
    assert (found.same_questions, found.same_training_traces) == (1, 1)
    assert (found.near_questions, found.near_training_traces) == (1, 1)


@given(st.text(max_size=30))
def test_the_words_of_a_question_are_its_key(text):
    assert "".join(question_words(text)) in ("", question_key(text))
    assert not any(word.isspace() for word in question_words(text))
