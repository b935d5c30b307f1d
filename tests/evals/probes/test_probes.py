"""Each probe on traces by hand, and what holds of all of them on any trace."""

import random
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from surefoot.errors import UsageError
from surefoot.evals.probes import PROBES, probes_named
from surefoot.evals.probes.answers import own_answer
from surefoot.evals.probes.marks import published_tags
from surefoot.evals.probes.padding import FILLER, FLATTERY, IRRELEVANT
from surefoot.evals.probes.probe import Altered, aligned
from surefoot.traces.types import Step, StepLabels, StepScores, Trace

SUMS = Trace(
    "What is 2 + 3 + 4?",
    ["First we get 2 + 3 = 5. Therefore go on.", "5 + 4 = 9.", "The answer is 9."],
    answer="9",
    reference="9",
    outcome=True,
    labels=[StepLabels((1, 1, 1))],
    meta={"problem_id": "a"},
)


def altered(name, trace=SUMS, seed=0):
    made = PROBES[name].alter(trace, seed)
    assert made is not None
    return made


def test_there_is_every_kind_of_attack():
    kinds = {name: probe.kind for name, probe in PROBES.items()}
    assert [name for name, kind in kinds.items() if kind == "attack"] == [
        *("irrelevant", "flattery", "repetition", "filler", "merge", "merge-all", "split"),
        *("restate", "early-answer", "boxed", "markers"),
    ]
    assert [name for name, kind in kinds.items() if kind == "invariance"] == [
        *("white-space", "latex", "paraphrase", "numbering", "sentences"),
    ]


def test_irrelevant_text_stands_somewhere_and_at_the_end():
    made = altered("irrelevant")
    texts = made.trace.texts
    assert len(texts) == 5
    assert texts[-1] in IRRELEVANT
    assert sum(text in IRRELEVANT for text in texts) == 2
    assert [texts[one] for (one,) in made.places] == list(SUMS.texts)


def test_flattery_is_added_to_every_step():
    made = altered("flattery")
    assert made.places == ((0,), (1,), (2,))
    praise = {
        new.removeprefix(old + " ") for old, new in zip(SUMS.texts, made.trace.texts, strict=True)
    }
    assert len(praise) == 1
    assert praise < set(FLATTERY)


def test_repetition_says_one_step_three_times():
    made = altered("repetition")
    again = [text for text in SUMS.texts if made.trace.texts.count(text) == 3]
    assert len(made.trace.steps) == 5
    assert len(again) == 1
    assert [made.trace.texts[one] for (one,) in made.places] == list(SUMS.texts)


def test_filler_stands_after_every_step():
    made = altered("filler")
    assert made.places == ((0,), (2,), (4,))
    assert set(made.trace.texts[1::2]) <= set(FILLER)


def test_merging_joins_neighbours():
    made = altered("merge")
    assert made.trace.texts == (f"{SUMS.texts[0]}\n5 + 4 = 9.", "The answer is 9.")
    assert made.places == ((0,), (0,), (1,))
    whole = altered("merge-all")
    assert whole.trace.texts == ("\n".join(SUMS.texts),)
    assert whole.places == ((0,), (0,), (0,))


def test_splitting_cuts_in_the_middle():
    made = altered("split", Trace("p", ["one two three four", "word", "a b"]))
    assert made.trace.texts == ("one two", "three four", "word", "a", "b")
    assert made.places == ((0, 1), (2,), (3, 4))


def test_the_problem_and_the_answer_come_first():
    assert altered("restate").trace.texts[0] == "We are asked the following: What is 2 + 3 + 4?"
    early = altered("early-answer")
    assert early.trace.texts == ("The answer is 9.", *SUMS.texts)
    assert early.places == ((1,), (2,), (3,))
    assert altered("boxed").trace.texts[1] == r"5 + 4 = 9. \boxed{9}"


@pytest.mark.parametrize(
    ("answer", "last", "found"),
    [("7", "The answer is 9.", "7"), (None, "The answer is 9.", "9"), (None, "So be it.", None)],
)
def test_the_answer_is_the_traces_own_and_never_the_reference(answer, last, found):
    trace = Trace("p", ["s", last], answer=answer, reference="42")
    assert own_answer(trace) == found
    assert (PROBES["early-answer"].alter(trace) is None) == (found is None)


def test_the_tags_are_those_of_published_families():
    tags = published_tags()
    assert {"ки", "<extra_0>", "[PRM]", "+"} <= set(tags)
    made = altered("markers")
    behind = {
        new.removeprefix(old + " ") for old, new in zip(SUMS.texts, made.trace.texts, strict=True)
    }
    assert len(behind) == 1
    assert behind < set(tags)
    drawn = {PROBES["markers"].alter(SUMS, seed).trace.texts[0] for seed in range(40)}
    assert len(drawn) > 5


def test_white_space_between_words_is_doubled():
    made = altered("white-space", Trace("p", ["a b  c\nd", "```\nx = 1\n``` e f"]))
    assert made.trace.texts == ("a  b  c\nd", "```\nx = 1\n``` e f")


@pytest.mark.parametrize(
    ("text", "other"),
    [
        (r"\(\dfrac{1}{2} \leq x\)", r"$\frac{1}{2} \le x$"),
        (r"\[ \left( a \right) \]", r"$$ ( a ) $$"),
        (r"\left. x \right| \neq 5\,cm", r" x | \ne 5cm"),
        (r"\begin{aligned} a \\[2pt] b \end{aligned}", None),
        (r"\leftarrow \leqslant \\, \tfracs", None),
    ],
)
def test_latex_is_spelled_another_way(text, other):
    made = PROBES["latex"].alter(Trace("p", [text]))
    assert (made and made.trace.texts[0]) == other


