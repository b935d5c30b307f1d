"""Which solution is chosen, and how the others are ranked."""

import pytest

from surefoot.errors import UsageError
from tabular import TabularPolicy, TabularScorer, found, table

# Three ways to 1, one to 2, one that says nothing; drawn in proportion to their chances.
CHANCES = {
    "The answer is 1.": 0.3,
    "So the answer is 1.": 0.2,
    "The answer is 1.0": 0.1,
    "The answer is 2.": 0.4,
}
SCORES = dict(zip(CHANCES, (0.2, 0.5, 0.3, 0.6), strict=True))


def chosen(choice, *, scores=SCORES, chances=CHANCES, same=None, outcome=None, n=400):
    return found(
        TabularPolicy(table({(): chances})),
        None if scores is None else TabularScorer(lambda p, s: scores[s[-1]], aggregate="last"),
        lambda search: search.grow([search.root], n, num_steps=None),
        choice=choice,
        same=same,
        outcome=outcome,
    )


def rows(result):
    return [(one.trace.texts[0], one.reward, one.votes) for one in result.solutions]


def same(problem, answers):
    assert problem == "p"
    return {answer: int(float(answer)) for answer in answers}


def test_argmax_ranks_by_reward():
    result = chosen("argmax")
    assert [row[1] for row in rows(result)] == [0.6, 0.5, 0.3, 0.2]
    assert result.answer == "2"
    assert {row[2] for row in rows(result)} == {None}
    assert result.chosen_by == "argmax"


def test_majority_counts_draws_and_shows_the_best_solution_of_the_answer():
    result = chosen("majority")
    draws = {row.steps[0]: row.draws for row in result.tree if row.steps}
    assert sum(draws.values()) == 400
    one = draws["The answer is 1."] + draws["So the answer is 1."]
    assert rows(result) == [
        ("So the answer is 1.", 0.5, one),
        ("The answer is 1.", 0.2, one),
        ("The answer is 2.", 0.6, draws["The answer is 2."]),
        ("The answer is 1.0", 0.3, draws["The answer is 1.0"]),
    ]


def test_answers_that_are_the_same_vote_together():
    result = chosen("majority", same=same)
    draws = {row.steps[0]: row.draws for row in result.tree if row.steps}
    two = draws.pop("The answer is 2.")
    assert [row[2] for row in rows(result)] == [sum(draws.values())] * 3 + [two]
    assert [row[1] for row in rows(result)] == [0.5, 0.3, 0.2, 0.6]


def test_a_vote_weighs_draws_by_the_aggregate():
    result = chosen("vote", same=same)
    draws = {row.steps[0]: row.draws for row in result.tree if row.steps}
    one = sum(draws[text] * SCORES[text] for text in CHANCES if "1" in text)
    two = draws["The answer is 2."] * 0.6
    assert two > one, "240 of 2 against 60 + 40 * ... of 1"
    assert rows(result)[0] == ("The answer is 2.", 0.6, pytest.approx(two))
    assert [row[2] for row in rows(result)[1:]] == pytest.approx([one] * 3)


def test_who_gives_no_answer_comes_last_in_a_vote():
    chances = {"I give up": 0.9, "The answer is 7.": 0.1}
    scores = {"I give up": 0.9, "The answer is 7.": 0.1}
    for choice, answer in (("majority", "7"), ("vote", "7"), ("argmax", None)):
        result = chosen(choice, scores=scores, chances=chances)
        assert result.answer == answer
        assert len(result.solutions) == 2


def test_without_a_scorer_a_majority_still_has_a_winner():
    result = chosen("majority", scores=None, same=same)
    assert result.answer in ("1", "1.0")
    assert {row[1] for row in rows(result)} == {None}


def test_equal_rewards_are_ranked_in_the_order_they_were_found():
    result = chosen("argmax", scores=dict.fromkeys(CHANCES, 0.5))
    assert [one.node for one in result.solutions] == [1, 2, 3, 4]


def test_a_vote_needs_weights_that_are_not_negative():
    scorer = dict.fromkeys(CHANCES, 0.5)
    outcome = TabularScorer(lambda p, s: 0.0)
    assert chosen("argmax", scores=scorer, outcome=outcome).solutions[0].reward == pytest.approx(0)

    class Negative(TabularScorer):
        def score_batch(self, traces):
            from surefoot import StepScores

            return [StepScores((-1.0,) * len(one.steps), "m", "reward", "last") for one in traces]

    with pytest.raises(UsageError, match="must not be negative"):
        found(
            TabularPolicy(table({(): CHANCES})),
            Negative(lambda p, s: 0.0),
            lambda search: search.grow([search.root], 4, num_steps=None),
            choice="vote",
        )


def test_the_best_beginning_stands_in_where_nothing_came_to_an_end():
    steps = {(): {"a": 0.5, "b": 0.5}, ("a",): {"a2": 1.0}, ("b",): {"b2": 1.0}}
    scores = {"a": 0.9, "b": 0.5, "a2": 0.5, "b2": 0.9}

    def method(search):
        (own,) = yield from search.grow([search.root], 20)
        yield from search.grow(own, 1)

    result = found(TabularPolicy(table(steps)), TabularScorer(lambda p, s: scores[s[-1]]), method)
    (only,) = result.solutions
    assert (only.trace.texts, only.finished, only.trace.answer) == (("a",), False, None)
    assert result.ended == "no solution"
