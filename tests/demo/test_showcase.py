"""Showcases are chosen by rule: each kind where it exists, and a word where it does not."""

import pytest

from surefoot.demo.showcase import (
    ALARM,
    CAUGHT,
    INSTEAD,
    MISSED,
    OUTVOTED,
    RESCUED,
    choose,
)
from surefoot.errors import UsageError
from surefoot.traces.types import StepLabels, StepScores, Trace


def chain(problem, answer, labels, prm, orm, *, right="1", name=""):
    """A chain of two steps; `orm` is its last score."""
    return Trace(
        problem,
        [f"{name or problem} first", f"the answer is {answer}"],
        answer=answer,
        reference=right,
        outcome=answer == right,
        labels=(StepLabels(labels, "checker"),),
        scores=(StepScores(prm, "prm"), StepScores((0.5, orm), "orm")),
    )


def kinds(found):
    return {one.title: one.trace for one in found}


SOUND = {"answer": "1", "labels": (1, 1), "prm": (0.9, 0.9)}


def test_the_orm_s_flawed_choice_that_the_prm_catches():
    caught = chain("p", "1", (-1, 1), (0.1, 0.8), orm=0.9, name="caught")
    good = chain("p", **SOUND, orm=0.6, name="good")
    found = choose([good, caught])
    assert [one.title for one in found] == [CAUGHT, INSTEAD, OUTVOTED, RESCUED, MISSED, ALARM]
    assert kinds(found)[CAUGHT] is caught
    assert kinds(found)[INSTEAD] is good
    assert found[0].why == (
        "The answer 1 is right, yet step 1 is wrong. Of the 2 chains for this problem the ORM "
        "likes this one best (0.90); the PRM gives step 1 the score 0.10, the first below its "
        "threshold of 0.5."
    )
    assert found[1].why == (
        "The product of its step scores, 0.81, is the highest of its problem. The answer 1 is "
        "right, and every step is right."
    )


@pytest.mark.parametrize(
    ("answer", "labels", "prm", "orm"),
    [
        ("1", (1, 1), (0.1, 0.8), 0.9),  # sound
        ("2", (-1, 1), (0.1, 0.8), 0.9),  # wrong answer
        ("1", (-1, 1), (0.8, 0.1), 0.9),  # the PRM flags another step
        ("1", (-1, 1), (0.8, 0.8), 0.9),  # the PRM flags nothing
        ("1", (-1, 1), (0.1, 0.8), 0.5),  # not what the ORM likes best
    ],
)
def test_what_is_no_catch(answer, labels, prm, orm):
    found = choose([chain("p", **SOUND, orm=0.6), chain("p", answer, labels, prm, orm, name="x")])
    assert kinds(found)[CAUGHT] is None
    assert kinds(found)[INSTEAD] is None
    assert found[0].why == "no chain of this kind is in the test pool."


def test_a_catch_where_the_prm_itself_chooses_well_comes_first():
    lone = chain("p", "1", (-1, 1), (0.1, 0.8), orm=0.99)
    beside = chain("q", "1", (-1, 1), (0.1, 0.8), orm=0.8)
    good = chain("q", **SOUND, orm=0.6, name="good")
    assert kinds(choose([lone]))[CAUGHT] is lone
    assert kinds(choose([lone, beside, good]))[CAUGHT] is beside
    surer = chain("r", "1", (-1, 1), (0.1, 0.8), orm=0.9)
    better = chain("r", **SOUND, orm=0.6, name="better")
    assert kinds(choose([lone, beside, good, surer, better]))[CAUGHT] is surer


def test_most_chains_are_wrong_and_the_prm_picks_right():
    wrong = [
        chain("p", "2", (1, -1), prm, orm=0.5, name=str(prm))
        for prm in [(0.9, 0.3), (0.9, 0.1), (0.9, 0.2)]
    ]
    right = chain("p", **SOUND, orm=0.4)
    found = choose([*wrong, right])
    assert kinds(found)[OUTVOTED] is wrong[1]
    assert kinds(found)[RESCUED] is right
    assert found[2].why.startswith(
        "3 of 4 chains answer 2, so majority voting does too; the right answer is 1."
    )


def test_a_tied_vote_or_a_right_majority_is_no_rescue():
    wrong = chain("p", "2", (1, -1), (0.9, 0.1), orm=0.5)
    right = chain("p", **SOUND, orm=0.4)
    assert kinds(choose([wrong, right]))[OUTVOTED] is None
    other = chain("p", **SOUND, orm=0.4, name="other")
    assert kinds(choose([wrong, right, other]))[OUTVOTED] is None


def test_the_worst_miss_is_the_flawed_chain_that_it_likes_best_and_does_not_flag():
    flagged = chain("p", "2", (-1, 1), (1.0, 0.49), orm=0.5)
    mild = chain("q", "2", (-1, 1), (0.6, 0.6), orm=0.5)
    worst = chain("r", "1", (-1, 1), (0.8, 0.7), orm=0.5)
    found = choose([flagged, mild, worst, chain("s", **SOUND, orm=0.5)])
    assert kinds(found)[MISSED] is worst
    assert found[4].why == (
        "Step 1 is wrong and the PRM gives it 0.80; no step falls below its threshold of 0.5. The "
        "answer is right. Of 3 flawed chains the PRM flags no step in 2."
    )


def test_the_worst_false_alarm_is_the_sound_chain_with_the_lowest_score():
    mild = chain("p", "1", (1, 1), (0.4, 0.9), orm=0.5)
    worst = chain("q", "1", (1, 1), (0.9, 0.2), orm=0.5)
    found = choose([mild, worst, chain("r", **SOUND, orm=0.5)])
    assert kinds(found)[ALARM] is worst
    assert found[5].why == (
        "Every step is right, yet the PRM gives step 2 only 0.20. It raises a false alarm in 2 of "
        "3 sound chains."
    )


def test_no_chains_leave_every_kind_empty():
    assert [one.trace for one in choose([])] == [None] * 6


def test_a_trace_without_what_the_rules_need_is_refused():
    bare = Trace("p", ["a"], scores=(StepScores((0.5,), "prm"),))
    with pytest.raises(UsageError, match=r"has no scores of 'orm', no labels that settle.*outcome"):
        choose([bare])


def test_a_problem_on_which_no_chain_gives_an_answer_has_no_vote():
    silent = [chain("p", None, (-1, -1), (0.1, 0.1), orm=0.5, name=str(i)) for i in range(2)]
    found = kinds(choose(silent))
    assert found[OUTVOTED] is None
    assert found[RESCUED] is None