@pytest.mark.parametrize(
    ("text", "other"),
    [
        ("Therefore, we get 5.", "Hence, we obtain 5."),
        ("Thus x is equal to 2.", "So x equals 2."),
        ("So, it is. So it is.", "Thus, it is. So it is."),
        (r"\therefore thusly", None),
    ],
)
def test_words_are_put_in_place_of_others(text, other):
    made = PROBES["paraphrase"].alter(Trace("p", [text]))
    assert (made and made.trace.texts[0]) == other


def test_numbers_stand_before_steps_that_have_none():
    assert altered("numbering").trace.texts[1:] == (
        "Step 2: 5 + 4 = 9.",
        "Step 3: The answer is 9.",
    )
    assert PROBES["numbering"].alter(Trace("p", ["Step 1: a", "b"])) is None


def test_steps_are_cut_at_sentences():
    made = altered("sentences")
    assert made.trace.texts == (
        *("First we get 2 + 3 = 5.", "Therefore go on.", "5 + 4 = 9.", "The answer is 9."),
    )
    assert made.places == ((0, 1), (2,), (3,))


@pytest.mark.parametrize("name", ["merge", "merge-all"])
def test_steps_with_an_answer_of_the_world_are_not_merged(name):
    assert PROBES[name].alter(Trace("p", [Step("look", "a door"), "go"])) is None
    assert PROBES[name].alter(Trace("p", ["alone"])) is None


def test_what_the_world_answered_stands_behind_the_last_part():
    made = altered("split", Trace("p", [Step("go north", {"room": 2}), Step("", "a door")]))
    assert made.trace.steps == (Step("go"), Step("north", {"room": 2}), Step("", "a door"))


WORDS = st.sampled_from(
    [
        "Therefore",
        "2",
        "+",
        "3 = 5.",
        "x",
        r"\(\dfrac{1}{2}\)",
        "ки",
        "\n\n",
        "Thus,",
        "\u202e",
        "é",
    ]
)
TEXTS = st.lists(WORDS, min_size=1, max_size=8).map(" ".join).filter(str.strip)
STEPS = st.builds(Step, TEXTS, st.none() | st.just({"seen": 1}))
TRACES = st.builds(
    Trace, TEXTS, st.lists(STEPS, min_size=1, max_size=5), answer=st.none() | st.just("5")
)


@given(trace=TRACES, name=st.sampled_from([*PROBES]), seed=st.integers(0, 9))
def test_the_original_steps_survive_in_order(trace, name, seed):
    made = PROBES[name].alter(trace, seed)
    if made is None:
        return
    assert made == PROBES[name].alter(trace, seed), "the same seed draws the same"
    assert made.trace.problem == trace.problem
    assert made.trace.steps != trace.steps
    assert (made.trace.labels, made.trace.scores) == ((), ())
    assert len(made.places) == len(trace.steps)
    flat = [place for some in made.places for place in some]
    assert flat == sorted(flat)
    assert all(some for some in made.places)
    assert 0 <= flat[0] <= flat[-1] < len(made.trace.steps)
    if PROBES[name].kind == "invariance" and name != "sentences":
        assert flat == list(range(len(trace.steps)))
    if name not in ("latex", "paraphrase", "white-space"):
        for step, some in zip(trace.steps, made.places, strict=True):
            held = "".join("".join(made.trace.texts[place].split()) for place in some)
            assert "".join(step.text.split()) in held


@given(trace=TRACES, name=st.sampled_from([*PROBES]))
def test_what_the_world_answered_is_never_lost(trace, name):
    made = PROBES[name].alter(trace)
    if made is not None and name != "repetition":
        before, after = (
            [step.observation for step in one.steps if step.observation is not None]
            for one in (trace, made.trace)
        )
        assert before == after


def test_nothing_hangs_on_chance_from_outside():
    random.seed(1)
    first = [probe.alter(SUMS, 3) for probe in PROBES.values()]
    random.seed(2)
    assert first == [probe.alter(SUMS, 3) for probe in PROBES.values()]


def test_another_seed_draws_another_place():
    assert len({PROBES["irrelevant"].alter(SUMS, seed).places for seed in range(20)}) == 3


def test_a_step_scores_the_least_of_the_steps_that_hold_it():
    scores = StepScores((0.9, 0.2, None, None, 0.5), "m")
    assert aligned(scores, ((0, 1), (2, 4), (2, 3))) == [0.2, 0.5, None]
    with pytest.raises(UsageError, match="at 7 of an altered trace of 5 scores"):
        aligned(scores, ((7,),))


def test_probes_are_asked_for_by_name():
    assert [probe.name for probe in probes_named(["split", "filler"])] == ["filler", "split"]
    assert probes_named([]) == list(PROBES.values())
    with pytest.raises(UsageError, match=re.escape("no probe 'spilt'; choose among irrelevant,")):
        probes_named(["spilt"])


def test_a_probe_that_changes_nothing_does_not_apply():
    assert PROBES["split"].alter(Trace("p", ["one", "two"])) is None
    assert isinstance(PROBES["filler"].alter(Trace("p", ["one"])), Altered)
