"""Problem after problem: order, what is read when, and tasks of every kind."""

from functools import partial

import pytest

from surefoot.errors import UsageError
from surefoot.search.best_of_n import best_of_n
from surefoot.search.running import search
from surefoot.search.task import Task
from tabular import END, TabularPolicy, TabularScorer

SCORER = TabularScorer(lambda p, s: 0.5)


def steps_to(problem, steps):
    """Problem "3" takes three steps to its answer."""
    left = int(problem) - len(steps)
    if left <= 0:
        return END
    return {f"The answer is {problem}." if left <= 1 else f"step {left}": 1.0}


def to_the_end(search):
    nodes = [search.root]
    while nodes:
        grown = yield from search.grow(nodes, 1)
        nodes = [one for own in grown for one in own if one.status == "open"]


def test_results_come_in_the_order_of_the_problems():
    lengths = [5, 1, 4, 1, 1, 3]
    results = search(map(str, lengths), TabularPolicy(steps_to), SCORER, to_the_end, at_once=3)
    assert [one.problem for one in results] == [*map(str, lengths)]


def test_problems_are_read_as_there_is_room_and_given_as_soon_as_they_end():
    read = []

    def problems():
        for length in (1, 1, 9, 1, 1):
            read.append(length)
            yield str(length)

    running = search(problems(), TabularPolicy(steps_to), SCORER, to_the_end, at_once=2)
    assert read == []
    assert next(running).problem == "1"
    assert read == [1, 1]
    assert next(running).problem == "1"
    assert next(running).problem == "9"
    assert read == [1, 1, 9, 1]
    assert [one.problem for one in running] == ["1", "1"]


def test_a_task_brings_a_reference_that_only_scorers_read():
    (result,) = search([Task("2", "17")], TabularPolicy(steps_to), SCORER, partial(best_of_n, n=2))
    assert (result.reference, result.best.reference, result.answer) == ("17", "17", "2")


def test_no_problems_give_no_results():
    assert [*search([], TabularPolicy(steps_to), SCORER, to_the_end)] == []


def test_there_is_room_for_one_at_least():
    with pytest.raises(UsageError, match="at_once is 0"):
        [*search(["1"], TabularPolicy(steps_to), SCORER, to_the_end, at_once=0)]
