"""Answers in groups: golden ones, any order, and what cannot be told."""

from itertools import permutations

from surefoot.labels.answers import AnswerCheck, answer_workers
from surefoot.labels.answers.groups import GroupCounts, Question, group_answers


def grouped(*answers, **options):
    (found,), counts = group_answers([Question(answers)], None, **options)
    groups = {}
    for answer, number in found.items():
        groups.setdefault(number, set()).add(answer)
    return sorted(groups.values(), key=sorted), counts


def test_spelling_and_numbers_need_no_algebra():
    groups, counts = grouped("1/2", "0.5", r"\frac{1}{2}", "7", "7.0", "8", " 8 ")
    assert groups == [{" 8 ", "8"}, {"0.5", "1/2", r"\frac{1}{2}"}, {"7", "7.0"}]
    assert (counts.unknown, counts.failed, counts.bridged) == (0, 0, 0)


def test_what_cannot_be_told_stays_apart_and_is_counted():
    groups, counts = grouped("x+1", "1+x")
    assert groups == [{"1+x"}, {"x+1"}]
    assert counts == GroupCounts(unknown=1)


def test_algebra_joins_in_worker_processes():
    answers = ("x+1", "1+x", "x+2", r"5\sqrt{26}", r"\sqrt{650}", r"\sqrt{651}")
    with answer_workers(1) as workers:
        (found, none), counts = group_answers([Question(answers), Question(())], workers)
    assert found["x+1"] == found["1+x"] != found["x+2"]
    assert found[r"5\sqrt{26}"] == found[r"\sqrt{650}"] != found[r"\sqrt{651}"]
    assert none == {}
    assert counts.unknown == 0


def test_groups_do_not_depend_on_the_order():
    answers = ("5", "5 cm", "5 m", "x")
    found = [group_answers([Question(order)], None) for order in permutations(answers)]
    assert all(one == found[0] for one in found)


def test_joined_answers_that_differ_are_counted():
    # 5 is both 5 cm and 5 m, which are not the same.
    groups, counts = grouped("5", "5 cm", "5 m")
    assert groups == [{"5", "5 cm", "5 m"}]
    assert (counts.same, counts.different, counts.bridged) == (2, 1, 1)


def test_the_options_of_a_problem_count():
    problem = "What is 3 * 4? (A) 7 (B) 12 (C) 15"
    (found,), _ = group_answers([Question(("B", "12", "7"), problem)], None)
    assert found["B"] == found["12"] != found["7"]


def test_too_many_answers_are_left_apart_and_counted(monkeypatch):
    monkeypatch.setattr("surefoot.labels.answers.groups.MAX_PAIRS", 3)
    groups, counts = grouped("1", "1.0", "2", "2.00")
    assert {"1", "1.0"} in groups
    assert {"2.00"} in groups  # the longest is not compared
    assert counts.left_out == 3


def test_a_comparison_that_hangs_is_counted_and_the_rest_goes_on():
    check = AnswerCheck("answer_functions:hangs")
    with answer_workers(1, 1.0, check=check) as workers:
        (found,), counts = group_answers([Question(("8", "8 ", "hang"))], workers, check=check)
    assert found["8"] == found["8 "] != found["hang"]
    assert counts.failed == 1
