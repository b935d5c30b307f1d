"""How chains end, by a world and by their answers."""

import pytest

from surefoot.labels.answers import AnswerCheck, answer_workers
from surefoot.labels.rollouts import answer_ends, world_ends
from surefoot.labels.rollouts.ends import FOREIGN, NO_ANSWER, NO_REFERENCE, UNCLEAR, Chain, Ending
from surefoot.traces.types import Trace
from surefoot.worlds.last_digit import ADD, Instruction, LastDigit, make_problem

PROBLEM = make_problem(7, [Instruction(ADD, 8)])
WORK = "Step 1: add 8. 7 + 8 = 15, so the last digit is 5."


def ends_of(judge, reference, *chains, problem="How many?"):
    trace = Trace(problem, ["..."], reference=reference)
    return judge([Chain(trace, tuple(steps)) for steps in chains])


def test_a_world_judges_exactly():
    judge = world_ends(LastDigit())
    found = ends_of(
        judge,
        PROBLEM.answer,
        (WORK, "The answer is 5."),
        (WORK, "The answer is 6."),
        (WORK,),
        ("The answer is 5.", WORK),
        problem=PROBLEM.text,
    )
    none = Ending(None, NO_ANSWER)
    assert found == [Ending(True), Ending(False), none, none]
    assert ends_of(judge, "5", (WORK,)) == [Ending(None, FOREIGN)]
    assert ends_of(judge, None, (WORK,), problem=PROBLEM.text) == [Ending(None, NO_REFERENCE)]


def test_answers_are_right_wrong_or_not_to_be_told():
    found = ends_of(
        answer_ends(),
        "12",
        ("so 3 * 4", "The answer is 12."),
        ("The answer is 12.", "No, the answer is 13."),
        ("Let me think.", "Hmm."),
        ("The answer is 12 apples.",),
        ("The answer is 12.", "That is all."),
    )
    assert found == [
        Ending(True),
        Ending(False),
        Ending(None, NO_ANSWER),
        Ending(True),
        Ending(True),
    ]
    assert ends_of(answer_ends(), None, ("12",)) == [Ending(None, NO_REFERENCE)]
    assert ends_of(answer_ends(), r"\sqrt{x+1}", (r"\boxed{x^2 - y}",)) == [Ending(None, UNCLEAR)]


@pytest.mark.slow
def test_formulas_are_compared_in_worker_processes():
    with answer_workers(1) as workers:
        judge = answer_ends(workers, check=AnswerCheck())
        found = ends_of(judge, "(x+1)^2", (r"\boxed{x^2+2x+1}",), (r"\boxed{x^2+1}",))
    assert found == [Ending(True), Ending(False)]
