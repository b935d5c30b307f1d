"""Choosing: the random slice, the strategy's choice, quotas, ties, and the spread of texts."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from surefoot.errors import UsageError
from surefoot.labels.selection import (
    Candidate,
    SelectionRule,
    candidate_of,
    choose,
    farthest_first,
    selected,
    text_features,
)
from surefoot.traces.types import Trace


def candidates(num, *, questions=1000, priority=lambda i: i / 1000, labelled=()):
    return [
        Candidate(f"id {i:04}", f"q {i % questions}", priority(i), i in labelled)
        for i in range(num)
    ]


def test_the_slice_comes_first_with_its_probability_and_the_best_of_the_rest_follow():
    selection = choose(candidates(100), SelectionRule(num=20, random_share=0.3))
    drawn, picked = selection.chosen[:6], selection.chosen[6:]
    assert [one.rank for one in selection.chosen] == list(range(1, 21))
    assert {one.why for one in drawn} == {"random-slice"}
    assert {one.probability for one in drawn} == {6 / 100}
    assert {one.probability for one in picked} == {None}
    rest = [f"id {i:04}" for i in range(99, -1, -1)]
    expected = [one for one in rest if one not in {d.id for d in drawn}][:14]
    assert [one.id for one in picked] == expected


def test_the_slice_looks_at_nothing_but_ids_and_seed():
    first = choose(candidates(100), SelectionRule(num=20, seed=4)).chosen[:4]
    other = choose(
        candidates(100, priority=lambda i: -i),
        SelectionRule(num=20, strategy="uncertainty", seed=4),
    ).chosen[:4]
    assert [one.id for one in first] == [one.id for one in other]
    third = choose(candidates(100), SelectionRule(num=20, seed=5)).chosen[:4]
    assert [one.id for one in first] != [one.id for one in third]


@given(st.randoms(use_true_random=False))
def test_the_order_of_the_candidates_does_not_matter(random):
    some = candidates(30, priority=lambda i: i % 3, questions=7)
    rule = SelectionRule(num=9, per_question=2, strategy="uncertainty")
    assert choose(random.sample(some, 30), rule) == choose(some, rule)


def test_every_trace_is_in_the_slice_equally_often():
    some = candidates(20)
    times = dict.fromkeys((one.id for one in some), 0)
    for seed in range(600):
        for one in choose(some, SelectionRule(num=5, random_share=1.0, seed=seed)).chosen:
            times[one.id] += 1
    # 600 draws with probability 1/4: 150, standard deviation 10.6
    assert all(abs(count - 150) < 5 * 10.6 for count in times.values())


def test_the_quota_of_a_question_and_what_is_left_out_for_it():
    rule = SelectionRule(num=10, random_share=0.0, per_question=2)
    selection = choose(candidates(30, questions=3), rule)
    assert [one.id for one in selection.chosen] == [f"id {i:04}" for i in range(29, 23, -1)]
    assert selection.left_out == {"over the quota of their question": 24}


def test_the_slice_counts_for_the_quota():
    rule = SelectionRule(num=6, random_share=0.5, per_question=1)
    selection = choose(candidates(60, questions=6), rule)
    questions = [int(one.id[3:]) % 6 for one in selection.chosen]
    strategy = questions[3:]
    assert len(set(strategy)) == len(strategy)
    assert not set(strategy) & set(questions[:3])


def test_labelled_and_unsuitable_candidates_are_counted():
    some = candidates(10, priority=lambda i: None if i < 4 else 1.0, labelled={8, 9})
    rule = SelectionRule(num=9, strategy="convincing-wrong", random_share=0.0)
    selection = choose([*some, some[0]], rule)
    assert selection.frame == 8
    assert len(selection.chosen) == 4
    assert selection.left_out == {
        "there more than once": 1,
        "labelled already": 2,
        "without a wrong outcome and scores of the model": 4,
    }


def test_ties_go_by_content_and_seed_not_by_place():
    some = candidates(40, priority=lambda i: 1.0)
    rule = SelectionRule(num=8, random_share=0.0)
    chosen = [one.id for one in choose(some, rule).chosen]
    assert chosen == [one.id for one in choose(some[::-1], rule).chosen]
    assert chosen != [f"id {i:04}" for i in range(8)]


def test_why_a_trace_was_chosen_is_kept_in_it():
    trace = Trace("p", ["a"], meta={"x": 1})
    one = choose([candidate_of(trace, "random")], SelectionRule(num=1, strategy="random")).chosen[0]
    kept = selected(trace, one).meta
    assert kept["x"] == 1
    assert kept["selection"] == {
        "why": "random",
        "rank": 1,
        "value": 0.0,
        "probability": None,
        "frame": 1,
    }


def test_diversity_takes_one_of_each_kind_of_text():
    kinds = [
        "add the apples",
        "an angle of a triangle",
        "the train leaves at noon",
        "prime numbers",
    ]
    traces = [Trace(f"{kind} {i}", [f"step on {kind}"]) for kind in kinds for i in range(10)]
    some = [candidate_of(one, "diversity", with_features=True) for one in traces]
    rule = SelectionRule(num=4, strategy="diversity", random_share=0.0)
    by_id = {one.id: one.problem for one in traces}
    found = {by_id[one.id].rsplit(" ", 1)[0] for one in choose(some, rule).chosen}
    assert found == set(kinds)


def test_diversity_keeps_away_from_what_is_labelled_and_from_the_slice():
    near, far = (Trace(text, ["the step"]) for text in ("apples and pears", "sine of an angle"))
    done = Trace("apples and pears", ["the steps"])
    some = [candidate_of(one, "diversity", with_features=True) for one in (near, far)]
    labelled = candidate_of(done, "diversity", with_features=True)
    held = Candidate(labelled.id, labelled.question, 0.0, True, labelled.features)
    rule = SelectionRule(num=1, strategy="diversity", random_share=0.0)
    assert choose([*some, held], rule).chosen[0].id == far.id


def test_a_shortlist_is_of_the_best_and_what_is_chosen_of_it_lies_apart():
    texts = ["apples and pears", "apples and pears", "sine of an angle", "trains and planes"]
    traces = [Trace(f"{text} {i}", ["s"]) for i, text in enumerate(texts)]
    values = (0.9, 0.8, 0.7, 0.1)
    some = [
        Candidate(t.id, t.problem, v, False, text_features(t))
        for t, v in zip(traces, values, strict=True)
    ]
    plain = SelectionRule(num=2, random_share=0.0)
    assert [one.id for one in choose(some, plain).chosen] == [traces[0].id, traces[1].id]
    # of the best four all but the second, which is like the first, are far apart; of the best two
    # there is nothing to choose
    spread = SelectionRule(num=2, random_share=0.0, shortlist=2)
    chosen = [one.id for one in choose(some, spread).chosen]
    assert chosen[0] == traces[0].id
    assert traces[1].id not in chosen


def test_farthest_first_is_within_twice_the_best_covering():
    rng = np.random.default_rng(0)
    points = rng.normal(size=(12, 3))
    points = (points / np.linalg.norm(points, axis=1, keepdims=True)).astype(np.float32)
    angle = np.arccos(np.clip(points @ points.T, -1, 1))
    from itertools import combinations

    best = min(angle[:, list(some)].min(axis=1).max() for some in combinations(range(12), 3))
    chosen = farthest_first(points, 3)
    assert angle[:, chosen].min(axis=1).max() <= 2 * best + 1e-6


def test_what_cannot_be():
    for wrong, said in (
        ({"num": 0}, "num"),
        ({"num": 1, "strategy": "x"}, "convincing-wrong, uncertainty"),
        ({"num": 1, "random_share": 1.5}, "random_share"),
        ({"num": 1, "per_question": 0}, "per_question"),
        ({"num": 1, "shortlist": 0}, "shortlist"),
    ):
        with pytest.raises(UsageError, match=said):
            SelectionRule(**wrong)
    with pytest.raises(UsageError, match="labelled already"):
        choose(candidates(2, labelled={0, 1}), SelectionRule(num=1))
    with pytest.raises(UsageError, match="with_features"):
        choose(candidates(2), SelectionRule(num=1, strategy="diversity", random_share=0.0))
    with pytest.raises(UsageError, match="no strategy"):
        candidate_of(Trace("p", ["a"]), "best")
