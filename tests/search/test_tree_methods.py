"""Beam search, DVTS and lookahead on trees that are worked out by hand.

With many draws of a round, every way to go on that has a fair chance is drawn.
"""

from functools import partial

import pytest

from surefoot.errors import UsageError
from surefoot.search.beam import beam, deal
from surefoot.search.dvts import dvts
from surefoot.search.lookahead import lookahead
from surefoot.search.options import widths
from surefoot.search.reward import Reward
from tabular import TabularPolicy, TabularScorer, found, table

# Four first steps; the best, a, leads nowhere good, and c, the third, to the best end.
FIRST = {"a": 0.9, "b": 0.8, "c": 0.7, "d": 0.1}
NEXT = {"a": (0.2, 0.1), "b": (0.6, 0.5), "c": (0.9, 0.8), "d": (0.4, 0.3)}
ROWS = {(): dict.fromkeys(FIRST, 0.25)}
SCORES = {(name,): score for name, score in FIRST.items()}
for name, own in NEXT.items():
    ROWS[name,] = {f"{name}1": 0.6, f"{name}2": 0.4}
    for i, score in enumerate(own, 1):
        step = f"{name}{i}"
        answer = f"The answer is {ord(name) - 96}{i}."
        ROWS[name, step] = {answer: 1.0}
        SCORES[name, step] = score
        SCORES[name, step, answer] = 0.5


def world(**options):
    return TabularPolicy(table(ROWS)), TabularScorer(lambda p, s: SCORES[s], **options)


def statuses(result):
    paths = []
    for row in result.tree:
        paths.append(() if row.parent is None else paths[row.parent] + row.steps)
    return {path[-1]: row.status for path, row in zip(paths, result.tree, strict=True) if path}


def test_beam_keeps_the_best_beginnings():
    # By product: a .9 and b .8 stay; then b1 .48 and b2 .4, ahead of a1 .18 and a2 .09.
    result = found(*world(), partial(beam, width=2, children=20))
    assert statuses(result) == {
        "a": "open", "b": "open", "c": "pruned", "d": "pruned",
        "a1": "pruned", "a2": "pruned", "b1": "open", "b2": "open",
        "The answer is 21.": "finished", "The answer is 22.": "finished",
    }  # fmt: skip
    assert [one.trace.answer for one in result.solutions] == ["21", "22"]
    assert [one.reward for one in result.solutions] == pytest.approx([0.24, 0.2])
    assert result.usage.samples == 3 * 40
    wide = found(*world(), partial(beam, width=3, children=20))
    assert wide.answer == "31"


def test_dvts_lets_no_subtree_crowd_out_another():
    # Of a the best is a1 .18, of b it is b1 .48, and both come to their ends.
    result = found(*world(), partial(dvts, width=2, children=20))
    assert [one.trace.answer for one in result.solutions] == ["21", "11"]
    assert statuses(result) == {
        "a": "open", "b": "open", "c": "pruned", "d": "pruned",
        "a1": "open", "a2": "pruned", "b1": "open", "b2": "pruned",
        "The answer is 21.": "finished", "The answer is 11.": "finished",
    }  # fmt: skip
    assert result.usage.samples == 3 * 40


def test_dvts_begins_missing_subtrees_later():
    rows = {(): {"b": 1.0}, **{key: row for key, row in ROWS.items() if key}}
    policy, scorer = TabularPolicy(table(rows)), TabularScorer(lambda p, s: SCORES[s])
    result = found(policy, scorer, partial(dvts, width=2, children=20))
    assert [one.trace.answer for one in result.solutions] == ["21", "22"]


def test_lookahead_values_a_child_by_what_becomes_of_it():
    # One greedy step on: a leads to a1 .18, b to b1 .48, c to c1 .63, d to d1 .04; a width of 1
    # goes to c, where beam search would go to a. Then c1 to .315 and c2 to .28.
    result = found(*world(), partial(lookahead, width=1, children=40, depth=1))
    assert result.answer == "31"
    assert result.solutions[0].reward == pytest.approx(0.315)
    assert found(*world(), partial(beam, width=1, children=40)).answer == "11"
    own = statuses(result)
    assert [own[name] for name in "abcd"] == ["pruned", "pruned", "open", "pruned"]
    assert (own["a1"], own["b1"], own["d1"]) == ("pruned",) * 3
    # Every child is followed by one greedy step: 4 at first; 2 then; after c1 there are only ends.
    assert result.usage.samples == 40 + 4 + 40 + 2 + 40


def test_lookahead_keeps_solutions_that_it_came_to():
    # Two steps on, the greedy continuations of all four first steps are whole.
    result = found(*world(), partial(lookahead, width=1, children=40, depth=2))
    assert {one.trace.answer for one in result.solutions} >= {"11", "21", "31", "41"}
    assert result.answer == "31"


def test_lookahead_counts_its_continuations():
    policy, scorer = world()
    found(policy, scorer, partial(lookahead, n=16, depth=1))
    assert policy.asked[0][1] == 8
    policy, scorer = world()
    found(policy, scorer, partial(lookahead, n=16, depth=3))
    assert policy.asked[0][1] == 4


def test_a_beam_whose_children_all_come_to_nothing_is_no_end():
    result = found(*world(unreadable=["b1", "b2"]), partial(beam, width=2, children=20))
    assert [one.trace.answer for one in result.solutions] == ["11", "12"]
    none = found(*world(unreadable=["a", "b", "c", "d"]), partial(dvts, width=2, children=20))
    assert none.ended == "no solution"
    assert "cannot be scored" in none.why


def test_rewards_count_the_log_probability_where_they_are_to():
    # c is the best beginning of all but improbable, and with the policy's word it falls behind d.
    rows = {**ROWS, (): {"a": 0.3, "b": 0.3, "c": 0.04, "d": 0.36}}
    policy, scorer = TabularPolicy(table(rows)), TabularScorer(lambda p, s: SCORES[s])
    method = partial(beam, width=3, children=100)
    assert found(policy, scorer, method).answer == "31"
    assert found(policy, scorer, method, reward=Reward(logprob_weight=1)).answer == "21"


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ((None, None, None), (16, 4, 4)),
        ((6, None, None), (6, 1, 4)),
        ((2, None, None), (2, 1, 2)),
        ((32, None, 8), (32, 4, 8)),
        ((None, 3, None), (12, 3, 4)),
        ((None, 3, 5), (15, 3, 5)),
        ((16, 2, None), (16, 2, 8)),
        ((17, 4, 4), (17, 4, 4)),
    ],
)
def test_two_of_n_width_and_children_say_it_all(given, expected):
    assert widths(*given) == expected


@pytest.mark.parametrize("given", [(16, 4, 3), (4, None, 5), (0, None, None), (None, 0, None)])
def test_contradictions_are_refused(given):
    with pytest.raises(UsageError):
        widths(*given)


def test_draws_are_dealt_out_evenly():
    assert deal(16, 3) == [6, 5, 5]
    assert deal(2, 3) == [1, 1, 0]
