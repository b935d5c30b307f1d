"""What every way of choosing makes of the same draws, worked out by hand."""

import pytest

from surefoot import StepScores, Trace
from surefoot.evals.matched.judging import judge
from surefoot.evals.matched.lines import line_of_search, lines_of_draws
from surefoot.labels.answers.comparing import AnswerCheck
from surefoot.search.results import SearchResult, Solution, TreeNode
from surefoot.search.task import Usage
from surefoot.worlds.last_digit import LastDigit

CHECK = AnswerCheck(algebra=False)


def result(*solutions, reference="7", ended="done", samples=None, problem="Which?"):
    """Each solution is answer, score, log-probability and draws; a reward may follow."""
    tree = [TreeNode(None, (), "open", None, None, 0.0, 1)]
    found = []
    for answer, score, logprob, draws, *reward in solutions:
        steps = (f"So it is {len(tree)}.", f"The answer is {answer}.")
        tree.append(TreeNode(0, steps, "finished", score, None, logprob, draws))
        scores = StepScores((score, 1.0), "prm", default_aggregate="product")
        trace = Trace(problem, steps, answer=answer, reference=reference, scores=(scores,))
        found.append(Solution(trace, len(tree) - 1, reward[0] if reward else score, None))
    total = sum(one[3] for one in solutions)
    usage = Usage(new_tokens=40, samples=samples or total, scored_tokens=60, seconds=2.0)
    return SearchResult(problem, tuple(found), tuple(tree), usage, ended, reference=reference)


def reached(*results, n=4):
    """Accuracy of every way on the first result."""
    judged = judge(list(results), check=CHECK)
    lines = lines_of_draws({n: list(results)}, judged)
    key = results[0].problem
    return {line.name: line.sizes[line.largest][key] for line in lines}


def test_ways_differ_on_the_same_draws():
    one = result(
        ("3", 0.9, -9.0, 1), ("7", 0.6, -5.0, 1), ("7.0", 0.5, -4.0, 1), ("3", 0.1, -1.0, 2)
    )
    found = reached(one)
    assert {name: attempt.right for name, attempt in found.items()} == {
        "best-of-n": 0,  # 3 has the highest score, .9
        "vote": 0.5,  # .6 + .5, 7 and 7.0 being one answer, is equal to .9 + 2 * .1
        "majority": 0,  # three draws of 3
        "likeliest": 0,
        "one sample": pytest.approx(2 / 5),
        "oracle": 1,
    }
    assert found["one sample"].new_tokens == 8
    assert found["majority"].scored_tokens == 0
    assert found["best-of-n"].scored_tokens == 60


def test_equals_share():
    one = result(("3", 0.5, -1.0, 1), ("7", 0.5, -1.0, 1))
    found = reached(one)
    for way in ("best-of-n", "vote", "majority", "likeliest"):
        assert found[way].right == 0.5


def test_step_scores_alone_are_another_way_where_the_reward_is_more():
    one = result(("7", 0.5, -1.0, 1, -1.7), ("3", 0.9, -5.0, 1, -5.1))
    found = reached(one)
    assert (found["best-of-n"].right, found["best-of-n, step scores alone"].right) == (1, 0)
    assert "best-of-n, step scores alone" not in reached(result(("7", 0.5, -1.0, 1)))


def test_draws_that_came_to_nothing_count_in_one_sample():
    assert reached(result(("7", 0.5, -1.0, 1), samples=4))["one sample"].right == 0.25


def test_no_solution_and_a_failed_search_are_wrong_and_no_reference_is_neither():
    seven = ("7", 0.5, -1.0, 1)
    judged = judge([result(seven)], check=CHECK)
    for one, right in (
        (result(seven), 1),
        (result(seven, ended="budget"), 1),
        (result(seven, ended="failed"), 0),
        (result(ended="no solution"), 0),
        (result(seven, reference=None), None),
    ):
        line = line_of_search("beam", {4: [one]}, judged)
        attempt = line.sizes[4]["Which?"]
        assert (attempt.right, attempt.ended) == (right, one.ended)
        assert attempt.scored_tokens == 60


def test_soundness_needs_every_step_and_somebody_who_knows():
    problem = "Keep only the last digit. Start with 7. Step 1: add 8."
    right = ("Step 1: add 8. 7 + 8 = 15, so the last digit is 5.", "The answer is 5.")
    lucky = ("Step 1: add 8. 7 + 8 = 25, so the last digit is 5.", "The answer is 5.")
    for steps, sound in ((right, 1), (lucky, 0)):
        tree = (
            TreeNode(None, (), "open", None, None, 0.0, 1),
            TreeNode(0, steps, "finished", None, None, -1.0, 1),
        )
        trace = Trace(problem, steps, answer="5", reference="5")
        one = SearchResult(
            problem,
            (Solution(trace, 1, None, None),),
            tree,
            Usage(samples=1),
            "done",
            reference="5",
        )
        for label, expected in ((LastDigit().label, sound), (None, None)):
            judged = judge([one], check=CHECK, label=label)
            attempt = line_of_search("beam", {1: [one]}, judged).sizes[1][problem]
            assert (attempt.right, attempt.sound) == (1, expected)
